"""Closed forms: intervals of proportions and of their differences, and the gap a sample can show."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.errors import UsageError
from fairmend.core.types import Floats


def wilson(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the Wilson score interval of proportions (Wilson 1927).

    Parameters
    ----------
    successes, n : array-like of the same shape
        Counts; need not be whole, so that effective sample sizes can be passed.
    level : float
        Coverage aimed at.

    Returns
    -------
    low, high : ndarray of that shape
        0 and 1 where ``n`` is 0: nothing is known.

    Raises
    ------
    UsageError
        When there are more successes than trials, or fewer than none.

    Examples
    --------
    >>> low, high = wilson(0, 20)
    >>> float(low), round(float(high), 3)
    (0.0, 0.161)
    """
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if (k < 0).any() or (k > n).any():
        raise UsageError("successes must lie between 0 and n; check the order of the arguments")
    z = NormalDist().inv_cdf((1 + level) / 2)
    size = np.where(n > 0, n, 1.0)
    p = k / size
    center = (p + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * np.sqrt(p * (1 - p) / size + z**2 / (4 * size**2))
    low = np.where((n > 0) & (k > 0), np.maximum(center - half, 0.0), 0.0)
    high = np.where((n > 0) & (k < n), np.minimum(center + half, 1.0), 1.0)
    return low, high


def newcombe(
    successes_1: ArrayLike, n_1: ArrayLike, successes_2: ArrayLike, n_2: ArrayLike, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Return the interval of the difference p1 - p2 of independent proportions (Newcombe 1998, method 10).

    Parameters
    ----------
    successes_1, n_1, successes_2, n_2 : array-like
        Counts of the two samples.
    level : float
        Coverage aimed at.

    Returns
    -------
    low, high : ndarray
    """
    k1, n1, k2, n2 = (np.asarray(x, dtype=np.float64) for x in (successes_1, n_1, successes_2, n_2))
    low1, high1 = wilson(k1, n1, level)
    low2, high2 = wilson(k2, n2, level)
    p1, p2 = k1 / np.where(n1 > 0, n1, 1.0), k2 / np.where(n2 > 0, n2, 1.0)
    below = np.sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2)
    above = np.sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2)
    known = (n1 > 0) & (n2 > 0)
    return np.where(known, p1 - p2 - below, -1.0), np.where(known, p1 - p2 + above, 1.0)


def minimum_detectable_difference(
    n_1: float, n_2: float, rate: float = 0.5, *, level: float = 0.95, power: float = 0.8
) -> float:
    """Return the smallest gap between two rates that samples of this size would show.

    Parameters
    ----------
    n_1, n_2 : float
        Rows that the rate of each group rests on.
    rate : float
        The rate of the first group.
    level, power : float
        One minus the size of a two-sided test of equal rates, and the chance that it rejects.

    Returns
    -------
    float
        The difference, up or down from ``rate``, at which the normal approximation of the test
        with pooled variance has the requested power in either direction that [0, 1] has room for; NaN
        when it has room for none.

    Raises
    ------
    UsageError
        On a size below 1, or a rate, level or power out of range.

    Examples
    --------
    >>> round(minimum_detectable_difference(400, 400, 0.5), 3)
    0.098
    """
    if min(n_1, n_2) < 1:
        raise UsageError(f"each group needs at least 1 row, got {n_1} and {n_2}")
    if not (0 <= rate <= 1 and 0 < level < 1 and 0 < power < 1):
        raise UsageError(f"rate, level and power must lie in [0, 1], got {rate}, {level} and {power}")
    z = NormalDist().inv_cdf((1 + level) / 2)

    def chance(gap: float, sign: int) -> float:
        other = rate + sign * gap
        pooled = (n_1 * rate + n_2 * other) / (n_1 + n_2)
        null = np.sqrt(max(pooled * (1 - pooled), 0.0) * (1 / n_1 + 1 / n_2))
        alternative = np.sqrt(max(rate * (1 - rate) / n_1 + other * (1 - other) / n_2, 0.0))
        if alternative == 0:
            return 1.0 if gap > z * null else 0.0
        return NormalDist().cdf(float((gap - z * null) / alternative))

    found = []
    for sign, room in ((1, 1 - rate), (-1, rate)):
        if room <= 0 or chance(room, sign) < power:
            continue
        low, high = 0.0, room
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if chance(middle, sign) >= power else (middle, high)
        found.append(high)
    return max(found, default=float("nan"))
