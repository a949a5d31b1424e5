"""Bootstrap of rows by draws of the table of counts (Efron & Tibshirani 1993, ch. 13-14).

Resampling n rows with replacement draws the cells of the table from a multinomial distribution, so a
replicate costs as much as the table has cells, however many rows there are. The intervals say how
much a figure would change on another sample, given this model; they do not hold the variance of
training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.random import Generator

from fairmend.core.metrics.tables.contingency import CountTable, ScoreTable
from fairmend.core.metrics.tables.two_point_quadrature import two_points
from fairmend.core.types import Floats

Method = Literal["percentile", "bca"]
Interval = tuple[float, float]

_CHUNK = 4_000_000  # numbers drawn at once: 32 MB


def generators(seed: int, n: int) -> list[Generator]:
    """Return n independent generators; the k-th depends only on the seed and k."""
    return [Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(seed).spawn(n)]


def replicates(table: CountTable, n_boot: int, rng: Generator, *, rows: int | None = None) -> Floats:
    """Return weighted counts of resampled rows, or of resampled clusters where the table has them.

    Parameters
    ----------
    table : GroupTable or PairedTable
        The counts, shape (G, 2, ..., 2).
    n_boot : int
        Number of replicates B.
    rng : Generator
        Source of randomness.
    rows : int, optional
        Number of rows drawn each time; by default as many as the table has.

    Returns
    -------
    ndarray of shape (B, G, 2, ..., 2)
    """
    shape = table.rows.shape
    n = table.n_rows if rows is None else rows
    if table.clusters is not None:
        units = table.clusters.shape[0]
        share = max(1, round(units * n / table.n_rows))
        sums = [draw @ table.clusters for draw in unit_draws(units, n_boot, rng, share)]
        return np.concatenate(sums).reshape(n_boot, *shape)
    size, value = table.atoms()
    probability = size.ravel() / size.sum()
    if table.moments is None:
        return rng.multinomial(n, probability, size=n_boot).astype(np.float64).reshape(n_boot, *shape)
    drawn = np.empty((n_boot, *shape))
    for part in chunks(n_boot, size.size):
        amount = rng.multinomial(n, probability, size=part.stop - part.start)
        drawn[part] = (amount * value.ravel()).reshape(-1, *shape, 2).sum(axis=-1)
    return drawn


def score_replicates(
    table: ScoreTable, n_boot: int, rng: Generator, statistics: dict[str, Callable[[Floats], Floats]]
) -> dict[str, Floats]:
    """Return statistics of resampled score tables, without keeping the tables.

    Parameters
    ----------
    table : ScoreTable
        The counts, shape (G, K, 2).
    n_boot : int
        Number of replicates B.
    rng : Generator
        Source of randomness.
    statistics : dict
        Functions of the sums, shape (B', 3, G, K, 2) as :attr:`ScoreTable.sums`, to (B', ...).

    Returns
    -------
    dict of ndarray of shape (B, ...)
    """
    parts = [{name: of(sums) for name, of in statistics.items()} for sums in _score_draws(table, n_boot, rng)]
    return {name: np.concatenate([part[name] for part in parts]) for name in statistics}


def _score_draws(table: ScoreTable, n_boot: int, rng: Generator) -> Iterator[Floats]:
    shape = table.rows.shape
    if table.clusters is not None:
        for draw in unit_draws(table.clusters.shape[0], n_boot, rng):
            yield (draw @ table.clusters).reshape(-1, 3, *shape)
        return
    amounts, size = _score_atoms(table)
    probability = size / size.sum()
    n_rows = int(table.rows.sum())
    atoms = len(size) // table.rows.size
    for part in chunks(n_boot, 4 * len(size)):
        rows = rng.multinomial(n_rows, probability, size=part.stop - part.start)
        spread = (rows[:, None, :] * amounts).reshape(-1, 3, *shape, atoms)
        yield spread.sum(axis=-1)


def _score_atoms(table: ScoreTable) -> tuple[Floats, Floats]:
    """Return what one row adds to the three sums, shape (3, U), and how many rows do so, shape (U,).

    Scores and weights of a cell are each represented by two values; within a bin they are assumed to be
    independent of each other.
    """
    total = np.where(table.counts > 0, table.counts, 1.0)
    size, score = two_points(table.rows, table.scores / total * table.rows)
    if table.moments is None:
        share, weight = size[..., None].astype(np.float64), np.ones((*size.shape, 1))
        score = score[..., None]
    else:
        weight_size, weight = two_points(table.rows, table.moments)
        rows = np.maximum(table.rows, 1)[..., None, None]
        share = size[..., :, None] * weight_size[..., None, :] / rows
        weight, score = weight[..., None, :], score[..., :, None]
    weight, score = np.broadcast_to(weight, share.shape), np.broadcast_to(score, share.shape)
    amounts = np.stack([weight, weight * score, weight * score**2])
    return amounts.reshape(3, -1), share.ravel()


def unit_draws(n_units: int, n_boot: int, rng: Generator, drawn_units: int | None = None) -> Iterator[Floats]:
    """Yield how often each of K rows or clusters is drawn, in blocks of replicates, shape (B', K).

    By default as many are drawn as there are.
    """
    for part in chunks(n_boot, n_units):
        block = part.stop - part.start
        times = drawn_units or n_units
        drawn = rng.integers(n_units, size=(block, times)) + np.arange(block)[:, None] * n_units
        yield (
            np.bincount(drawn.ravel(), minlength=block * n_units).reshape(block, n_units).astype(np.float64)
        )


def chunks(n_boot: int, size: int) -> Iterator[slice]:
    """Yield the replicates in blocks small enough to hold ``size`` numbers of each at once."""
    step = max(1, _CHUNK // max(size, 1))
    for start in range(0, n_boot, step):
        yield slice(start, min(start + step, n_boot))


def percentile_interval(drawn: Floats, level: float = 0.95) -> Interval | None:
    """Return the percentile interval of the replicates of one figure.

    Parameters
    ----------
    drawn : ndarray of shape (B,)
        Replicates, NaN where the figure is undefined.
    level : float
        Coverage aimed at.

    Returns
    -------
    (low, high) or None
        None when more than ``1 - level`` of the replicates are undefined: its ends would be made up.
    """
    tail = (1 - level) / 2
    return _quantiles(drawn, (tail, 1 - tail), level)


def bca_interval(value: float, drawn: Floats, acceleration: float, level: float = 0.95) -> Interval | None:
    """Return the bias-corrected and accelerated interval (Efron & Tibshirani 1993, eq. 14.10).

    Parameters
    ----------
    value : float
        The figure on the data.
    drawn : ndarray of shape (B,)
        Its replicates.
    acceleration : float
        See :func:`acceleration`.
    level : float
        Coverage aimed at.

    Returns
    -------
    (low, high) or None
        None when the value or too many replicates are undefined.
    """
    known = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(known):
        return None
    below = ((known < value).sum() + 0.5 * (known == value).sum()) / len(known)
    edge = 0.5 / len(known)
    normal = NormalDist()
    z0 = normal.inv_cdf(min(max(float(below), edge), 1 - edge))
    low, high = (
        normal.cdf(z0 + (z0 + z) / (1 - acceleration * (z0 + z)))
        for z in (normal.inv_cdf((1 - level) / 2), normal.inv_cdf((1 + level) / 2))
    )
    return _quantiles(drawn, (low, high), level)


def acceleration(table: CountTable, of: Callable[[Floats], Floats]) -> float:
    """Return the acceleration of a figure from its jackknife (Efron & Tibshirani 1993, eq. 14.15).

    Parameters
    ----------
    table : GroupTable or PairedTable
        The counts.
    of : callable
        The figure of counts of shape (..., G, 2, ..., 2).

    Notes
    -----
    Rows of one cell (and weight) leave the same table behind, so there are as many values as cells.
    """
    if table.clusters is not None:
        amount = table.clusters.toarray().reshape(-1, *table.rows.shape)
        times = np.ones(len(amount))
    else:
        size, value = table.atoms()
        cells = table.rows.size
        place = np.repeat(np.arange(cells), size.shape[-1])
        amount = np.zeros((len(place), cells))
        amount[np.arange(len(place)), place] = value.ravel()
        times = size.ravel().astype(np.float64)
        amount, times = amount[times > 0].reshape(-1, *table.rows.shape), times[times > 0]
    left = of(np.maximum(table.counts - amount, 0.0))
    known = np.isfinite(left)
    if not known.any():
        return 0.0
    left, times = left[known], times[known]
    away = np.average(left, weights=times) - left
    square = float((times * away**2).sum())
    return float((times * away**3).sum() / (6 * square**1.5)) if square > 0 else 0.0


def _quantiles(drawn: Floats, at: tuple[float, float], level: float) -> Interval | None:
    known = drawn[~np.isnan(drawn)]
    if not len(drawn) or len(drawn) - len(known) > (1 - level) * len(drawn):
        return None
    low, high = np.quantile(known, at, method="linear" if np.isfinite(known).all() else "nearest")
    return float(low), float(high)
