"""Numeric features as a matrix and back, for methods that treat them jointly."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fairmend.base import DataError, Floats, numeric_columns


def matrix_of(X: pd.DataFrame, features: list[str]) -> Floats:
    """Return numeric features as floats, shape (n, p), NaN where they are missing; a view if possible.

    Raises
    ------
    DataError
        A feature is not numeric, or holds infinite values.
    """
    numeric_columns(X, features)
    table = X if features == list(X.columns) else X[features]
    nullable = any(not isinstance(kind, np.dtype) for kind in table.dtypes)
    Z = table.to_numpy(dtype=float, na_value=np.nan) if nullable else table.to_numpy(dtype=float)
    if not np.isfinite(Z.sum()) and (infinite := np.isinf(Z).any(axis=0)).any():
        name = features[int(infinite.argmax())]
        raise DataError(f"feature {name!r} holds infinite values; replace or remove them")
    return np.asarray(Z)


def means(Z: Floats, p: Floats) -> Floats:
    """Return the mean of each column, with rows of weight p that sum to 1; missing values are left out."""
    mean = p @ Z
    if np.isnan(mean).any():
        there = (~np.isnan(Z)).astype(float)
        mean = p @ np.nan_to_num(Z) / np.maximum(p @ there, np.finfo(float).tiny)
    return np.asarray(mean)


def deviations(Z: Floats, mean: Floats) -> Floats:
    """Return how far values lie from the means; missing ones count as the mean."""
    D = Z - mean
    if np.isnan(D.sum()):
        D[np.isnan(D)] = 0.0
    return D


def with_matrix(X: pd.DataFrame, features: list[str], Z: Floats) -> pd.DataFrame:
    """Return the table with the columns of a matrix in place of these features."""
    changed = pd.DataFrame(Z, index=X.index, columns=features)
    if len(features) == X.shape[1]:  # many columns are put into a table one by one, which is slow
        return changed[list(X.columns)]
    out = X.copy(deep=False)
    out[features] = changed
    return out
