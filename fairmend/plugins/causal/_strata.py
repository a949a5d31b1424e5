"""Adjustment by strata: rates in the cells of some columns, weighted by the cells of a population."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fairmend.base import Floats, Ints
from fairmend.plugins.causal._outcome_means import Mean, Rows


def strata(frame: pd.DataFrame, n_bins: int) -> Ints:
    """Return the stratum of each row, shape (n,): a cell of all columns, numbers cut at their quantiles."""
    cut = frame.copy()
    for name in cut.columns:
        if pd.api.types.is_numeric_dtype(cut[name]) and cut[name].nunique() > n_bins:
            cut[name] = pd.qcut(cut[name], n_bins, labels=False, duplicates="drop")
    if cut.shape[1] == 0:
        return np.zeros(len(frame), dtype=np.int64)
    cells = cut.groupby(list(cut.columns), dropna=False, observed=True).ngroup()
    return np.asarray(cells, dtype=np.int64)


def stratified_mean(z: Ints, y: Floats, group: Rows, population: Rows, weights: Floats) -> Mean:
    """Return the sum over strata z of E[Y | g, z] P(z); every stratum of the population has rows of the group."""
    size = int(z.max()) + 1
    share = np.bincount(z, weights * population, size) / weights[population].sum()
    rows = np.bincount(z, weights * group, size)
    inverse = np.divide(1.0, rows, out=np.zeros(size), where=rows > 0)
    rates = np.bincount(z, weights * group * y, size) * inverse
    value = float(share @ rates)
    of_share = weights * population / weights[population].sum() * (rates[z] - value)
    return Mean(value, of_share + weights * group * (y - rates[z]) * (share * inverse)[z])
