"""The distribution of a numeric sample: ranks and quantiles that agree with each other on ties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, InsufficientDataError
from fairmend.core.types import Floats

LEAST_VALUES = 5


def numbers(column: pd.Series[Any]) -> Floats:
    """Return a numeric column as floats, NaN where it is missing.

    Raises
    ------
    DataError
        The column holds infinite values.
    """
    x = column.to_numpy(dtype=float, na_value=np.nan)
    if np.isinf(x).any():
        raise DataError(f"feature {column.name!r} holds infinite values; replace or remove them")
    return x


def interpolate(x: Floats, knots: Floats, heights: Floats) -> Floats:
    """Return the piecewise linear function through the knots at x, clipped at its ends; NaN stays NaN.

    It is ``numpy.interp`` on sorted queries, which finds its way in a long table over twice as fast.
    """
    order = np.argsort(x)
    out = np.empty(len(x))
    out[order] = np.interp(x[order], knots, heights)
    return out


@dataclass(frozen=True, eq=False)
class EmpiricalDistribution:
    """The empirical distribution of a sample, kept as its distinct values and how often each occurs.

    The i-th of n sorted rows (i = 0, 1, ...) stands at the place (i + 1/2) / n of the unit interval.

    Attributes
    ----------
    values : ndarray of float, shape (m,)
        Distinct values, ascending.
    counts : ndarray of float, shape (m,)
        How often each occurs, or the weight of its rows.
    """

    values: Floats
    counts: Floats

    @classmethod
    def of(cls, x: Floats, sample_weight: Floats | None = None) -> EmpiricalDistribution:
        """Return the distribution of the values that are not missing; a weight counts as so many rows."""
        w = np.ones(len(x)) if sample_weight is None else sample_weight
        there = ~np.isnan(x) & (w > 0)
        values, place = np.unique(x[there], return_inverse=True)
        return cls(values, np.bincount(place, w[there], len(values)).astype(float))

    @property
    def n(self) -> float:
        """Number of rows, or their weight."""
        return float(self.counts.sum())

    @property
    def first(self) -> Floats:
        """Place of the first row of each value, shape (m,)."""
        return (np.cumsum(self.counts) - self.counts + self._half) / self.n

    @property
    def last(self) -> Floats:
        """Place of the last row of each value, shape (m,)."""
        return (np.cumsum(self.counts) - self._half) / self.n

    @property
    def _half(self) -> Floats:
        """Half a row, or half of what a value weighs where that is less."""
        return np.asarray(np.minimum(self.counts, 1.0) / 2)

    @property
    def middle(self) -> Floats:
        """Mid-rank of each value, shape (m,)."""
        return (self.first + self.last) / 2

    @property
    def knots(self) -> tuple[Floats, Floats]:
        """Places and values between which the quantile function is linear."""
        tied = self.counts > 1
        places = np.sort(np.concatenate([self.first, self.last[tied]]))
        return places, np.repeat(self.values, 1 + tied)

    def rank(self, x: Floats, within: Floats | None = None) -> Floats:
        """Return the place of values in the distribution, shape (n,); NaN stays NaN.

        Parameters
        ----------
        x : ndarray of float, shape (n,)
            Values; between two of the sample they are interpolated, beyond its ends they are clipped.
        within : ndarray in [0, 1], shape (n,), optional
            Where each row stands among those of the same value, from first to last; a draw a row
            spreads ties. The default is the middle, which keeps them together.

        Examples
        --------
        >>> EmpiricalDistribution.of(np.array([1.0, 2.0, 2.0, 2.0, 3.0])).rank(np.array([0.0, 1.0, 2.0, 2.5])).tolist()
        [0.1, 0.1, 0.5, 0.7]
        """
        if within is None:
            return interpolate(x, self.values, self.middle)
        first = interpolate(x, self.values, self.first)
        return first + within * (interpolate(x, self.values, self.last) - first)

    def quantile(self, u: Floats) -> Floats:
        """Return the values at places in [0, 1], shape (n,): linear between rows, flat on ties.

        Examples
        --------
        >>> EmpiricalDistribution.of(np.array([1.0, 2.0, 2.0, 2.0, 3.0])).quantile(np.array([0.1, 0.2, 0.5, 1.0])).tolist()
        [1.0, 1.5, 2.0, 3.0]
        """
        return np.interp(u, *self.knots)


def group_distributions(
    X: pd.DataFrame,
    features: list[str],
    groups: Groups,
    *,
    fallback: bool,
    sample_weight: Floats | None = None,
) -> tuple[dict[str, list[EmpiricalDistribution]], dict[str, list[str]]]:
    """Return the distributions of features in each group, and the groups too small to have one.

    Parameters
    ----------
    X : DataFrame, shape (n, p)
        Features, NaN where missing.
    features : list of str
        Those wanted.
    groups : Groups
        Groups of the rows.
    fallback : bool
        Give groups of fewer than ``LEAST_VALUES`` values the distribution of all rows, instead of raising.
    sample_weight : ndarray of float, shape (n,), optional
        As how many rows each counts.

    Returns
    -------
    distributions : dict of list of EmpiricalDistribution
        By feature, the distribution in each group, in the order of their codes, and last that of all rows.
    small : dict of list of str
        By feature, the groups that have the distribution of all rows; features without such groups are not in it.

    Raises
    ------
    InsufficientDataError
        A group is too small and ``fallback`` is false, or fewer than two groups are large enough.
    """
    out: dict[str, list[EmpiricalDistribution]] = {}
    small: dict[str, list[str]] = {}
    for name in features:
        x = numbers(X[name])
        rows = [groups.codes == a for a in range(groups.n_groups)]
        distributions = [
            EmpiricalDistribution.of(x[r], None if sample_weight is None else sample_weight[r]) for r in rows
        ]
        few = [
            label
            for label, distribution in zip(groups.labels, distributions, strict=True)
            if distribution.n < LEAST_VALUES
        ]
        if few and (not fallback or len(distributions) - len(few) < 2):
            n = distributions[groups.labels.index(few[0])].n
            raise InsufficientDataError(
                f"feature {name!r} has {n:g} values in the group {few[0]!r}, fewer than the {LEAST_VALUES} that its distribution "
                "needs; merge groups, or set unseen='fallback' to rank small groups among all rows (two others must remain)"
            )
        pooled = EmpiricalDistribution.of(x, sample_weight)
        out[name] = [
            *(distribution if distribution.n >= LEAST_VALUES else pooled for distribution in distributions),
            pooled,
        ]
        small.update({name: few} if few else {})
    return out, small


def barycenter(distributions: list[EmpiricalDistribution], weights: Floats) -> tuple[Floats, Floats]:
    """Return the Wasserstein-2 barycenter of distributions: its quantile function is the mean of theirs.

    Parameters
    ----------
    distributions : list of EmpiricalDistribution
        The distributions.
    weights : ndarray of shape (len(distributions),)
        What each counts; they sum to 1.

    Returns
    -------
    places, values : ndarray of float
        Between which the quantile function is linear, as a target of :func:`transport`.

    Examples
    --------
    >>> low, high = (EmpiricalDistribution.of(np.array(x)) for x in ([1.0, 3.0], [5.0, 9.0]))
    >>> barycenter([low, high], np.array([0.5, 0.5]))[1].tolist()
    [3.0, 6.0]
    """
    places = np.unique(np.concatenate([distribution.knots[0] for distribution in distributions]))
    return places, weights @ np.stack([distribution.quantile(places) for distribution in distributions])


def _present(codes: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.flatnonzero(np.bincount(codes + 1)) - 1


def group_ranks(
    x: Floats,
    distributions: list[EmpiricalDistribution],
    codes: NDArray[np.intp],
    within: Floats | None = None,
) -> Floats:
    """Return the place of each value in the distribution of its group, shape (n,); see :meth:`EmpiricalDistribution.rank`.

    The code -1, an unseen group, finds the last distribution, which is that of all rows.
    """
    u = np.empty(len(x))
    for a in _present(codes):
        rows = codes == a
        u[rows] = distributions[a].rank(x[rows], None if within is None else within[rows])
    return u


def transport(
    x: Floats,
    distributions: list[EmpiricalDistribution],
    codes: NDArray[np.intp],
    target: tuple[Floats, Floats],
    within: Floats | None = None,
) -> Floats:
    """Return the value that a target distribution has at the place of each value in its group, shape (n,).

    Parameters
    ----------
    x, distributions, codes, within
        As in :func:`group_ranks`.
    target : tuple of ndarray
        Places and values between which the quantile function of the target is linear, as ``Law.knots``.
    """
    if within is not None:
        return interpolate(group_ranks(x, distributions, codes, within), *target)
    out = np.empty(len(x))
    for a in _present(codes):
        rows = codes == a
        out[rows] = interpolate(x[rows], distributions[a].values, np.interp(distributions[a].middle, *target))
    return out
