"""Bad input is one line, exit code 1 or 2, and nothing is written."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "sex": np.repeat(["F", "M"], 100),
            "income": rng.normal(50, 10, 200).round(1),
            "label": np.tile([0, 1], 100),
        }
    )


def binary_file(folder):
    (folder / "data.csv").write_bytes(np.random.default_rng(0).bytes(4000))


def empty_file(folder):
    (folder / "data.csv").write_bytes(b"")


# case: what is done to the table (or the file), the exit code, and a pattern of the message
TABLES = {
    "no such column": (lambda t: t.drop(columns="sex"), 1, "no column is called 'sex'"),
    "one class": (lambda t: t.assign(label=1), 1, "has only one value"),
    "one group": (lambda t: t.assign(sex="F"), 1, "has only one group"),
    "protected all missing": (lambda t: t.assign(sex=None), 1, "is empty"),
    "ten rows": (lambda t: t.iloc[95:105], 1, "10 rows"),
    "missing outcome": (lambda t: t.assign(label=t["label"].where(t.index > 3)), 1, "missing in 4"),
    "infinite feature": (lambda t: t.assign(income=np.inf), 1, "infinite"),
    "header alone": (lambda t: t.iloc[:0], 1, "no rows"),
}
FILES = {
    "empty file": (empty_file, 1, "is empty"),
    "binary file": (binary_file, 1, "not a readable table"),
    "no file": (lambda folder: None, 1, "there is no file"),
    "a folder": (lambda folder: (folder / "data.csv").mkdir(), 1, "is a folder"),
}


def refused(done, code, pattern, folder):
    assert done.code == code, done.err
    assert len(done.errors) == 1
    assert re.search(pattern, done.errors[0]), done.errors[0]
    assert "Traceback" not in done.err
    assert done.out == ""
    assert [p.name for p in folder.iterdir() if p.name != "data.csv"] == []


@pytest.fixture(params=["audit", "run"])
def command(request, tmp_path):
    roles = ["--outcome", "label", "--protected", "sex", "--learner", "logistic_regression"]
    if request.param == "audit":
        return ["audit", tmp_path / "data.csv", *roles, "-o", tmp_path / "audit.json", "--json"]
    return ["run", "--data", tmp_path / "data.csv", *roles, "--report", tmp_path / "report", "--json"]


@pytest.mark.parametrize("case", TABLES)
def test_tables_that_cannot_serve(cli, table, tmp_path, command, case):
    change, code, pattern = TABLES[case]
    change(table).to_csv(tmp_path / "data.csv", index=False)
    refused(cli(*command), code, pattern, tmp_path)


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_no_tables(cli, tmp_path, command, case):
    make, code, pattern = FILES[case]
    make(tmp_path)
    refused(cli(*command), code, pattern, tmp_path)


REPAIR = ["technique", "run", "69", "--protected", "sex", "--features", "income"]
REQUESTS = {
    "text in a numeric feature": (REPAIR, 1, "income.*must be numeric.*'much'"),
    "unknown feature": (["technique", "run", "69", "--protected", "sex", "--features", "incme"], 1, "did you mean income"),
    "unknown technique": (["technique", "run", "reweighting"], 1, "no technique is called 'reweighting'; did you mean"),
    "unknown id": (["technique", "run", "9999", "--protected", "sex"], 1, "no technique has the id 9999; close ids"),
    "parameter out of range": ([*REPAIR, "-p", "repair_level=1.5"], 2, "repair_level.*range.*1.5"),
    "unknown parameter": ([*REPAIR, "-p", "repair=0.5"], 2, "did you mean repair_level"),
    "parameter without a value": ([*REPAIR, "-p", "repair_level"], 2, "NAME=VALUE"),
    "no protected attribute": (["technique", "run", "69", "--features", "income"], 2, "requires --protected"),
    "no outcome": (["technique", "run", "31", "--protected", "sex"], 2, "--outcome"),
    "unknown ending": ([*REPAIR, "-o", "{folder}/out.xlsx"], 2, r"\.csv, \.csv\.gz or \.parquet"),
    "no such folder": ([*REPAIR[:-1], "amount", "-o", "{folder}/nowhere/out.csv"], 2, "cannot write"),
    "roles that clash": (["technique", "run", "31", "--outcome", "sex", "--protected", "sex"], 2, "give it one role"),
    "no such graph": (
        ["technique", "run", "56", "--outcome", "label", "--protected", "sex", "--graph", "no.dot"], 2, "no graph file"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS)
def test_requests_for_one_technique(cli, table, tmp_path, case):
    arguments, code, pattern = REQUESTS[case]
    texts = table["income"].astype(object).where(table.index != 7, "much")
    table.assign(income=texts, amount=table["income"]).to_csv(tmp_path / "data.csv", index=False)
    arguments = [a.format(folder=tmp_path) for a in arguments]
    if "-o" not in arguments:
        arguments += ["-o", tmp_path / "out.csv"]
    refused(cli(*arguments, "--data", tmp_path / "data.csv"), code, pattern, tmp_path)


USAGE = {
    "no command of this name": (["technqiue"], 2, "did you mean technique"),
    "no protected attribute": (["audit", "data.csv", "--outcome", "label"], 2, "--protected"),
    "empty name": (["audit", "data.csv", "--outcome", "label", "--protected", "a,,b"], 2, "comma-separated"),
    "cut that is no number": (
        ["audit", "data.csv", "--outcome", "y", "--protected", "age", "--bins", "age=young"], 2, "--bins expects"
    ),
    "contradictory constraints": (
        ["query", "x", "-c", "retraining=false", "--stage", "in-processing"], 2, "contradict each other"
    ),
    "the same constraint twice": (
        ["query", "x", "-c", "retraining=false", "-c", "retraining=true"], 2, "contradict each other"
    ),
    "unknown constraint": (["query", "x", "-c", "retrain=false"], 2, "did you mean retraining"),
    "value it cannot take": (["query", "x", "-c", "max_complexity=tiny"], 2, "one of low, medium, high"),
    "no such audit": (["recommend", "--findings", "no.json"], 2, "there is no audit file"),
    "no such pipeline": (["run", "no.yaml", "--data", "data.csv"], 2, "there is no pipeline file"),
    "already set by the pipeline": (["run", "no.yaml", "--data", "data.csv", "--seed", "3"], 2, "already set by the pipeline"),
    "unknown technique": (["technique", "show", "group-treshold"], 1, "did you mean group-thresholds"),
}  # fmt: skip


@pytest.mark.parametrize("case", USAGE)
def test_requests_that_cannot_be_met(cli, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    arguments, code, pattern = USAGE[case]
    refused(cli(*arguments), code, pattern, tmp_path)


@pytest.mark.parametrize("content", ["[1, 2]", "{", '{"rows": 3}'])
def test_files_that_are_no_audits(cli, tmp_path, content):
    (tmp_path / "data.csv").write_text(content)
    refused(cli("compose", "--findings", tmp_path / "data.csv"), 2, "not", tmp_path)


def test_a_file_stays_as_it_was_when_writing_fails(cli, table, tmp_path):
    table.assign(income="much").to_csv(tmp_path / "data.csv", index=False)
    (tmp_path / "out.csv").write_text("before")
    done = cli(*REPAIR, "--data", tmp_path / "data.csv", "-o", tmp_path / "out.csv")
    assert done.code == 1
    assert (tmp_path / "out.csv").read_text() == "before"
