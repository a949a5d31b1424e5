"""How far apart the distributions of groups' predictions are: Kolmogorov-Smirnov and Wasserstein-1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.metrics.tables import input_validation
from fairmend.core.metrics.tasks.measurement import quotient, resampled
from fairmend.core.types import Floats, Ints

MOST_KNOTS = 512
"""Grid size for the replicates of a distribution; a distance is accurate to 1/512."""


def distribution_distances(
    predictions: Floats,
    codes: Ints,
    n_groups: int,
    *,
    weight: Floats,
    cluster: Any = None,
    n_boot: int = 1000,
    min_support: int = 30,
    seed: int = 0,
) -> dict[str, tuple[Floats, Floats]]:
    """Return Kolmogorov-Smirnov and Wasserstein-1 distances with their replicates.

    Parameters
    ----------
    predictions, weight : ndarray of float, shape (n,)
        Predictions and weights of the rows.
    codes : ndarray of int, shape (n,)
        Group of each row.
    n_groups : int
        Number of groups G.
    cluster, n_boot, seed
        See :func:`.measurement.resampled`.
    min_support : int
        Rows that a group must have to be one of the two that are farthest apart; the distance of a handful of
        rows to any others is large by chance.

    Returns
    -------
    dict
        ``ks_distance`` and ``wasserstein_distance``: values of shape (G + 1,) and replicates of shape
        (B, G + 1); of each group to all rows, and last the largest between two groups with enough rows, NaN
        where there are no two.

    Notes
    -----
    Resampled rows of one distribution are farther apart than the rows themselves, so that replicates d* of a
    distance d lie too high. They are reflected, 2 d - d*, never below 0: their quantiles are the basic interval,
    and their mean is the distance without its bias (Efron & Tibshirani 1993, sections 10.2 and 13.4).
    """
    among = np.flatnonzero(np.bincount(codes, minlength=n_groups) >= min_support)
    every = np.unique(predictions)
    exact = _distances(_masses(predictions, codes, weight, every, n_groups), every, among)
    knots = every
    if len(every) > MOST_KNOTS:
        knots = np.unique(np.quantile(predictions, np.linspace(0, 1, MOST_KNOTS), method="higher"))
    at = np.searchsorted(knots, predictions)
    size = n_groups * len(knots)
    _, blocks = resampled((codes * len(knots) + at)[None], weight[None], size, cluster, n_boot, seed)
    drawn = [_distances(block.reshape(-1, n_groups, len(knots)), knots, among) for block in blocks]
    found = {}
    for place, name in enumerate(("ks_distance", "wasserstein_distance")):
        replicates = np.concatenate([part[place] for part in drawn])
        found[name] = exact[place], np.maximum(2 * exact[place] - replicates, 0.0)
    return found


def _masses(predictions: Floats, codes: Ints, weight: Floats, values: Floats, n_groups: int) -> Floats:
    place = codes * len(values) + np.searchsorted(values, predictions)
    return input_validation.sums_by(place, weight, n_groups * len(values)).reshape(n_groups, len(values))


def _distances(mass: Floats, values: Floats, among: Ints) -> tuple[Floats, Floats]:
    """Return both distances, shape (..., G + 1), of masses of shape (..., G, m) at m ascending values."""
    total = mass.sum(axis=-1, keepdims=True)
    below = quotient(np.cumsum(mass, axis=-1), np.broadcast_to(total, mass.shape))
    pooled = np.cumsum(mass.sum(axis=-2), axis=-1)
    pooled = pooled / pooled[..., -1:]
    gap = np.abs(below - pooled[..., None, :])
    width = np.diff(values)
    ks = gap.max(axis=-1)
    wasserstein = (gap[..., :-1] * width).sum(axis=-1)
    pairs = _pairs(below[..., among, :], width)
    return tuple(
        np.concatenate([of_group, of_pair[..., None]], axis=-1)
        for of_group, of_pair in zip((ks, wasserstein), pairs, strict=True)
    )  # type: ignore[return-value]


def _pairs(below: Floats, width: Floats) -> tuple[Floats, Floats]:
    """Return the largest distances between two groups, shape (...)."""
    if below.shape[-2] < 2:
        return np.full(below.shape[:-2], np.nan), np.full(below.shape[:-2], np.nan)
    known = np.isfinite(below)
    several = known[..., 0].sum(axis=-1) >= 2
    span = np.where(known, below, -np.inf).max(axis=-2) - np.where(known, below, np.inf).min(axis=-2)
    ks = np.where(several, span.max(axis=-1), np.nan)
    wasserstein = np.full(ks.shape, np.nan)
    for g in range(below.shape[-2]):
        for h in range(g):
            apart = (np.abs(below[..., g, :-1] - below[..., h, :-1]) * width).sum(axis=-1)
            wasserstein = np.fmax(wasserstein, apart)
    return ks, wasserstein


def ks_distance(
    scores: ArrayLike, groups: Any, *, sample_weight: ArrayLike | None = None
) -> tuple[float, tuple[str, str]]:
    """Return the largest Kolmogorov-Smirnov distance of two groups' score distributions.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Scores or predictions.
    groups, sample_weight
        See :meth:`.tables.GroupTable.from_arrays`.

    Returns
    -------
    distance : float
        The largest difference of two cumulative distributions; NaN with one group only. Weighted
        where there are weights.
    pair : (str, str)
        The group with the lower scores there and the one with the higher.
    """
    values, weight = input_validation.numbers(scores, "scores"), input_validation.weights(sample_weight)
    codes, labels = input_validation.groups(groups)
    n = input_validation.same_length(scores=values, groups=codes, sample_weight=weight)
    distinct, place = np.unique(values, return_inverse=True)
    w = np.ones(n) if weight is None else weight
    mass = input_validation.sums_by(codes * len(distinct) + place, w, len(labels) * len(distinct)).reshape(
        len(labels), -1
    )
    total = mass.sum(axis=1)
    present = np.flatnonzero(total > 0)
    if len(present) < 2:
        return float("nan"), (labels[0], labels[0])
    below = np.cumsum(mass[present], axis=1) / total[present, None]
    at = int(np.argmax(below.max(axis=0) - below.min(axis=0)))
    low, high = present[below[:, at].argmax()], present[below[:, at].argmin()]
    return float(below[:, at].max() - below[:, at].min()), (labels[low], labels[high])
