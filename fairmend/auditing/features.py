"""Binned features, and how well one feature, or all of them, predict a class."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from fairmend.auditing.predictions import cross_fitted
from fairmend.auditing.severity_thresholds import Interval
from fairmend.core.metrics.calibration import roc_auc
from fairmend.core.types import Floats, Ints

MOST_BINS = 20
ROWS_A_BIN = 50
MOST_LEVELS = 50
MOST_FEATURES = 500
"""Maximum number of features checked one by one: those most associated with the outcome or a group."""
PROBE_ROWS = 20_000


@dataclass(frozen=True)
class Binned:
    """A feature in bins.

    Attributes
    ----------
    codes : ndarray of int, shape (n,)
        Bin of each row: quantile bins for numbers; for categories one bin per level, with all levels
        beyond the 50 most frequent in one; missing values have their own bin.
    n_bins : int
        Number of bins.
    values : ndarray of float, shape (n,), or None
        The numeric values, NaN where missing.
    """

    codes: Ints
    n_bins: int
    values: Floats | None


def binned(column: pd.Series[Any]) -> Binned:
    """Bin a feature."""
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        known = values[~np.isnan(values)]
        bins = int(np.clip(len(known) // ROWS_A_BIN, 2, MOST_BINS))
        edges = np.unique(known)
        if len(edges) > bins:
            edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[:-1]))
        codes = np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="right"))
        return Binned(*_dense(codes), values)
    codes, _ = pd.factorize(column, use_na_sentinel=False)
    size = np.bincount(codes)
    rare = np.argsort(np.argsort(-size, kind="stable"), kind="stable") >= MOST_LEVELS
    return Binned(*_dense(np.where(rare[codes], len(size), codes)), None)


def _dense(codes: NDArray[Any]) -> tuple[Ints, int]:
    """Return consecutive codes, and their number."""
    found, dense = np.unique(codes, return_inverse=True)
    return dense.astype(np.int64), len(found)


def association(feature: Binned, classes: Ints) -> float:
    """Return the association of bins with classes: chi-squared per row and degree of freedom."""
    n_classes = int(classes.max()) + 1
    counts = np.bincount(feature.codes * n_classes + classes, minlength=feature.n_bins * n_classes)
    counts = counts.reshape(feature.n_bins, n_classes)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / len(classes)
    squared = np.divide((counts - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    return float(squared.sum()) / (len(classes) * max(min(feature.n_bins, n_classes) - 1, 1))


def most_telling(
    features: dict[str, Binned], classes: Iterable[Ints], declared: set[str]
) -> dict[str, Binned]:
    """Return the 500 features most associated with any of the classes, and the declared ones."""
    if len(features) <= MOST_FEATURES:
        return features
    by = list(classes)
    told = {name: max(association(feature, one) for one in by) for name, feature in features.items()}
    first = set(sorted(told, key=told.__getitem__, reverse=True)[:MOST_FEATURES]) | declared
    return {name: feature for name, feature in features.items() if name in first}


def rates_by_bin(feature: Binned, classes: Ints, folds: Ints) -> Floats:
    """Return for each row the share of each class in its bin, counted in the other folds.

    Parameters
    ----------
    feature : Binned
        The feature.
    classes, folds : ndarray of int, shape (n,)
        Class and fold of each row.

    Returns
    -------
    ndarray of shape (n, n_classes)
        Falls back to the overall share of the other folds if these have no row in the bin.
    """
    n_classes, n_folds = int(classes.max()) + 1, int(folds.max()) + 1
    cell = (folds * feature.n_bins + feature.codes) * n_classes + classes
    counts = np.bincount(cell, minlength=n_folds * feature.n_bins * n_classes)
    counts = counts.reshape(n_folds, feature.n_bins, n_classes)
    others = counts.sum(axis=0) - counts
    base = others.sum(axis=1, keepdims=True) / others.sum(axis=(1, 2))[:, None, None]
    total = others.sum(axis=2, keepdims=True)
    share = np.where(total > 0, others / np.maximum(total, 1), base)
    return share[folds, feature.codes]


def probe(features: Iterable[Binned], rows: Ints, classes: Ints, folds: Ints, seed: int) -> Floats:
    """Return cross-fitted class probabilities of a small model that reads the bins of all features.

    Parameters
    ----------
    features : iterable of Binned
        Its inputs.
    rows : ndarray of int, shape (m,)
        Positions of the rows to train on and to predict.
    classes, folds : ndarray of int, shape (m,)
        Class and fold of these rows.
    seed : int
        Seed of the model.

    Returns
    -------
    ndarray of shape (m, n_classes)
    """
    read = list(features)
    small = HistGradientBoostingClassifier(
        max_iter=20,
        learning_rate=0.2,
        max_leaf_nodes=15,
        early_stopping=False,
        categorical_features=[feature.values is None for feature in read],
        random_state=seed,
    )
    return cross_fitted(small, np.column_stack([feature.codes[rows] for feature in read]), classes, folds)


def area(target: NDArray[np.bool_], score: Floats) -> tuple[float, Interval, float]:
    """Return the area under the ROC curve, its interval, and the p-value against one half, one-sided."""
    ((value, interval),) = roc_auc(target, score, np.zeros(len(target), dtype=np.int64)).values()
    if interval is None or interval[0] == interval[1]:  # e.g. for a constant column
        return value, (value, value), float(value <= 0.5)
    low, high = (math.log(end / (1 - end)) for end in interval)
    error = (high - low) / (2 * NormalDist().inv_cdf(0.975))
    return value, interval, NormalDist().cdf(-math.log(value / (1 - value)) / error)
