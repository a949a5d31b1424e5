"""Attacks on prediction: runs that nobody may deploy, and new rows that are not like those of the training."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pandas as pd
import pytest

from fairmend.pipeline.storage.run_store import RunStore

PIPELINE = """\
fairmend: 1
name: light
learner: logistic_regression
roles: {outcome: hired, favorable: "yes", protected: [sex], mediators: [score]}
steps:
- {technique: 9, slug: group-thresholds, stage: post-processing, parameters: {min_ratio: 0.95}}
"""
JOBS = ["clerk", "nurse", "driver", "cook"]


@pytest.fixture(scope="module")
def people(jobs_csv):
    """Applications with a number, a text, a boolean and a protected attribute that the rule reads."""
    rng = np.random.default_rng(1)
    frame = pd.read_csv(jobs_csv).head(3000).sample(frac=1, random_state=0).reset_index(drop=True)
    return frame.assign(
        job=rng.choice(JOBS, len(frame)),
        remote=rng.random(len(frame)) < 0.5,
        code=[f"c{i}" for i in range(len(frame))],
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory, people):
    """A store with a deployable run and copies of it in every other status."""
    from fairmend.cli import invoke

    home = tmp_path_factory.mktemp("kept")
    people.to_csv(home / "people.csv", index=False)
    (home / "rule.yaml").write_text(PIPELINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRMEND_HOME", str(home / "store"))
        run = ["run", str(home / "rule.yaml"), "--data", str(home / "people.csv")]
        assert invoke([*run, "--assume-approved"]) == 0
        store = RunStore()
        done = store.run("latest")
        for status in ("waiting", "escalated", "failed"):
            store.create(status, {**done.request, "assume_approved": False})
            store.finish(status, status, {**done.result, "status": status}, done.model)
        store.create("running", done.request)
        store.create("error", done.request)
        store.fail("error", "the data cannot be split")
        store.create("deployable", {**done.request, "assume_approved": False})
        store.finish("deployable", "deployable", done.result, done.model)
    return home / "store"


@pytest.fixture
def home(arena, kept):
    """A copy of the store beside the arena."""
    shutil.copytree(kept, arena.parent / "store")
    return arena.parent / "store"


@pytest.fixture
def new(arena, people):
    """Write changed rows of the data to ``new.csv``."""

    def write(change=lambda frame: frame, rows=200):
        frame = change(people.drop(columns="hired").head(rows).copy())
        frame.to_csv(arena / "new.csv", index=False)
        return frame

    return write


# -- runs that are not deployable ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "match"),
    [
        ("waiting", "is not deployable, it is waiting.*record the open approvals"),
        ("escalated", "is not deployable, it is escalated.*see its options"),
        ("failed", "is not deployable, it is failed.*see its options"),
        ("running", "has no rule yet .(running|interrupted).*fairmend resume running"),
        ("error", "has no rule yet .error.*fairmend resume error"),
    ],
)
def test_a_run_that_is_not_deployable_is_refused(refused, home, new, run, match):
    new()
    told = refused("predict", run, "--data", "new.csv", match=match, code=1)
    assert ("--even-so" in told) is (run not in {"running", "error"})


@pytest.mark.parametrize("run", ["deployable", "waiting"])
def test_a_rejected_run_is_refused_without_a_resume(refused, cli, home, new, run):
    new()
    decision = ("--gate", "gate-4", "--role", "legal team", "--by", "Bob")
    assert cli("approve", run, *decision, "--reject", "--note", "too [bold]risky").code == 0
    refused(
        "predict",
        run,
        "--data",
        "new.csv",
        match="it is rejected.*Bob.*fairmend resume .* answers the objection",
        code=1,
    )
    done = cli("predict", run, "--data", "new.csv", "--even-so")
    assert set(pd.read_csv(io.StringIO(done.out))["run_status"]) == {"rejected"}
    assert cli("approve", run, *decision).code == 0
    again = cli("predict", run, "--data", "new.csv", "--even-so")
    assert ("run_status" in again.out) is (run == "waiting")


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_even_so_marks_what_is_written(cli, arena, home, new, name):
    new()
    done = cli("predict", "escalated", "--data", "new.csv", "--even-so", "-o", name)
    assert done.code == 0
    assert "warning: escalated is not deployable (escalated)" in done.err
    found = pd.read_parquet(name) if name.endswith("parquet") else pd.read_csv(name)
    assert set(found["run_status"]) == {"escalated"}


def test_even_so_changes_nothing_for_a_deployable_run(cli, home, new):
    new()
    plain = cli("predict", "deployable", "--data", "new.csv")
    assert cli("predict", "deployable", "--data", "new.csv", "--even-so").out == plain.out
    assert list(pd.read_csv(io.StringIO(plain.out)).columns) == ["score", "decision"]
    assert "warning" not in plain.err


def test_even_so_gives_no_rule_to_a_run_that_has_none(refused, home, new):
    new()
    refused("predict", "running", "--data", "new.csv", "--even-so", match="has no rule yet", code=1)


# -- rows that are not like those of the training -----------------------------------------------------

REFUSED = {
    "a category in upper case": (
        lambda f: f.assign(job=f["job"].str.upper()),
        "'job' was seen at fit.*'CLERK'.*clerk",
    ),
    "a category with a space": (lambda f: f.assign(job=f["job"] + " "), "'job' was seen at fit"),
    "one strange category": (
        lambda f: f.assign(job="pilot"),
        "'job' was seen at fit: it holds 'pilot', and held 'clerk'",
    ),
    "another language": (
        lambda f: f.assign(job=f["job"].map(dict(zip(JOBS, ["a", "b", "c", "d"], strict=True)))),
        "'job' was seen at fit",
    ),
    "a category as numbers": (
        lambda f: f.assign(job=f["job"].map(JOBS.index)),
        "'job' held texts at fit and holds numbers",
    ),
    "booleans as numbers": (
        lambda f: f.assign(remote=f["remote"].astype(int)),
        "'remote' held booleans at fit and holds numbers",
    ),
    "booleans as texts": (
        lambda f: f.assign(remote=np.where(f["remote"], "y", "n")),
        "'remote' held booleans at fit and holds texts",
    ),
    "numbers as booleans": (
        lambda f: f.assign(years=f["years"] > 5),
        "'years' held numbers at fit and holds booleans",
    ),
    "numbers as booleans with gaps": (
        lambda f: f.assign(years=(f["years"] > 5).astype(object).where(f["years"] > 2)),
        "'years' held numbers at fit and holds booleans",
    ),
    "numbers as texts": (
        lambda f: f.assign(years=f["years"].astype(str) + " y"),
        "'years' held numbers at fit and holds texts",
    ),
    "decimal commas": (
        lambda f: f.assign(score=f["score"].astype(str).str.replace(".", ",")),
        "'score' held numbers at fit and holds texts",
    ),
    "another unit": (
        lambda f: f.assign(score=f["score"] * 1000),
        "'score' is out of the range seen at fit.*in 200 of 200 rows.*unit",
    ),
    "infinite numbers": (lambda f: f.assign(score=np.inf), "'score' holds infinite values"),
    "numbers shifted by a column": (
        lambda f: f.assign(score=f["job"], job=f["score"]),
        "'score' held numbers at fit and holds texts|'job' held texts",
    ),
    "a column is missing": (lambda f: f.drop(columns="job"), "lacks job"),
    "a column of another name": (lambda f: f.rename(columns={"job": "Job"}), "lacks job"),
    "no protected attribute": (lambda f: f.drop(columns="sex"), "reads sex for every decision"),
    "groups in lower case": (
        lambda f: f.assign(sex=f["sex"].str.lower()),
        "group '[fm]' of 'sex' was not seen at fit; it was spelled '[FM]'",
    ),
    "one group in lower case": (
        lambda f: f.assign(sex=f["sex"].where(f.index > 0, "f")),
        "group 'f' of 'sex'",
    ),
    "groups in full width": (lambda f: f.assign(sex=f["sex"].replace("F", "\uff26")), "spelled 'F'"),
    "other groups": (lambda f: f.assign(sex="X"), "not seen at fit"),
    "no groups": (lambda f: f.assign(sex=None), "not seen at fit"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_rows_of_another_kind_are_refused(refused, home, new, case):
    change, match = REFUSED[case]
    new(change)
    refused("predict", "deployable", "--data", "new.csv", match=match, code=(1, 2))


WARNED = {
    "some unknown categories": (
        lambda f: f.assign(job=f["job"].where(f.index >= 20, "pilot")),
        "'job' holds values that were not seen at fit in 20 of 200 rows, such as 'pilot'",
    ),
    "a few in another spelling": (
        lambda f: f.assign(job=f["job"].where(f.index >= 2, "Clerk")),
        "in 2 of 200 rows, such as 'Clerk'; 'Clerk' was 'clerk' at fit",
    ),
    "no category at all": (lambda f: f.assign(job=None), "'job' is empty"),
    "no number at all": (lambda f: f.assign(score=np.nan), "'score' is empty"),
    "many numbers out of range": (
        lambda f: f.assign(score=f["score"].where(f.index >= 30, 900.0)),
        "'score' is out of the range seen at fit .* in 30 of 200 rows, such as 900",
    ),
}


@pytest.mark.parametrize("case", WARNED)
def test_rows_that_are_strange_in_part_are_warned_of(cli, home, new, case):
    change, match = WARNED[case]
    new(change)
    done = cli("predict", "deployable", "--data", "new.csv")
    assert done.code == 0, done.err
    [line] = [line for line in done.err.splitlines() if "warning" in line]
    assert line.startswith("fairmend: warning: feature ")
    assert pd.Series([line]).str.contains(match).all(), line
    assert len(pd.read_csv(io.StringIO(done.out))) == 200


FINE = {
    "the rows themselves": lambda f: f,
    "columns in another order": lambda f: f[f.columns[::-1]],
    "more columns": lambda f: f.assign(extra="x"),
    "gaps": lambda f: f.assign(job=f["job"].where(f.index > 50), score=f["score"].where(f.index > 50)),
    "groups with a space at the end": lambda f: f.assign(sex=f["sex"] + " "),
    "booleans with gaps": lambda f: f.assign(remote=f["remote"].astype(object).where(f.index > 50)),
    "whole numbers as floats": lambda f: f.assign(years=f["years"].astype(float)),
    "new values of an identifier": lambda f: f.assign(code=[f"n{i}" for i in range(len(f))]),
    "a few unknown categories": lambda f: f.assign(job=f["job"].where(f.index >= 5, "pilot")),
    "a few numbers out of range": lambda f: f.assign(score=f["score"].where(f.index >= 5, 900.0)),
}


@pytest.mark.parametrize("case", FINE)
def test_rows_like_those_of_the_training_are_silent(cli, home, new, case):
    new(FINE[case])
    done = cli("predict", "deployable", "--data", "new.csv")
    assert done.code == 0, done.err
    assert "warning" not in done.err
