"""Conversion to plain values for JSON: no arrays, no NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd


def to_plain(value: Any) -> Any:
    """Return a value that JSON can represent: arrays as lists, frames as lists of rows, NaN and infinity as null.

    Records such as estimates define their own JSON form.

    Examples
    --------
    >>> import numpy as np
    >>> to_plain({"rates": np.array([0.5, np.nan]), 3: (True, np.int64(2))})
    {'rates': [0.5, None], '3': [True, 2]}
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int | bool):
        return value
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, pd.DataFrame):
        return [to_plain(row) for row in value.to_dict(orient="records")]
    if isinstance(value, pd.Series):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, (set, frozenset)):
        return [to_plain(v) for v in sorted(value, key=str)]
    if isinstance(value, Iterable):
        return [to_plain(v) for v in value]
    if callable(written := getattr(value, "to_json", None)):
        return to_plain(written())
    return str(value)
