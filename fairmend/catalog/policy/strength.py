"""Where a policy requires less than another one, and whether it requires enough to call a result deployable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from fairmend.catalog.policy.checks import PolicyCheck
from fairmend.catalog.policy.judgment import Judgment
from fairmend.catalog.policy.metrics import METRICS
from fairmend.catalog.policy.schema import Policy
from fairmend.core.text.escaping import one_line


@dataclass(frozen=True)
class Weakness:
    """One place where a policy requires less than another.

    Attributes
    ----------
    place : str
        Where, e.g. ``"gate-4.utility"``.
    demanded : str
        What it requires there.
    other : str
        What the other policy requires.
    """

    place: str
    demanded: str
    other: str

    def __str__(self) -> str:
        return one_line(f"{self.place}: {self.demanded} instead of {self.other}")

    def to_json(self) -> dict[str, str]:
        """Return the record for JSON."""
        return asdict(self)


def weaker_than(policy: Policy, other: Policy) -> list[Weakness]:
    """Return where a policy requires less than another, in the order of the other.

    A check is met by one on the same metric at the same gate that is required, has no looser bound
    and requires no less support. Advice of the other policy is ignored.
    """
    return [
        *_of_whole(policy, other),
        *_of_judgment(policy.judgment, other.judgment),
        *_of_targets(policy, other),
        *_of_gates(policy, other),
        *_of_deployment(policy, other),
    ]


def not_deployable(policy: Policy, notion: str) -> list[str]:
    """Return why a run that passes a policy cannot be called deployable; nothing where it can.

    The last gate must require the fairness target, by a metric that measures the notion, and some
    utility, each with a bound that not almost every rule meets; and no decision may pass that gate by.
    """
    gate = policy.gate("post-processing")
    required = [c for c in gate.checks if c.level == "require"]
    reasons = []
    if not any(c.metric == "target" for c in required):
        reasons.append(f"{gate.id} does not require the fairness target")
    else:
        target = policy.target(notion)
        metric = METRICS.get(target.metric)
        if metric is None or notion not in metric.notions:
            reasons.append(f"{target.metric} is not known to measure {notion.replace('_', ' ')}")
        elif metric.is_trivial(target):
            reasons.append(f"almost every rule meets the target {_demand(target)}")
    utility = [c for c in required if c.metric in METRICS and METRICS[c.metric].kind == "utility"]
    if not utility:
        reasons.append(f"{gate.id} requires no utility")
    elif all(METRICS[c.metric].is_trivial(c) for c in utility):
        bounds = ", ".join(_demand(c) for c in utility)
        reasons.append(f"almost every rule meets the utility that {gate.id} requires ({bounds})")
    early = [d.id for d in policy.decisions if d.after != gate.stage and "deploy" in {r.to for r in d.paths}]
    return [*reasons, *(f"{name} can deploy before {gate.id}" for name in early)]


def _of_whole(policy: Policy, other: Policy) -> Iterator[Weakness]:
    if (policy.evidence, other.evidence) == ("point", "interval"):
        yield Weakness("evidence", "the estimate decides", "the whole interval")
    if other.distinct_approvers and not policy.distinct_approvers:
        yield Weakness("distinct_approvers", "one person may approve in several roles", "in one role only")
    if policy.minimum_support < other.minimum_support:
        yield Weakness("minimum_support", str(policy.minimum_support), str(other.minimum_support))


def _of_judgment(ours: Judgment, theirs: Judgment) -> Iterator[Weakness]:
    """Yield where the policy is less careful than the other; settings that only save work do not count."""
    if theirs.need is not None:
        if ours.need is None:
            yield Weakness("judgment.need", "every run intervenes", "only where the need is shown")
        elif ours.need.significance > theirs.need.significance:
            yield Weakness(
                "judgment.need.significance", f"{ours.need.significance:g}", f"{theirs.need.significance:g}"
            )
    if theirs.margin is not None:
        if ours.margin is None:
            yield Weakness("judgment.margin", "rules aim at the bound itself", "with a margin")
        else:
            for name in ("probability", "at_most"):
                mine, wanted = getattr(ours.margin, name), getattr(theirs.margin, name)
                if mine < wanted:
                    yield Weakness(f"judgment.margin.{name}", f"{mine:g}", f"{wanted:g}")
    if ours.confirmation is not None:
        if theirs.confirmation is None:
            yield Weakness(
                "judgment.confirmation", "all rows held out can decide", "the test part alone decides"
            )
        elif ours.confirmation.probability < theirs.confirmation.probability:
            mine, wanted = ours.confirmation.probability, theirs.confirmation.probability
            yield Weakness("judgment.confirmation.probability", f"{mine:g}", f"{wanted:g}")
    if theirs.improvement == "required" and ours.improvement != "required":
        yield Weakness("judgment.improvement", "a target that is met suffices", "required")
    if theirs.undo and not ours.undo:
        yield Weakness("judgment.undo", "steps that do harm are kept", "taken back")
    if theirs.choice == "frontier" and ours.choice == "path":
        yield Weakness("judgment.choice", "where the path ends is deployed", "the best measured alternative")


def _of_targets(policy: Policy, other: Policy) -> Iterator[Weakness]:
    for notion, theirs in other.targets.items():
        ours = policy.targets.get(notion)
        if ours is not None and (ours.metric != theirs.metric or _is_looser(ours, theirs)):
            yield Weakness(f"targets.{notion}", _demand(ours), _demand(theirs))


def _of_gates(policy: Policy, other: Policy) -> Iterator[Weakness]:
    for gate in other.gates:
        ours = policy.gate(gate.stage).checks
        for theirs in gate.checks:
            if theirs.level != "require":
                continue
            place = f"{gate.id}.{theirs.id}"
            if theirs.metric == "approval":
                asked = {r for c in ours if c.metric == "approval" and c.level == "require" for r in c.roles}
                if missing := [role for role in theirs.roles if role not in asked]:
                    yield Weakness(place, "nobody" if not asked else ", ".join(sorted(asked)),
                                   f"approval by {', '.join(theirs.roles)} (missing: {', '.join(missing)})")  # fmt: skip
            elif demanded := _less(ours, theirs):
                yield Weakness(place, demanded, f"{_demand(theirs)}, required")


def _of_deployment(policy: Policy, other: Policy) -> Iterator[Weakness]:
    """Yield the ways to deployment that the other policy does not have, or has under more conditions."""
    for decision in policy.decisions:
        theirs = [r for r in other.decision(decision.after).paths if r.to == "deploy"]
        for route in (r for r in decision.paths if r.to == "deploy"):
            if not theirs:
                yield Weakness(decision.id, "can deploy", "going on to the next stage")
                continue
            for check in theirs[0].when:
                if demanded := _less(route.when, check):
                    yield Weakness(f"{decision.id}.{check.id}", demanded, _demand(check))


def _less(ours: Sequence[PolicyCheck], theirs: PolicyCheck) -> str | None:
    """Return the requirement if it is weaker than that of the other check."""
    same = [c for c in ours if c.metric == theirs.metric]
    required = [c for c in same if c.level == "require"]
    if any(not _is_looser(c, theirs) for c in required):
        return None
    if required:
        return _demand(required[0])
    return f"{_demand(same[0])} as advice" if same else "nothing"


def _is_looser(ours: PolicyCheck, theirs: PolicyCheck) -> bool:
    """Whether a check on the same metric is laxer, or requires less support."""
    if (ours.unsupported, theirs.unsupported) == ("note", "escalate"):
        return True
    if ours.parameters.get("minimum_support", 0) < theirs.parameters.get("minimum_support", 0):
        return True
    if ours.threshold is None or theirs.threshold is None:
        return False
    if ours.upward != theirs.upward:
        return True
    if ours.threshold == theirs.threshold:
        strictly = (
            ours.above is not None or ours.below is not None,
            theirs.above is not None or theirs.below is not None,
        )
        return strictly == (False, True)
    return (ours.threshold < theirs.threshold) == ours.upward


def _demand(check: PolicyCheck) -> str:
    if check.metric == "target":
        return "the fairness target"
    more = "".join(f", {name} {value}" for name, value in check.parameters.items())
    more += ", too few rows are noted only" if check.unsupported == "note" else ""
    return f"{check.metric} {check.bound_text()}{more}"
