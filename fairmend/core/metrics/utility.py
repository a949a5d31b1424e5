"""What decisions are worth: the utility that the user names, and the skill that a rule retains.

Every utility is 1 for a rule without mistakes. A constant rule, which gives everyone the same decision,
reaches a utility that costs no skill at all: an accuracy of 0.95 where 95 % of the labels are favorable.
What a rule adds to the best constant one is its skill, and :class:`UtilityComparison` says how much of
the baseline's skill another rule retains.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from fairmend.core.metrics.auc import Areas, areas
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.bootstrap import Interval
from fairmend.core.metrics.inference.effective_sample_size import effective_support
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.rates import RATES, Rate
from fairmend.core.metrics.tables.contingency import PairedTable
from fairmend.core.types import Floats
from fairmend.core.utility import Utility

__all__ = ["ALMOST_NO_SKILL", "Utility", "UtilityComparison", "best_constant", "compare_utility", "rate_of"]

ALMOST_NO_SKILL = 0.05
"""A baseline that closes less than this part of the way from the best constant rule to a perfect one has
almost no skill: a share of it is a ratio of two small numbers."""


def rate_of(utility: Utility) -> Rate | None:
    """Return the rate of decisions that a utility is; None for the area under the ROC curve, a figure of scores.

    Examples
    --------
    Costs of 1 and 3 are 0.5 and 1.5 on the scale with the mean 1: a false positive in four rows costs 0.125.

    >>> counts = np.array([[1.0, 1.0], [0.0, 2.0]])
    >>> float(rate_of(Utility(cost_fp=1.0, cost_fn=3.0)).of(counts))
    0.875
    """
    if utility.name == "auc":
        return None
    if utility.name != "cost":
        return RATES[utility.name]
    mean = (utility.cost_fp + utility.cost_fn) / 2
    right = ((1, 1 - utility.cost_fp / mean), (1 - utility.cost_fn / mean, 1))
    return Rate("utility", ((right, ((1, 1), (1, 1))),))


def best_constant(rate: Rate, counts: Floats) -> Floats:
    """Return the rate of the best constant rule, for pooled counts (..., 2, 2) of any decisions."""
    labels = counts.sum(axis=-1)
    nobody, everybody = np.zeros_like(counts), np.zeros_like(counts)
    nobody[..., 0], everybody[..., 1] = labels, labels
    return np.asarray(np.fmax(rate.of(nobody), rate.of(everybody)))


@dataclass(frozen=True, eq=False)
class UtilityComparison:
    """The utility of a baseline and of another rule on the same rows, and of the best constant rule there.

    Attributes
    ----------
    utility : Utility
        What is compared.
    constant, before, after : float
        Utility of the best constant rule, of the baseline and of the other rule.
    drawn : ndarray of shape (B, 3)
        Replicates of the three from the same resamples.
    support : int
        Effective rows they rest on.
    enough : bool
        Whether these are at least the minimum.
    level : float
        Coverage of the intervals.
    """

    utility: Utility
    constant: float
    before: float
    after: float
    drawn: Floats
    support: int
    enough: bool
    level: float

    @property
    def change(self) -> tuple[float, Interval | None]:
        """The other rule less the baseline, with its interval."""
        return self.after - self.before, self._interval(self.drawn[:, 2] - self.drawn[:, 1])

    @property
    def relative_loss(self) -> tuple[float, Interval | None]:
        """What the other rule loses, as a part of the baseline's utility; NaN where that is not above 0."""
        if not self.before > 0:
            return float("nan"), None
        lost = np.where(self.drawn[:, 1] > 0, 1 - self.drawn[:, 2] / self.drawn[:, 1], np.nan)
        return 1 - self.after / self.before, self._interval(lost)

    @cached_property
    def baseline_has_skill(self) -> bool:
        """Whether the baseline is surely, and not just barely, better than the best constant rule."""
        return self._has_skill(self.before, self.drawn[:, 1])

    @cached_property
    def rule_has_skill(self) -> bool:
        """Whether the other rule is surely, and not just barely, better than the best constant rule."""
        return self._has_skill(self.after, self.drawn[:, 2])

    def _has_skill(self, value: float, drawn: Floats) -> bool:
        ends = self._interval(drawn - self.drawn[:, 0])
        barely = value - self.constant < ALMOST_NO_SKILL * (1 - self.constant)
        return not barely and ends is not None and ends[0] > 0

    @property
    def retained_skill(self) -> tuple[float, Interval | None]:
        """The part of the baseline's skill that the other rule retains: (U - U0) / (U_baseline - U0).

        NaN where the baseline has almost no skill.
        """
        if not self.baseline_has_skill:
            return float("nan"), None
        constant, before, after = self.drawn.T
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(before > constant, (after - constant) / (before - constant), np.nan)
        value = (self.after - self.constant) / (self.before - self.constant)
        return value, self._interval(share)

    def _interval(self, drawn: Floats) -> Interval | None:
        return bootstrap.percentile_interval(drawn, self.level)


def compare_utility(
    utility: Utility,
    y_true: ArrayLike,
    decisions: tuple[ArrayLike, ArrayLike],
    scores: tuple[ArrayLike, ArrayLike],
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    settings: InferenceSettings | None = None,
) -> UtilityComparison:
    """Compare the utility of two rules on the same rows.

    Parameters
    ----------
    utility : Utility
        What to compare.
    y_true : array-like of shape (n,)
        Labels, 1 the favorable outcome.
    decisions, scores : pair of array-like of shape (n,)
        Decisions and scores before and after.
    sensitive_features, sample_weight, cluster
        See :func:`.report.measure`.
    settings : InferenceSettings, optional
        Of the intervals.

    Notes
    -----
    Decisions are resampled as in :func:`.compare.compare`, with the same draws for the same seed. Areas under
    ROC curves are drawn from the normal distribution with the covariance of DeLong et al. (1988).

    Examples
    --------
    Of a hundred labels eighty are favorable. The baseline finds the twenty others, the other rule ten of them:
    accuracy falls from 1 to 0.9 where 0.8 is free, so half of the skill is retained.

    >>> y, after = (np.repeat([1, 0], [n, 100 - n]) for n in (80, 90))
    >>> found = compare_utility(Utility(), y, (y, after), (y, after), sensitive_features=["a"] * 100)
    >>> round(found.constant, 3), round(found.after, 3), round(found.retained_skill[0], 3)
    (0.8, 0.9, 0.5)
    """
    settings = settings or InferenceSettings()
    rng = bootstrap.generators(settings.seed, 2)[0]
    table = PairedTable.from_arrays(
        y_true, *decisions, sensitive_features, sample_weight=sample_weight, cluster=cluster
    )
    pooled = table.counts.sum(axis=0)
    rate = rate_of(utility)
    if rate is None:
        found = areas(
            np.asarray(y_true) == 1,
            [np.asarray(one, dtype=float) for one in scores],
            weight=None if sample_weight is None else np.asarray(sample_weight, dtype=float),
            cluster=cluster,
        )
        values = np.array([0.5, *found.values])
        drawn = np.full((settings.n_boot, 3), 0.5)
        drawn[:, 1:] = _normal(found, settings.n_boot, rng)
        rate = RATES["balanced_accuracy"]  # rests on the rows of both labels, too
    else:
        every = bootstrap.replicates(table, settings.n_boot, rng).sum(axis=1)
        values = np.array([float(one) for one in _three(rate, pooled)])
        drawn = np.stack(_three(rate, every), axis=-1)
    support = int(effective_support(rate, table.before, lambda c: c.sum(axis=-3, keepdims=True))[0])
    constant, before, after = values.tolist()
    return UtilityComparison(
        utility, constant, before, after, drawn, support, support >= settings.min_support, settings.level
    )


def _three(rate: Rate, counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the rate of the best constant rule, before and after, of counts (..., 2, 2, 2)."""
    before, after = counts.sum(axis=-1), counts.sum(axis=-2)
    return best_constant(rate, before), rate.of(before), rate.of(after)


def _normal(found: Areas, n_boot: int, rng: Generator) -> Floats:
    """Return draws of areas from the normal distribution with their covariance, cut off at 0 and 1."""
    if not np.isfinite(found.values).all():
        return np.full((n_boot, len(found.values)), np.nan)
    turned, spread, _ = np.linalg.svd(found.covariance, hermitian=True)
    normal = rng.standard_normal((n_boot, len(spread))) * np.sqrt(spread)
    return np.asarray(np.clip(found.values + normal @ turned.T, 0.0, 1.0))
