"""Operations of a pipeline: run after the verdict, on its record and on decisions; contained, and never its judge."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any, ClassVar

import pandas as pd
import pytest
import yaml

from fairmend import api
from fairmend.base import Operation, OperationResult, TechniqueMetadata
from fairmend.catalog.registry import TechniqueEntry
from fairmend.core.errors import DataError, UsageError
from fairmend.pipeline.operations import ROWS_PER_BATCH, added, batches, with_operations
from fairmend.pipeline.run_technique.operation import run_operation
from fairmend.pipeline.spec import PipelineSpec, load_spec
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.plugins.operations import ModelCard

ROLES = {"outcome": "hired", "favorable": "yes", "protected": ["sex"]}
LIGHT: dict[str, Any] = {
    "fairmend": 1,
    "name": "light",
    "learner": "logistic_regression",
    "roles": ROLES,
    "simplify": False,
    "steps": [
        {"technique": 9, "slug": "group-thresholds", "stage": "post-processing"},
        {"technique": 116, "slug": "model-card", "stage": "operations"},
    ],
}


class Counter(Operation):
    """Count decisions as they come."""

    metadata = TechniqueMetadata(
        technique_id="acme:counter",
        slug="acme-counter",
        name="Counter",
        family="test",
        summary="Counts the favorable decisions of a stream in a test.",
        citation="Test (2026). Counting.",
        use_when="A test needs an operation that reads a stream.",
        avoid_when="Anything but a test is made of decisions.",
    )
    answer: ClassVar[Any] = None

    def _produce(self, stream: Any) -> OperationResult:
        if Counter.answer is not None:
            return Counter.answer()
        sizes = [len(batch) for batch in stream]
        return OperationResult(
            {"rows": sum(sizes), "batches": len(sizes), "text": "Counted."}, {"n.txt": "n"}
        )


@pytest.fixture(scope="module")
def spec(jobs_csv) -> PipelineSpec:
    return load_spec(PipelineSpec(**yaml.safe_load(yaml.safe_dump(LIGHT))))


@pytest.fixture(scope="module")
def ran(spec, jobs_csv, tmp_path_factory):
    """A stored run of the light pipeline with a model card, and its store."""
    store = RunStore(tmp_path_factory.mktemp("runs"))
    return api.run(spec, jobs_csv, assume_approved=True, store=store), store


def test_the_card_is_made_of_the_record_once_there_is_a_verdict(ran):
    record, _ = ran
    step = record.steps[-1]
    assert (step.stage, step.slug, step.status) == ("operations", "model-card", "ran"), step.text
    text = record.technique_results["model-card"]["documents"]["model_card.md"]
    assert record.run_id in text
    accuracy = record.final.figure("accuracy").value
    assert f"{accuracy:.3f}"[:4] in text
    assert record.seconds["operations"] >= 0


def test_it_is_the_card_that_the_operation_alone_makes_of_the_same_record(ran):
    record, _ = ran
    before = json.loads(json.dumps(record.to_json()))
    before["technique_results"].pop("model-card")
    before["steps"].pop()
    before.get("seconds", {}).pop("operations", None)
    alone = run_operation(ModelCard, before).documents["model_card.md"]
    assert alone == record.technique_results["model-card"]["documents"]["model_card.md"]


def test_a_stored_run_keeps_the_card_and_the_report_writes_it(ran, tmp_path):
    record, store = ran
    api.report(record.run_id, tmp_path, store=store)
    text = record.technique_results["model-card"]["documents"]["model_card.md"]
    assert (tmp_path / "model_card.md").read_text(encoding="utf-8") == text
    again = api.resume(record.run_id, store=store)
    assert again.technique_results["model-card"]["documents"]["model_card.md"] == text
    assert api.verify(record.run_id, store=store)


@pytest.fixture
def counted(monkeypatch):
    """Put the counter into the catalog."""
    registry = api.registry()
    card = TechniqueEntry(Counter.metadata, Counter.__module__, "Counter", "acme")
    registry.cards()
    monkeypatch.setitem(registry._cards, "acme:counter", card)
    yield
    Counter.answer = None


def api_added(spec, operations):
    return added(spec.model_copy(update={"steps": spec.steps[:1]}), operations, api.registry())


@pytest.fixture
def decisions(tmp_path):
    path = tmp_path / "decisions.csv"
    pd.DataFrame({"sex": ["f", "m"] * 1250, "decision": [0, 1, 1, 0, 1] * 500}).to_csv(path, index=False)
    return path


def operated(record, stream=None):
    """Return a record with what the counter makes of it, as if its pipeline had named it."""
    spec = api_added(record.spec, ("acme:counter",))
    results = {k: v for k, v in record.technique_results.items() if k != "model-card"}
    bare = replace(record, spec=spec, steps=record.steps[:-1], technique_results=results)
    return with_operations(bare, api.registry(), stream)


def test_decisions_reach_the_operation_in_batches(ran, counted, decisions):
    for stream in (decisions, pd.read_csv(decisions)):
        found = operated(ran[0], stream).technique_results["acme-counter"]
        assert (found["rows"], found["batches"]) == (2500, 3)


def test_a_stored_run_keeps_the_decisions_for_when_it_is_resumed(
    ran, spec, jobs_csv, counted, decisions, tmp_path
):
    store = RunStore(tmp_path / "runs")
    waits = api.run(api_added(spec, ("acme:counter",)), jobs_csv, stream=decisions, store=store)
    assert waits.technique_results["acme-counter"]["rows"] == 2500
    decisions.unlink()
    for gate, role in {(a.gate, a.role) for a in ran[0].approvals}:
        api.approve(waits.run_id, gate=gate, role=role, by="Ada", store=store)
    assert api.resume(waits.run_id, store=store).technique_results["acme-counter"]["rows"] == 2500


ANSWERS: dict[str, tuple[Any, str]] = {
    "raises": (lambda: 1 / 0, "raised ZeroDivisionError"),
    "ends its process": (lambda: os._exit(0), "exited with code 0 before it finished"),
    "returns another thing": (lambda: {"text": "done"}, "expected a OperationResult"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_operation_that_fails_is_a_failed_step_and_the_verdict_stands(ran, counted, decisions, case):
    Counter.answer, message = staticmethod(ANSWERS[case][0]), ANSWERS[case][1]
    record = operated(ran[0], decisions)
    step = record.steps[-1]
    assert (step.slug, step.status) == ("acme-counter", "failed")
    assert message in step.text
    assert (record.status, record.reason) == (ran[0].status, ran[0].reason)
    assert "acme-counter" not in record.technique_results


def test_without_decisions_an_operation_that_reads_them_says_so(ran, counted):
    assert operated(ran[0]).steps[-1].text == "Counter reads batches of decisions, which was not given"
    with pytest.raises(UsageError, match="Counter reads decisions; give --stream"):
        api.run_technique("acme-counter")


def test_an_operation_alone_reads_decisions(counted, decisions):
    done = api.run_technique("acme-counter", stream=decisions)
    assert done.figures == {"rows": 2500, "batches": 3}
    assert done.documents == {"n.txt": "n"}
    with pytest.raises(DataError):
        api.run_technique("acme-counter", stream=decisions.with_name("none.csv"))


def test_batches_keep_rows_and_order(decisions):
    frame = pd.read_csv(decisions)
    parts = list(batches(frame))
    assert [len(p) for p in parts] == [ROWS_PER_BATCH, ROWS_PER_BATCH, 500]
    assert pd.concat(parts, ignore_index=True).equals(frame)


def test_an_operation_goes_to_the_end_of_a_composed_pipeline(spec):
    found = api_added(spec, (116,))
    assert [(s.slug, s.stage) for s in found.steps][-1] == ("model-card", "operations")
    again = PipelineSpec(**yaml.safe_load(found.to_yaml()))
    assert again.steps == found.steps


def test_the_command_line_adds_operations_and_decisions(cli, tmp_path, jobs_csv, decisions):
    path = tmp_path / "light.yaml"
    path.write_text(yaml.safe_dump({**LIGHT, "steps": LIGHT["steps"][:1]}))
    folder = tmp_path / "report"
    done = cli(
        *("run", path, "--data", jobs_csv, "--assume-approved", "--no-save", "--operation", "model-card"),
        *("--stream", decisions, "--report", folder, "--json"),
    )
    assert done.code in (0, 4), done.err
    assert done.json["steps"][-1]["slug"] == "model-card"
    assert (folder / "model_card.md").read_text(encoding="utf-8").count("\n## ") >= 9
