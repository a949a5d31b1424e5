"""Checks of what a private method returned against what its base class requires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.errors import PluginError
from fairmend.core.stages.data_change import DataChange

Kind = TypeVar("Kind")


class RowCountError(PluginError):
    """A private method returned a different number of rows than it received."""


def returned_values(
    technique: Any, verb: str, found: Any, n_rows: int, *, low: float = -np.inf, high: float = np.inf
) -> NDArray[np.float64]:
    """Return one finite number per row in a range, such as weights, scores or probabilities."""
    values = _numbers(technique, verb, found, "one number per row")
    if values.ndim != 1:
        _refuse(
            technique, verb, f"an array of shape {values.shape}; expected one value for each of {n_rows} rows"
        )
    _count(technique, verb, len(values), "values", n_rows)
    odd = ~np.isfinite(values)
    if odd.any():
        _refuse(technique, verb, f"NaN or infinity in {int(odd.sum())} of {n_rows} rows")
    outside = (values < low) | (values > high)
    if outside.any():
        expected = f"at least {low:g}" if high == np.inf else f"from {low:g} to {high:g}"
        _refuse(
            technique,
            verb,
            f"values from {values.min():g} to {values.max():g}; expected values {expected}",
        )
    return values


def returned_weights(technique: Any, verb: str, found: Any, n_rows: int) -> NDArray[np.float64]:
    """Return one weight per row: finite, not negative, not all zero."""
    weights = returned_values(technique, verb, found, n_rows, low=0.0)
    if not weights.any():
        _refuse(technique, verb, "weights that are all zero")
    return weights


def returned_labels(technique: Any, verb: str, found: Any, n_rows: int) -> NDArray[np.int64]:
    """Return one label of 0 or 1 per row."""
    values = returned_values(technique, verb, found, n_rows)
    odd = values[~np.isin(values, (0, 1))]
    if len(odd):
        _refuse(technique, verb, f"the label {odd[0]:g}; expected 0 or 1")
    return values.astype(np.int64)


def returned_frame(technique: Any, verb: str, found: Any, like: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with the rows of another one, in their order, and finite numbers where that has them."""
    if not isinstance(found, pd.DataFrame):
        _refuse(technique, verb, f"{_kind(found)}; expected a DataFrame")
    _count(technique, verb, len(found), "rows", len(like))
    _columns(technique, verb, found)
    if not found.index.equals(like.index):
        _refuse(technique, verb, "rows with another index; expected those of X, in their order")
    for name in found.columns:
        old = like[name] if name in like.columns else None
        if _infinite(found[name]) and (old is None or not _infinite(old)):
            _refuse(technique, verb, f"infinite values in the feature {name!r}")
    return found


def returned_change(technique: Any, verb: str, found: Any, X: pd.DataFrame, *, n_classes: int) -> DataChange:
    """Return a change of training data: each part as long as the rows, or as the rows drawn anew."""
    change = returned_kind(technique, verb, found, DataChange)
    if change.origin is not None:
        return _drawn_anew(technique, verb, change, len(X))
    n_rows = len(X)
    new_X = None if change.X is None else returned_frame(technique, f"{verb} (X)", change.X, X)
    labels = None if change.y is None else _labels(technique, f"{verb} (y)", change.y, n_rows, n_classes)
    weights = change.sample_weight
    if weights is not None:
        weights = returned_weights(technique, f"{verb} (sample_weight)", weights, n_rows)
    return DataChange(new_X, labels, weights, change.sensitive_features)


def _drawn_anew(technique: Any, verb: str, change: DataChange, n_rows: int) -> DataChange:
    """Return rows drawn anew, each part of the same length; protected attributes where some were given."""
    parts = {"X": change.X, "sensitive_features": change.sensitive_features}
    if change.sensitive_features is None and not hasattr(technique, "group_encoder_"):
        del parts["sensitive_features"]
    for name, part in parts.items():
        if not isinstance(part, pd.DataFrame):
            _refuse(technique, verb, f"{_kind(part)} as {name}; expected a DataFrame")
        _columns(technique, verb, part)
    X, sensitive = pd.DataFrame(change.X), change.sensitive_features
    rows = len(X)
    if rows == 0:
        _refuse(technique, verb, "no rows")
    if sensitive is not None:
        _count(technique, f"{verb} (sensitive_features)", len(sensitive), "rows", rows)
    labels = returned_labels(technique, f"{verb} (y)", change.y, rows)
    weights = returned_weights(technique, f"{verb} (sample_weight)", change.sample_weight, rows)
    origin = returned_values(technique, f"{verb} (origin)", change.origin, rows, low=-1, high=n_rows - 1)
    return DataChange(X, labels, weights, sensitive, origin.astype(np.intp))


def _labels(technique: Any, verb: str, found: Any, n_rows: int, n_classes: int) -> NDArray[np.int64]:
    """Return one code of a class per row."""
    if n_classes <= 2:
        return returned_labels(technique, verb, found, n_rows)
    values = returned_values(technique, verb, found, n_rows, low=0, high=n_classes - 1)
    if (values % 1 != 0).any():
        _refuse(technique, verb, "labels that are not class codes")
    return values.astype(np.int64)


def returned_kind(technique: Any, verb: str, found: Any, kind: type[Kind]) -> Kind:
    """Return what was returned, where it is of the right kind."""
    if not isinstance(found, kind):
        _refuse(technique, verb, f"{_kind(found)}; expected a {kind.__name__}")
    return found


def returned_scores(
    technique: Any, verb: str, found: Any, like: NDArray[np.float64], *, probabilities: bool
) -> NDArray[np.float64]:
    """Return scores of the shape of the old ones; finite, and from 0 to 1 where they are probabilities."""
    low, high = (0.0, 1.0) if probabilities else (-np.inf, np.inf)
    if like.ndim == 1:
        return returned_values(technique, verb, found, len(like), low=low, high=high)
    values = _numbers(technique, verb, found, "one row of scores per row")
    if values.shape != like.shape:
        _refuse(technique, verb, f"an array of shape {values.shape}; expected {like.shape}")
    if not np.isfinite(values).all() or values.min() < low or values.max() > high:
        _refuse(technique, verb, "values that are not finite, or outside 0 to 1")
    return values


def returned_intervals(technique: Any, verb: str, found: Any, n_rows: int) -> NDArray[np.float64]:
    """Return a lower and an upper bound per row."""
    bounds = _numbers(technique, verb, found, "a lower and an upper bound per row")
    if bounds.shape != (n_rows, 2):
        _refuse(technique, verb, f"an array of shape {bounds.shape}; expected ({n_rows}, 2)")
    if np.isnan(bounds).any() or (bounds[:, 0] > bounds[:, 1]).any():
        _refuse(technique, verb, "a lower bound above the upper one, or NaN")
    return bounds


def returned_sets(technique: Any, verb: str, found: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which classes each set holds."""
    values = np.asarray(found)
    if values.shape != shape or values.dtype != bool:
        _refuse(
            technique,
            verb,
            f"an array of shape {values.shape} and type {values.dtype}; expected {shape}, bool",
        )
    return values


def returned_mapping(technique: Any, verb: str, found: Any) -> dict[str, Any]:
    """Return a mapping with names as keys."""
    if not isinstance(found, Mapping):
        _refuse(technique, verb, f"{_kind(found)}; expected a mapping of names to results")
    return {str(key): value for key, value in found.items()}


def _numbers(technique: Any, verb: str, found: Any, expected: str) -> NDArray[np.float64]:
    if found is None:
        _refuse(technique, verb, f"None; expected {expected}")
    try:
        return np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        _refuse(technique, verb, f"{_kind(found)} that contains no numbers; expected {expected}")


def _count(technique: Any, verb: str, found: int, what: str, n_rows: int) -> None:
    if found != n_rows:
        raise RowCountError(f"{verb} of {technique.metadata.slug} returned {found} {what} for {n_rows} rows")


def _columns(technique: Any, verb: str, frame: pd.DataFrame) -> None:
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        _refuse(technique, verb, f"two columns called {twice!r}")
    if not len(frame.columns):
        _refuse(technique, verb, "a frame without columns")


def _infinite(column: pd.Series[Any]) -> bool:
    if not pd.api.types.is_float_dtype(column):
        return False
    return bool(np.isinf(column.to_numpy(dtype=float, na_value=np.nan)).any())


def _kind(found: Any) -> str:
    return "None" if found is None else f"a {type(found).__name__}"


def _refuse(technique: Any, verb: str, what: str) -> NoReturn:
    raise PluginError(f"{verb} of {technique.metadata.slug} returned {what}")
