"""Label leakage: features that determine the outcome by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fairmend.core.types import Floats, Ints

LEAKING_AREA = 0.99
"""AUC, in either direction, from which a feature counts as a leak."""
LEAKING_SHARE = 0.9
"""Share of the rows of one outcome that a feature must determine to count as a leak, whatever its AUC."""
PURE = 0.001
"""A value determines the outcome if at most this share of its rows has the other one."""
ROWS_OF_A_VALUE = 30
"""Minimum number of rows for a value to determine the outcome, and per outcome to detect a leak."""


@dataclass(frozen=True)
class Leak:
    """A feature that determines the outcome.

    Attributes
    ----------
    column : str
        Its name.
    area : float
        Area under the ROC curve of this feature, at least one half.
    settled : float
        Share of the rows of one outcome whose value of the feature (almost) never occurs with the other.
    """

    column: str
    area: float
    settled: float

    @property
    def text(self) -> str:
        """Description, as a clause."""
        if self.area >= LEAKING_AREA:
            return f"{self.column} predicts the outcome almost perfectly by itself (AUC {self.area:.3f})"
        return f"{self.column} determines {self.settled:.0%} of the rows of one outcome by itself"


def label_leaks(X: pd.DataFrame, y: Ints, columns: Iterable[Any] | None = None) -> list[Leak]:
    """Return the features that determine the outcome by themselves, with one sort per column.

    Parameters
    ----------
    X : DataFrame, shape (n, p)
        The features.
    y : ndarray of int, shape (n,)
        The outcome, 0 or 1.
    columns : iterable, optional
        The features to look at; by default all.

    Notes
    -----
    Numbers are ordered by rank, missing values first or last, whichever predicts better. Categories
    are ordered by the outcome rate of their value among all other rows, so that a value that occurs
    once predicts nothing. Numbers outside the range of the other outcome determine it, too.
    """
    outcome = np.asarray(y) == 1
    if min(outcome.sum(), (~outcome).sum()) < ROWS_OF_A_VALUE:
        return []
    found = []
    for name in X.columns if columns is None else columns:
        area, settled = _tells(X[name], outcome)
        if area >= LEAKING_AREA or settled >= LEAKING_SHARE:
            found.append(Leak(str(name), area, settled))
    return found


def _tells(column: pd.Series[Any], outcome: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the area under the ROC curve and the determined share of a feature."""
    codes, values = pd.factorize(column, use_na_sentinel=False)
    size = np.bincount(codes, minlength=len(values))
    ones = np.bincount(codes, weights=outcome, minlength=len(values))
    settling = np.array([_settling(size - ones, size), _settling(ones, size)])  # for 1, for 0
    settled = settling[:, codes]
    if pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        settled |= _beyond(numbers, outcome)
        areas = [_area(np.where(np.isnan(numbers), end, numbers), outcome) for end in (-np.inf, np.inf)]
        area = max(max(a, 1 - a) for a in areas)
    else:
        others = np.maximum(size[codes] - 1, 1)
        rate = np.where(size[codes] > 1, (ones[codes] - outcome) / others, outcome.mean())
        area = max(0.5, _area(rate, outcome))
    shares = (settled[0][outcome].mean(), settled[1][~outcome].mean())
    return area, float(max(shares))


def _settling(exceptions: NDArray[Any], size: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((size >= ROWS_OF_A_VALUE) & (exceptions <= PURE * size))


def _beyond(numbers: Floats, outcome: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each outcome, 1 and 0, which numbers lie outside the range of the other one."""
    beyond = np.zeros((2, len(numbers)), dtype=bool)
    for place, other in enumerate((~outcome, outcome)):
        known = numbers[other & ~np.isnan(numbers)]
        if len(known):
            beyond[place] = (numbers < known.min()) | (numbers > known.max())
    return beyond


def _area(values: Floats, outcome: NDArray[np.bool_]) -> float:
    ones = int(outcome.sum())
    ranks = stats.rankdata(values)[outcome].sum()
    return float((ranks - ones * (ones + 1) / 2) / (ones * (len(outcome) - ones)))
