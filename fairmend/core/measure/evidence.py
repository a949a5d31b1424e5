"""The evidence of an evaluation as tables: of each protected attribute, and of all of them crossed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import numpy as np
from sklearn.utils._param_validation import Interval

from fairmend.core.groups import JOIN, Groups
from fairmend.core.measure.bootstrap import percentile_interval
from fairmend.core.measure.columns import Float, Int
from fairmend.core.measure.report import Figure
from fairmend.core.measure.tables import GroupTable, ScoreTable

if TYPE_CHECKING:
    from fairmend.core.stages import Evidence

WHOLE = [Interval(Integral, 1, None, closed="left")]
SETTINGS: dict[str, list[Any]] = {
    "n_boot": WHOLE,
    "level": [Interval(Real, 0, 1, closed="neither")],
    "min_support": WHOLE,
    "random_state": [Interval(Integral, 0, None, closed="left")],
}
"""Constraints of the parameters that all evaluators with intervals have."""


T = TypeVar("T")


def given(value: T | None) -> T:
    """Return what the evaluator names in ``reads``, which is therefore there."""
    return cast(T, value)


def views(groups: Groups) -> dict[str, Groups]:
    """Return the groups of each attribute alone and, of several attributes, of their crossing.

    Examples
    --------
    >>> found = views(Groups.of({"sex": ["F", "M"], "race": ["B", "W"]}))
    >>> {name: part.labels for name, part in found.items()}
    {'sex': ('F', 'M'), 'race': ('B', 'W'), 'sex & race': ('F & B', 'M & W')}
    """
    columns = list(groups.frame.columns)
    if len(columns) == 1:
        return {str(columns[0]): groups}
    alone = {str(column): Groups.of(groups.frame[[column]]) for column in columns}
    return {**alone, JOIN.join(alone): groups}


def row_weights(evidence: Evidence) -> Float | None:
    """Return the weights, None where all rows count the same."""
    return None if (evidence.weights == 1).all() else evidence.weights


def decision_table(evidence: Evidence, groups: Groups) -> GroupTable:
    """Return the counts of group x label x decision; without labels, all rows stand at label 0."""
    decisions = given(evidence.y_pred)
    labels = np.zeros_like(decisions) if evidence.y_true is None else evidence.y_true
    return GroupTable.from_arrays(labels, decisions, groups, sample_weight=row_weights(evidence))


def score_table(
    evidence: Evidence, groups: Groups, bins: int = 10, strategy: Literal["width", "mass"] = "width"
) -> ScoreTable:
    """Return the counts of group x score bin x label; see :meth:`.tables.ScoreTable.from_arrays`."""
    return ScoreTable.from_arrays(
        given(evidence.y_true),
        given(evidence.y_score),
        groups,
        sample_weight=row_weights(evidence),
        bins=bins,
        strategy=strategy,
    )


def group_figures(
    groups: Sequence[str], values: Float, drawn: Float, support: Int, *, level: float, min_support: int
) -> dict[str, Figure]:
    """Return one figure a group from its value and its replicates.

    Parameters
    ----------
    groups : sequence of str
        Labels of the G groups.
    values, support : ndarray of shape (G,)
        The figure of each group and the rows it rests on.
    drawn : ndarray of shape (B, G)
        Replicates.
    level : float
        Coverage of the intervals.
    min_support : int
        Rows below which a group is insufficient evidence.
    """
    return {
        group: Figure(
            float(values[g]),
            None if math.isnan(values[g]) else percentile_interval(drawn[:, g], level),
            int(support[g]),
            bool(support[g] >= min_support),
        )
        for g, group in enumerate(groups)
    }


def plain(value: Any) -> Any:
    """Return figures, arrays and numbers, in any nesting of mappings and sequences, as JSON types.

    NaN and infinity become None.

    Examples
    --------
    >>> plain({"rate": np.float64("nan"), "cells": np.array([1, 2])})
    {'rate': None, 'cells': [1, 2]}
    """
    if isinstance(value, Figure):
        return value.to_json()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value
