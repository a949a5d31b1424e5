"""Audit, compose and run from the command line: shapes, exit codes, the same seed, what is written."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import yaml

JOBS = ["--outcome", "hired", "--favorable", "yes", "--protected", "sex"]
LIGHT = ["--learner", "logistic_regression"]
UNSTABLE = {"run_id", "seconds"}


def stable(value):
    """Return a record without times and ids."""
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in UNSTABLE}
    return [stable(v) for v in value] if isinstance(value, list) else value


@pytest.fixture
def light(folder):
    return ["run", folder / "light.yaml", "--data", folder / "jobs.csv"]


def test_audit_writes_what_it_prints(cli, jobs_csv, tmp_path):
    done = cli("audit", jobs_csv, *JOBS, *LIGHT, "-o", tmp_path / "audit.json", "--json")
    assert done.code == 0
    assert json.loads((tmp_path / "audit.json").read_text()) == done.json
    kinds = {f["kind"]: f["severity"] for f in done.json["findings"]}
    assert kinds["outcome-disparity"] in {"medium", "high"}
    assert "audit: comparing groups" in done.err


def test_audit_of_given_decisions_keeps_them_from_the_features(cli, jobs_csv, tmp_path):
    frame = pd.read_csv(jobs_csv)
    frame.assign(decision=frame["hired"]).to_csv(tmp_path / "d.csv", index=False)
    done = cli("audit", tmp_path / "d.csv", *JOBS, "--predictions", "decision", "--json")
    assert done.code == 0, done.err
    assert done.json["subject"] == "given predictions"
    assert "decision" in done.json["roles"]["ignored"]
    assert done.json["measures"]["sex"]["accuracy"]["value"] == 1


def test_cut_makes_groups_of_a_number(cli, bank_csv):
    done = cli(
        *(
            "audit",
            bank_csv,
            "--outcome",
            "approved",
            "--protected",
            "age",
            "--bins",
            "age=25,60",
            *LIGHT,
            "--json",
        )
    )
    assert done.code == 0, done.err
    assert set(done.json["groups"]) == {"<=25", ">25 to 60", ">60"}


def test_from_an_audit_to_a_pipeline(cli, jobs_csv, tmp_path):
    found, pipeline = tmp_path / "audit.json", tmp_path / "pipeline.yaml"
    assert cli("audit", jobs_csv, *JOBS, *LIGHT, "-o", found).code == 0
    ranked = cli("recommend", "--findings", found, "-c", "retraining=false", "--json").json
    assert ranked["results"]
    assert "needs retraining" in {e["reason"] for e in ranked["excluded"]}
    done = cli("compose", "--findings", found, "-c", "retraining=false", *LIGHT, "-o", pipeline)
    assert done.code == 0
    assert done.out == ""
    stages = {step["stage"] for step in yaml.safe_load(pipeline.read_text())["steps"]}
    assert stages.isdisjoint({"pre-processing", "in-processing"})
    printed = cli("compose", "--findings", found, "-c", "retraining=false", *LIGHT)
    assert printed.out == pipeline.read_text()


def test_run_waits_for_people_unless_approval_is_assumed(cli, light):
    waiting = cli(*light, "--json")
    assert (waiting.code, waiting.json["status"]) == (3, "waiting")
    done = cli(*light, "--assume-approved", "--json")
    assert (done.code, done.json["status"]) == (0, "deployable"), done.err
    assert {a["by"] for a in done.json["approvals"]} == {"assumed"}
    for part in ("baseline", "final"):
        figure = done.json[part]["demographic_parity_ratio"]
        assert figure["interval"][0] <= figure["value"] <= figure["interval"][1]
    assert done.json["final"]["demographic_parity_ratio"]["value"] >= 0.8
    assert {"id", "verdict", "value", "threshold", "interval"} <= set(done.json["gates"][0])
    assert "post-processing" in done.err
    for part in (
        "data",
        "baseline",
        "final",
        "tests",
        "steps",
        "transitions",
        "ablation",
        "reference_models",
    ):
        assert stable(waiting.json[part]) == stable(done.json[part]), f"the same seed gave another {part}"


def test_run_prints_the_verdict_and_writes_the_report(cli, light, tmp_path):
    done = cli(*light, "--assume-approved", "--report", tmp_path / "report")
    assert done.code == 0
    for words in (
        "Accuracy",
        "Demographic parity ratio",
        "Equalized-odds gap",
        "Selection rate: F",
        "deployable",
    ):
        assert words in done.out
    assert {p.name for p in (tmp_path / "report").iterdir()} == {
        *("report.md", "report.html", "run.json", "pipeline.yaml", "final_rule.yaml", "pipeline.svg"),
        *("selection-rates.png", "reliability.png", "trade-off.png"),
    }


def test_run_ends_with_4_where_people_must_decide(cli, folder, tmp_path):
    spec = yaml.safe_load((folder / "light.yaml").read_text())
    spec["steps"] = spec["steps"][:1]
    (tmp_path / "weak.yaml").write_text(yaml.safe_dump(spec))
    done = cli("run", tmp_path / "weak.yaml", "--data", folder / "jobs.csv", "--assume-approved", "--json")
    assert (done.code, done.json["status"]) == (4, "escalated")
    assert done.json["escalation_options"]


def test_a_policy_of_ones_own_decides_from_composing_to_the_end(cli, jobs_csv, tmp_path):
    (tmp_path / "parity.yaml").write_text(
        "{policy: near-parity, title: Nearly equal rates, extends: playbook, "
        "targets: {demographic_parity: {at_least: 0.94}}}"
    )
    found, pipeline = tmp_path / "audit.json", tmp_path / "pipeline.yaml"
    assert cli("audit", jobs_csv, *JOBS, *LIGHT, "-o", found).code == 0
    own = ("--policy", tmp_path / "parity.yaml")
    assert (
        cli("compose", "--findings", found, "-c", "retraining=false", *LIGHT, *own, "-o", pipeline).code == 0
    )
    rule = yaml.safe_load(pipeline.read_text())["steps"][-1]
    assert rule["parameters"] == {"min_ratio": 0.94}
    done = cli("run", pipeline, "--data", jobs_csv, "--assume-approved", "--json")
    assert done.json["policy"]["name"] == "near-parity", done.err
    assert {g["threshold"] for g in done.json["gates"] if g["id"] == "gate-4.fairness"} == {0.94}


def test_demo_needs_no_data(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli("demo", "--rows", 800, *LIGHT, "-c", "retraining=false", "--json")
    assert done.code in {0, 4}, done.err
    assert done.json["data"]["rows"] == 800
    assert list(tmp_path.iterdir()) == []


def test_query_answers_within_its_constraints(cli):
    done = cli("query", "which technique for biased mediator", "-c", "retraining=false", "--top", 3, "--json")
    assert done.code == 0
    assert 1 <= len(done.json["results"]) <= 3
    assert all({"technique_id", "score", "why", "citation"} <= set(r) for r in done.json["results"])
    assert {"technique_id", "reason"} <= set(done.json["excluded"][0])


def test_plugins_and_their_health(cli):
    listed = cli("plugin", "list", "--json").json
    assert {"name", "source", "version", "health"} <= set(listed[0])
    assert {p["health"] for p in listed if p["source"] == "fairmend"} == {"ok"}
