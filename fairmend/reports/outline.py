"""The content of a pipeline drawing as text: steps, gates, decisions, rollbacks and end states."""

from __future__ import annotations

from dataclasses import dataclass

from fairmend.catalog.policy import (
    GATED_STAGES,
    Decision,
    Gate,
    Policy,
    PolicyCheck,
    Rollback,
    RollbackAction,
    Route,
)
from fairmend.pipeline.spec import PipelineSpec, Step

TITLES = {
    "causal": "Causal analysis",
    "pre-processing": "Pre-processing",
    "in-processing": "In-processing",
    "post-processing": "Post-processing",
    "deploy": "Deploy",
    "escalate": "People decide",
}
ACTIONS = {
    "switch": "next alternative",
    "skip": "skip {stage}",
    "calibrate": "another calibrator",
    "withhold": "remove protected attributes from the model",
}


@dataclass(frozen=True)
class Way:
    """A transition from a decision, or a rollback from a gate.

    Attributes
    ----------
    to : str
        A stage, ``deploy`` or ``escalate``.
    when : str
        The condition, or the failed checks.
    then : str
        The change made by a rollback.
    """

    to: str
    when: str
    then: str = ""


@dataclass(frozen=True)
class StageOutline:
    """One stage with its gate, decision and rollbacks.

    Attributes
    ----------
    place, title : str
        The stage.
    steps : tuple of (str, tuple of str)
        Each step by name, with its condition and alternatives.
    gate : str
        Title of the gate.
    required, approvals, advised : tuple of str
        Required checks, roles that must approve, and ids of advisory checks.
    back : tuple of Way
        The rollbacks when checks fail.
    limit : str
        The iteration limit, and who decides after it.
    decision : str
        The question.
    makers : tuple of str
        Who decides.
    on : tuple of Way
        The transitions, in the order in which they are tried.
    """

    place: str
    title: str
    steps: tuple[tuple[str, tuple[str, ...]], ...]
    gate: str
    required: tuple[str, ...]
    approvals: tuple[str, ...]
    advised: tuple[str, ...]
    back: tuple[Way, ...]
    limit: str
    decision: str
    makers: tuple[str, ...]
    on: tuple[Way, ...]


def outline(spec: PipelineSpec, policy: Policy) -> list[StageOutline]:
    """Return the content of the drawing, stage by stage.

    Raises
    ------
    UsageError
        The policy sets no target for the pipeline's notion of fairness.
    """
    target = policy.target(spec.notion)
    found = []
    for number, place in enumerate(GATED_STAGES, start=1):
        gate, decision = policy.gate(place), policy.decision(place)
        back = policy.rollback(gate.on_fail)
        found.append(
            StageOutline(
                place=place,
                title=f"{number}  {TITLES[place]}",
                steps=tuple(_step(step) for step in spec.of_stage(place)),
                gate=f"Gate {number}: {gate.title}",
                required=tuple(
                    f"{c.id}: {_condition(c, target)}" for c in gate.checks if _decides(c) and not c.roles
                ),
                approvals=tuple(role for c in gate.checks for role in c.roles),
                advised=tuple(c.id for c in gate.checks if not _decides(c)),
                back=_back(back, gate),
                limit=_limit(back),
                decision=f"Decision {number}: {decision.question}",
                makers=decision.makers,
                on=_on(decision, target),
            )
        )
    return found


def _step(step: Step) -> tuple[str, tuple[str, ...]]:
    said = [] if step.when == "always" else [f"only if: {step.when}"]
    if step.alternatives:
        said.append(f"else: {', '.join(a.slug for a in step.alternatives)}")
    return f"{step.slug} ({step.technique})", tuple(said)


def _decides(check: PolicyCheck) -> bool:
    return check.level == "require"


def _condition(check: PolicyCheck, target: PolicyCheck) -> str:
    bound = target if check.metric == "target" else check
    return f"{bound.metric.replace('_', ' ')} {bound.bound_text()}"


def _back(rollback: Rollback, gate: Gate) -> tuple[Way, ...]:
    """Return the rollbacks in the order in which they are considered."""
    advisory = {c.id for c in gate.checks if not _decides(c)}
    ways = []
    for trigger in rollback.triggers:
        failed = [f"{name} (advice)" if name in advisory else name for name in trigger.failed]
        changes = "; ".join(dict.fromkeys(_change(c) for c in trigger.changes))
        ways.append(Way(trigger.to, ", ".join(failed), changes))
    return tuple(ways)


def _change(change: RollbackAction) -> str:
    if change.action == "adjust":
        return f"{change.direction} {change.stage}"
    return ACTIONS[change.action].format(stage=change.stage)


def _limit(rollback: Rollback) -> str:
    times = "once" if rollback.iterations == 1 else f"{rollback.iterations} times"
    people = f": {', '.join(rollback.escalate_to)}" if rollback.escalate_to else ""
    return f"At most {times}, then people decide{people}"


def _on(decision: Decision, target: PolicyCheck) -> tuple[Way, ...]:
    return tuple(
        Way(route.to, _when(route, target) or ("otherwise" if place else "always"))
        for place, route in enumerate(decision.paths)
    )


def _when(route: Route, target: PolicyCheck) -> str:
    every = [_condition(c, target) for c in route.when]
    some = [f"the finding {kind}" for kind in route.findings]
    some += [_condition(c, target) for c in route.any_of]
    said = " and ".join([*every, *([" or ".join(some)] if some else [])])
    return f"if {said}" if said else ""
