"""The choice of a less discriminatory alternative, and why each of the others is none."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from fairmend.core.metrics import Estimate
from fairmend.core.types import Floats
from fairmend.pipeline.sweep.alternatives.record import Alternative, Loss
from fairmend.pipeline.sweep.selection import within_noise
from fairmend.pipeline.sweep.sweep_record import SweepCandidate, Target

SIGNIFICANCE = 0.05


def losses(
    changes: Mapping[str, Estimate], margin: float, performance: Sequence[str]
) -> list[tuple[Loss, str]]:
    """Return in which metrics a candidate is worse than the plain model, or not shown to be within the margin.

    In balanced accuracy, unless it is one of the metrics of performance, it must only not be significantly
    worse: its intervals are wide where one outcome is rare.
    """
    found: list[tuple[Loss, str]] = []
    for name, one in changes.items():
        lower, upper = one.interval or (-math.inf, math.inf)
        told = f"{name} {one.signed(4)}"
        if upper < 0 and _value(one) < -margin:
            found.append(("worse performance", f"{told}, beyond the margin of {margin:g}"))
        elif lower <= -margin and name in performance:
            found.append(
                ("performance not shown", f"{told}, not shown to be within the margin of {margin:g}")
            )
    return sorted(found, key=lambda one: one[0] != "worse performance")


def settled(
    candidates: Sequence[SweepCandidate],
    drawn: Mapping[str, Floats],
    target: Target,
    margin: float,
    performance: Sequence[str],
) -> tuple[list[SweepCandidate], str | None, str]:
    """Return the candidates with why each is not the alternative, the name of the chosen one, and why.

    A candidate qualifies where it does not read the protected attributes, its decisions are not
    degenerate, the whole paired interval of each metric of performance lies above the margin's loss (see
    :func:`losses`), and disparity is less, significantly so after Holm's correction for all candidates. Of those whose
    disparity is within noise of the least, by the paired bootstrap, the one that changes fewest things
    is chosen.

    Parameters
    ----------
    candidates : sequence of SweepCandidate
        What was tried, the plain model among them.
    drawn : mapping of str to ndarray of shape (B, 2)
        Accuracy and the target's figure, up being better, of each candidate in the same resamples.
    target : Target
        The figure of disparity.
    margin : float
        Loss of performance that counts as none.
    performance : sequence of str
        Metrics in which an alternative must be no worse.
    """
    corrected = _corrected(candidates, drawn, target)
    judged = [_judged(c, target, margin, performance) for c in corrected]
    fit = [c for c in compared(judged) if c.alternative and c.alternative.lost is None]
    if not fit:
        return (
            judged,
            None,
            f"no candidate is no worse and significantly less disparate ({len(compared(judged))} compared)",
        )
    sign = 1 if target.upward else -1
    best = max(fit, key=lambda c: sign * _value(c.fairness))
    near = [c for c in fit if within_noise(drawn[c.name][:, 1] - drawn[best.name][:, 1])]
    pick = min(near, key=lambda c: (c.changes, c.randomized, -sign * _value(c.fairness)))
    settled_ones = [_loses_to(c, pick, near) if c in fit and c is not pick else c for c in judged]
    return (
        settled_ones,
        pick.name,
        (
            f"{len(fit)} of {len(compared(judged))} candidates are no worse and significantly less disparate; of these "
            f'"{pick.name}" is chosen: {_told(pick, target)}'
            + (
                ""
                if pick is best
                else f'; "{best.name}" has {_value(best.fairness):.3f} with more changes, which is within noise'
            )
        ),
    )


def compared(candidates: Sequence[SweepCandidate]) -> list[SweepCandidate]:
    """Return the candidates that were compared with the plain model: all measured ones but itself."""
    return [c for c in candidates if c.alternative is not None and c.changes]


def _value(figure: Estimate | None) -> float:
    return math.nan if figure is None else figure.value


def _corrected(
    candidates: Sequence[SweepCandidate], drawn: Mapping[str, Floats], target: Target
) -> list[SweepCandidate]:
    """Return the candidates with the p-value of less disparity, corrected for their number.

    The single-step max-t method of Westfall and Young (1993): the change of each, over its standard error,
    is compared with the greatest of all candidates in the same resamples. It keeps the family-wise error and
    costs less than Holm's method where candidates are alike, as they are here.
    """
    plain = next((drawn[c.name] for c in candidates if not c.changes and c.name in drawn), None)
    asked = [c.name for c in compared(candidates) if c.name in drawn]
    if plain is None or not asked:
        return list(candidates)
    change = np.column_stack([drawn[name][:, 1] - plain[:, 1] for name in asked])
    change = np.where(np.isfinite(change), change, np.nan)
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        error, center = np.nanstd(change, axis=0), np.nanmean(change, axis=0)
        greatest = np.nanmax((change - center) / np.where(error > 0, error, np.nan), axis=1)
    greatest = np.where(np.isnan(greatest), 0.0, greatest)
    sign = 1 if target.upward else -1
    p: dict[str, float] = {}
    for c in compared(candidates):
        if c.name in drawn and c.fairness_change is not None and c.fairness_change.defined:
            spread = float(error[asked.index(c.name)])
            t = sign * c.fairness_change.value / spread if spread > 0 else 0.0
            p[c.name] = float((1 + np.count_nonzero(greatest >= t)) / (1 + len(greatest)))
    return [_with(c, p_value=p[c.name]) if c.name in p and c.changes else c for c in candidates]


def _with(candidate: SweepCandidate, **changes: object) -> SweepCandidate:
    if candidate.alternative is None:
        return candidate
    return candidate.model_copy(update={"alternative": candidate.alternative.model_copy(update=changes)})


def _judged(
    candidate: SweepCandidate, target: Target, margin: float, performance: Sequence[str]
) -> SweepCandidate:
    """Return a candidate with the first reason why it is no alternative, if there is one."""
    if candidate.alternative is None or not candidate.changes:
        return candidate
    lost, why = _first_reason(candidate, candidate.alternative, target, margin, performance)
    return _with(candidate, lost=lost, why=why)


def _first_reason(
    candidate: SweepCandidate, found: Alternative, target: Target, margin: float, performance: Sequence[str]
) -> tuple[Loss | None, str]:
    change = candidate.fairness_change
    if candidate.reads_protected:
        return "reads group", "a decision needs the protected attributes"
    if found.degenerate:
        return "degenerate decisions", f"it {found.degenerate}"
    if change is None or not (change.defined and change.enough):
        groups = "" if change is None else ", ".join(change.lacking[:4])
        return "insufficient evidence", f"too few rows in {groups or 'some groups'}"
    told = f"{target.measure} {change.signed(3)}"
    if change.value * (1 if target.upward else -1) <= 0:
        return "no less disparity", told
    if worse := losses(found.performance_change, margin, performance):
        return worse[0]
    if found.p_value is None or found.p_value >= SIGNIFICANCE or not change.excludes_zero:
        p = "undefined" if found.p_value is None else f"{found.p_value:.3g}"
        return "within noise", f"{told}, p {p} for all candidates together"
    return None, ""


def _loses_to(
    candidate: SweepCandidate, pick: SweepCandidate, near: Sequence[SweepCandidate]
) -> SweepCandidate:
    if candidate in near:
        why = f'qualifies; its disparity is within noise of that of "{pick.name}", which changes no more'
    else:
        why = f'qualifies; "{pick.name}" is significantly less disparate'
    return _with(candidate, lost="another is chosen", why=why)


def _told(pick: SweepCandidate, target: Target) -> str:
    performance = {} if pick.alternative is None else pick.alternative.performance_change
    changes_ = ", ".join(f"{name} {one.signed(4)}" for name, one in performance.items())
    disparity = "" if pick.fairness_change is None else pick.fairness_change.signed(3)
    return f"{target.measure} {_value(pick.fairness):.3f}, change {disparity}; {changes_}"
