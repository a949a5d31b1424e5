"""A revised causal graph for a run that is open to one."""

from __future__ import annotations

from typing import Any

from fairmend.catalog.policy import Policy
from fairmend.core.causal.graph_io import expert_graph
from fairmend.core.errors import RunError
from fairmend.pipeline.run.run_status import current_status
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.stored_run import StoredRun
from fairmend.pipeline.stored_runs.data_source import read_again

OPEN_TO_GRAPH = ("waiting", "escalated", "rejected")
"""Statuses of a run that accepts a revised causal graph."""


def revise_graph(store: RunStore, stored: StoredRun, source: Any) -> None:
    """Check a revised graph and record it; decisions of people on the former graph no longer hold."""
    status, _ = current_status(store, stored)
    if status not in OPEN_TO_GRAPH:
        raise RunError(
            f"{stored.run_id} is {status}; only a run that is {', '.join(OPEN_TO_GRAPH[:-1])} or {OPEN_TO_GRAPH[-1]} "
            "takes a revised graph; start a new run with --graph"
        )
    graph = expert_graph(source, read_again(store, stored)).to_mapping()
    present = store.changed_request(stored)["pipeline"].get("graph")
    if graph == present:
        return
    gate = Policy(**stored.request["policy"]).gate("causal").id
    with store.locks.lock(stored.run_id):
        store.revise_graph(stored, graph, (stored.result or {}).get("graph") or present)
        for place, decision in enumerate(store.approvals(stored.run_id)):
            causal = decision.gate == gate or decision.concern == "causal-assumption"
            if causal and not decision.approved and not decision.met:
                store.respond(stored.run_id, place, "the causal graph was revised", {}, met=True)
