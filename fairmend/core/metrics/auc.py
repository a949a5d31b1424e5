"""Two scores of the same rows: the areas under their ROC curves, compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fairmend.core.metrics.inference.bootstrap import Interval
from fairmend.core.types import Floats


@dataclass(frozen=True)
class AreaChange:
    """The change of an area under the ROC curve.

    Attributes
    ----------
    before, after : float
        The areas; NaN where one of the classes has no row.
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
    """Compare the areas under the ROC curves of two scores of the same rows (DeLong et al. 1988).

    Parameters
    ----------
    target : ndarray of bool, shape (n,)
        The class to be told.
    before, after : ndarray of float, shape (n,)
        The two scores, on any scale.
    level : float
        Coverage of the interval.

    Notes
    -----
    An area is the mean over the rows of a class of their placements: the share of rows of the other
    class that they are on the right side of, ties counting half. The variance of the change is that
    of the differences of placements over the number of rows, summed over both classes.

    Examples
    --------
    >>> target = np.array([True, True, True, False, False, False])
    >>> found = area_change(target, np.array([3, 2, 1, 2, 1, 0]), np.zeros(6))
    >>> round(found.before, 3), found.after
    (0.778, 0.5)
    """
    rows = [int(target.sum()), int((~target).sum())]
    if min(rows) < 2:
        return AreaChange(math.nan, math.nan, None, math.nan)
    placed = [_placements(target, score) for score in (before, after)]
    areas = [float(inside.mean()) for inside, _ in placed]
    change = areas[1] - areas[0]
    error = math.sqrt(sum(float(np.var(placed[1][k] - placed[0][k], ddof=1)) / rows[k] for k in (0, 1)))
    normal = NormalDist()
    half = normal.inv_cdf((1 + level) / 2) * error
    p = 2 * normal.cdf(-abs(change) / error) if error > 0 else float(change == 0)
    return AreaChange(areas[0], areas[1], (change - half, change + half), p)


def _placements(target: NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats]:
    """Return the placements of the rows of the class, and of the others."""
    inside, outside = score[target], score[~target]
    return _share_below(outside, inside), 1 - _share_below(inside, outside)


def _share_below(others: Floats, values: Floats) -> Floats:
    """Return for each value the share of the others that lie below it, ties counting half."""
    ordered = np.sort(others)
    sides = [np.searchsorted(ordered, values, side=side) for side in ("left", "right")]
    return np.asarray((sides[0] + sides[1]) / (2 * len(others)))
