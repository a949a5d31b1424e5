"""Checkpoints: step results, stored immediately so that an interrupted run can be resumed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from fairmend.core.case import Case, Effect
from fairmend.core.causal.graph import CausalGraph
from fairmend.pipeline.storage.model_files import dump_model, load_model
from fairmend.pipeline.storage.record_file import dump_record, load_record
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.training_data import dump_data, load_data

if TYPE_CHECKING:
    from fairmend.pipeline.run.record import RunRecord
    from fairmend.pipeline.storage.step_cache import StepResult, Trace

SAME = "same as before"
RECORD = "record"


class Checkpoint:
    """The checkpoints of one run.

    Parameters
    ----------
    store : RunStore
        Where they are stored.
    run_id : str
        The run.
    plugins : tuple of str
        Top-level modules of third-party plugins, whose types a stored model may hold.
    """

    def __init__(self, store: RunStore, run_id: str, plugins: tuple[str, ...] = ()) -> None:
        self.store = store
        self.run_id = run_id
        self.plugins = plugins

    def put_model(self, model: Any) -> str:
        """Store a model and return the name of its file."""
        return self.store.artifacts.put(dump_model(model))

    def get_model(self, name: str) -> Any:
        """Return a stored model."""
        return load_model(self.store.artifacts.get(name), self.plugins)

    def baseline(self, start: Case) -> Case:
        """Return the case with the stored baseline model; if there is none yet, it is stored first."""
        found = self.store.get_step(self.run_id, _key(()))
        if found is not None:
            return start.replace(model=self.get_model(found["model"]))
        fitted = start if start.model is not None else start.retrained()
        self.store.put_step(self.run_id, _key(()), {"model": self.put_model(fitted.model)})
        return fitted

    def put(self, before: StepResult, after: StepResult) -> None:
        """Store the result of a step."""
        case, former = after.case, before.case
        graph = None if case.graph is None else case.graph.to_mapping()
        parts = {
            "model": SAME if case.model is former.model else self.put_model(case.model),
            "train": SAME if case.train is former.train else self.store.artifacts.put(dump_data(case.train)),
            "graph": graph,
            "repair": case.repair,
            "leave_out": case.leave_out,
            "results": {k: v for k, v in case.results.items() if former.results.get(k) is not v},
            "effect": after.effect.to_json(),
            "seconds": after.seconds,
        }
        self.store.put_step(self.run_id, _key(after.trace), parts)

    def get(self, before: StepResult, trace: Trace) -> tuple[Case, Effect, float] | None:
        """Return the stored result of a step, None if there is none.

        Raises
        ------
        RunError
            A file is missing or was changed.
        """
        parts = self.store.get_step(self.run_id, _key(trace))
        if parts is None:
            return None
        case = before.case
        if parts["model"] != SAME:
            case = case.replace(model=self.get_model(parts["model"]))
        if parts["train"] != SAME:
            case = case.replace(train=load_data(self.store.artifacts.get(parts["train"]), before.case.train))
        if parts["graph"] is not None:
            case = case.replace(graph=CausalGraph.from_mapping(parts["graph"]))
        case = case.replace(
            results={**case.results, **parts["results"]},
            repair=tuple(parts["repair"]),
            leave_out=tuple(parts["leave_out"]),
        )
        raw = parts["effect"]
        effect = Effect(raw["kind"], raw["share"], raw["text"], raw["size"], raw["detail"])
        return case, effect, parts["seconds"]

    def put_fold(self, key: Trace, fold: dict[str, Any]) -> None:
        """Store the results of one fold of a cross-validation."""
        self.store.put_step(self.run_id, _key(key), fold)

    def get_fold(self, key: Trace) -> dict[str, Any] | None:
        """Return the stored results of a fold, None if there are none."""
        return self.store.get_step(self.run_id, _key(key))

    def put_record(self, record: RunRecord) -> None:
        """Store the whole record of the run, for reports without the data."""
        self.store.put_step(self.run_id, RECORD, {"record": self.store.artifacts.put(dump_record(record))})

    def get_record(self, model: str) -> RunRecord | None:
        """Return the whole record of the run with its final rule, None if there is none."""
        parts = self.store.get_step(self.run_id, RECORD)
        if parts is None:
            return None
        return load_record(self.store.artifacts.get(parts["record"]), self.get_model(model).model_)


def _key(trace: Trace) -> str:
    return hashlib.sha256(json.dumps(trace).encode()).hexdigest()
