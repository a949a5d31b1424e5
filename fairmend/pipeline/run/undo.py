"""Steps that undo what was reached are taken back, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from fairmend.catalog.policy import GatedStage
from fairmend.catalog.policy.metrics import METRICS
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.step_cache import StepResult

if TYPE_CHECKING:
    from fairmend.pipeline.run.state_machine import StateMachine


@dataclass(frozen=True)
class TakenBack:
    """Steps of a stage that are taken back.

    Attributes
    ----------
    applied : StepResult
        The case without them.
    kept, dropped : list of Choice
        The other steps of the stage, and these.
    reason : str
        What they undid.
    """

    applied: StepResult
    kept: list[Choice]
    dropped: list[Choice]
    reason: str


def taken_back(
    machine: StateMachine, place: GatedStage, entry: StepResult, after: StepResult, steps: Sequence[Choice]
) -> TakenBack | None:
    """Return which steps of a stage to take back; None where they undo nothing, or nothing better is left.

    Parameters
    ----------
    machine : StateMachine
        Its last gate says what counts.
    place : str
        The stage.
    entry, after : StepResult
        The case before and after its steps.
    steps : sequence of Choice
        Its acting steps.

    Notes
    -----
    Before post-processing only the target and the other checks of fairness count, since calibration and
    thresholds are its business. A step that loses one check and gains another is kept unless the gain
    lasts without it: then the gate, and the choice at the end, weigh one against the other.
    """
    if not steps:
        return None
    before, now = (_State.of(machine, place, applied) for applied in (entry, after))
    lost = before.lost(now)
    if not lost:
        return None
    gained = now.passed - before.passed
    for kept in _shorter(steps):
        found = machine.followed(entry, kept)
        state = None if found is None else _State.of(machine, place, found)
        if found is not None and state is not None and not before.lost(state) and gained <= state.passed:
            dropped = [step for step in steps if step not in kept]
            return TakenBack(found, list(kept), dropped, "; ".join(lost))
    return None


@dataclass(frozen=True)
class _State:
    """What a case reaches of the last gate.

    Attributes
    ----------
    passed : set of str
        Its required checks that pass.
    checks : dict of str to CheckResult
        All that count.
    calibration : dict of str to (float, float)
        Interval of the calibration error of each group with enough rows.
    """

    passed: frozenset[str]
    checks: dict[str, CheckResult]
    calibration: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, machine: StateMachine, place: GatedStage, applied: StepResult) -> _State:
        last = place == "post-processing"
        checks = {
            c.check: c
            for c in machine.last_gate(applied)
            if c.decides and (last or (c.measure in METRICS and METRICS[c.measure].kind == "fairness"))
        }
        passed = frozenset(name for name, c in checks.items() if c.verdict == "passed")
        errors = machine.judged(applied).measurement.by_group("expected_calibration_error") if last else {}
        known = {g: e.interval for g, e in errors.items() if e.enough and e.interval is not None}
        return cls(passed, checks, known)

    def lost(self, later: _State) -> list[str]:
        """Return what a later case no longer reaches, as clauses."""
        checks = [
            f"{later.checks[name].measure} {_number(self.checks[name])} to {_number(later.checks[name])} "
            f"({later.checks[name].bound})"
            for name in sorted(self.passed - later.passed)
            if name in later.checks and later.checks[name].verdict == "failed"
        ]
        worse = [
            f"calibration error of {group} [{ends[0]:.3f}, {ends[1]:.3f}] to [{now[0]:.3f}, {now[1]:.3f}]"
            for group, ends in self.calibration.items()
            if (now := later.calibration.get(group)) is not None and now[0] > ends[1]
        ]
        return [*checks, *worse]


def _number(found: CheckResult) -> str:
    return "not measured" if found.value is None else f"{found.value:.3f}"


def _shorter(steps: Sequence[Choice]) -> Iterator[tuple[Choice, ...]]:
    """Yield the steps with ever more of them left out, the last ones first."""
    for size in range(len(steps) - 1, -1, -1):
        yield from combinations(steps, size)
