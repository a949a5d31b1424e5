"""Sweep from the command line: what is printed and written, exit codes, and the pipeline that comes of it."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from fairmend.pipeline.sweep.sweep_record import load_sweep

JOBS = ["--outcome", "hired", "--favorable", "yes", "--protected", "sex"]
LIGHT = ["--learner", "logistic_regression", "--jobs", "1", "-c", "max_complexity=low"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRMEND_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_sweep_prints_writes_and_is_kept(cli, home, jobs_csv):
    files = ["-o", home / "sweep.json", "--pipeline", home / "p.yaml", "--report", home / "report"]
    arguments = ["sweep", "--data", jobs_csv, *JOBS, *LIGHT]
    first = cli(*arguments, *files, "--json")
    assert first.code == 0, first.err
    assert json.loads((home / "sweep.json").read_text()) == first.json
    assert first.json["selected"] in first.json["frontier"] + [c["name"] for c in first.json["candidates"]]
    assert first.json["computed"] == len(first.json["candidates"])
    assert f"of {first.json['computed']}" in first.err
    assert (home / "report" / "frontier.png").exists()
    assert (home / "report" / "frontier.svg").exists()

    again = cli(*arguments)
    assert again.code == 0
    assert f"{first.json['computed']} of them already computed" in again.err
    assert "  1 of" not in again.err
    names = [c["name"] for c in first.json["candidates"]]
    assert all(name.split()[0] in again.out for name in names)
    assert "Excluded: prejudice-remover (76): its complexity is medium" in again.out

    composed = cli("compose", "--sweep", home / "sweep.json", "-o", home / "q.yaml")
    assert composed.code == 0, composed.err
    assert (home / "q.yaml").read_text() == (home / "p.yaml").read_text()
    chosen = load_sweep(home / "sweep.json").pick
    written = yaml.safe_load((home / "p.yaml").read_text())["steps"]
    steps = [s["slug"] for s in written if s["stage"] != "causal" and "when" not in s]
    assert steps == [step.slug for step in chosen.steps]
    ran = cli("run", home / "p.yaml", "--data", jobs_csv, "--assume-approved", "--no-save", "--json")
    assert ran.code in {0, 4}, ran.err
    assert {s["slug"] for s in ran.json["steps"]} >= {step.slug for step in chosen.steps}

    settled = cli("compose", "--sweep", home / "sweep.json", "--seed", "3")
    assert settled.code == 2
    assert "--seed is already set by the sweep" in settled.err
    other = cli("compose", "--sweep", home / "sweep.json", "--policy", "strict")
    assert other.code == 2
    assert "the sweep does not match the pipeline: its policy" in other.err


def test_exit_code_where_nothing_meets_the_target(cli, home, jobs_csv):
    # Calibration alone cannot bring the rates of the sexes together.
    only = ["-c", "protected_at_prediction=false", "-c", "retraining=false"]
    done = cli("sweep", "--data", jobs_csv, *JOBS, *LIGHT, *only, "--no-save", "--pipeline", home / "p.yaml")
    assert done.code == 4, done.err
    assert not (home / "p.yaml").exists()
    assert "was not written: no candidate meets the target" in " ".join(done.err.split())
    assert not (home / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        (["--depth", "4"], 2, "4 is not in the range"),
        (["--notion", "calibration"], 2, "sets no target for calibration"),
        (["--exclude", "smot"], 1, "did you mean smote"),
        (["--findings", "no.json"], 2, "there is no audit file"),
        (["-c", "stage=evaluation"], 2, "satisfies the constraints"),
    ],
)
def test_bad_requests(cli, home, jobs_csv, arguments, code, pattern):
    done = cli("sweep", "--data", jobs_csv, *JOBS, *LIGHT, *arguments)
    assert done.code == code
    assert pattern in done.err
    assert done.out == ""
    assert len(done.errors) == 1


def test_compose_needs_an_audit_or_a_sweep(cli, tmp_path):
    assert "--findings or --sweep is required" in cli("compose").err
    assert "there is no sweep file" in cli("compose", "--sweep", tmp_path / "none.json").err


def test_dask_names_its_extra(cli, home, jobs_csv, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = cli("sweep", "--data", jobs_csv, *JOBS, *LIGHT, "--dask", "tcp://127.0.0.1:9")
    assert done.code == 1
    assert "pip install 'fairmend[dask]'" in done.err
