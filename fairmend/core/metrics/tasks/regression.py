"""Regression: means, errors, fit and distribution of predictions by group."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.metrics.estimate import GroupStatistic
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.tables import input_validation
from fairmend.core.metrics.tasks.distributions import distribution_distances
from fairmend.core.metrics.tasks.measurement import (
    Statistic,
    TaskMeasurement,
    quotient,
    resampled,
    with_all,
)
from fairmend.core.types import Floats

# sums over rows: weight, label, squared label, prediction, absolute error, squared error
_W, _Y, _YY, _P, _ABS, _SQ = range(6)


def _r2(sums: Floats) -> Floats:
    spread = sums[..., _YY] - quotient(sums[..., _Y] ** 2, sums[..., _W])
    varies = spread > 1e-12 * sums[..., _YY]
    return 1 - quotient(sums[..., _SQ], np.where(varies, spread, 0.0))


STATISTICS: dict[str, tuple[Statistic, bool]] = {
    "mean_prediction": (lambda s: quotient(s[..., _P], s[..., _W]), True),
    "mean_error": (lambda s: quotient(s[..., _P] - s[..., _Y], s[..., _W]), True),
    "mean_absolute_error": (lambda s: quotient(s[..., _ABS], s[..., _W]), False),
    "mean_squared_error": (lambda s: quotient(s[..., _SQ], s[..., _W]), False),
    "root_mean_squared_error": (lambda s: np.sqrt(quotient(s[..., _SQ], s[..., _W])), False),
    "r2": (_r2, True),
}


def measure_regression(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    n_boot: int = 1000,
    level: float = 0.95,
    min_support: int = 30,
    seed: int = 0,
) -> TaskMeasurement:
    """Measure predictions of a number: means, errors, fit and distribution by group, with intervals.

    The figures are ``mean_prediction``, ``mean_error``, ``mean_absolute_error``, ``mean_squared_error``,
    ``root_mean_squared_error``, ``r2``, ``ks_distance`` and ``wasserstein_distance``. The distances are, of a
    group, those of its predictions to the predictions of all rows; of all rows together, the largest between
    two groups that have enough rows.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
        Labels and predictions.
    sensitive_features, sample_weight, cluster, n_boot, level, min_support, seed
        See :func:`.report.measure`. Numbers do not fit a table of counts, so rows (or clusters)
        are resampled themselves and the cost grows with their number.

    Returns
    -------
    TaskMeasurement

    Raises
    ------
    DataError
        On missing or infinite values, lengths that differ, negative weights.
    """
    InferenceSettings(n_boot, level)  # checks them
    label, prediction = input_validation.numbers(y_true, "y_true"), input_validation.numbers(y_pred, "y_pred")
    weight = input_validation.weights(sample_weight)
    codes, labels = input_validation.groups(sensitive_features)
    n = input_validation.same_length(
        y_true=label, y_pred=prediction, sensitive_features=codes, sample_weight=weight, cluster=cluster
    )
    w = np.ones(n) if weight is None else weight
    center = float(np.average(label, weights=w))
    y, p = label - center, prediction - center  # r2 loses digits where labels are far from 0
    terms = np.stack([w, w * y, w * y**2, w * p, w * np.abs(p - y), w * (p - y) ** 2])
    place = codes * len(terms) + np.arange(len(terms))[:, None]
    sums, blocks = resampled(place, terms, len(labels) * len(terms), cluster, n_boot, seed)
    every = _finished(sums.reshape(-1, len(terms)), center)
    drawn = _finished(np.concatenate(list(blocks)).reshape(n_boot, -1, len(terms)), center)
    rows = np.bincount(codes, minlength=len(labels)).astype(np.int64)
    statistics = {
        name: GroupStatistic(labels, of(every), of(drawn), rows, level, min_support, high_is_good)
        for name, (of, high_is_good) in STATISTICS.items()
    }
    distances = distribution_distances(
        prediction,
        codes,
        len(labels),
        weight=w,
        cluster=cluster,
        n_boot=n_boot,
        min_support=min_support,
        seed=seed,
    )
    for name, (value, replicates) in distances.items():
        statistics[name] = GroupStatistic(labels, value, replicates, rows, level, min_support, False)
    return TaskMeasurement("regression", labels, rows, statistics)


def _finished(sums: Floats, center: float) -> Floats:
    """Return the sums with those of all rows appended, and the mean prediction back in its place."""
    every = with_all(sums)
    shift = np.zeros(every.shape[-1])
    shift[_P] = center
    return every + every[..., _W, None] * shift
