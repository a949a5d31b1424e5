"""Gates: the checks of a policy evaluated on measurements; each passed, failed or insufficient evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fairmend.catalog.policy import Gate, Policy, PolicyCheck
from fairmend.core.errors import FairmendError, InsufficientDataError, PluginError, unknown
from fairmend.pipeline.gates.gate_context import GateContext
from fairmend.pipeline.gates.plugin_checks import PluginCheck
from fairmend.pipeline.gates.value import CheckFunction, Value
from fairmend.pipeline.run.approvals import Approval

NOT_APPLICABLE = "not applicable"
IMPROVEMENTS = {
    "fairness_improvement"
}  # metrics of a change, of which none is needed where the target is met
GateVerdict = Literal["passed", "failed", "insufficient evidence", "waiting"]


@dataclass(frozen=True)
class CheckResult:
    """The verdict of one check.

    Attributes
    ----------
    id : str
        Gate and check, e.g. ``"gate-4.fairness"``.
    verdict : str
        ``passed``, ``failed``, ``insufficient evidence`` or ``waiting``.
    measure : str
        What was measured.
    value, interval, support
        The estimate; support is its number of rows.
    bound, threshold
        The bound, as text and as a number.
    level : str
        ``require`` decides, ``advise`` is reported only.
    data : str
        Part of the data it was measured on.
    reason, source, reading : str
        Reason, source section, and its interpretation.
    plugin : str
        The plugin that contributes the check; empty for built-in checks.
    """

    id: str
    verdict: GateVerdict
    measure: str
    value: float | None
    interval: tuple[float, float] | None
    support: int
    bound: str
    threshold: float | None
    level: str
    data: str
    reason: str
    source: str = ""
    reading: str = ""
    plugin: str = ""

    @property
    def check(self) -> str:
        """Id of the check within its gate."""
        return self.id.rpartition(".")[2]

    @property
    def not_applicable(self) -> bool:
        """Whether it passed because the check is not applicable."""
        return self.value is None and self.reason.startswith(f"{NOT_APPLICABLE}:")

    @property
    def decides(self) -> bool:
        """Whether the verdict blocks a deployment."""
        return self.level == "require"

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        raw = asdict(self)
        raw["interval"] = None if self.interval is None else list(self.interval)
        return raw


def evaluate_check(
    check: PolicyCheck,
    view: GateContext,
    policy: Policy,
    functions: Mapping[str, CheckFunction],
    *,
    gate: str,
    data: str = "validation",
) -> CheckResult:
    """Evaluate one measured check.

    Parameters
    ----------
    check : PolicyCheck
        The condition.
    view : GateContext
        The measurements.
    policy : Policy
        Provides targets and the evidence rule.
    functions : mapping of str to callable
        The quantities by name.
    gate : str
        Id of the gate, for the record.
    data : str
        Name of the part of the data, for the record.

    Raises
    ------
    UnknownNameError
        The check names an unknown metric.
    """
    bound = policy.target(view.notion) if check.metric == "target" else check
    if bound.metric not in functions:
        raise unknown("gate check", bound.metric, functions)
    function = functions[bound.metric]
    plugin = function.plugin if isinstance(function, PluginCheck) else ""
    try:
        value = function(view, **bound.parameters)
        if check.metric == "target":
            value = replace(value, applies=True)  # without its target a run has no evidence
        verdict, reason = _verdict(bound, value, policy.evidence)
        if verdict == "failed" and bound.metric in IMPROVEMENTS and policy.judgment.improvement != "required":
            target = evaluate_check(policy.target(view.notion), view, policy, functions, gate=gate)
            if target.verdict == "passed":
                value = Value.not_applicable(
                    f"the target is met ({target.measure} {target.value:.3f}); {reason}"
                )
                verdict, reason = _verdict(bound, value, policy.evidence)
    except PluginError as error:
        if not plugin:
            raise
        value, verdict, reason = Value(None, enough=False), "failed", str(error)
    level = check.level
    if verdict == "insufficient evidence" and check.unsupported == "note":
        level, reason = "advise", f"{reason}; noted: the measured groups decide"
    return CheckResult(
        id=f"{gate}.{check.id}",
        verdict=verdict,
        measure=bound.metric,
        value=value.value,
        interval=value.interval,
        support=value.support,
        bound=bound.bound_text(),
        threshold=bound.threshold,
        level=level,
        data=data,
        reason=f"by the plugin {plugin}: {reason}" if plugin else reason,
        source=check.source or bound.source,
        reading=check.reading or bound.reading,
        plugin=plugin,
    )


def _verdict(check: PolicyCheck, value: Value, evidence: str) -> tuple[GateVerdict, str]:
    if not value.applies:
        return "passed", f"{NOT_APPLICABLE}: {value.text}"
    if not value.enough:
        fails = value.measured and value.value is not None and not check.holds(value.value)
        return ("failed" if fails else "insufficient evidence"), value.text or "too few rows"
    if value.value is None or not math.isfinite(value.value):
        told = f": {value.text}" if value.text else ""
        return "insufficient evidence", f"{check.metric} is undefined{told}"
    held = check.holds(value.value)
    if evidence == "interval" and value.interval is not None:
        end = value.interval[0] if check.upward else value.interval[1]
        held = held and check.holds(end)
    return ("passed" if held else "failed"), value.text


def approval_result(
    check: PolicyCheck, gate: str, approvals: Mapping[tuple[str, str], Approval], needless: str = ""
) -> CheckResult:
    """Return the verdict of an approval.

    Parameters
    ----------
    check : PolicyCheck
        The approval, with its roles.
    gate : str
        Id of the gate.
    approvals : mapping of (gate, role) to Approval
        The decisions of people in force; see :func:`fairmend.pipeline.run.approvals.in_force`.
    needless : str
        Why the rule does not need it, if it does not; a rejection counts all the same.
    """
    given = {role: approvals.get((gate, role)) for role in check.roles}
    rejected = [a for a in given.values() if a is not None and not a.approved]
    open_roles = [role for role, a in given.items() if a is None]
    verdict: GateVerdict
    if rejected:
        verdict = "failed"
        reason = "; ".join(map(str, rejected))
    elif needless:
        verdict, reason = "passed", f"{NOT_APPLICABLE}: {needless}"
    elif open_roles:
        verdict, reason = "waiting", f"waiting for approval by the {', the '.join(open_roles)}"
    else:
        verdict = "passed"
        reason = "; ".join(str(a) for a in given.values() if a is not None)
    return CheckResult(
        f"{gate}.{check.id}", verdict, "approval", None, None, 0, "approved", None, check.level, "people", reason,
        check.source, check.reading,
    )  # fmt: skip


def evaluate_gate(
    gate: Gate,
    view: GateContext,
    policy: Policy,
    functions: Mapping[str, CheckFunction],
    *,
    data: str = "validation",
) -> list[CheckResult]:
    """Evaluate what a gate measures, without its approvals; all verdicts are collected before acting on them."""
    return [
        evaluate_check(c, view, policy, functions, gate=gate.id, data=data)
        for c in gate.checks
        if c.metric != "approval"
    ]


def incomplete(
    gate: str, what: str, failures: Sequence[tuple[str, FairmendError]], *, data: str = "train"
) -> list[CheckResult]:
    """Return the required check that a gate fails because something before it failed; none without failures.

    Parameters
    ----------
    gate : str
        Id of the gate.
    what : str
        What failed: ``"steps"`` of the stage that no alternative replaced, or ``"evaluations"``.
    failures : sequence of (str, FairmendError)
        Slug of each technique that failed, and its error. A failed evaluation, and steps that lacked rows,
        leave insufficient evidence.
    data : str
        Name of the part of the data, for the record.
    """
    if not failures:
        return []
    lacking = what == "evaluations" or all(isinstance(e, InsufficientDataError) for _, e in failures)
    return [
        CheckResult(
            id=f"{gate}.{what}",
            verdict="insufficient evidence" if lacking else "failed",
            measure=f"failed_{what}",
            value=None,
            interval=None,
            support=0,
            bound="none failed",
            threshold=None,
            level="require",
            data=data,
            reason="; ".join(f"{slug} failed: {error}" for slug, error in failures),
        )
    ]


def outcome(judgments: list[CheckResult]) -> GateVerdict:
    """Return the verdict of a gate: that of its worst required check."""
    verdicts = {j.verdict for j in judgments if j.decides}
    worst_first: tuple[GateVerdict, ...] = ("failed", "insufficient evidence", "waiting")
    return next((v for v in worst_first if v in verdicts), "passed")


def told(found: CheckResult) -> str:
    """Return a check in a few words: its figure, bound and verdict."""
    if found.value is None:
        return f"{found.check}: {found.reason or found.verdict}"
    return f"{found.measure} {found.value:.3f} ({found.bound}: {found.verdict})"
