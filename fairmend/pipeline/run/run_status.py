"""The current status of a stored run: its record, and later decisions of people."""

from __future__ import annotations

from typing import Any, Literal

from fairmend.catalog.policy import Policy
from fairmend.core.errors import RunError, UsageError, unknown
from fairmend.pipeline.run.approvals import Approval, check_decision, rejections, settle
from fairmend.pipeline.run.executive import OPEN_TO_CHOICE, choosable, chosen, chosen_option, open_to_people
from fairmend.pipeline.run.next_steps import next_commands
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.stored_run import StoredRun

Status = Literal[
    "deployable",
    "no intervention needed",
    "undecided",
    "passed its policy",
    "waiting",
    "escalated",
    "failed",
    "rejected",
    "accepted as measured",
    "option chosen",
    "stopped",
]
EXIT_CODES: dict[Status, int] = {
    "deployable": 0,
    "no intervention needed": 0,
    "waiting": 3,
    "undecided": 4,
    "passed its policy": 4,
    "escalated": 4,
    "failed": 4,
    "rejected": 4,
    "accepted as measured": 5,
    "option chosen": 5,
    "stopped": 4,
}
DEPLOYABLE = {"deployable", "no intervention needed"}
"""With these, the stored rule may be applied: the final one, or the plain model."""
ACCEPTED = {"accepted as measured", "option chosen"}
"""Statuses by decision of people although a required check did not pass: the rule may be applied."""
CHOSEN = ACCEPTED | {"stopped"}
OPEN_TO_REJECTION = {*DEPLOYABLE, "passed its policy", "waiting"}


def settled_decisions(
    store: RunStore, stored: StoredRun, assumed: list[Approval] | None = None
) -> list[Approval]:
    """Return the decisions of people on a run so far, each with its state.

    For a run with assumed approvals these are the assumed ones, if given.
    """
    if assumed is not None and stored.request["assume_approved"]:
        return assumed
    policy = Policy(**stored.request["policy"])
    return settle(
        store.approvals(stored.run_id), distinct=policy.distinct_approvers, rules=presented_rules(stored)
    )


def presented_rules(stored: StoredRun) -> dict[str, str]:
    """Return by gate the fingerprint of what people were shown; empty before the run has ended."""
    return {} if stored.result is None else stored.result["presented_rules"]


def current_status(store: RunStore, stored: StoredRun) -> tuple[str, str]:
    """Return the status of a run and its reason, including later rejections.

    Returns
    -------
    status, reason : str
        The status is ``rejected`` if the run passed or waits according to its record and a rejection is in
        force, and that of a choice if people made one after an escalation; no resume is needed. It is
        ``interrupted`` if no process works on a run that has not ended.
    """
    if stored.status == "running" and not store.locks.is_locked(stored.run_id):
        return (
            "interrupted",
            f"its process ended before the run did; fairmend resume {stored.run_id} completes it",
        )
    if stored.status in OPEN_TO_REJECTION:
        rejected = rejections(settled_decisions(store, stored))
        if rejected:
            return "rejected", "; ".join(f"{a.gate} was {a}" for a in rejected)
    if stored.status in OPEN_TO_CHOICE and (found := chosen(settled_decisions(store, stored))):
        status, reason = found
        return status, f"{reason}; {_option(store, stored)['text']}" if status == "option chosen" else reason
    return stored.status, (stored.result or {}).get("reason", "")


def commands(store: RunStore, stored: StoredRun) -> list[str]:
    """Return the commands that answer a run, which can be copied into a terminal."""
    status, _ = current_status(store, stored)
    result = stored.result or {}
    return next_commands(
        status,
        stored.run_id,
        policy=Policy(**stored.request["policy"]),
        waiting=[g["id"] for g in result.get("gates", ()) if g["verdict"] == "waiting"],
        decisions=settled_decisions(store, stored),
        deciders=result.get("escalated_to", ()),
        options=choosable(result) if result else (),
    )


def rule_of(store: RunStore, stored: StoredRun) -> str | None:
    """Return the name of the file with the rule of a run: the final one, or the option that people chose."""
    chose_another = current_status(store, stored)[0] == "option chosen"
    return _option(store, stored)["artifact"] if chose_another else stored.model


def _option(store: RunStore, stored: StoredRun) -> dict[str, Any]:
    return chosen_option(stored.result or {}, settled_decisions(store, stored))


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
        return f"fairmend resume {run_id} answers the objection by its concern"
    if status == "stopped":
        return "it was stopped by people"
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
    concern: str = "",
) -> StoredRun:
    """Record a person's decision on a gate of a run, for the rule that stands there.

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
    concern : str
        What a rejection objects to, one of :data:`fairmend.core.vocabulary.CONCERNS`; by default ``other``.

    Raises
    ------
    UnknownNameError
        No such run, gate, role at that gate, or concern.
    UsageError
        The run's approvals were assumed, or the decision is not allowed; see :func:`fairmend.pipeline.run.approvals.check_decision`.
    RunError
        The record was changed.
    """
    stored = open_to_people(store, run_id)
    policy = Policy(**stored.request["policy"])
    roles = {g.id: [r for c in g.checks for r in c.roles] for g in policy.gates}
    roles = {g: r for g, r in roles.items() if r}
    if gate not in roles:
        raise unknown("gate with approvals", gate, roles)
    if role not in roles[gate]:
        raise unknown(f"role at {gate}", role, roles[gate])
    rules = presented_rules(stored)
    if gate not in rules:
        raise UsageError(
            f"{gate} of {stored.run_id} has nothing to decide on yet; fairmend resume {stored.run_id} first"
        )
    decision = Approval(
        gate,
        role,
        by.strip(),
        approved,
        note.strip(),
        answer=answer.strip(),
        concern=concern or ("" if approved else "other"),
        rule=rules[gate],
    )
    check_decision(decision, store.approvals(stored.run_id), distinct=policy.distinct_approvers, rules=rules)
    store.approve(stored.run_id, decision)
    return store.run(stored.run_id)
