"""Runs that are kept: cut off and resumed, approved, verified, applied."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fairmend.catalog.registry import Registry
from fairmend.core.errors import DataError, RunError, UnknownNameError, UsageError
from fairmend.pipeline.run.run_status import approve, current_status
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import Choice, PipelineSpec, Step
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.verification import verify
from fairmend.pipeline.stored_runs import begin, predict, resume
from fairmend.testing.problems import problem

STEPS = (
    Step(technique=53, slug="causal-graph-construction", stage="causal"),
    Step(
        technique=69,
        slug="disparate-impact-remover",
        stage="pre-processing",
        parameters={"features": ["mediator"]},
    ),
    Step(technique=20, slug="fairness-constrained-lr", stage="in-processing"),
    Step(technique=9, slug="group-thresholds", stage="post-processing", when="target not secure"),
)


def spec_for(data) -> PipelineSpec:
    evaluations = (Choice(technique=8, slug="intersectional-bias-audit"),)
    return PipelineSpec(roles=data.roles, learner="logistic_regression", steps=STEPS, evaluations=evaluations)


def numbers(record_json: dict) -> str:
    """Return a record as text, apart from times and ids."""
    kept = {k: v for k, v in record_json.items() if k not in {"run_id", "seconds"}}
    kept["steps"] = [{k: v for k, v in s.items() if k != "seconds"} for s in kept["steps"]]
    kept["approvals"] = [{k: v for k, v in a.items() if k != "time"} for a in kept["approvals"]]
    return json.dumps(kept, sort_keys=True)


@pytest.fixture(scope="module")
def people():
    return problem(n=8000, gap=1.0).dataset()


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "home")


FAST = {"n_boot": 100, "n_permutations": 100}


def test_the_same_seed_gives_the_same_numbers_kept_or_not(people, store):
    registry = Registry.installed()
    first = run(spec_for(people), people, registry=registry, assume_approved=True, **FAST)
    kept = begin(spec_for(people), people, store=store, registry=registry, assume_approved=True, **FAST)
    again = resume("latest", store=store, registry=registry)
    assert numbers(first.to_json()) == numbers(kept.to_json()) == numbers(again.to_json())
    assert json.loads(json.dumps(first.to_json(), allow_nan=False))


def test_a_run_waits_for_people_and_goes_on(people, store):
    registry = Registry.installed()
    waiting = begin(spec_for(people), people, store=store, registry=registry, **FAST)
    if waiting.status != "waiting":
        pytest.fail(f"the run should wait, but {waiting.status}: {waiting.reason}")
    run_id = waiting.run_id
    for gate, role in [
        ("gate-1", "domain expert"),
        ("gate-1", "compliance officer"),
        ("gate-3", "product owner"),
        ("gate-4", "product owner"),
        ("gate-4", "compliance officer"),
        ("gate-4", "legal team"),
    ]:
        approve(store, run_id, gate=gate, role=role, by="A. Person", approved=True, note="seen")
    done = resume(run_id, store=store, registry=registry)
    assert done.status == "deployable"
    assert {a.by for a in done.approvals} == {"A. Person"}
    assert [e["what"] for e in verify(store, run_id).entries].count("approval") == 6
    with pytest.raises(UnknownNameError, match="role at gate-4"):
        approve(store, run_id, gate="gate-4", role="owner", by="A", approved=True)
    with pytest.raises(UsageError, match="requires the name"):
        approve(store, run_id, gate="gate-4", role="legal team", by=" ", approved=True)


def test_the_rule_of_a_run_scores_new_rows(people, store):
    registry = Registry.installed()
    record = begin(spec_for(people), people, store=store, registry=registry, assume_approved=True, **FAST)
    new = people.X.head(50).assign(group=people.sensitive["group"].head(50))
    found = predict(store, record.run_id, new, registry)
    direct = record.model.predict(people.X.head(50), people.sensitive.head(50))
    assert found["decision"].tolist() == direct.tolist()
    with pytest.raises(DataError, match="lacks skill"):
        predict(store, record.run_id, new.drop(columns="skill"), registry)
    if record.model.reads_protected:
        with pytest.raises(UsageError, match="reads group for every decision"):
            predict(store, record.run_id, new.drop(columns="group"), registry)


def test_a_changed_file_is_noticed(people, store):
    registry = Registry.installed()
    record = begin(spec_for(people), people, store=store, registry=registry, assume_approved=True, **FAST)
    name = store.run(record.run_id).model
    path = store.folder / "artifacts" / name[:2] / name
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(RunError, match="was modified"):
        verify(store, record.run_id)
    with pytest.raises(RunError, match="was modified"):
        predict(store, record.run_id, people.X, registry)


def test_changed_data_are_not_resumed(people, store, tmp_path):
    registry = Registry.installed()
    path = tmp_path / "people.csv"
    frame = people.frame
    frame.to_csv(path, index=False)
    record = begin(spec_for(people), people, store=store, registry=registry, path=path, **FAST)
    approve(store, record.run_id, gate="gate-4", role="legal team", by="A. Person", approved=True)
    frame.assign(skill=0.0).to_csv(path, index=False)
    with pytest.raises(RunError, match="changed since it started"):
        resume(record.run_id, store=store, registry=registry)


KILLED = """
import sys
from fairmend.catalog.registry import Registry
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.stored_runs import begin
sys.path.insert(0, sys.argv[2])
from tests.pipeline.test_stored_runs import FAST, spec_for
from fairmend.testing.problems import problem
data = problem(n=8000, gap=1.0).dataset()
begin(spec_for(data), data, store=RunStore(__import__("pathlib").Path(sys.argv[1])), registry=Registry.installed(),
      assume_approved=True, observer=lambda e: print(e["event"], flush=True), **FAST)
"""
RESUMED = """
import sys
from fairmend.catalog.registry import Registry
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.stored_runs import resume
resume("latest", store=RunStore(__import__("pathlib").Path(sys.argv[1])), registry=Registry.installed(),
       observer=lambda e: print(e["event"], flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["baseline", "step", "gate", "choice"])
def test_a_killed_run_resumes_to_the_same_numbers(people, tmp_path, moment):
    undisturbed = run(spec_for(people), people, registry=Registry.installed(), assume_approved=True, **FAST)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == moment:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait(timeout=60)
    time.sleep(0.1)
    store = RunStore(tmp_path)
    assert store.run("latest").status == "running"
    record = resume("latest", store=store, registry=Registry.installed())
    assert numbers(record.to_json()) == numbers(undisturbed.to_json())


@pytest.mark.slow
def test_a_run_killed_three_times_at_random_ends_with_the_same_numbers(people, tmp_path):
    undisturbed = run(spec_for(people), people, registry=Registry.installed(), assume_approved=True, **FAST)
    root = Path(__file__).resolve().parents[2]
    rng = np.random.default_rng(11)
    for script in (KILLED, RESUMED, RESUMED):
        command = [sys.executable, "-c", script, str(tmp_path), str(root)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)}
        )
        assert process.stdout is not None
        for _ in range(rng.integers(1, 12)):
            assert process.stdout.readline()
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        assert process.wait(timeout=60) == -signal.SIGKILL
    store = RunStore(tmp_path)
    assert store.run("latest").status == "running"
    record = resume("latest", store=store, registry=Registry.installed())
    assert numbers(record.to_json()) == numbers(undisturbed.to_json())
    events = (store.folder / "events" / f"{record.run_id}.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in events][-1] == "done"
    entries = [e["what"] for e in verify(store, record.run_id).entries]
    assert (entries.count("created"), entries.count("ended")) == (1, 1)


def test_a_run_that_cannot_be_run_says_so(store):
    small = problem(n=60).dataset()
    with pytest.raises(DataError, match="needs at least 100"):
        begin(spec_for(small), small, store=store, registry=Registry.installed(), **FAST)
    assert store.run("latest").status == "error"


def test_a_run_whose_process_is_gone_is_interrupted(tmp_path):
    store = RunStore(tmp_path)
    store.create("run-1", {})
    assert current_status(store, store.run("run-1"))[0] == "interrupted"
    with store.locks.lock("run-1"):
        assert current_status(store, store.run("run-1"))[0] == "running"
    assert current_status(store, store.run("run-1"))[0] == "interrupted"
