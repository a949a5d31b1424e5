"""Runs that are kept: begin, resume after an interruption, predict; a run is verified before it is read."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairmend.catalog.policy import Policy, load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.causal.graph_io import expert_graph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.files import append
from fairmend.core.data.roles import Roles
from fairmend.core.data.table_reading import exact_columns, read_table
from fairmend.core.errors import FairmendError, RunError, StoreError, UsageError
from fairmend.core.fair_pipeline import FairPipeline
from fairmend.pipeline.compose.steering import with_graph
from fairmend.pipeline.run.cv_results import Repeats
from fairmend.pipeline.run.objections import answer_rejections
from fairmend.pipeline.run.record import RunRecord
from fairmend.pipeline.run.run_status import (
    ACCEPTED,
    CHOSEN,
    DEPLOYABLE,
    EXIT_CODES,
    current_status,
    next_step,
    rule_of,
    settled_decisions,
)
from fairmend.pipeline.run.runner import new_run_id, run
from fairmend.pipeline.run.state_machine import Observer
from fairmend.pipeline.run.third_party import decided
from fairmend.pipeline.spec import PipelineSpec
from fairmend.pipeline.storage.checkpoints import Checkpoint
from fairmend.pipeline.storage.frames import dump_frame, load_frame
from fairmend.pipeline.storage.run_store import RunStore, StoredRun

OPEN_TO_GRAPH = ("waiting", "escalated", "rejected")
"""Statuses of a run that can be given a revised causal graph."""

ABOUT_ANOTHER = (
    "The verdict and the figures of this record are about the rule that was escalated; those of the option that "
    "people chose are among the options."
)


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
    checkpoint = Checkpoint(store, run_id, plugin_modules(registry))
    judged_by = load_policy(policy or spec.policy, registry)
    name = None
    if model is not None:
        name = checkpoint.put_model(model)
        model = checkpoint.get_model(
            name
        )  # reject a source that cannot be read again before any work is done
    source = None if path is None or not Path(path).is_file() else Path(path)
    request = {
        "pipeline": spec.model_dump(mode="json"),
        "policy": judged_by.model_dump(mode="json"),
        "data": {
            "path": None if source is None else str(source.resolve()),
            "frame": None if source is not None else store.artifacts.put(_dump(data)),
            "roles": data.roles.model_dump(mode="json"),
            "notes": list(data.notes),
            "sha256": data.fingerprint(),
        },
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
        _revise_graph(store, stored, graph)
        stored = store.run(stored.run_id)
    ended = read_record(store, stored, registry)
    if ended is not None:
        now = _with_decisions(ended, store, stored)
        current = ended.spec.graph == store.changed_request(stored)["pipeline"].get("graph")
        if current and (now.approvals == ended.approvals or now.status in CHOSEN):
            return now
        answer_rejections(store, stored, now, registry)
    data = _read_again(store, stored)
    checkpoint = Checkpoint(store, stored.run_id, plugin_modules(registry))
    model = None if stored.request["model"] is None else checkpoint.get_model(stored.request["model"])
    return _work(stored, data, model, store, registry, observer, resumed=True)


def _revise_graph(store: RunStore, stored: StoredRun, source: Any) -> None:
    """Check a revised graph and record it; decisions of people on the former graph no longer hold."""
    status, _ = current_status(store, stored)
    if status not in OPEN_TO_GRAPH:
        raise RunError(
            f"{stored.run_id} is {status}; only a run that is {', '.join(OPEN_TO_GRAPH[:-1])} or {OPEN_TO_GRAPH[-1]} "
            "takes a revised graph; start a new run with --graph"
        )
    graph = expert_graph(source, _read_again(store, stored)).to_mapping()
    present = store.changed_request(stored)["pipeline"].get("graph")
    if graph == present:
        return
    gate = Policy(**stored.request["policy"]).gate("causal").id
    with store.lock(stored.run_id):
        store.revise_graph(stored, graph, (stored.result or {}).get("graph") or present)
        for place, decision in enumerate(store.approvals(stored.run_id)):
            causal = decision.gate == gate or decision.concern == "causal-assumption"
            if causal and not decision.approved and not decision.met:
                store.respond(stored.run_id, place, "the causal graph was revised", {}, met=True)


def _read_again(store: RunStore, stored: StoredRun) -> Dataset:
    """Return the data of a run, which must be what they were."""
    about = stored.request["data"]
    roles = Roles(**about["roles"])
    if about["path"] is not None:
        data = Dataset.read(about["path"], roles)
    else:
        # The stored frame has binned groups and no ignored columns.
        grouped = roles.model_copy(update={"cuts": {}, "ignored": ()})
        data = Dataset.from_frame(load_frame(store.artifacts.get(about["frame"])), grouped)
        data = replace(data, roles=roles, notes=tuple(about.get("notes", ())))
    if data.fingerprint() != about["sha256"]:
        raise RunError(
            f"the data of {stored.run_id} changed since it started ({about['path']}); start a new run"
        )
    return data


def read_record(store: RunStore, stored: StoredRun, registry: Registry) -> RunRecord | None:
    """Return the whole record of a completed run; None if it has not ended, or none matches its result."""
    if stored.result is None or stored.model is None:
        return None
    record = Checkpoint(store, stored.run_id, plugin_modules(registry)).get_record(stored.model)
    if record is None:
        return None
    found = json.loads(json.dumps(record.to_json()))
    if json.dumps(found) != json.dumps(stored.result):  # compared as strings, in which NaN equals NaN
        return None
    return replace(record, head=stored.head)


def current_record(store: RunStore, stored: StoredRun, registry: Registry) -> RunRecord | None:
    """Return the whole record of a run with later decisions of people, None if there is none."""
    record = read_record(store, stored, registry)
    return None if record is None else _with_decisions(record, store, stored)


def _with_decisions(record: RunRecord, store: RunStore, stored: StoredRun) -> RunRecord:
    """Return a record with the decisions of people since, and with the status that they give it."""
    approvals = settled_decisions(store, stored, record.approvals)
    status, reason = current_status(store, stored)
    for known in EXIT_CODES:
        if status == known:
            notes = [*record.notes, ABOUT_ANOTHER] if known == "option chosen" else record.notes
            return replace(record, status=known, reason=reason, approvals=approvals, notes=notes)
    return replace(record, approvals=approvals)  # it is being resumed


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
    checkpoint = Checkpoint(store, stored.run_id, plugin_modules(registry), spec.graph)
    with store.lock(stored.run_id):
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


def load_deployed(store: RunStore, run_id: str, registry: Registry, *, even_so: bool = False) -> FairPipeline:
    """Return the fitted rule of a run.

    Parameters
    ----------
    store : RunStore
        Where the run is stored.
    run_id : str
        The run.
    registry : Registry
        What is installed.
    even_so : bool
        Return the rule even if the run is not deployable.

    Raises
    ------
    RunError
        The run has not ended or is not deployable, or its record was changed.
    """
    return _deployed(store.verified(run_id), store, registry, even_so)


def _deployed(stored: StoredRun, store: RunStore, registry: Registry, even_so: bool) -> FairPipeline:
    """Return the fitted rule of a verified run."""
    status, reason = current_status(store, stored)
    rule = rule_of(store, stored)
    if rule is None:
        raise RunError(f"{stored.run_id} has no rule yet ({status}); {next_step(status, stored.run_id)}")
    if status not in DEPLOYABLE | ACCEPTED and not even_so:
        raise RunError(
            f"{stored.run_id} is not deployable, it is {status}{f' ({reason})' if reason else ''}; "
            f"{next_step(status, stored.run_id)}, or apply its rule anyway with --even-so"
        )
    return Checkpoint(store, stored.run_id, plugin_modules(registry)).get_model(rule)


def predict(
    store: RunStore,
    run_id: str,
    data: str | Path | pd.DataFrame,
    registry: Registry,
    *,
    even_so: bool = False,
) -> pd.DataFrame:
    """Return the score and decision per row of new data.

    Parameters
    ----------
    store : RunStore
        Where the run is stored.
    run_id : str
        The run.
    data : path or DataFrame
        The features, the protected attributes if the rule reads them, and the row id if there is one.
    registry : Registry
        What is installed.
    even_so : bool
        Apply the rule even if the run is not deployable; the result then has its status in each row.

    Returns
    -------
    DataFrame
        ``score``, the probability of the favorable outcome, and ``decision``, 1 if favorable;
        ``run_status`` if the run is not deployable.

    Raises
    ------
    RunError
        As for :func:`load_deployed`.
    DataError
        The columns differ from those of the training data.
    """
    stored = store.verified(run_id)
    rule = _deployed(stored, store, registry, even_so)
    roles = stored.request["data"]["roles"]
    frame = data if isinstance(data, pd.DataFrame) else read_table(data, exact_columns(roles))
    found = decide(rule, Roles(**roles), frame)
    status, _ = current_status(store, stored)
    return found if status in DEPLOYABLE | ACCEPTED else found.assign(run_status=status)


def decide(rule: FairPipeline, roles: Roles, frame: pd.DataFrame) -> pd.DataFrame:
    """Return score and decision of a fitted rule for new rows, as :func:`predict` does."""
    sensitive = None
    if rule.reads_protected:
        absent = [a for a in roles.protected if a not in frame.columns]
        if absent:
            raise UsageError(
                f"the rule reads {', '.join(absent)} for every decision, but the data has no such column"
            )
        sensitive = frame[list(roles.protected)]
    key = frame[roles.key].to_numpy() if roles.key is not None and roles.key in frame.columns else None
    scores, decisions = decided(
        rule.model_,
        lambda: rule.score_and_decide(frame, sensitive_features=sensitive, key=key),
        len(frame),
    )
    out = pd.DataFrame({"score": scores, "decision": decisions.astype(np.int64)}, index=frame.index)
    if key is not None:
        out.insert(0, str(roles.key), key)
    return out


def plugin_modules(registry: Registry) -> tuple[str, ...]:
    """Return the modules of the installed third-party plugins and of their techniques."""
    third = {p.name: p.module.partition(":")[0] for p in registry.plugins}
    third = {name: module for name, module in third.items() if module.partition(".")[0] != "fairmend"}
    if not third:
        return ()
    techniques = {card.module for card in registry.cards() if card.plugin in third}
    return tuple(sorted({*third.values(), *techniques}))


def _dump(data: Dataset) -> bytes:
    """Return the data with columns as they would be read from a file."""
    frame = data.frame
    roles = data.roles
    favorable = roles.favorable
    frame[roles.outcome] = np.where(data.y == 1, str(favorable), f"not {favorable}")
    if roles.weights is not None and data.weights is not None:
        frame[roles.weights] = data.weights
    if roles.key is not None and data.key is not None:
        frame[roles.key] = data.key
    return dump_frame(frame.reset_index(drop=True))
