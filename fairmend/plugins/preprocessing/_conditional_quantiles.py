"""Conditional distributions of a column given others, represented by quantiles.

The forest is that of N. Meinshausen (2006), "Quantile regression forests", JMLR 7, with a few quantiles of
each leaf instead of all of its values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.base import Floats

GRID = 512
"""Quantiles that represent a whole sample."""
OF_LEAF = 7
"""Quantiles that represent the values of a leaf."""
_CHUNK = 2048


def grid_quantiles(values: Floats, most: int = GRID) -> Floats:
    """Return the sorted values, or quantiles at evenly spaced levels if there are more than ``most``."""
    ordered = np.sort(values)
    if len(ordered) <= most:
        return ordered
    return ordered[((np.arange(most) + 0.5) / most * len(ordered)).astype(int)]


def fit_conditional(
    P: Floats, v: Floats, *, method: str, discrete: bool, n_trees: int, min_samples_leaf: int, seed: int
) -> dict[str, Any]:
    """Return a representation of the distribution of ``v`` given the columns of ``P``.

    Parameters
    ----------
    P : ndarray of shape (n, k)
        Columns to condition on; if there are none, the distribution of ``v`` itself.
    v : ndarray of shape (n,)
        Values.
    method : {"forest", "linear"}
        A linear model whose residuals share one distribution, or a quantile forest on the residuals.
    discrete : bool
        Whether only observed values are possible; then a forest is used, without a linear model.
    n_trees, min_samples_leaf, seed : int
        Of the forest.
    """
    order = np.lexsort((v, *P.T))  # so that the order of the rows does not matter
    P, v = P[order], v[order]
    if P.shape[1] == 0:
        return {"sample": grid_quantiles(v)}
    fitted: dict[str, Any] = {}
    if not discrete:
        fitted["line"] = np.linalg.lstsq(np.column_stack([np.ones(len(P)), P]), v, rcond=None)[0]
        v = v - fitted["line"][0] - P @ fitted["line"][1:]
        if method == "linear":
            return {**fitted, "sample": grid_quantiles(v)}
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_trees, min_samples_leaf=min_samples_leaf, random_state=seed).fit(P, v)
    tables = [
        _leaf_quantiles(tree, P, v, (place + 0.5) / n_trees) for place, tree in enumerate(forest.estimators_)
    ]
    return {**fitted, "forest": forest, "tables": tables}


def _leaf_quantiles(tree: Any, P: Floats, v: Floats, offset: float) -> Floats:
    """Return a few quantiles of the values in each leaf, shape (nodes of the tree, OF_LEAF).

    Each tree has its own levels, so that trees with equal leaves still add information.
    """
    leaf = tree.apply(P.astype(np.float32))
    order = np.lexsort((v, leaf))
    counts = np.bincount(leaf, minlength=tree.tree_.node_count)
    starts = np.cumsum(counts) - counts
    levels = (np.arange(OF_LEAF) + offset) / OF_LEAF
    places = starts[:, None] + (counts[:, None] * levels).astype(int)
    return np.asarray(v[order][np.minimum(places, len(v) - 1)])


def _samples(fitted: dict[str, Any], P: Floats) -> Floats:
    """Return the sorted sample that represents the distribution of each row."""
    if "forest" in fitted:
        rows = P.astype(np.float32)
        trees = zip(fitted["forest"].estimators_, fitted["tables"], strict=True)
        S = np.sort(np.hstack([table[tree.apply(rows)] for tree, table in trees]), axis=1)
    else:
        S = np.broadcast_to(fitted["sample"], (len(P), len(fitted["sample"])))
    return S if "line" not in fitted else S + (fitted["line"][0] + P @ fitted["line"][1:])[:, None]


def ranks(fitted: dict[str, Any], P: Floats, v: Floats, within: Floats) -> Floats:
    """Return the level u of each value in the distribution of its row.

    For a value that occurs more than once in the sample, ``within`` selects the position within its range of
    levels; between two values the level is interpolated.
    """
    out = np.empty(len(v))
    for part in _chunks(len(v)):
        S, value = _samples(fitted, P[part]), v[part, None]
        below, upto = (value > S).sum(axis=1), (value >= S).sum(axis=1)
        size, rows = S.shape[1], np.arange(len(S))
        low, high = S[rows, np.maximum(below - 1, 0)], S[rows, np.minimum(below, size - 1)]
        gap = np.where(high > low, high - low, 1.0)
        between = below - 0.5 + np.where(high > low, (v[part] - low) / gap, 0.5)
        inside = (below > 0) & (below < size)
        u = np.where(
            upto - below > 1, below + within[part] * (upto - below), np.where(inside, between, below)
        )
        out[part] = np.where(upto - below == 1, below + 0.5, u) / size
    return np.clip(out, 0.0, 1.0)


def quantiles(fitted: dict[str, Any], P: Floats, u: Floats, *, discrete: bool) -> Floats:
    """Return the value at level ``u`` of the distribution of each row, one of the sample if discrete."""
    out = np.empty(len(u))
    for part in _chunks(len(u)):
        S = _samples(fitted, P[part])
        size, rows = S.shape[1], np.arange(len(S))
        if discrete:
            out[part] = S[rows, np.minimum((u[part] * size).astype(int), size - 1)]
            continue
        place = np.clip(u[part] * size - 0.5, 0, size - 1)
        low = place.astype(int)
        high = np.minimum(low + 1, size - 1)
        out[part] = S[rows, low] + (place - low) * (S[rows, high] - S[rows, low])
    return out


def _chunks(n: int) -> list[NDArray[np.intp]]:
    return [np.arange(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]
