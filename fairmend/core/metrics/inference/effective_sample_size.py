"""Effective sample size: how many equal, independent rows unequal or repeated ones are worth (Kish 1965)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fairmend.core.metrics.rates import Rate
from fairmend.core.metrics.tables.contingency import CountTable, ScoreTable
from fairmend.core.types import Floats, Ints

_ROUNDING = 1e-6  # equal weights must give the number of rows, whatever their sum rounds to


def kish(total: Floats, squares: Floats) -> Ints:
    """Return the whole part of ``total ** 2 / squares``, 0 where there is nothing.

    Examples
    --------
    >>> weights = np.array([1.0, 1.0, 98.0])
    >>> int(kish(weights.sum(), (weights**2).sum()))
    1
    """
    size = np.divide(total**2, squares, out=np.zeros_like(total, dtype=float), where=np.asarray(squares) > 0)
    return np.floor(size + _ROUNDING).astype(np.int64)


def effective_support(rate: Rate, table: CountTable, pick: Callable[[Floats], Floats] | None = None) -> Ints:
    """Return the effective number of rows that a rate rests on; of two fractions, the smaller number.

    Without weights and clusters that is the number of rows. With weights it is Kish's effective
    sample size of the rows in the denominator; rows of one cluster count as one row of their summed
    weight.

    Parameters
    ----------
    rate : Rate
        The rate.
    table : GroupTable
        The counts, shape (G, 2, 2).
    pick : callable, optional
        Counts of shape (..., G, 2, 2) to those of the K tables asked for, shape (..., K, 2, 2); all
        groups by default.

    Returns
    -------
    ndarray of int, shape (K,)
    """
    of = pick or (lambda counts: counts)
    if table.clusters is not None:
        amounts = of(table.clusters.toarray().reshape(-1, *table.rows.shape))
        masses = [
            np.einsum("kgld,ld->kg", amounts, np.asarray(below) > 0, optimize=True)
            for _, below in rate.fractions
        ]
        return np.asarray(np.min([kish(m.sum(axis=0), (m**2).sum(axis=0)) for m in masses], axis=0))
    if table.moments is None:
        return rate.support(of(table.rows.astype(np.float64)))
    total, squares = of(table.counts), of(table.square_weights)
    sizes = []
    for _, below in rate.fractions:
        mask = np.asarray(below) > 0
        sizes.append(kish(total[..., mask].sum(axis=-1), squares[..., mask].sum(axis=-1)))
    return np.asarray(np.min(sizes, axis=0))


def group_support(table: CountTable | ScoreTable) -> Ints:
    """Return the effective number of rows of each group, shape (G,)."""
    cells = tuple(range(1, table.rows.ndim))
    if table.clusters is not None:
        amounts = table.clusters[:, : table.rows.size].toarray()  # of a score table, the weights come first
        mass = amounts.reshape(-1, *table.rows.shape).sum(axis=tuple(axis + 1 for axis in cells))
        return kish(mass.sum(axis=0), (mass**2).sum(axis=0))
    if table.moments is None:
        return np.asarray(table.rows.sum(axis=cells))
    return kish(table.moments[0].sum(axis=cells), table.moments[1].sum(axis=cells))


def effective_size(rate: Rate, counts: Floats, square_weights: Floats) -> Floats:
    """Return the number of equal rows whose share would vary as much as this weighted share.

    Kish's size of the rows in the denominator where the share is 0 or 1 and cannot vary.
    """
    value = rate.of(counts)
    mask = np.asarray(rate.fractions[0][1], dtype=np.float64)
    total, squares = (counts * mask).sum(axis=(-2, -1)), (square_weights * mask).sum(axis=(-2, -1))
    kish = np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)
    variance = rate.variance(counts, square_weights)
    inner = (value > 0) & (value < 1)
    return np.where(inner, value * (1 - value) / np.where(inner, variance, 1.0), kish)
