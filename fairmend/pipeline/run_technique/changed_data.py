"""A pre-processing technique on its own: the changed table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from fairmend.core.case import Effect
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.group_names import protected_groups
from fairmend.core.errors import DataError, MissingColumnError, UsageError, unknown
from fairmend.core.stages import DataChange
from fairmend.core.stages.effects import change_effect, feature_effect
from fairmend.pipeline.run_technique.contained import changed, transformed
from fairmend.pipeline.run_technique.result import TechniqueResult

WEIGHT, ORIGIN = "fairmend_weight", "fairmend_origin"


def transform_unlabeled(
    technique: Any, frame: pd.DataFrame, roles: Mapping[str, Any], features: Sequence[str] | None
) -> TechniqueResult:
    """Change features of a table that has no outcome."""
    if "protected" not in roles or features is None or technique.metadata.needs_labels:
        raise UsageError(
            f"{technique.metadata.name} requires --protected, and --outcome or --features to identify the features"
        )
    absent = [c for c in roles["protected"] if c not in frame.columns]
    if absent:
        raise MissingColumnError(str(unknown("column", absent[0], [str(c) for c in frame.columns])))
    sensitive, _, _ = protected_groups(frame, roles["protected"], roles.get("cuts", {}))
    return _transform(technique, frame, frame[list(features)], None, sensitive, {})


def _transform(
    technique: Any,
    frame: pd.DataFrame,
    X: pd.DataFrame,
    y: Any,
    sensitive: pd.DataFrame,
    known: Mapping[str, Any],
) -> TechniqueResult:
    after, diagnostics = transformed(technique, X, y, sensitive, known)
    dropped = [c for c in X.columns if c not in after.columns]
    table = frame.drop(columns=dropped).assign(**{str(c): after[c].to_numpy() for c in after.columns})
    return _result(technique, feature_effect(X, after), diagnostics, table)


def change(technique: Any, frame: pd.DataFrame, data: Dataset, known: Mapping[str, Any]) -> TechniqueResult:
    """Return the table with features repaired, weights added, labels changed, or rows resampled."""
    if not hasattr(technique, "_change"):
        return _transform(technique, frame, data.X, data.y, data.sensitive, known)
    change, diagnostics = changed(technique, data, known)
    effect = change_effect(data, change)
    if change.origin is not None:
        return _result(technique, effect, diagnostics, _drawn_anew(frame, data, change))
    table = frame
    if change.X is not None:
        dropped = [c for c in data.X.columns if c not in change.X.columns]
        columns = {str(c): change.X[c].to_numpy() for c in change.X.columns}
        table = table.drop(columns=dropped).assign(**columns)
    if change.sample_weight is not None:
        table = table.assign(**{data.roles.weights or WEIGHT: change.sample_weight})
    if change.y is not None:
        values, outcome = _outcome_values(frame, data), data.roles.outcome
        table = table.assign(**{outcome: np.where(change.y == data.y, frame[outcome], values[change.y])})
    return _result(technique, effect, diagnostics, table)


def _drawn_anew(frame: pd.DataFrame, data: Dataset, rows: DataChange) -> pd.DataFrame:
    """Return the table of resampled rows; a synthetic row has features, groups and outcome only."""
    origin, X, sensitive = (
        np.asarray(rows.origin),
        pd.DataFrame(rows.X),
        pd.DataFrame(rows.sensitive_features),
    )
    table = frame.take(np.maximum(origin, 0)).reset_index(drop=True)
    made = origin < 0
    table.loc[made, :] = None
    for name in X.columns:
        table[name] = X[name].to_numpy()
    for name in sensitive.columns:
        if name not in data.roles.cuts:
            table.loc[made, name] = sensitive[name].to_numpy()[made]
    outcome = _outcome_values(frame, data)[np.asarray(rows.y)]
    table[data.roles.outcome] = np.where(made, outcome, table[data.roles.outcome])
    table[ORIGIN] = pd.array(np.where(made, -1, origin), dtype="Int64")
    table.loc[made, ORIGIN] = pd.NA
    return table


def _outcome_values(frame: pd.DataFrame, data: Dataset) -> Any:
    """Return the unfavorable and the favorable value of the outcome column."""
    column = frame[data.roles.outcome]
    values = [column[data.y == label].unique() for label in (0, 1)]
    if any(len(v) != 1 for v in values):
        raise DataError(
            f"the outcome {data.roles.outcome!r} has {sum(map(len, values))} values; new labels can be written for two"
        )
    return np.array([v[0] for v in values], dtype=object)


def _result(
    technique: Any, effect: Effect, diagnostics: Mapping[str, Any], table: pd.DataFrame
) -> TechniqueResult:
    about = technique.metadata
    effect = replace(effect, detail={**effect.detail, **diagnostics})
    return TechniqueResult(about.technique_id, about.slug, effect.text, {"effect": effect.to_json()}, table)
