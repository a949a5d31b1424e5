"""Predictions of any task but the binary one, measured by the figures of that task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairmend.core.errors import UsageError
from fairmend.core.metrics.tasks.measurement import TaskMeasurement
from fairmend.core.metrics.tasks.multiclass import measure_multiclass
from fairmend.core.metrics.tasks.ranking_by_group import measure_ranking
from fairmend.core.metrics.tasks.regression import measure_regression
from fairmend.core.types import Floats, Ints
from fairmend.core.vocabulary import Task


def measure_predictions(
    task: Task,
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    classes: Sequence[str] = (),
    y_score: Floats | None = None,
    query: Ints | None = None,
    high_is_good: bool = True,
    sample_weight: Floats | None = None,
    cluster: Ints | None = None,
    **settings: Any,
) -> TaskMeasurement:
    """Measure predictions by the figures of their task.

    Parameters
    ----------
    task : {"multiclass", "regression", "ranking"}
        What was predicted.
    y_true, y_pred : ndarray of shape (n,)
        Labels and predictions: codes of classes, or real values.
    classes : sequence of str
        Names of the classes.
    y_score : ndarray of shape (n, k), optional
        Probabilities of the classes.
    query, high_is_good
        As in :func:`.ranking_by_group.measure_ranking`, for rankings.
    sensitive_features, sample_weight, cluster
        As in :func:`.regression.measure_regression`; rankings read neither weights nor clusters.
    **settings
        ``n_boot``, ``level``, ``min_support`` and ``seed``.
    """
    known: dict[str, Any] = {"sensitive_features": sensitive_features, **settings}
    if task == "ranking":
        return measure_ranking(y_true, y_pred, query=query, high_is_good=high_is_good, **known)
    known |= {"sample_weight": sample_weight, "cluster": cluster}
    if task == "multiclass":
        return measure_multiclass(y_true, y_pred, classes=classes, y_score=y_score, **known)
    if task == "regression":
        return measure_regression(y_true, y_pred, **known)
    raise UsageError("decisions on two outcomes are measured by measure, not by measure_predictions")
