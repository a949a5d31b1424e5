"""Runs that are logged to MLflow, with its own client as the witness."""

from __future__ import annotations

import json
import os
import sys

import pytest
from mlflow.tracking import MlflowClient

import fairmend
from fairmend.catalog.policy import load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.errors import InsufficientDataError, MissingExtraError, UsageError
from fairmend.pipeline.mlflow_tracking import Tracking
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import PipelineSpec, Step, load_spec
from fairmend.testing.problems import problem

REGISTRY = Registry.installed()
STEPS = (Step(technique=9, slug="group-thresholds", stage="post-processing", when="target not secure"),)


@pytest.fixture(scope="module")
def people():
    return problem(n=3000, gap=1.0).dataset()


@pytest.fixture
def spec(people):
    return PipelineSpec(name="hiring", roles=people.roles, learner="logistic_regression", steps=STEPS, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mlflow")  # one store for all: to make its tables takes seconds


@pytest.fixture
def uri(folder, monkeypatch, request):
    monkeypatch.chdir(folder)  # MLflow puts files beside
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)
    return f"sqlite:///{folder / 'mlflow.db'}"


def tracked(spec, people, uri, observer=None):
    """Run with few replicates, as the API does with many."""
    tracking = Tracking(uri)
    with tracking.mirroring(spec, load_policy("playbook"), people, observer) as tell:
        record = alone(spec, people, observer=tell)
    tracking.finish(record)
    return record


def alone(spec, people, observer=None):
    fast = {"n_boot": 60, "n_permutations": 60}
    return run(spec, people, registry=REGISTRY, assume_approved=True, observer=observer, **fast)


def logged(uri):
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    return client, client.search_runs([found.experiment_id])


def test_a_run_is_logged_with_its_gates_figures_and_record(people, spec, uri):
    record = tracked(spec, people, uri)
    client, [found] = logged(uri)
    assert found.info.status == "FINISHED"
    data, run_id = found.data, found.info.run_id
    policy = load_policy("playbook")
    asked = {
        "pipeline": "hiring",
        "learner": "logistic_regression",
        "seed": "3",
        "notion": "demographic_parity",
    }
    known = {"policy": "playbook", "policy_sha256": policy.digest(), "data_sha256": people.fingerprint()}
    assert {**asked, **known}.items() <= data.params.items()
    assert (data.tags["status"], data.tags["fairmend.run_id"]) == (record.status, record.run_id)
    for gate in record.gates:
        last = [g for g in record.gates if g.id == gate.id][-1]
        assert data.tags[f"verdict.{gate.id}"] == last.verdict
        if last.value is not None:
            assert data.metrics[f"gate.{gate.id}"] == pytest.approx(last.value)
    for part, figures in (("baseline", record.baseline), ("final", record.final)):
        for name in ("accuracy", "demographic_parity_ratio", "equalized_odds_difference"):
            assert data.metrics[f"{part}.{name}"] == figures.figure(name).value
    for name, values in (
        ("accuracy", [a.accuracy for a in record.gate_measurements]),
        ("demographic_parity_ratio", [a.fairness for a in record.gate_measurements]),
    ):
        history = client.get_metric_history(run_id, name)
        assert [(m.step, m.value) for m in history] == list(enumerate(values, start=1))
    folder = client.download_artifacts(run_id, "")
    with open(f"{folder}/record.json", encoding="utf-8") as handle:
        assert json.load(handle) == json.loads(json.dumps(record.to_json()))
    assert load_spec(f"{folder}/pipeline.yaml") == spec
    assert record.notes == alone(spec, people).notes


def test_a_store_that_breaks_in_the_middle_does_not_lose_the_run(people, spec, uri, monkeypatch):
    calls = []
    real = MlflowClient.log_batch

    def breaks(self, *args, **kwargs):
        calls.append(args)
        if len(calls) > 2:
            raise ConnectionError("the server has gone")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_batch", breaks)
    events = []
    record = tracked(spec, people, uri, events.append)
    told = [e["text"] for e in events if e["event"] == "tracking"]
    assert len(told) == 1
    assert "stopped: ConnectionError: the server has gone" in told[0]
    assert told[0] in record.notes
    assert len(calls) == 3
    plain = alone(spec, people)
    assert (record.status, record.final.to_json()) == (plain.status, plain.final.to_json())


def test_an_error_of_the_run_ends_the_logged_run_as_failed(spec, uri):
    small = problem(n=60).dataset()
    with pytest.raises(InsufficientDataError):
        fairmend.run(spec, small, mlflow=uri)
    _, [found] = logged(uri)
    assert found.info.status == "FAILED"


def test_the_address_may_come_from_the_environment(people, spec, uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    tracked(spec, people, "")
    _, found = logged(uri)
    assert len(found) == 1
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(UsageError, match="no tracking URI"):
        Tracking("")


def test_what_cannot_be_logged_to_is_said_before_the_work(people, spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot log to MLflow at sqlite:.*file/mlflow\.db: "):
        fairmend.run(spec, people, mlflow=f"sqlite:///{tmp_path}/file/mlflow.db")
    for name in ("MAX_RETRIES", "TIMEOUT"):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", "1")
    with pytest.raises(UsageError, match=r"cannot log to MLflow at http://127\.0\.0\.1:9: ") as caught:
        Tracking("http://someone:secret@127.0.0.1:9")
    assert "secret" not in str(caught.value)


def test_without_mlflow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fairmend\[mlflow\]'"):
        Tracking("sqlite:///mlflow.db")
