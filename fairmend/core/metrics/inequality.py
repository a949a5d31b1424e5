"""Inequality of benefit: how unequally decisions treat people, within groups and between them.

The benefit of a decision is ``b = decision - label + 1`` (Speicher et al. 2018): 0 for a favorable
label refused, 1 for a right decision, 2 for an unfavorable label accepted. So every index is a
function of the table of counts. Functions take counts (..., G, 2, 2) and return values (...).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.errors import InsufficientDataError, UsageError
from fairmend.core.metrics.tables import input_validation
from fairmend.core.types import Floats

_BENEFIT = np.array([[1.0, 2.0], [0.0, 1.0]])  # [label, decision]


def generalized_entropy_index(counts: Floats, alpha: float = 2.0) -> Floats:
    """Return the generalized entropy of the benefits of all rows (Speicher et al. 2018, eq. 2).

    Parameters
    ----------
    counts : ndarray of shape (..., G, 2, 2)
        The table.
    alpha : float
        2 is half the squared coefficient of variation, 1 Theil's index, 0 the mean log deviation
        (infinite as soon as one person has benefit 0).

    Returns
    -------
    ndarray of shape (...)
        0 when all benefits are equal; NaN when there are no rows or no benefit at all.
    """
    return _entropy(
        counts.sum(axis=-3), np.broadcast_to(_BENEFIT, (*counts.shape[:-3], 2, 2)), (-2, -1), alpha
    )


def theil_index(counts: Floats) -> Floats:
    """Return the generalized entropy with ``alpha = 1``."""
    return generalized_entropy_index(counts, 1.0)


def between_group_entropy(counts: Floats, alpha: float = 2.0) -> Floats:
    """Return the part of the generalized entropy that is between groups.

    Everyone's benefit is replaced by the mean of their group; parameters as
    :func:`generalized_entropy_index`.
    """
    size = counts.sum(axis=(-2, -1))
    total = (counts * _BENEFIT).sum(axis=(-2, -1))
    mean = np.divide(total, size, out=np.zeros_like(total), where=size > 0)
    return _entropy(size, mean, (-1,), alpha)


def within_group_entropy(counts: Floats, alpha: float = 2.0) -> Floats:
    """Return the part of the generalized entropy that is within groups; the two parts add up."""
    return generalized_entropy_index(counts, alpha) - between_group_entropy(counts, alpha)


def _entropy(weight: Floats, benefit: Floats, axes: tuple[int, ...], alpha: float) -> Floats:
    n = weight.sum(axis=axes, keepdims=True)
    mean = (weight * benefit).sum(axis=axes, keepdims=True) / np.where(n > 0, n, np.nan)
    share = benefit / np.where(mean > 0, mean, np.nan)
    present = weight > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        if alpha == 1:
            term = np.where(share > 0, share * np.log(share), 0.0 * share)
        elif alpha == 0:
            term = -np.log(share)
        else:
            term = (share**alpha - 1) / (alpha * (alpha - 1))
        term = np.where(present | np.isnan(share), term, 0.0)
        return (np.where(present, weight * term, 0.0 * mean)).sum(axis=axes) / n.reshape(
            weight.shape[: -len(axes)]
        )


def consistency(X: ArrayLike, y_pred: ArrayLike, *, n_neighbors: int = 5) -> float:
    """Return how much decisions agree with those of the nearest neighbors (Zemel et al. 2013, eq. 16).

    Parameters
    ----------
    X : array-like of shape (n, d)
        Numeric features, scaled as likeness is meant.
    y_pred : array-like of shape (n,)
        Decisions, 0 or 1.
    n_neighbors : int
        Neighbors of each row, the row itself among them.

    Returns
    -------
    float
        One minus the mean distance of a decision from the mean of its neighbors'; 1 is best.

    Raises
    ------
    InsufficientDataError
        When there are fewer rows than neighbors.
    UsageError
        When ``n_neighbors`` is below 1.
    """
    from sklearn.neighbors import NearestNeighbors

    features: Any = np.asarray(X, dtype=np.float64)
    decision = input_validation.binary(y_pred, "y_pred").astype(np.float64)
    n = input_validation.same_length(X=features, y_pred=decision)
    if n_neighbors < 1:
        raise UsageError(f"n_neighbors must be at least 1, got {n_neighbors}")
    if n < n_neighbors:
        raise InsufficientDataError(
            f"n_neighbors must be at most the number of rows, got {n_neighbors} and {n} rows; lower n_neighbors"
        )
    near = NearestNeighbors(n_neighbors=n_neighbors).fit(features).kneighbors(features, return_distance=False)
    return float(1 - np.abs(decision - decision[near].mean(axis=1)).mean())
