"""Every cell of a crossing of attributes against all rows together, for outcomes of more than two values.

The counterpart of :mod:`fairmend.core.metrics.tables.intersections`. Numbers fit no table of counts that could
be permuted, so a deviation is tested against its bootstrap standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, unknown
from fairmend.core.metrics.estimate import GroupStatistic
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.multiple_testing import holm
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.tables.intersections import empty_cells
from fairmend.core.metrics.tasks.by_task import measure_predictions
from fairmend.core.metrics.tasks.measurement import TaskMeasurement
from fairmend.core.types import Floats, Ints
from fairmend.core.vocabulary import Task

ALONE = {"regression": ("mean_prediction",), "ranking": ("exposure", "top_share_ratio"), "multiclass": ()}
"""Figures that need no labels."""
WITH_LABELS = {
    "regression": ("mean_error", "mean_absolute_error"),
    "ranking": (),
    "multiclass": ("accuracy",),
}


def task_cells(
    task: Task,
    y_true: Any,
    y_pred: Any,
    groups: Groups,
    *,
    metrics: Sequence[str] | None,
    tolerance: float,
    settings: InferenceSettings,
    classes: Sequence[str] = (),
    query: Ints | None = None,
    sample_weight: Floats | None = None,
    baseline: Any = None,
) -> dict[str, Any]:
    """Return the figures of a task in every cell, each with its deviation from that of all rows.

    Parameters
    ----------
    task, y_pred, classes, query, sample_weight
        As in :func:`.by_task.measure_predictions`. Values of a regression are counted in standard deviations of
        the labels (of the predictions, where there are no labels), so that a tolerance has a meaning.
    y_true : ndarray of shape (n,) or None
        Labels.
    groups : Groups
        The cells.
    metrics : sequence of str or None
        Figures to report; by default all that the labels allow of the usual ones.
    tolerance : float
        Deviation from the overall value up to which a cell counts as alike.
    settings : InferenceSettings
        Settings of the intervals.
    baseline : ndarray of shape (n,), optional
        Predictions to compare with.

    Returns
    -------
    dict
        ``metrics`` with a report of each figure, ``empty_cells``, and ``change`` where there is a baseline.
    """
    labels = y_pred if y_true is None else y_true
    if task == "regression":
        center, spread = float(np.mean(labels)), float(np.std(labels)) or 1.0
        labels, y_pred = (labels - center) / spread, (y_pred - center) / spread
        baseline = None if baseline is None else (baseline - center) / spread
    known: dict[str, Any] = {
        "sensitive_features": groups,
        "classes": classes,
        "query": query,
        "sample_weight": sample_weight,
        **settings.intervals,
    }
    measured = measure_predictions(task, labels, y_pred, **known)
    names = _names(task, measured, metrics, classes, y_true is not None)
    found: dict[str, Any] = {
        "metrics": {name: _report(measured.statistics[name], tolerance) for name in names},
        "empty_cells": empty_cells(groups),
    }
    if baseline is not None:
        before = measure_predictions(task, labels, baseline, **known)
        found["change"] = {
            name: _changes(before.statistics[name], measured.statistics[name], tolerance) for name in names
        }
    return found


def _names(
    task: Task, measured: TaskMeasurement, wanted: Sequence[str] | None, classes: Sequence[str], labeled: bool
) -> list[str]:
    alone = [*ALONE[task], *(f"selection_rate[{c}]" for c in classes)]
    if wanted is None:
        return alone + ([*WITH_LABELS[task], *(f"recall[{c}]" for c in classes)] if labeled else [])
    for name in wanted:
        if name not in measured.statistics:
            raise unknown("figure", name, measured.statistics)
        if not labeled and name not in alone:
            raise DataError(
                f"{name} reads y_true, which was not given; without labels there is {', '.join(alone)}"
            )
    return list(wanted)


def _report(statistic: GroupStatistic, tolerance: float) -> dict[str, Any]:
    """Return a figure of every cell with its deviation; the fields of :func:`.intersections.cell_report`."""
    values, drawn = statistic.values, statistic.drawn
    deviation, drawn_deviation = values[:-1] - values[-1], drawn[:, :-1] - drawn[:, -1:]
    usable = (statistic.rows >= statistic.min_support) & np.isfinite(deviation)
    p = np.where(usable, _p_values(deviation, drawn_deviation), np.nan)
    adjusted = holm(p)
    cells = np.array(statistic.groups, dtype=object)
    by_cell = {
        cell: {
            **statistic.single(g).to_json(),
            "deviation": deviation[g],
            "deviation_interval": bootstrap.percentile_interval(drawn_deviation[:, g], statistic.level),
            "p_value": p[g],
            "p_holm": adjusted[g],
            "status": "measured" if usable[g] else "insufficient evidence",
        }
        for g, cell in enumerate(statistic.groups)
    }
    report = {
        "overall": statistic.single(None),
        "by_cell": by_cell,
        "insufficient_evidence": cells[~usable],
        "outside_tolerance": cells[usable & (np.abs(np.nan_to_num(deviation)) > tolerance)],
    }
    if usable.sum() < 2:
        return report | dict.fromkeys(
            ("mean_of_cells", "range", "worst_cell", "best_cell", "worst_deviation")
        )
    good = np.where(usable, values[:-1] if statistic.high_is_good else -values[:-1], np.nan)
    far = int(np.nanargmax(np.where(usable, np.abs(deviation), np.nan)))
    return report | {
        "mean_of_cells": values[:-1][usable].mean(),
        "range": np.ptp(values[:-1][usable]),
        "worst_cell": cells[int(np.nanargmin(good))],
        "best_cell": cells[int(np.nanargmax(good))],
        "worst_deviation": {
            "cell": cells[far],
            "value": deviation[far],
            "interval": by_cell[cells[far]]["deviation_interval"],
        },
    }


def _changes(before: GroupStatistic, after: GroupStatistic, tolerance: float) -> dict[str, Any]:
    """Return the paired change of a figure in every cell, and the cells that left the tolerance."""
    change, drawn = (after.values - before.values)[:-1], (after.drawn - before.drawn)[:, :-1]
    usable = (after.rows >= after.min_support) & np.isfinite(change)
    p = np.where(usable, _p_values(change, drawn), np.nan)
    adjusted = holm(p)
    far = [np.abs(side.values[:-1] - side.values[-1]) > tolerance for side in (before, after)]
    return {
        "by_cell": {
            cell: {
                "before": before.values[g],
                "after": after.values[g],
                "change": change[g],
                "interval": bootstrap.percentile_interval(drawn[:, g], after.level) if usable[g] else None,
                "p_value": p[g],
                "p_holm": adjusted[g],
                "support": after.rows[g],
                "status": "measured" if usable[g] else "insufficient evidence",
            }
            for g, cell in enumerate(after.groups)
        },
        "new_disparities": np.array(after.groups, dtype=object)[usable & ~far[0] & far[1]],
    }


def _p_values(values: Floats, drawn: Floats) -> Floats:
    """Return two-sided p-values of values against 0, by their bootstrap standard errors; NaN where none is known."""
    normal, out = NormalDist(), np.full(len(values), np.nan)
    for g, value in enumerate(values):
        error = float(np.std(drawn[:, g]))
        if np.isfinite(value) and np.isfinite(error):
            z = abs(float(value)) / error if error > 0 else (np.inf if value else 0.0)
            out[g] = 2 * normal.cdf(-z)
    return out
