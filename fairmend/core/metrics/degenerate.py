"""Decisions that are vacuously fair: everyone gets the same one, or they are no better than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fairmend.core.metrics.calibration import roc_auc
from fairmend.core.metrics.estimate import Estimate
from fairmend.core.metrics.inference.bootstrap import Interval
from fairmend.core.metrics.inference.effective_sample_size import effective_support
from fairmend.core.metrics.measurement import Measurement
from fairmend.core.metrics.rates import RATES
from fairmend.core.metrics.utility import ALMOST_NO_SKILL

ALMOST_NONE = 0.01
"""The rarer decision is checked if its share is below this."""
FAR_BELOW = 0.2
"""It is degenerate if its share is below this fraction of the share of rows with that label."""
SIGNIFICANCE = 0.05

Kind = Literal["degenerate-decisions", "no-skill"]


@dataclass(frozen=True)
class Degeneracy:
    """A reason why figures of fairness say nothing.

    Attributes
    ----------
    kind : {"degenerate-decisions", "no-skill"}
        Nearly everyone gets the same decision, or the decisions are no better than chance.
    text : str
        What was seen, as the end of a sentence whose subject is the rule.
    measure : str
        What says so: ``rarer_decision_share``, ``balanced_accuracy`` or ``auc``.
    value, interval : float, (float, float) or None
        Its value and confidence interval.
    support : int
        Rows behind it.
    group : str or None
        The group whose members all get the same decision; None for all rows.
    """

    kind: Kind
    text: str
    measure: str
    value: float
    interval: Interval | None
    support: int
    group: str | None = None


def degeneracies(
    measured: Measurement,
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> list[Degeneracy]:
    """Return why the decisions are degenerate or without skill; nothing where they are neither.

    Parameters
    ----------
    measured : Measurement
        The decisions.
    y_true, y_score : array-like of shape (n,)
        Labels and scores of the same rows.
    sample_weight : array-like of shape (n,), optional
        Their weights.

    Notes
    -----
    The rarest decision is compared with the label that calls for it: with a base
    rate of 2 %, selecting 1 % is a decision, with one of 50 % it is none. A share below 1 % that is
    significantly below a fifth of the label's share (binomial test) is degenerate; no variation at
    all among all rows always is. In a group the test is needed in any case, so that a handful of
    rows with one decision is no alarm.

    Skill is balanced accuracy and area under the ROC curve above one half, with their intervals, and a
    balanced accuracy that is not just barely above it (:data:`.utility.ALMOST_NO_SKILL`).
    """
    found = _constant(measured)
    scores = np.asarray(y_score, dtype=float)
    if np.ptp(scores) == 0:
        told = f"gives everyone the same score ({scores[0]:.3g})"
        found.append(Degeneracy("degenerate-decisions", told, "auc", 0.5, (0.5, 0.5), len(scores)))
    if any(one.group is None for one in found):
        return found
    return [*found, *_without_skill(measured, y_true, scores, sample_weight)]


def _constant(measured: Measurement) -> list[Degeneracy]:
    """Return what all rows, and each group, show of decisions that hardly vary."""
    found = []
    rate = RATES["selection_rate"]
    figure = measured.figure("selection_rate")
    whole = figure.value
    base = measured.figure("base_rate").value
    rows = int(effective_support(rate, measured.table, lambda c: c.sum(axis=-3, keepdims=True))[0])
    by_rows = measured.table.rows.sum(axis=0)
    share_of_rows = float(by_rows[:, 1].sum() / by_rows.sum())
    if share_of_rows in (0.0, 1.0) or _degenerate(whole, base, rows):
        found.append(_rarely(figure, f"selects {_told(whole)} of all rows"))
        return found
    bases = measured.by_group("base_rate")
    for group, figure in measured.by_group("selection_rate").items():
        if figure.enough and _degenerate(figure.value, bases[group].value, figure.support):
            found.append(_rarely(figure, f"selects {_told(figure.value)} of {group}", group))
    return found


def _rarely(selected: Estimate, told: str, group: str | None = None) -> Degeneracy:
    """Return that a decision is hardly ever made, with its share."""
    share, interval = selected.value, selected.interval
    if share > 0.5:
        share = 1 - share
        interval = None if interval is None else (1 - interval[1], 1 - interval[0])
    return Degeneracy(
        "degenerate-decisions", told, "rarer_decision_share", share, interval, selected.support, group
    )


def _degenerate(selected: float, favorable: float, rows: int) -> bool:
    """Whether the rarer decision is significantly and far rarer than the corresponding label."""
    if not np.isfinite(selected):
        return False
    rarer, wanted = (selected, favorable) if selected <= 0.5 else (1 - selected, 1 - favorable)
    if rarer >= ALMOST_NONE:
        return False
    chance = stats.binom.cdf(round(rarer * rows), rows, FAR_BELOW * wanted)
    return bool(chance < SIGNIFICANCE)


def _told(share: float) -> str:
    if share in (0.0, 1.0):
        return "nobody" if share == 0 else "everybody"
    return f"almost nobody ({share:.2%})" if share < 0.5 else f"almost everybody ({share:.2%})"


def _without_skill(
    measured: Measurement, y_true: ArrayLike, scores: ArrayLike, weight: ArrayLike | None
) -> list[Degeneracy]:
    balanced = measured.figure("balanced_accuracy")
    lowest = balanced.value if balanced.interval is None else balanced.interval[0]
    barely = balanced.value - 0.5 < ALMOST_NO_SKILL * 0.5
    if lowest <= 0.5 or barely:
        how = "is hardly better" if lowest > 0.5 else "is not shown to be better"
        told = _interval(balanced.value, balanced.interval)
        told = f"{how} than a constant rule: balanced accuracy {told}"
        known = (balanced.value, balanced.interval, balanced.support)
        return [Degeneracy("no-skill", told, "balanced_accuracy", *known)]
    label = np.asarray(y_true)
    ((area, interval),) = roc_auc(label, scores, np.zeros(len(label), int), sample_weight=weight).values()
    lowest = area if interval is None else interval[0]
    if lowest <= 0.5:
        told = f"is not shown to rank better than chance: AUC {_interval(area, interval)}"
        return [Degeneracy("no-skill", told, "auc", area, interval, balanced.support)]
    return []


def _interval(value: float, ends: tuple[float, float] | None) -> str:
    return f"{value:.3f}" if ends is None else f"{value:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"
