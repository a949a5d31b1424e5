"""Features as a few levels each: values of a category, bins of a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from fairmend.base import Floats, Ints


@dataclass(frozen=True)
class Levels:
    """The levels of a feature; the last one, after all values, is that of missing and unknown values.

    Attributes
    ----------
    values : list
        The value that stands for each level: a category, or the median of a bin.
    cuts : ndarray of float, or None
        Where each bin but the first begins; None for a category.
    """

    values: list[Any]
    cuts: Floats | None

    @classmethod
    def of(cls, column: pd.Series[Any], bins: int, w: Floats) -> Levels:
        """Return the levels of a column; more than ``bins`` numbers are cut at their weighted quantiles."""
        known = column.notna().to_numpy() & (w > 0)
        if not known.any() or not is_numeric_dtype(column) or is_bool_dtype(column):
            return cls(sorted(column[known].astype(object).unique().tolist(), key=str), None)
        x, w = column[known].to_numpy(dtype=float), w[known]
        distinct = np.unique(x)
        if len(distinct) > bins:
            at = np.arange(1, bins) / bins
            distinct = np.unique([distinct[0], *np.quantile(x, at, method="inverted_cdf", weights=w)])
        code = np.searchsorted(distinct, x, side="right") - 1
        middle = [
            float(np.quantile(x[code == k], 0.5, method="inverted_cdf", weights=w[code == k]))
            for k in range(len(distinct))
        ]
        return cls(middle, distinct[1:])

    def codes(self, column: pd.Series[Any]) -> Ints:
        """Return the level of each row."""
        if self.cuts is None:
            code = pd.Index(self.values, dtype=object).get_indexer(pd.Index(column, dtype=object))
            return np.where(code < 0, len(self.values), code)
        x = column.to_numpy(dtype=float, na_value=np.nan)
        return np.where(np.isnan(x), len(self.values), np.searchsorted(self.cuts, x, side="right"))

    def steps(self) -> Floats:
        """Return the steps between levels: of bins, their distance in order; of categories, 1. Nothing becomes missing.

        Examples
        --------
        >>> Levels([10.0, 20.0, 30.0], np.array([15.0, 25.0])).steps()
        array([[ 0.,  1.,  2., inf],
               [ 1.,  0.,  1., inf],
               [ 2.,  1.,  0., inf],
               [inf, inf, inf,  0.]])
        """
        k = np.arange(len(self.values) + 1)
        steps = np.abs(k[:, None] - k).astype(float)
        if self.cuts is None:
            steps = np.minimum(steps, 1)
        steps[-1, :-1] = steps[:-1, -1] = np.inf
        return steps

    def moved(self, column: pd.Series[Any], code: Ints) -> pd.Series[Any]:
        """Return the column at other levels; a value whose level stays does not change."""
        changes = code != self.codes(column)
        values = column.astype(object).to_numpy(copy=True)
        values[changes] = np.array([*self.values, None], dtype=object)[code[changes]]
        return pd.Series(values, index=column.index, dtype=column.dtype, name=column.name)
