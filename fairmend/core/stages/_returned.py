"""What a private verb returned, held against what its base class asks for; the one place where this is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.errors import PluginError

if TYPE_CHECKING:
    from fairmend.core.stages.preprocessing import Resampled


class RowCountError(PluginError):
    """A private verb returned another number of rows than it was given."""


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


def returned_rows(technique: Any, verb: str, found: Any, n_rows: int, kind: type[Resampled]) -> Resampled:
    """Return rows drawn anew, each part of the same length."""
    if not isinstance(found, kind):
        _refuse(technique, verb, f"{_kind(found)}; expected a {kind.__name__}")
    for part, name in ((found.X, "X"), (found.sensitive, "sensitive")):
        if not isinstance(part, pd.DataFrame):
            _refuse(technique, verb, f"{_kind(part)} as {name}; expected a DataFrame")
        _columns(technique, verb, part)
    rows = len(found.X)
    if rows == 0:
        _refuse(technique, verb, "no rows")
    _count(technique, f"{verb} (sensitive)", len(found.sensitive), "rows", rows)
    labels = returned_labels(technique, f"{verb} (y)", found.y, rows)
    weights = returned_weights(technique, f"{verb} (weights)", found.weights, rows)
    origin = returned_values(technique, f"{verb} (origin)", found.origin, rows, low=-1, high=n_rows - 1)
    return kind(found.X, found.sensitive, labels, weights, origin.astype(np.intp))


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
        _refuse(technique, verb, f"{_kind(found)} that holds no numbers; expected {expected}")


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
