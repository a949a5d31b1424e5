"""A table as floats and back, for methods that make rows up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.algorithms.quantile_maps import numbers
from fairmend.core.errors import DataError
from fairmend.core.types import Floats


def numeric_mask(X: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which features are numbers, shape (p,); booleans are not."""
    return np.asarray(X.columns.isin(X.select_dtypes("number", exclude="timedelta").columns))


def encoded(X: pd.DataFrame) -> Floats:
    """Return features as floats, other values than numbers as codes, shape (n, p).

    Raises
    ------
    DataError
        A number is missing.
    """
    columns = [
        numbers(X[c]) if is_n else pd.factorize(X[c])[0] for c, is_n in zip(X, numeric_mask(X), strict=True)
    ]
    Z = np.column_stack(columns).astype(float)
    gaps = np.isnan(Z).sum(axis=0)
    if gaps.any():
        raise DataError(
            f"feature {X.columns[gaps.argmax()]!r} is missing in {gaps.max()} rows, and synthetic rows cannot be interpolated from missing values; impute them first, or use a technique that weights rows"
        )
    return Z


def decoded(Z: Floats, X: pd.DataFrame) -> pd.DataFrame:
    """Return rows in the encoding of ``encoded(X)`` as features again."""
    out: dict[Any, Any] = {}
    for name, z, is_number in zip(X, Z.T, numeric_mask(X), strict=True):
        if is_number:
            out[name] = z
        else:
            codes, member = np.unique(pd.factorize(X[name])[0], return_index=True)
            out[name] = X[name].iloc[member[np.searchsorted(codes, z)]].reset_index(drop=True)
    return pd.DataFrame(out)
