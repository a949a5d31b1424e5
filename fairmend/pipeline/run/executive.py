"""Decisions on an escalated run: accept it as measured, choose an option, send it back, or stop.

Only a role that the policy's rollback escalates to can decide. Like an approval, a decision holds for the rule that
it was made on; nothing of it makes a run "deployable".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fairmend.catalog.policy import Policy
from fairmend.core.errors import UsageError, unknown
from fairmend.pipeline.run.approvals import ESCALATION, Approval, check_decision, rejections

if TYPE_CHECKING:
    from fairmend.pipeline.run.record import Transition
    from fairmend.pipeline.storage.run_store import RunStore
    from fairmend.pipeline.storage.stored_run import StoredRun

ACCEPT, SEND_BACK, STOP = "accept", "send-back", "stop"
OPEN_TO_CHOICE = {"escalated", "failed"}
Chosen = Literal["accepted as measured", "option chosen", "stopped", "rejected"]
_OUTWEIGHING: tuple[tuple[str, Chosen], ...] = ((STOP, "stopped"), (SEND_BACK, "rejected"))


def deciders(
    policy: Policy, transitions: Iterable[Transition], decisions: Iterable[Approval] = ()
) -> list[str]:
    """Return the roles that decide on an escalated run.

    Parameters
    ----------
    policy : Policy
        Its rollbacks name the roles.
    transitions : iterable of Transition
        Of the run; its last escalation counts.
    decisions : iterable of Approval
        Settled; where the run itself did not escalate, the gates of the rejections in force count.
    """
    escalated = [t.id for t in transitions if t.kind == "escalation"][-1:]
    rejected = {a.gate for a in rejections(decisions)}
    of_gates = [g.on_fail for g in policy.gates if g.id in rejected]
    last = [policy.gate("post-processing").on_fail]
    roles = (role for name in escalated or of_gates or last for role in policy.rollback(name).escalate_to)
    return list(dict.fromkeys(roles))


def chosen(decisions: Sequence[Approval]) -> tuple[Chosen, str] | None:
    """Return the status that decisions on an escalated run give it, and the reason; None if they give none.

    One role that stops the run, or sends it back, outweighs others, until nothing could be done about it; a rejection
    of a gate counts if it is later than the choice, and roles that choose differently leave the run escalated.
    """
    held = [
        (place, a)
        for place, a in enumerate(decisions)
        if a.gate == ESCALATION and a.state == "holds" and not a.response
    ]
    for option, status in _OUTWEIGHING:
        if found := [a for _, a in held if a.option == option]:
            return status, _sentence(found)
    if not held or len({a.option for _, a in held}) > 1:
        return None
    last = held[-1][0]
    if later := rejections(decisions[last:]):
        return "rejected", "; ".join(f"{a.gate} was {a}" for a in later)
    choices = [a for _, a in held]
    return "accepted as measured" if choices[0].option == ACCEPT else "option chosen", _sentence(choices)


def choosable(result: Mapping[str, Any]) -> list[str]:
    """Return what people can deploy of the JSON record of a run: its final rule, and its stored options.

    What a guard failed can be accepted by nobody.
    """
    blocked = any(guard["status"] == "failed" for guard in result["guards"])
    options = [option["id"] for option in result.get("options", ()) if option["artifact"]]
    return [*([] if blocked else [ACCEPT]), *options]


def chosen_option(result: Mapping[str, Any], decisions: Sequence[Approval]) -> dict[str, Any]:
    """Return the option that people chose, from the JSON record of a run."""
    [name] = {a.option for a in decisions if a.gate == ESCALATION and a.state == "holds" and not a.response}
    return next(option for option in result["options"] if option["id"] == name)


def _sentence(decisions: Iterable[Approval]) -> str:
    return "; ".join(map(str, decisions))


def open_to_people(store: RunStore, run_id: str) -> StoredRun:
    """Return a verified run on which people can decide.

    Raises
    ------
    UsageError
        Its approvals were assumed.
    """
    stored = store.verified(run_id)
    if stored.request["assume_approved"]:
        raise UsageError(
            f"the approvals of {stored.run_id} were assumed; start a run without --assume-approved"
        )
    return stored


def choose(
    store: RunStore,
    run_id: str,
    option: str,
    *,
    role: str,
    by: str,
    note: str = "",
    concern: str = "",
    answer: str = "",
) -> StoredRun:
    """Record a decision on an escalated run.

    Parameters
    ----------
    store : RunStore
        Where the run is stored.
    run_id : str
        The run.
    option : str
        ``accept`` (its final rule as measured), the id of one of its options, ``send-back`` or ``stop``.
    role, by : str
        Role and name of the person who decides.
    note : str
        The rationale; required unless the run is stopped.
    concern : str
        What a run that is sent back must meet; see :data:`fairmend.core.vocabulary.CONCERNS`.
    answer : str
        As for :func:`fairmend.pipeline.run.run_status.approve`.

    Raises
    ------
    UnknownNameError
        There is no such run, option or concern, or the role does not decide on it.
    UsageError
        The run was not escalated, its rule cannot be accepted, or the decision is not allowed.
    RunError
        The record was changed.
    """
    stored = open_to_people(store, run_id)
    result = stored.result
    if stored.status not in OPEN_TO_CHOICE or result is None:
        raise UsageError(
            f"only an escalated or failed run has something to choose, and {stored.run_id} is {stored.status}; "
            "to object to its rule: fairmend approve ... --reject --concern"
        )
    if role not in result["escalated_to"]:
        raise unknown(f"role that decides on {stored.run_id}", role, result["escalated_to"])
    options = choosable(result)
    if option not in {ACCEPT, SEND_BACK, STOP, *options}:
        raise unknown(f"option of {stored.run_id}", option, [*options, SEND_BACK, STOP])
    blocked = [g["reason"] for g in result["guards"] if g["status"] == "failed"]
    if option not in {*options, SEND_BACK, STOP}:
        raise UsageError(f"the rule of {stored.run_id} cannot be accepted by anybody: {'; '.join(blocked)}")
    if (option == SEND_BACK) != bool(concern):
        raise UsageError(f"--concern is required for {SEND_BACK}, and only for that")
    if option != STOP and not note.strip():
        raise UsageError("a decision on an escalated run requires its rationale; add --note TEXT")
    policy = Policy(**stored.request["policy"])
    rules = result["presented_rules"]
    decision = Approval(
        ESCALATION,
        role,
        by.strip(),
        option not in {SEND_BACK, STOP},
        note.strip(),
        answer=answer.strip(),
        concern=concern,
        rule=rules[ESCALATION],
        option=option,
    )
    earlier = store.approvals(stored.run_id)
    check_decision(decision, earlier, distinct=policy.distinct_approvers, rules=rules)
    store.approve(stored.run_id, decision)
    return store.run(stored.run_id)
