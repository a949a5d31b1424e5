"""Random draws that are the same for the same row, every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def row_hash(rows: Any) -> NDArray[np.uint64]:
    """Return a 64-bit hash a row of a frame, series or array; it does not depend on the other rows."""
    if isinstance(rows, pd.DataFrame):
        columns = rows.astype({c: object for c in rows.columns if rows[c].dtype == "category"})
        return np.asarray(pd.util.hash_pandas_object(columns, index=False), dtype=np.uint64)
    return np.asarray(pd.util.hash_pandas_object(pd.Series(rows), index=False), dtype=np.uint64)


def uniform_by_row(hashes: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) a row, from the row's hash and a seed (SplitMix64 finaliser)."""
    with np.errstate(over="ignore"):
        z = hashes + _GOLDEN * np.uint64(seed % 2**32 + 1)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / float(2**53)


def decide(probability: NDArray[np.float64], hashes: NDArray[np.uint64], seed: int) -> NDArray[np.int64]:
    """Return decisions of 0 and 1, favorable with the stated probability; equal rows get equal decisions."""
    return (uniform_by_row(hashes, seed) < probability).astype(np.int64)
