"""Decision 0: whether there is anything to mend, before anything is built.

A missed target is no finding by itself: the ratio of two rates that are equal lies below 0.8 often enough
where few people are selected. So the question is answered by two figures: the interval of each check of the
last gate, and a permutation test of equal rates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np

from fairmend.auditing.group_gaps import among
from fairmend.catalog.policy import Need, Policy, PolicyCheck
from fairmend.catalog.policy.metrics import METRICS
from fairmend.core.metrics import metric, metric_names, permutation_test
from fairmend.core.metrics.degenerate import degeneracies
from fairmend.core.metrics.rates import split_form
from fairmend.pipeline.gates.gate_context import GateContext
from fairmend.pipeline.gates.gates import CheckResult, evaluate_check
from fairmend.pipeline.gates.utility import comparison
from fairmend.pipeline.gates.value import CheckFunction
from fairmend.pipeline.run.guards import skill_remedy
from fairmend.pipeline.run.run_outcome import RunOutcome

Finding = Literal["no need", "open", "need", "no skill"]
MOST_TIMES = 100  # beyond so many times the rows, no number of rows is named
INTERVENE = "Intervene all the same (fairmend run ... --intervene)"


@dataclass(frozen=True)
class NeedRecord:
    """What decision 0 found.

    Attributes
    ----------
    finding : str
        ``no need``: every check holds with its whole interval. ``need``: a check is missed by more than
        chance. ``open``: neither is shown. ``no skill``: the plain model is no better than a constant rule.
    reason : str
        The figures behind it, as a sentence.
    checks : list of CheckResult
        The required checks of the last gate on the plain model, calibration and approvals apart. They pass
        if the whole interval clears the bound.
    p_value : float or None
        Of the permutation test of equal rates; None where it does not apply.
    rows : int
        Rows it was decided on.
    rows_needed : int or None
        About how many rows would settle what is open, if its figure stays the same.
    overruled : bool
        Whether the run intervened although the need was not shown, because it was told to.
    remedy : str
        What to do where there is no skill.
    """

    finding: Finding
    reason: str
    checks: list[CheckResult]
    p_value: float | None
    rows: int
    rows_needed: int | None = None
    overruled: bool = False
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {**asdict(self), "checks": [check.to_json() for check in self.checks]}

    @property
    def ending(self) -> RunOutcome | None:
        """How the run ends here; None where it goes on."""
        if self.overruled or self.finding == "need":
            return None
        if self.finding == "no need":
            return RunOutcome("keep", self.reason)
        if self.finding == "no skill":
            return RunOutcome("escalate", self.reason, [self.remedy])
        rows = "" if self.rows_needed is None else f", about {self.rows_needed:,} in all"
        return RunOutcome("undecided", self.reason, [f"Collect more rows{rows}, and run again", INTERVENE])


def assess_need(
    need: Need,
    view: GateContext,
    policy: Policy,
    functions: Mapping[str, CheckFunction],
    *,
    intervene: bool = False,
) -> NeedRecord:
    """Return what the figures of the plain model call for.

    Parameters
    ----------
    need : Need
        What the policy says of it.
    view : GateContext
        The plain model, as its own baseline.
    policy : Policy
        Its last gate has the checks.
    functions : mapping of str to callable
        Gate metrics by name.
    intervene : bool
        Whether the run is to go on in any case.

    Notes
    -----
    Calibration is left out: a calibrator changes decisions that were found fair, and an error of the scores
    that all groups share is no disparity. The notes of the run name it.
    """
    current = view.current
    rows = len(current.data)
    dull = [
        one.text
        for one in degeneracies(
            current.measurement, current.data.y, current.scores, sample_weight=current.data.weights
        )
        if one.group is None
    ]
    worth = comparison(view.utility, current, current)
    if worth.before <= worth.constant:
        dull.append(
            f"is no better than a constant rule by {view.utility.text} ({worth.before:.4f} against {worth.constant:.4f})"
        )
    if dull:
        told = "; ".join(dull)
        reason = f"the baseline {told}; figures of fairness are not meaningful for it, and nothing was built"
        remedy = skill_remedy(current)
        return NeedRecord("no skill", reason, [], None, rows, overruled=intervene, remedy=remedy)
    target = policy.target(view.notion)
    asked = [(c, target if c.metric == "target" else c) for c in need_checks(policy)]
    strict = policy.model_copy(update={"evidence": "interval"})
    checks = [evaluate_check(c, view, strict, functions, gate=need.id) for c, _ in asked]
    unmet = [
        (bound, found) for (_, bound), found in zip(asked, checks, strict=True) if found.verdict != "passed"
    ]
    if not unmet:
        told = "; ".join(_told(found) for found in checks if found.value is not None)
        return NeedRecord(
            "no need", f"the plain model meets every check: {told}", checks, None, rows, overruled=intervene
        )
    rates = _Rates.of(view, target)
    shown = [found for bound, found in unmet if rates.shows(bound, found, need.significance)]
    if shown:
        told = "; ".join(_told(found) for found in shown)
        told += f";{rates.text}" if rates.lacking else rates.text
        return NeedRecord("need", f"the plain model misses {told}", checks, rates.p_value, rows)
    more = _rows_needed(rows, *unmet[0])
    told = "; ".join(_open(bound, found, rates) for bound, found in unmet)
    asks = (
        ""
        if more is None
        else f"; about {more:,} rows instead of {rows:,} would settle it if the figure stays the same"
    )
    return NeedRecord("open", f"{told}{asks}", checks, rates.p_value, rows, more, overruled=intervene)


def need_checks(policy: Policy) -> Iterator[PolicyCheck]:
    """Yield the required checks of the last gate that a plain model can be asked about."""
    for check in policy.gate("post-processing").checks:
        known = METRICS.get(check.metric)
        calibration = known is not None and known.kind == "calibration"
        if check.level == "require" and check.metric != "approval" and not calibration:
            yield check


def clearly_missed(check: PolicyCheck, found: CheckResult) -> bool:
    """Whether the whole interval of a check lies beyond its bound."""
    if found.value is None or check.holds(found.value):
        return False
    return found.interval is None or not any(check.holds(end) for end in found.interval)


@dataclass(frozen=True)
class _Rates:
    """Whether the rates that the target is about differ by more than chance, among the groups with enough rows.

    Attributes
    ----------
    measure : str
        The figure of the target.
    value : float
        That figure among these groups; NaN where fewer than two have enough rows.
    lacking : tuple of str
        The other groups.
    p_value : float or None
        Of the studentized permutation test, which is one test over all pairs of groups; None where rows are
        no units to permute, or the target compares no rates.
    apart : bool
        Whether the interval excludes equality; read where there is no p-value.
    """

    measure: str
    value: float = math.nan
    lacking: tuple[str, ...] = ()
    p_value: float | None = None
    apart: bool = False

    @classmethod
    def of(cls, view: GateContext, target: PolicyCheck) -> Self:
        """Return the test for a model."""
        measurement, settings = view.current.measurement, view.current.settings
        stem, form = split_form(target.metric)
        if form not in ("ratio", "difference") or f"{stem}_difference" not in metric_names():
            return cls(target.metric)
        lacking = measurement.figure(target.metric).lacking
        kept = np.flatnonzero([group not in lacking for group in measurement.groups])
        if len(kept) < 2:
            return cls(target.metric, lacking=lacking)
        part = among(measurement, kept) if lacking else measurement
        figure = part.figure(target.metric)
        ideal = metric(target.metric).ideal or 0.0
        apart = figure.interval is not None and not figure.interval[0] <= ideal <= figure.interval[1]
        if measurement.table.clusters is not None:
            return cls(target.metric, figure.value, lacking, None, apart)
        test = permutation_test(
            part.table,
            f"{stem}_difference",
            n_permutations=settings.n_permutations,
            studentized=True,
            seed=settings.seed,
        )
        return cls(target.metric, figure.value, lacking, test.p_value, apart)

    def differ(self, significance: float) -> bool:
        """Whether the rates differ by more than chance."""
        return self.apart if self.p_value is None else self.p_value < significance

    def shows(self, bound: PolicyCheck, found: CheckResult, significance: float) -> bool:
        """Whether a check is missed, by more than chance."""
        known = METRICS.get(found.measure)
        if math.isnan(self.value) or known is None or known.kind != "fairness":
            return found.verdict == "failed" and clearly_missed(bound, found)
        value = self.value if found.measure == self.measure else found.value
        return value is not None and not bound.holds(value) and self.differ(significance)

    @property
    def text(self) -> str:
        """The figure where not all groups count, and the p-value, as the end of a clause."""
        among = f" {self.value:.3f} among the groups with enough rows" if self.lacking else ""
        return among + ("" if self.p_value is None else f" (p = {self.p_value:.2g} for equal rates)")


def _told(found: CheckResult) -> str:
    if found.value is None:
        return f"{found.measure}: {found.reason or found.verdict}"
    interval = "" if found.interval is None else f" [{found.interval[0]:.3f}, {found.interval[1]:.3f}]"
    return f"{found.measure} {found.value:.3f}{interval}, bound {found.bound}"


def _open(bound: PolicyCheck, found: CheckResult, rates: _Rates) -> str:
    """Return why a check that does not hold with its whole interval shows nothing either."""
    if found.measure == rates.measure and rates.lacking:
        groups = ", ".join(rates.lacking[:4])
        if math.isnan(rates.value):
            return f"no two groups have enough rows for a verdict (too few in {groups})"
        return (
            f"{found.measure}{rates.text} shows no disparity, and {groups} "
            f"{'has' if len(rates.lacking) == 1 else 'have'} too few rows for a verdict"
        )
    if found.value is None or found.verdict == "insufficient evidence":
        return _told(found)
    if bound.holds(found.value):
        return f"{_told(found)}: met, but not by the whole interval"
    return f"{_told(found)}: missed, but not by more than chance{rates.text}"


def _rows_needed(rows: int, bound: PolicyCheck, found: CheckResult) -> int | None:
    """Return the rows with which the interval would clear the bound; it narrows as one over their square root."""
    if found.value is None or found.interval is None or bound.threshold is None:
        return None
    low, high = found.interval
    gap = abs(found.value - bound.threshold)
    beyond = found.value < bound.threshold
    half = high - found.value if beyond else found.value - low
    if gap == 0 or half <= gap:
        return None
    needed = rows * (half / gap) ** 2
    digits = 10 ** max(0, len(str(int(needed))) - 2)
    return None if needed > MOST_TIMES * rows else math.ceil(needed / digits) * digits
