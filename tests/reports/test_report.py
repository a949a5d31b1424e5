"""The verdict table and the validation report hold what the run measured, and nothing is left half-written."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from fairmend import api
from fairmend.core.errors import UsageError
from fairmend.core.metrics import compare, measure
from fairmend.pipeline.spec import load_spec
from fairmend.reports import verdict_table, worse, write_report
from fairmend.reports.verdict import verdict_rows


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    rng = np.random.default_rng(3)
    group = rng.choice(["a|b", "<c>"], 5000)
    skill = rng.normal(0, 1, 5000) + 0.8 * (group == "a|b")
    label = (skill + rng.normal(0, 0.7, 5000) > 0.4).astype(int)
    frame = pd.DataFrame({"group": group, "skill": skill, "other": rng.normal(size=5000), "label": label})
    path = tmp_path_factory.mktemp("spec") / "p.yaml"
    path.write_text(
        "fairmend: 1\nname: small\nlearner: logistic_regression\n"
        "roles: {outcome: label, favorable: 1, protected: [group], mediators: [skill]}\n"
        "steps:\n- {technique: 53, slug: causal-graph-construction, stage: causal}\n"
        "- {technique: 31, slug: instance-weighting, stage: pre-processing}\n"
        "- {technique: 9, slug: group-thresholds, stage: post-processing}\n"
    )
    return api.run(path, frame, assume_approved=True)


@pytest.fixture(scope="module")
def report(record, tmp_path_factory):
    return write_report(record, tmp_path_factory.mktemp("out") / "report").parent


def test_verdict_rows_are_the_measured_figures(record):
    rows = {row.name: row for row in verdict_rows(record.baseline, record.final, record.tests)}
    assert rows["Accuracy"].after.value == record.final.figure("accuracy").value
    assert rows["Selection rate: <c>"].before == record.baseline.figure("selection_rate", "<c>")
    assert rows["Demographic parity ratio"].p_value == record.tests["demographic_parity_ratio"].p_value


def test_verdict_table_without_scores_has_no_calibration():
    y, before, after = np.tile([0, 1], 50), np.tile([0, 1, 1, 1], 25), np.tile([0, 1], 50)
    groups = np.repeat(["a", "b"], 50)
    known = {"sensitive_features": groups}
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: SIM115 - closed with the process
    console.print(
        verdict_table(
            measure(y, before, **known), measure(y, after, **known), compare(y, before, after, **known)
        )
    )
    text = console.export_text()
    assert "ECE" not in text
    assert "Selection rate: b" in text


def test_a_cell_that_is_too_small_is_marked():
    y, pred = np.tile([0, 1], 20), np.tile([1, 0], 20)
    known = {"sensitive_features": np.repeat(["a", "b"], [35, 5])}
    rows = verdict_rows(measure(y, pred, **known), measure(y, pred, **known), compare(y, pred, pred, **known))
    marked = {row.name: "(too few)" in row.cells[-1] for row in rows}
    assert marked["Selection rate: b"]
    assert not marked["Selection rate: a"]
    assert marked["Demographic parity ratio"]


def test_what_became_worse_is_said_once_it_is_beyond_chance():
    rng = np.random.default_rng(0)
    y, group = rng.integers(0, 2, 2000), rng.choice(["a", "b"], 2000)
    worse_for_b = np.where((group == "b") & (rng.random(2000) < 0.3), 1 - y, y)
    known = {"sensitive_features": group}
    there = verdict_rows(
        measure(y, y, **known), measure(y, worse_for_b, **known), compare(y, y, worse_for_b, **known)
    )
    back = verdict_rows(
        measure(y, worse_for_b, **known), measure(y, y, **known), compare(y, worse_for_b, y, **known)
    )
    assert worse(there)[0].startswith("Accuracy 1.000 to")
    assert any(text.startswith("Equalized-odds gap 0.000 to") for text in worse(there))
    assert worse(back) == []


def test_report_tells_all(record, report):
    text = (report / "report.md").read_text()
    assert record.reason in text
    for heading in ("Verdict", "Checks on the test data", "Steps", "Ablation: the contribution of each step", "Gates",
                    "Decisions and rollbacks", "Approvals", "Interpretation of the policy", "Notes", "Reproducibility"):  # fmt: skip
        assert re.search(rf"^##+ {heading}$", text, re.MULTILINE), heading
    for judged in record.gates:
        assert judged.id in text
    for turn in record.transitions:
        assert turn.reason in text
    assert "Approvals were assumed" in text
    assert record.data["sha256"] in text
    assert record.versions["scikit-learn"] in text


def test_tables_of_the_report_are_sound_markdown(report):
    lines = (report / "report.md").read_text().splitlines()
    for number, (head, rule) in enumerate(itertools.pairwise(lines)):
        if re.fullmatch(r"\|(:?-+:?\|)+", rule):
            width = rule.count("|")
            rows = itertools.takewhile(lambda line: line.startswith("|"), lines[number + 2 :])
            for row in (head, *rows):
                assert len(re.findall(r"(?<!\\)\|", row)) == width, row


def test_html_is_self_contained_and_escaped(record, report):
    text = (report / "report.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert "Selection rate: &lt;c&gt;" in text
    assert text.count("data:image/png;base64,") == len(list(report.glob("*.png"))) == 4


def test_record_and_pipeline_are_beside_it(record, report):
    assert json.loads((report / "run.json").read_text()) == record.to_json()
    assert load_spec(report / "pipeline.yaml") == record.spec


def test_plots_are_pictures_of_some_size(report):
    for path in report.glob("*.png"):
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        width, height = (int.from_bytes(content[i : i + 4]) for i in (16, 20))
        assert width > 600
        assert height > 250


def test_a_folder_that_cannot_be_made_is_a_usage_error(record, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(record, tmp_path / "file" / "report")


def test_nothing_is_left_when_a_plot_fails(record, tmp_path, monkeypatch):
    def fail(*_):
        raise UsageError("no ink")

    monkeypatch.setattr("fairmend.reports.report.write_plots", fail)
    with pytest.raises(UsageError, match="no ink"):
        write_report(record, tmp_path / "report")
    assert list((tmp_path / "report").iterdir()) == []


def test_the_final_rule_is_written_as_a_pipeline(record, report):
    rule = load_spec(report / "final_rule.yaml")
    assert tuple(step.slug for step in rule.steps) == record.deployed_steps()
    ran = {step.slug: step.parameters for step in record.steps if step.status == "ran"}
    assert rule.steps
    assert all(step.parameters == ran[step.slug] and step.when == "always" for step in rule.steps)
    assert (rule.roles, rule.seed, rule.learner) == (record.spec.roles, record.spec.seed, record.spec.learner)
