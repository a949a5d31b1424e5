"""Whether a verdict follows from its own record: every check is recomputed from the recorded values.

The gates are not called on purpose: bounds come from the policy, comparisons are done here, and
the metrics on the test data are read from the measurement itself.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence

from fairmend.catalog.policy import Gate, GatedStage, Policy, PolicyCheck
from fairmend.core.errors import FairmendError, RunError
from fairmend.core.metrics import Measurement
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.run.confirmation import ALL_HELD_OUT
from fairmend.pipeline.run.decision_zero import need_checks

FINAL = "final"
"""Name of the last gate, which evaluates the checks of the post-processing gate on the test data."""
_BOUNDS: tuple[tuple[str, Callable[[float, float], bool], bool], ...] = (
    ("at_least", operator.ge, True),
    ("above", operator.gt, True),
    ("at_most", operator.le, False),
    ("below", operator.lt, False),
)
_TOLERANCE = 1e-9


def holds(check: PolicyCheck, value: float, interval: tuple[float, float] | None, evidence: str) -> bool:
    """Whether an estimate meets the bound of a check; its interval must, too, if the policy decides on it."""
    for name, compared, upward in _BOUNDS:
        bound = getattr(check, name)
        if bound is None:
            continue
        held = compared(value, bound)
        if evidence == "interval" and interval is not None:
            held = held and compared(interval[0] if upward else interval[1], bound)
        return bool(held and math.isfinite(value))
    return False


def contradictions(
    policy: Policy,
    notion: str,
    standing: Mapping[GatedStage, Sequence[CheckResult]],
    verdicts: Sequence[CheckResult],
    final: Measurement,
    together: Measurement | None = None,
    *,
    approvals: bool,
) -> list[str]:
    """Return everything in the record of a run that contradicts "deployable"; empty if consistent.

    Parameters
    ----------
    policy : Policy
        By what the run was judged.
    notion : str
        Fairness notion of its target.
    standing : mapping of str to sequence of CheckResult
        By stage, the checks of the last pass through its gate.
    verdicts : sequence of CheckResult
        Checks of the last gate, on the test data.
    final : Measurement
        Metrics of the final rule on the test data.
    together : Measurement, optional
        Its metrics on all rows held out, which decide what the test data do not contradict.
    approvals : bool
        Whether approvals are required as well; a waiting run lacks some.
    """
    last = policy.gate("post-processing")
    found: list[str] = []
    if last.stage not in standing:
        found.append(f"no pass through {last.id} is on record")
    for gate in policy.gates:
        if gate.stage in standing:
            complete = gate is last
            found += _of_gate(gate.id, gate, standing[gate.stage], policy, notion, complete, approvals)
    found += _of_gate(FINAL, last, verdicts, policy, notion, True, False)
    alone = [j for j in verdicts if j.data != ALL_HELD_OUT]
    decided = [j for j in verdicts if j.data == ALL_HELD_OUT]
    found += _mismatches(alone, final)
    if decided and (together is None or policy.judgment.confirmation is None):
        return [
            *found,
            *(f"{j.id} was decided by {ALL_HELD_OUT}, which the policy does not allow" for j in decided),
        ]
    if together is not None:
        found += _mismatches(decided, together)
    return [*found, *_against(decided, last, policy, notion, final)]


def _against(
    decided: Sequence[CheckResult], gate: Gate, policy: Policy, notion: str, final: Measurement
) -> list[str]:
    """Return the checks decided by all rows held out although the test data contradict them."""
    bounds = {c.id: policy.target(notion) if c.metric == "target" else c for c in gate.checks}
    found = []
    for judged in decided:
        check = bounds.get(judged.check)
        try:
            figure = final.figure(judged.measure)
        except FairmendError:
            continue  # measured by a check, not a metric of decisions
        ends = [end for end in (figure.value, *(figure.interval or ())) if math.isfinite(end)]
        if check is None or (ends and not any(holds(check, end, None, "point") for end in ends)):
            found.append(f"{judged.id} passed, but the test data contradict it with their whole interval")
    return found


def kept_contradictions(
    policy: Policy,
    notion: str,
    checks: Sequence[CheckResult],
    verdicts: Sequence[CheckResult],
    baseline: Measurement,
    final: Measurement,
) -> list[str]:
    """Return everything in the record of a run that contradicts "no intervention needed"; empty if consistent.

    Parameters
    ----------
    policy : Policy
        By what the run was judged.
    notion : str
        Fairness notion of its target.
    checks, verdicts : sequence of CheckResult
        Checks of decision 0, which must hold with their intervals, and the same on the test data.
    baseline, final : Measurement
        Metrics of the plain model on the data of decision 0, and on the test data.
    """
    last, strict = policy.gate("post-processing"), policy.model_copy(update={"evidence": "interval"})
    asked = last.model_copy(update={"checks": tuple(need_checks(policy))})
    name = policy.judgment.need.id if policy.judgment.need is not None else "decision-0"
    evaluated = {judged.check for judged in verdicts}
    return [
        *(f"{FINAL}.{c.id} is required but was not evaluated" for c in asked.checks if c.id not in evaluated),
        *_of_gate(name, asked, checks, strict, notion, True, False),
        *_mismatches(checks, baseline),
        *_mismatches(verdicts, final),
    ]


def _mismatches(verdicts: Sequence[CheckResult], measured: Measurement) -> list[str]:
    """Return the checks whose value is not the measured one."""
    found = []
    for judged in verdicts:
        try:
            figure = measured.figure(judged.measure)
        except FairmendError:
            continue  # measured by a check, not a metric of decisions
        if judged.measure.endswith("calibration_error") or judged.value is None:
            continue  # bias-corrected there
        if not abs(judged.value - figure.value) <= _TOLERANCE:
            found.append(
                f"{judged.id} was evaluated at {judged.value:.4g}, but {judged.measure} is {figure.value:.4g}"
            )
    return found


def _of_gate(
    name: str,
    gate: Gate,
    judged: Sequence[CheckResult],
    policy: Policy,
    notion: str,
    complete: bool,
    approvals: bool,
) -> list[str]:
    """Return the contradictions of the checks of one gate to the policy."""
    by_id = {j.id: j for j in judged}
    known = {f"{name}.{check.id}" for check in gate.checks}
    found = [
        f"{j.id} is {j.verdict}" for j in judged if j.id not in known and j.decides and j.verdict != "passed"
    ]
    for check in gate.checks:
        one = by_id.get(f"{name}.{check.id}")
        if check.level != "require" or (check.metric == "approval" and not approvals):
            continue
        if one is None:
            if complete:
                found.append(f"{name}.{check.id} is required but was not evaluated")
            continue
        if one.verdict == "insufficient evidence" and check.unsupported == "note":
            continue
        if one.verdict != "passed":
            found.append(f"{one.id} is required but its verdict is {one.verdict}")
            continue
        if check.metric == "approval" or one.not_applicable:
            continue
        bound = policy.target(notion) if check.metric == "target" else check
        if one.measure != bound.metric:
            found.append(f"{one.id} measures {one.measure}, but the policy requires {bound.metric}")
        elif one.value is None or not holds(bound, one.value, one.interval, policy.evidence):
            found.append(f"{one.id} passed, but {one.value} is not {bound.bound_text()}")
    return found


def assert_consistent(found: Sequence[str], plugins: Sequence[str]) -> None:
    """Raise a RunError if anything contradicts the verdict.

    Raises
    ------
    RunError
        The message names the contradictions and the loaded plugins.
    """
    if found:
        loaded = f"; plugins loaded: {', '.join(plugins)}" if plugins else ""
        raise RunError(
            f"the verdict contradicts its own record: {'; '.join(found[:5])}. Something changed what a gate "
            f"returns; run again without it{loaded}"
        )
