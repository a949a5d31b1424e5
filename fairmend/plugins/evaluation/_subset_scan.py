"""Fast subset scan for the subgroup with the greatest Bernoulli scan statistic, Zhang & Neill 2016."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairmend.base import Floats, Ints

Bools = NDArray[np.bool_]

LIMIT = float(np.log(1000))  # |log q| is searched up to here
_NODES = LIMIT / 2 * (1 - np.cos(np.pi * np.arange(24) / 23))  # Chebyshev points of |log q|
_GRID = LIMIT * np.linspace(0, 1, 257) ** 2
_BARYCENTRIC = np.where(np.arange(24) % 23 == 0, 0.5, 1.0) * (-1.0) ** np.arange(24)


def _interpolation() -> Floats:
    """Return the weights that turn values at the nodes into values on the grid, shape (24, 257)."""
    distance = _GRID - _NODES[:, None]
    at_node = distance == 0
    weights = _BARYCENTRIC[:, None] / np.where(at_node, 1, distance)
    return np.asarray(np.where(at_node.any(axis=0), at_node, weights / weights.sum(axis=0)))


_TO_GRID = _interpolation()


def log_partition(p: Floats, t: float) -> Floats:
    """Return log(1 - p + q p) of each row at q = e^t."""
    return np.log1p(np.expm1(t) * p)


def scan_statistic(y: Floats, p: Floats, w: Floats, sign: int) -> tuple[float, float]:
    """Return max over q of sum w (y log q - log(1 - p + q p)), and its q; q >= 1 for sign 1, q <= 1 for sign -1.

    The statistic is concave in t = log q with the slope sum w (y - q p / (1 - p + q p)), whose zero is bisected.

    Examples
    --------
    >>> score, q = scan_statistic(np.array([1.0, 1.0, 1.0, 0.0]), np.full(4, 0.5), np.ones(4), 1)
    >>> round(score, 6), round(q, 6)  # odds of 3 instead of 1: 3 log 3 - 4 log 2
    (0.523248, 3.0)
    """
    low, high = sorted((0.0, sign * LIMIT))
    total = float(w @ y)
    for _ in range(60):
        t = (low + high) / 2
        tilted = np.exp(t) * p / (1 - p + np.exp(t) * p)
        low, high = (t, high) if total > w @ tilted else (low, t)
    return max(total * t - float(w @ log_partition(p, t)), 0.0), float(np.exp(t))


@dataclass(frozen=True)
class Cells:
    """Rows that agree in all attributes, with the sums over them that the statistic consists of.

    Attributes
    ----------
    values : ndarray of int, shape (C, A)
        Value of each attribute, as a code from 0.
    partition : ndarray of float, shape (C, nodes)
        Sum of w log(1 - p + q p) over the rows of a cell, at the nodes of log q.
    sign : {1, -1}
        Whether q is at least 1 or at most 1.
    """

    values: Ints
    partition: Floats
    sign: int

    @classmethod
    def of(cls, values: Ints, cell: Ints, p: Floats, w: Floats, sign: int) -> Cells:
        """Return the cells of rows; ``cell`` is the row's place in ``values``."""
        sums = [np.bincount(cell, w * log_partition(p, sign * t), minlength=len(values)) for t in _NODES]
        return cls(values, np.column_stack(sums), sign)

    @property
    def sizes(self) -> list[int]:
        """Number of values of each attribute."""
        return [int(n) for n in self.values.max(axis=0) + 1]


def random_subset(cells: Cells, rng: np.random.Generator) -> list[Bools]:
    """Return some values of each attribute, each taken with the same random probability; never none of them."""
    share = rng.random()
    drawn = [rng.random(n) < share for n in cells.sizes]
    return [kept if kept.any() else ~kept for kept in drawn]


def best_values(f: Floats, penalty: float) -> tuple[Bools, Floats]:
    """Return the values of one attribute that maximize the statistic, and the maximum.

    For a fixed q the best set consists of the values whose own statistic exceeds the penalty; the best q is found
    on a grid. All values together cost nothing, since they do not restrict the subgroup.

    Parameters
    ----------
    f : ndarray of float, shape (R, V, Q)
        Statistic of each value of the attribute at each q.
    penalty : float
        Cost of a value.

    Examples
    --------
    >>> f = np.array([[[0.0, 2.0, 1.0], [0.0, 1.0, 3.0], [0.0, -4.0, -9.0]]])
    >>> best_values(f, 0.5)
    (array([[ True,  True, False]]), array([3.]))
    """
    gain = np.maximum(f - penalty, 0).sum(axis=1)
    at = gain.argmax(axis=1)
    every = np.arange(len(f))
    chosen, score, whole = f[every, :, at] > penalty, gain[every, at], f.sum(axis=1).max(axis=1)
    chosen[whole >= score] = True
    return chosen, np.maximum(score, whole)


def scan(
    cells: Cells, Y: Floats, starts: list[list[Bools]], penalty: float, rng: np.random.Generator
) -> tuple[Floats, list[Bools]]:
    """Return the best penalized score from each start, and its subgroup.

    One attribute at a time, the best set of its values is chosen given those of the others, until no attribute
    improves the score: each step is a maximum, so the score never falls.

    Parameters
    ----------
    cells : Cells
        The cells.
    Y : ndarray of float, shape (R, C)
        Weighted sum of the labels of each cell; a row for each search.
    starts : list of list of ndarray of bool
        Where each search starts: the values of each attribute.
    penalty : float
        Cost of each value of a restricted attribute.
    rng : Generator
        Source of the order of the attributes.

    Returns
    -------
    score : ndarray of float, shape (R,)
    subset : list of ndarray of bool, shape (R, V), an item per attribute
    """
    A = len(cells.sizes)
    subset = [np.array([start[a] for start in starts]) for a in range(A)]
    excluded = [_excluded(kept, cells, a) for a, kept in enumerate(subset)]
    outside: NDArray[np.int8] = np.asarray(np.sum(excluded, axis=0), dtype=np.int8)
    cost = np.column_stack([_cost(kept, penalty) for kept in subset])
    score = np.full(len(Y), -np.inf)
    active = np.ones(len(Y), dtype=bool)
    while active.any():
        rows = np.flatnonzero(active)
        active[:] = False
        for a in rng.permutation(A):
            before = _excluded(subset[a][rows], cells, a)
            inside = (outside[rows] == before).astype(float)
            observed = inside * Y[rows]
            f = np.empty((len(rows), cells.sizes[a], len(_GRID)))
            for v in range(cells.sizes[a]):
                at = cells.values[:, a] == v
                f[:, v] = cells.sign * observed[:, at].sum(axis=1)[:, None] * _GRID
                f[:, v] -= inside[:, at] @ cells.partition[at] @ _TO_GRID
            chosen, found = best_values(f, penalty)
            found -= cost[rows].sum(axis=1) - cost[rows, a]
            better = found > score[rows] + 1e-9
            changed = rows[better]
            active[changed] = True
            score[changed], subset[a][changed] = found[better], chosen[better]
            cost[changed, a] = _cost(chosen[better], penalty)
            outside[changed] += _excluded(chosen[better], cells, a).astype(np.int8) - before[better]
    return score, subset


def simulated_scores(
    cells: Cells, cell: Ints, p: Floats, w: Floats, n: int, penalty: float, rng: np.random.Generator
) -> Floats:
    """Return the score that a scan from all rows finds for each of n draws of the labels from p, shape (n,)."""
    C, found = len(cells.values), [np.empty(0)]
    everything = [np.ones(size, dtype=bool) for size in cells.sizes]
    for part in np.array_split(np.arange(n), 1 + n * C // 4_000_000) if n else ():
        Y = np.array([np.bincount(cell, w * (rng.random(len(p)) < p), minlength=C) for _ in part])
        found.append(scan(cells, Y, [everything] * len(part), penalty, rng)[0])
    return np.concatenate(found)


def _excluded(kept: Bools, cells: Cells, a: int) -> Bools:
    """Return which cells the values of one attribute exclude, shape (R, C)."""
    return ~kept[:, cells.values[:, a]]


def _cost(kept: Bools, penalty: float) -> Floats:
    return np.where(kept.all(axis=1), 0.0, penalty * kept.sum(axis=1))
