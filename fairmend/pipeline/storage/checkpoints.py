"""Checkpoints: step results, stored immediately so that an interrupted run can be resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
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
    graph : mapping, optional
        The expert's graph that steps read; results under another graph are other results.
    """

    def __init__(
        self,
        store: RunStore,
        run_id: str,
        plugins: tuple[str, ...] = (),
        graph: Mapping[str, Any] | None = None,
    ) -> None:
        self.store = store
        self.run_id = run_id
        self.plugins = plugins
        self.graph = graph

    def put_model(self, model: Any) -> str:
        """Store a model and return the name of its file."""
        return self.store.artifacts.put(dump_model(model))

    def get_model(self, name: str) -> Any:
        """Return a stored model."""
        return load_model(self.store.artifacts.get(name), self.plugins)

    def baseline(self, start: Sequence[Case]) -> tuple[Case, ...]:
        """Return the cases with the stored baseline models; if there are none yet, they are stored first."""
        found = self.store.get_step(self.run_id, self._key(()))
        if found is not None:
            models = [self.get_model(name) for name in found["models"]]
            if len(set(found["models"])) == 1:
                models = models[:1] * len(models)  # the user's own model, the same in every fold
            return tuple(case.replace(model=model) for case, model in zip(start, models, strict=True))
        fitted = tuple(case if case.model is not None else case.retrained() for case in start)
        self.store.put_step(self.run_id, self._key(()), {"models": [self.put_model(c.model) for c in fitted]})
        return fitted

    def put(self, before: StepResult, after: StepResult) -> None:
        """Store the result of a step."""
        folds = [self._stored(a, b) for a, b in zip(before.folds, after.folds, strict=True)]
        parts = {"folds": folds, "effect": after.effect.to_json(), "seconds": after.seconds}
        self.store.put_step(self.run_id, self._key(after.trace), parts)

    def _stored(self, former: Case, case: Case) -> dict[str, Any]:
        """Return what a step changed in a case."""
        return {
            "model": SAME if case.model is former.model else self.put_model(case.model),
            "train": SAME if case.train is former.train else self.store.artifacts.put(dump_data(case.train)),
            "graph": None if case.graph is None else case.graph.to_mapping(),
            "repair": case.repair,
            "leave_out": case.leave_out,
            "results": {k: v for k, v in case.results.items() if former.results.get(k) is not v},
        }

    def get(self, before: StepResult, trace: Trace) -> tuple[tuple[Case, ...], Effect, float] | None:
        """Return the stored result of a step, None if there is none.

        Raises
        ------
        RunError
            A file is missing or was changed.
        """
        parts = self.store.get_step(self.run_id, self._key(trace))
        if parts is None:
            return None
        folds = tuple(self._restored(a, b) for a, b in zip(before.folds, parts["folds"], strict=True))
        raw = parts["effect"]
        effect = Effect(raw["kind"], raw["share"], raw["text"], raw["size"], raw["detail"])
        return folds, effect, parts["seconds"]

    def _restored(self, case: Case, parts: dict[str, Any]) -> Case:
        """Return a case with what a step changed in it."""
        former = case.train
        if parts["model"] != SAME:
            case = case.replace(model=self.get_model(parts["model"]))
        if parts["train"] != SAME:
            case = case.replace(train=load_data(self.store.artifacts.get(parts["train"]), former))
        if parts["graph"] is not None:
            case = case.replace(graph=CausalGraph.from_mapping(parts["graph"]))
        return case.replace(
            results={**case.results, **parts["results"]},
            repair=tuple(parts["repair"]),
            leave_out=tuple(parts["leave_out"]),
        )

    def put_fold(self, key: Trace, fold: dict[str, Any]) -> None:
        """Store the results of one fold of a cross-validation."""
        self.store.put_step(self.run_id, self._key(key), fold)

    def get_fold(self, key: Trace) -> dict[str, Any] | None:
        """Return the stored results of a fold, None if there are none."""
        return self.store.get_step(self.run_id, self._key(key))

    def put_record(self, record: RunRecord) -> None:
        """Store the whole record of the run, for reports without the data."""
        self.store.put_step(self.run_id, RECORD, {"record": self.store.artifacts.put(dump_record(record))})

    def get_record(self, model: str) -> RunRecord | None:
        """Return the whole record of the run with its final rule, None if there is none."""
        parts = self.store.get_step(self.run_id, RECORD)
        if parts is None:
            return None
        return load_record(self.store.artifacts.get(parts["record"]), self.get_model(model).model_)

    def _key(self, trace: Trace) -> str:
        basis = trace if self.graph is None or not trace else [self.graph, trace]
        return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()
