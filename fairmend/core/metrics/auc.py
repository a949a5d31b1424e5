"""Areas under ROC curves of several scores of the same rows, and how they vary together (DeLong et al. 1988)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.core.metrics.inference.bootstrap import Interval
from fairmend.core.types import Floats


@dataclass(frozen=True, eq=False)
class Areas:
    """The areas under the ROC curves of m scores of the same rows.

    Attributes
    ----------
    values : ndarray of shape (m,)
        The areas; NaN where one of the classes has no row.
    influence : ndarray of shape (k, m)
        By how much each row, or each cluster of rows, moves them: the sums of squares and products
        are their covariances.
    """

    values: Floats
    influence: Floats

    @property
    def covariance(self) -> Floats:
        """Covariances of the areas, shape (m, m)."""
        return self.influence.T @ self.influence

    def interval(self, place: int = 0, level: float = 0.95) -> Interval | None:
        """Return the confidence interval of one area, normal on the logit scale; None at its ends."""
        return logit_interval(float(self.values[place]), float((self.influence[:, place] ** 2).sum()), level)


def areas(
    target: NDArray[np.bool_],
    scores: Sequence[Floats],
    *,
    weight: Floats | None = None,
    cluster: Any = None,
) -> Areas:
    """Return the areas under the ROC curves of several scores of the same rows.

    Parameters
    ----------
    target : ndarray of bool, shape (n,)
        The positive class.
    scores : sequence of m ndarrays of float, shape (n,)
        The scores, each on a scale of its own.
    weight : ndarray of float, shape (n,), optional
        Weights of the rows.
    cluster : array of shape (n,), optional
        Units whose rows vary together.

    Notes
    -----
    An area is the mean over the rows of a class of their placements: the share of rows of the other
    class that they are on the right side of, ties counting half.

    Examples
    --------
    >>> target = np.array([True, True, True, False, False, False])
    >>> areas(target, [np.array([3, 2, 1, 2, 1, 0]), np.zeros(6)]).values.round(3).tolist()
    [0.778, 0.5]
    """
    w = np.ones(len(target)) if weight is None else np.asarray(weight, dtype=float)
    classes = (target, ~target)
    if min(w[own].sum() for own in classes) <= 0:
        return Areas(np.full(len(scores), math.nan), np.full((0, len(scores)), math.nan))
    values, influence = np.empty(len(scores)), np.zeros((len(target), len(scores)))
    for k, score in enumerate(scores):
        placed = [_share_below(score[~target], w[~target], score[target])]
        placed.append(1 - _share_below(score[target], w[target], score[~target]))
        values[k] = np.average(placed[0], weights=w[target])
        for own, placement in zip(classes, placed, strict=True):
            rows = (w[own] > 0).sum()
            spread = math.sqrt(rows / (rows - 1)) if cluster is None and rows > 1 else 1.0
            influence[own, k] = spread * w[own] * (placement - values[k]) / w[own].sum()
    if cluster is not None:
        _, unit = np.unique(cluster, return_inverse=True)
        units = int(unit.max()) + 1
        summed = np.zeros((units, len(scores)))
        np.add.at(summed, unit, influence)
        influence = summed * math.sqrt(units / max(units - 1, 1))
    return Areas(values, influence)


def logit_interval(area: float, variance: float, level: float) -> Interval | None:
    """Return the interval of an area that is normal on the logit scale; None for an area of 0 or 1."""
    if not 0 < area < 1:
        return None
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(variance) / (area * (1 - area))
    center = math.log(area / (1 - area))
    return (1 + math.tanh((center - half) / 2)) / 2, (1 + math.tanh((center + half) / 2)) / 2


@dataclass(frozen=True)
class AreaChange:
    """The change of an area under the ROC curve.

    Attributes
    ----------
    before, after : float
        The areas; NaN where one of the classes has fewer than two rows.
    interval : (float, float) or None
        Normal confidence interval of the change.
    p_value : float
        Of no change, two-sided; NaN where undefined.
    """

    before: float
    after: float
    interval: Interval | None
    p_value: float


def area_change(
    target: NDArray[np.bool_], before: Floats, after: Floats, *, level: float = 0.95
) -> AreaChange:
    """Compare the areas under the ROC curves of two scores of the same rows.

    Parameters
    ----------
    target : ndarray of bool, shape (n,)
        The positive class.
    before, after : ndarray of float, shape (n,)
        The two scores, on any scale.
    level : float
        Coverage of the interval.

    Examples
    --------
    >>> target = np.array([True, True, True, False, False, False])
    >>> found = area_change(target, np.array([3, 2, 1, 2, 1, 0]), np.zeros(6))
    >>> round(found.before, 3), found.after
    (0.778, 0.5)
    """
    if min(int(target.sum()), int((~target).sum())) < 2:
        return AreaChange(math.nan, math.nan, None, math.nan)
    found = areas(target, (before, after))
    change = float(found.values[1] - found.values[0])
    error = math.sqrt(float(((found.influence[:, 1] - found.influence[:, 0]) ** 2).sum()))
    normal = NormalDist()
    half = normal.inv_cdf((1 + level) / 2) * error
    p = 2 * normal.cdf(-abs(change) / error) if error > 0 else float(change == 0)
    return AreaChange(float(found.values[0]), float(found.values[1]), (change - half, change + half), p)


def _share_below(others: Floats, weight: Floats, values: Floats) -> Floats:
    """Return for each value the weighted share of the others that lie below it, ties counting half."""
    order = np.argsort(others, kind="stable")
    ordered, total = others[order], np.append(0.0, np.cumsum(weight[order]))
    left, right = (total[np.searchsorted(ordered, values, side=side)] for side in ("left", "right"))
    return np.asarray((left + right) / (2 * total[-1]))
