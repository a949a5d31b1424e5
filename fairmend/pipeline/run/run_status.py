"""The current status of a stored run: its record, and later decisions of people."""

from __future__ import annotations

from typing import Literal

from fairmend.catalog.policy import Policy
from fairmend.core.errors import RunError, UsageError, unknown
from fairmend.pipeline.run.approvals import Approval, check_decision, rejections, settle
from fairmend.pipeline.storage.run_store import RunStore, StoredRun

Status = Literal["deployable", "passed its policy", "waiting", "escalated", "failed", "rejected"]
EXIT_CODES: dict[Status, int] = {
    "deployable": 0,
    "waiting": 3,
    "passed its policy": 4,
    "escalated": 4,
    "failed": 4,
    "rejected": 4,
}
DEPLOYABLE = {"deployable"}
OPEN_TO_REJECTION = {"deployable", "passed its policy", "waiting"}


def settled_decisions(
    store: RunStore, stored: StoredRun, assumed: list[Approval] | None = None
) -> list[Approval]:
    """Return the decisions of people on a run so far, each with its state.

    For a run with assumed approvals these are the assumed ones, if given.
    """
    if assumed is not None and stored.request["assume_approved"]:
        return assumed
    policy = Policy(**stored.request["policy"])
    return settle(store.approvals(stored.run_id), distinct=policy.distinct_approvers)


def current_status(store: RunStore, stored: StoredRun) -> tuple[str, str]:
    """Return the status of a run and its reason, including later rejections.

    Returns
    -------
    status, reason : str
        The status is ``rejected`` if the run passed or waits according to its record and a rejection is in
        force; no resume is needed. It is ``interrupted`` if no process works on a run that has not ended.
    """
    if stored.status == "running" and not store.is_locked(stored.run_id):
        return (
            "interrupted",
            f"its process ended before the run did; fairmend resume {stored.run_id} completes it",
        )
    if stored.status in OPEN_TO_REJECTION:
        rejected = rejections(settled_decisions(store, stored))
        if rejected:
            return "rejected", "; ".join(f"{a.gate} was {a}" for a in rejected)
    return stored.status, (stored.result or {}).get("reason", "")


def listed(store: RunStore) -> list[tuple[StoredRun, str, str]]:
    """Return every run, the latest first, with status and reason; ``changed`` if verification failed.

    The files of the runs are not read here, but when a single run is read.
    """
    found = []
    for stored in store.runs():
        try:
            whole = store.verified(stored.run_id, files=False)
            found.append((whole, *current_status(store, whole)))
        except RunError as error:
            found.append((stored, "changed", str(error)))
    return found


def next_step(status: str, run_id: str) -> str:
    """Return the next action for a run that is not deployable, as an imperative clause."""
    if status == "rejected":
        return (
            f"resolve the objection (fairmend approve {run_id} ... --answer), then fairmend resume {run_id}"
        )
    if status == "waiting":
        return f"record the open approvals (fairmend approve {run_id} ...), then fairmend resume {run_id}"
    if status in EXIT_CODES:
        return f"see its options with fairmend report {run_id} -o FOLDER"
    return f"complete it with fairmend resume {run_id}"


def approve(
    store: RunStore,
    run_id: str,
    *,
    gate: str,
    role: str,
    by: str,
    approved: bool,
    note: str = "",
    answer: str = "",
) -> StoredRun:
    """Record a person's decision on a gate of a run.

    Parameters
    ----------
    store : RunStore
        Where the run is stored.
    run_id, gate, role : str
        The run and gate, and the role of the person.
    by : str
        Name of the person.
    approved : bool
        The decision.
    note : str
        Why.
    answer : str
        How the objection of another person's rejection was resolved; required to override it.

    Raises
    ------
    UnknownNameError
        No such run, gate, or role at that gate.
    UsageError
        The run's approvals were assumed, or the decision is not allowed; see :func:`fairmend.pipeline.run.approvals.check_decision`.
    RunError
        The record was changed.
    """
    stored = store.verified(run_id)
    if stored.request["assume_approved"]:
        raise UsageError(
            f"the approvals of {stored.run_id} were assumed; start a run without --assume-approved"
        )
    policy = Policy(**stored.request["policy"])
    roles = {g.id: [r for c in g.checks for r in c.roles] for g in policy.gates}
    roles = {g: r for g, r in roles.items() if r}
    if gate not in roles:
        raise unknown("gate with approvals", gate, roles)
    if role not in roles[gate]:
        raise unknown(f"role at {gate}", role, roles[gate])
    decision = Approval(gate, role, by.strip(), approved, note.strip(), answer=answer.strip())
    check_decision(decision, store.approvals(stored.run_id), distinct=policy.distinct_approvers)
    store.approve(stored.run_id, decision)
    return store.run(stored.run_id)
