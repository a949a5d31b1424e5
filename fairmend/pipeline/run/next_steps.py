"""The commands that answer a run which waits for people, as they can be copied into a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from fairmend.catalog.policy import Policy
from fairmend.pipeline.run.approvals import ESCALATION, NAME, TEXT, Approval, in_force, rejections
from fairmend.pipeline.run.executive import ACCEPT, SEND_BACK, STOP

FILE = "FILE"


def next_commands(
    status: str,
    run_id: str,
    *,
    policy: Policy,
    waiting: Iterable[str],
    decisions: Sequence[Approval],
    deciders: Sequence[str] = (),
    options: Sequence[str] = (ACCEPT,),
) -> list[str]:
    """Return the commands that answer a run; ``NAME``, ``TEXT`` and ``FILE`` stand for what a person fills in.

    Parameters
    ----------
    status, run_id : str
        The run.
    policy : Policy
        By what it was judged.
    waiting : iterable of str
        Ids of the checks that wait for approval.
    decisions : sequence of Approval
        The decisions so far, settled.
    deciders : sequence of str
        The roles that decide on an escalated run.
    options : sequence of str
        What they can choose.
    """
    resume = _command("resume", run_id)
    if status == "waiting":
        open_ = [_approve(run_id, *one) for one in _open(policy, set(waiting), decisions)]
        return [*open_, resume]
    if status == "interrupted":
        return [resume]
    objections = [a for a in rejections(decisions) if a.gate != ESCALATION]
    overrule = [_approve(run_id, a.gate, a.role, "--answer", TEXT) for a in objections]
    if any(a.concern == "causal-assumption" for a in rejections(decisions)):
        overrule = [_command("resume", run_id, "--graph", FILE), *overrule]
    if status == "rejected":
        return [resume, *overrule]
    if status in {"escalated", "failed"}:
        return [*_choices(run_id, deciders, options), *overrule]
    return []


def _open(policy: Policy, waiting: set[str], decisions: Sequence[Approval]) -> list[tuple[str, str]]:
    """Return gate and role of each approval that is open."""
    given = in_force(decisions)
    return [
        (gate.id, role)
        for gate in policy.gates
        for check in gate.checks
        if f"{gate.id}.{check.id}" in waiting
        for role in check.roles
        if (gate.id, role) not in given
    ]


def _choices(run_id: str, deciders: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return the decisions that the first role can make, and for the other roles to accept."""
    if not deciders:
        return []
    first, *others = (["--role", role, "--by", NAME, "--note", TEXT] for role in deciders)
    return [
        *(_command("choose", run_id, option, *first) for option in options),
        _command("choose", run_id, SEND_BACK, *first, "--concern", "accuracy"),
        _command("choose", run_id, STOP, *first),
        *(_command("choose", run_id, option, *other) for other in others for option in options[:1]),
    ]


def _approve(run_id: str, gate: str, role: str, *more: str) -> str:
    return _command("approve", run_id, "--gate", gate, "--role", role, "--by", NAME, *more)


def _command(*words: str) -> str:
    return shlex.join(["fairmend", *words])
