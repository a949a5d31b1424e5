"""The run store: whole files or none, verified reads, an unbroken log."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fairmend.core.case import Case, Effect
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import RunError, UnknownNameError
from fairmend.core.models.learners import make_learner
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.storage.artifacts import Artifacts
from fairmend.pipeline.storage.checkpoints import Checkpoint
from fairmend.pipeline.storage.frames import dump_frame, load_frame
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.step_cache import StepResult


@pytest.fixture
def store(tmp_path) -> RunStore:
    out = RunStore(tmp_path / "home")
    out.create("run-1", {"assume_approved": False})
    return out


def test_a_frame_comes_back_to_the_bit():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "float": rng.normal(size=50) / 3,
            "int": rng.integers(0, 9, 50),
            "bool": rng.random(50) > 0.5,
            "text": pd.Series(rng.choice(["a", "ü", None], 50), dtype="str"),
            "mixed": pd.Series(["x", None] * 25, dtype=object),
            "gaps": np.where(rng.random(50) > 0.5, np.nan, 0.1),
        }
    )
    pd.testing.assert_frame_equal(load_frame(dump_frame(frame)), frame)
    assert dump_frame(frame) == dump_frame(frame.copy())


def test_a_checkpoint_keeps_the_weights_of_a_step_and_those_of_the_data(store):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"skill": rng.normal(size=300), "sex": rng.choice(["F", "M"], 300)})
    frame["hired"] = (frame["skill"] > 0).map({True: "yes", False: "no"})
    frame["survey"] = rng.uniform(0.5, 2.0, 300)
    data = Dataset.from_frame(
        frame, Roles(outcome="hired", favorable="yes", protected=("sex",), weights="survey")
    )
    case = Case(data, data, data, learner=make_learner("logistic_regression")).retrained()
    after = case.replace(train=data.reweighted(rng.uniform(size=300))).retrained()
    effect = Effect("weights", 1.0, "Weights drawn.")
    start, step = StepResult((), (case,), effect, 0.0), StepResult(("step",), (after,), effect, 0.0)
    kept = Checkpoint(store, "run-1")
    kept.put(start, step)
    (found,), _, _ = kept.get(start, step.trace)
    np.testing.assert_array_equal(found.train.weights, after.train.weights)
    np.testing.assert_array_equal(found.train.population_weights, frame["survey"])
    np.testing.assert_array_equal(found.fitted().scores(data.X), after.fitted().scores(data.X))


def test_content_is_verified_when_it_is_read(tmp_path):
    artifacts = Artifacts(tmp_path)
    name = artifacts.put(b"weights")
    assert artifacts.put(b"weights") == name
    assert artifacts.get(name) == b"weights"
    (tmp_path / name[:2] / name).write_bytes(b"other")
    with pytest.raises(RunError, match="was modified after it was written"):
        artifacts.get(name)
    (tmp_path / name[:2] / name).unlink()
    with pytest.raises(RunError, match="is missing"):
        artifacts.get(name)


def test_the_log_is_a_chain(store):
    store.log("run-1", {"what": "note", "text": "one"})
    store.approve("run-1", Approval("gate-1", "domain expert", "A. Person", True, "sound"))
    entries = store.entries("run-1")
    assert [e["what"] for e in entries] == ["created", "note", "approval"]
    with sqlite3.connect(store.folder / "runs.sqlite") as db:
        db.execute("UPDATE log SET entry = replace(entry, 'one', 'two') WHERE place = 1")
    with pytest.raises(RunError, match="changed at entry 2 of 3"):
        store.entries("run-1")


def test_an_entry_that_was_taken_out_is_noticed(store):
    store.log("run-1", {"what": "note"})
    store.log("run-1", {"what": "note"})
    with sqlite3.connect(store.folder / "runs.sqlite") as db:
        db.execute("DELETE FROM log WHERE place = 1")
    with pytest.raises(RunError, match="changed at entry 2"):
        store.entries("run-1")


def test_all_decisions_are_kept_in_their_order(store):
    given = [
        Approval("gate-1", "domain expert", "A. Person", False, "unclear"),
        Approval("gate-1", "domain expert", "B. Person", True, answer="drawn anew"),
    ]
    for decision in given:
        store.approve("run-1", decision)
    found = store.approvals("run-1")
    assert [replace(a, time="") for a in found] == given
    assert all(a.time for a in found)


def test_a_run_is_worked_on_by_one_process(store):
    with (
        store.locks.lock("run-1"),
        pytest.raises(RunError, match="being run by another process"),
        store.locks.lock("run-1"),
    ):
        pass
    with store.locks.lock("run-1"):
        pass


def test_unknown_runs_name_those_there_are(store):
    with pytest.raises(UnknownNameError, match="did you mean run-1"):
        store.run("run-2")
    assert store.run("latest").run_id == "run-1"


def test_a_store_of_a_newer_version_is_left_alone(store):
    with sqlite3.connect(store.folder / "runs.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(RunError, match="written by a newer fairmend"):
        RunStore(store.folder)


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot be created"):
        RunStore(tmp_path / "file" / "home")
    artifacts = Artifacts(tmp_path / "file")
    with pytest.raises(RunError, match="cannot be stored"):
        artifacts.put(b"x")
