"""Begin a stored run, or resume one after an interruption, a decision of people or a revised graph."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from fairmend.catalog.policy import Policy, load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.files import append
from fairmend.core.data.table_reading import read_table
from fairmend.core.errors import FairmendError, StoreError
from fairmend.core.fair_pipeline import FairPipeline
from fairmend.pipeline.compose.steering import with_graph
from fairmend.pipeline.run.cv_results import Repeats
from fairmend.pipeline.run.objections import answer_rejections
from fairmend.pipeline.run.record import RunRecord
from fairmend.pipeline.run.run_status import CHOSEN
from fairmend.pipeline.run.runner import new_run_id, run
from fairmend.pipeline.run.state_machine import Observer
from fairmend.pipeline.spec import PipelineSpec
from fairmend.pipeline.storage.checkpoints import Checkpoint
from fairmend.pipeline.storage.frames import dump_frame, load_frame
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.stored_run import StoredRun
from fairmend.pipeline.stored_runs.data_source import data_source, read_again
from fairmend.pipeline.stored_runs.graph_revision import revise_graph
from fairmend.pipeline.stored_runs.records import read_record, with_decisions


def begin(
    spec: PipelineSpec,
    data: Dataset,
    *,
    store: RunStore,
    registry: Registry,
    path: str | Path | None = None,
    policy: str | Policy | None = None,
    assume_approved: bool = False,
    model: Any = None,
    cv: str | None = None,
    stream: str | Path | pd.DataFrame | None = None,
    observer: Observer | None = None,
    n_boot: int = 2000,
    n_permutations: int = 10_000,
    intervene: bool = False,
) -> RunRecord:
    """Run a pipeline and store the run.

    Parameters
    ----------
    spec, data, registry, policy, assume_approved, model, cv, stream, observer, n_boot, n_permutations, intervene
        As for :func:`fairmend.pipeline.run.runner.run`.
    store : RunStore
        Where the run is stored.
    path : str or Path, optional
        The data file, which is read again on resume. Without one, or if it is a pipe, the data are
        stored.
    """
    spec = with_graph(spec, data)
    run_id = new_run_id()
    checkpoint = Checkpoint(store, run_id, registry.plugin_modules())
    judged_by = load_policy(policy or spec.policy, registry)
    name = None
    if model is not None:
        name = checkpoint.put_model(model)
        model = checkpoint.get_model(
            name
        )  # reject a source that cannot be read again before any work is done
    request = {
        "pipeline": spec.model_dump(mode="json"),
        "policy": judged_by.model_dump(mode="json"),
        "data": data_source(data, path, store),
        "assume_approved": assume_approved,
        "model": name,
        "cv": None if cv is None else str(Repeats.parse(cv)),
        "stream": None if stream is None else store.artifacts.put(dump_frame(_decisions(stream))),
        "n_boot": n_boot,
        "n_permutations": n_permutations,
        "intervene": intervene,
    }
    store.create(run_id, request)
    return _work(store.run(run_id), data, model, store, registry, observer)


def resume(
    run_id: str,
    *,
    store: RunStore,
    registry: Registry,
    graph: Any = None,
    observer: Observer | None = None,
) -> RunRecord:
    """Resume an interrupted, waiting or rejected run; completed steps are loaded, not recomputed.

    A rejection is answered by its concern: the run is changed to meet it, and presented again. A completed run
    without later decisions is loaded as a whole and needs no data.

    Parameters
    ----------
    run_id : str
        The run, or ``latest``.
    store : RunStore
        Where the run is stored.
    registry : Registry
        What is installed.
    graph : CausalGraph, mapping, sequence of edges, or path, optional
        A revised causal graph, for a run that waits, was escalated or was rejected. The log keeps both
        graphs, and earlier decisions of people on the causal gate no longer count.
    observer : callable, optional
        Called with every event as it occurs.

    Raises
    ------
    RunError
        The record or the data changed since the run started, a stored result is missing, or the run is
        not open to another graph.
    MissingColumnError, UsageError
        The graph does not fit the data; see :func:`fairmend.core.causal.graph_io.expert_graph`.
    """
    stored = store.verified(run_id)
    if graph is not None:
        revise_graph(store, stored, graph)
        stored = store.run(stored.run_id)
    ended = read_record(store, stored, registry)
    if ended is not None:
        now = with_decisions(ended, store, stored)
        current = ended.spec.graph == store.changed_request(stored)["pipeline"].get("graph")
        if current and (now.approvals == ended.approvals or now.status in CHOSEN):
            return now
        answer_rejections(store, stored, now, registry)
    data = read_again(store, stored)
    checkpoint = Checkpoint(store, stored.run_id, registry.plugin_modules())
    model = None if stored.request["model"] is None else checkpoint.get_model(stored.request["model"])
    return _work(stored, data, model, store, registry, observer, resumed=True)


def _work(
    stored: StoredRun,
    data: Dataset,
    model: Any,
    store: RunStore,
    registry: Registry,
    observer: Observer | None,
    resumed: bool = False,
) -> RunRecord:
    request = store.changed_request(stored)
    spec = PipelineSpec(**request["pipeline"])
    checkpoint = Checkpoint(store, stored.run_id, registry.plugin_modules(), spec.graph)
    with store.locks.lock(stored.run_id):
        if resumed:
            store.resumed(stored.run_id)
        try:
            record = run(
                spec,
                data,
                registry=registry,
                policy=Policy(**request["policy"]),
                approvals=store.approvals(stored.run_id),
                assume_approved=request["assume_approved"],
                model=model,
                cv=request.get("cv"),  # missing in runs of versions without cross-validation
                observer=_written(store, stored.run_id, observer),
                n_boot=request["n_boot"],
                n_permutations=request["n_permutations"],
                run_id=stored.run_id,
                checkpoint=checkpoint,
                # whoever objected, or revised the graph, had seen the metrics on the test data
                test_looks=store.test_looks(stored.run_id)
                + store.revisions(stored.run_id)
                + len(request.get("former_graphs", ())),
                intervene=request.get("intervene", False),  # missing in runs of versions without decision 0
                stream=None
                if request.get("stream") is None
                else load_frame(store.artifacts.get(request["stream"])),
                former_graphs=request.get("former_graphs", ()),
            )
        except FairmendError as error:
            with suppress(StoreError):  # the error itself may be a full disk
                store.fail(stored.run_id, str(error))
            raise
        deployed = FairPipeline.of_model(record.model, data)
        record.options = [
            replace(
                option,
                artifact=checkpoint.put_model(FairPipeline.of_model(record.option_models[option.id], data)),
            )
            for option in record.options
        ]
        checkpoint.put_record(record)
        store.finish(stored.run_id, record.status, record.to_json(), checkpoint.put_model(deployed))
        record.head = store.run(stored.run_id).head
    return record


def _decisions(stream: str | Path | pd.DataFrame) -> pd.DataFrame:
    return stream if isinstance(stream, pd.DataFrame) else read_table(stream)


def _written(store: RunStore, run_id: str, observer: Observer | None) -> Observer:
    """Return an observer that writes each event as a line of JSON and then forwards it."""
    path = store.events_path(run_id)

    def tell(event: dict[str, Any]) -> None:
        line = json.dumps(
            {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **event}, default=str
        )
        append(path, f"{line}\n".encode())
        if observer is not None:
            observer(event)

    return tell
