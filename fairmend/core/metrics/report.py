"""Measure one set of decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.metrics.auc import areas
from fairmend.core.metrics.estimate import Estimate
from fairmend.core.metrics.inference.bootstrap import Method
from fairmend.core.metrics.inference.effective_sample_size import effective_support
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.measurement import Measurement
from fairmend.core.metrics.rates import RATES
from fairmend.core.metrics.tables import ibis_backend
from fairmend.core.metrics.tables.contingency import GroupTable, ScoreTable


def measure(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    y_score: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    n_boot: int = 2000,
    level: float = 0.95,
    min_support: int = 30,
    method: Method = "percentile",
    bins: int = 10,
    seed: int = 0,
) -> Measurement:
    """Measure decisions: rates, their differences between groups, and calibration, with intervals.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Labels, 1 the favorable outcome.
    y_pred : array-like of shape (n,)
        Decisions, 1 the favorable one.
    sensitive_features : Groups, array, Series, DataFrame or mapping, n rows
        The protected attributes; several are crossed, missing values are a group of their own.
    y_score : array-like of shape (n,), optional
        Probabilities of label 1; without them there are no calibration figures.
    sample_weight : array-like of shape (n,), optional
        Row weights; an integer weight acts as that many equal rows in every value, while a row
        stays one draw in the intervals.
    cluster : array-like of shape (n,), optional
        Rows of one cluster are resampled together.
    n_boot : int
        Bootstrap replicates.
    level : float
        Coverage of the intervals, given this model.
    min_support : int
        Rows below which a cell is insufficient evidence; with weights or clusters, effective rows
        (:func:`.effective.effective_support`).
    method : {"percentile", "bca"}
        Kind of bootstrap interval. Plain shares of rows take Wilson's interval instead, except
        where clusters are resampled.
    bins : int
        Bins of equal width for calibration.
    seed : int
        The same seed gives the same numbers, whatever the order of the rows.

    Returns
    -------
    Measurement

    Raises
    ------
    DataError
        On labels that are not binary, scores outside [0, 1], missing values, lengths that differ,
        negative weights.
    UsageError
        On settings out of range.

    Notes
    -----
    The columns may be those of one Ibis table: ``measure(t.y, t.decision,
    sensitive_features=t[["sex", "race"]])`` counts inside the engine.

    Examples
    --------
    >>> m = measure([1, 0, 1, 0], [1, 0, 1, 1], sensitive_features=["F", "F", "M", "M"])
    >>> m.figure("demographic_parity_ratio").value, m.figure("demographic_parity_ratio").lacking
    (0.5, ('F', 'M'))
    """
    counting: dict[str, Any] = {"sample_weight": sample_weight, "cluster": cluster}
    table = GroupTable.from_arrays(y_true, y_pred, sensitive_features, **counting)
    scores = None
    if y_score is not None:
        scores = ScoreTable.from_arrays(y_true, y_score, sensitive_features, bins=bins, **counting)
    measured = Measurement.of(
        table, scores, InferenceSettings(n_boot, level, min_support, seed), method=method
    )
    if y_score is None or ibis_backend.is_expression(y_score):
        return measured
    return replace(measured, area=_area(measured, y_true, y_score, sample_weight, cluster))


def _area(
    measured: Measurement,
    y_true: ArrayLike,
    y_score: ArrayLike,
    sample_weight: ArrayLike | None,
    cluster: ArrayLike | None,
) -> Estimate:
    """Return the area under the ROC curve of all rows; it rests on the rows of both labels."""
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
    score = np.asarray(y_score, dtype=float)
    found = areas(np.asarray(y_true) == 1, [score], weight=weight, cluster=cluster)
    rate = RATES["balanced_accuracy"]
    support = int(effective_support(rate, measured.table, lambda c: c.sum(axis=-3, keepdims=True))[0])
    enough = support >= measured.min_support
    return Estimate(float(found.values[0]), found.interval(0, measured.level), support, enough)
