"""Draws of the multivariate hypergeometric distribution: how many of the marked rows fall to each group.

Binomial counts that are independent, given their sum, are hypergeometric. So the counts of all groups
but the largest are drawn from fixed binomial distributions, and a draw is kept with the chance that the largest
group has just what is left, relative to its most likely count. A distribution that is fixed is a table, and a
draw from it costs some nanoseconds, where a hypergeometric draw costs hundreds.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.special import gammaln

from fairmend.core.types import Floats, Ints

_DEVIATIONS = 12  # a table spans as many standard deviations on either side; beyond lies less than 1e-30
_PARTS = 4096
_FEWEST_GROUPS = 4
_LEAST_KEPT = 0.25  # share of kept draws below which numpy's own generator is used


def multivariate_hypergeometric(sizes: Ints, marked: int, n: int, rng: Generator) -> Ints:
    """Return random counts of marked rows in each group, all sets of marked rows being equally likely.

    Parameters
    ----------
    sizes : ndarray of int, shape (G,)
        Rows of each group.
    marked : int
        Number of marked rows, 0 to ``sizes.sum()``.
    n : int
        Number of draws.
    rng : Generator
        Source of randomness.

    Returns
    -------
    ndarray of int64, shape (n, G)
        Every line sums to ``marked``.

    Examples
    --------
    >>> drawn = multivariate_hypergeometric(np.array([2, 50, 8]), 15, 1000, np.random.default_rng(0))
    >>> sorted(set(drawn.sum(axis=1).tolist())), int(drawn[:, 0].max())
    ([15], 2)
    """
    total, largest = int(sizes.sum()), int(np.argmax(sizes))
    kept = float(np.sqrt(sizes[largest] / total)) if total else 0.0
    if marked in (0, total) or kept < _LEAST_KEPT or len(sizes) < _FEWEST_GROUPS:
        return rng.multivariate_hypergeometric(sizes, marked, size=n, method="marginals")
    share = marked / total
    others = [g for g in range(len(sizes)) if g != largest]
    distributions = [_BinomialTable(int(sizes[g]), share) for g in others]
    last = _BinomialTable(int(sizes[largest]), share)
    out = np.empty((n, len(sizes)), dtype=np.int64)
    done = 0
    while done < n:
        tries = int((n - done) / kept * 1.05) + 20
        drawn = np.empty((tries, len(sizes)), dtype=np.int64)
        left = np.full(tries, marked)
        for g, distribution in zip(others, distributions, strict=True):
            drawn[:, g] = distribution.draw(tries, rng)
            left -= drawn[:, g]
        drawn[:, largest] = left
        taken = drawn[rng.random(tries) < last.likelihood(left)][: n - done]
        out[done : done + len(taken)] = taken
        done += len(taken)
    return out


class _BinomialTable:
    """A binomial distribution as a table, from which counts are drawn by inversion."""

    def __init__(self, size: int, share: float) -> None:
        mean, reach = size * share, _DEVIATIONS * np.sqrt(size * share * (1 - share)) + 40
        self.low = max(0, int(mean - reach))
        k = np.arange(self.low, min(size, int(mean + reach)) + 1)
        log = (
            gammaln(size + 1)
            - gammaln(k + 1)
            - gammaln(size - k + 1)
            + k * np.log(share)
            + (size - k) * np.log1p(-share)
        )
        self._relative = np.exp(log - log.max())
        self._cumulated = np.cumsum(self._relative)
        self._cumulated /= self._cumulated[-1]
        # Where to begin to look, for each of equal parts of the unit interval; seldom is it not the place.
        self._guide = np.searchsorted(self._cumulated, np.arange(_PARTS) / _PARTS, side="right")

    def draw(self, n: int, rng: Generator) -> Ints:
        """Return n counts."""
        u = rng.random(n)
        place = self._guide[(u * _PARTS).astype(np.intp)]
        behind = np.flatnonzero(self._cumulated[place] <= u)
        place[behind] = np.searchsorted(self._cumulated, u[behind], side="right")
        return place + self.low

    def likelihood(self, counts: Ints) -> Floats:
        """Return how likely counts are, relative to the most likely one."""
        place = counts - self.low
        inside = (place >= 0) & (place < len(self._relative))
        return np.where(inside, self._relative[np.where(inside, place, 0)], 0.0)
