"""Numeric features as a matrix and back, for methods that treat them jointly."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fairmend.base import DataError, Floats, numeric_columns


def matrix_of(X: pd.DataFrame, features: list[str]) -> Floats:
    """Return numeric features as floats, shape (n, p), NaN where they are missing.

    Raises
    ------
    DataError
        A feature is not numeric, or holds infinite values.
    """
    Z = X[numeric_columns(X, features)].to_numpy(dtype=float, na_value=np.nan)
    infinite = np.isinf(Z).any(axis=0)
    if infinite.any():
        name = features[int(infinite.argmax())]
        raise DataError(f"feature {name!r} holds infinite values; replace or remove them")
    return np.asarray(Z)


def with_matrix(X: pd.DataFrame, features: list[str], Z: Floats) -> pd.DataFrame:
    """Return the table with the columns of a matrix in place of these features."""
    changed = pd.DataFrame(Z, index=X.index, columns=features)
    if len(features) == X.shape[1]:  # many columns are put into a table one by one, which is slow
        return changed[list(X.columns)]
    out = X.copy(deep=False)
    out[features] = changed
    return out
