"""Copied rows: whether equal rows are copies of one, rather than people who happen to be alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NOTABLE_SHARE = 0.05
"""Minimum share of duplicate rows, outcome included, at which copies are searched for."""
COPIED = 0.5
"""Minimum ratio to chance at which rows that agree in all other columns agree in each one."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Copies:
    """Rows that are copies of each other.

    Attributes
    ----------
    units : ndarray of int, shape (n,)
        Which rows belong together: those with equal features and protected attributes.
    repeated : int
        Rows that have a copy.
    """

    units: NDArray[np.int64]
    repeated: int

    @property
    def note(self) -> str:
        """What a reader must know."""
        rows, distinct = len(self.units), int(self.units.max()) + 1
        return (
            f"{self.repeated:,} of {rows:,} rows are copies of others ({distinct:,} are distinct): copies stay "
            "together in one part of the split, and support and intervals count them once."
        )


def copies_of(X: pd.DataFrame, sensitive: pd.DataFrame, y: NDArray[np.int64]) -> Copies | None:
    """Return which rows are copies of each other, None where there are none worth the name.

    Parameters
    ----------
    X, sensitive : DataFrame, n rows
        Features and protected attributes.
    y : ndarray of int, shape (n,)
        The outcome.

    Notes
    -----
    Where columns take few values, people who are alike in all of them are no copies; but then there
    are also people who are alike in all columns but one. Copies agree in that one as well. So, for
    each column (the outcome is one of them), take the rows that have others with the same values in
    all *other* columns, and ask how often those agree in this column, too: by more than chance would
    have it, scaled from 0 (as two rows at random) to 1 (always). With copies that is near 1 for
    every column; among people it is not for at least one, even where some columns follow from
    others. The test is skipped where fewer than 5 % of the rows have an equal one.

    A column with a value of its own in every row, such as a running number, is left out.
    """
    columns = [*_hashed(X), *_hashed(sensitive)]
    columns = [c for c in columns if len(np.unique(c)) < len(c)]
    if not columns:
        return None
    outcome = _mixed(np.asarray(y).astype(np.uint64) + np.uint64(1))
    alike = np.sum(columns, axis=0, dtype=np.uint64)
    whole = alike + outcome
    _, place, size = np.unique(whole, return_inverse=True, return_counts=True)
    twins = size[place]
    repeated = int((twins > 1).sum())
    if repeated < NOTABLE_SHARE * len(y):
        return None
    for column in sorted([outcome, *columns], key=_coincidence):
        if _coincidence(column) < 1 and _agreement(whole, column, twins) < COPIED:
            return None
    units = np.unique(alike, return_inverse=True)[1].astype(np.int64)
    return Copies(units, repeated)


def _hashed(frame: pd.DataFrame) -> list[Hashes]:
    """Return a hash of each column's values; equal values of two columns have different ones."""
    return [
        _mixed(pd.util.hash_array(_plain(frame.iloc[:, i])) + np.uint64(7919 * (i + 1) + len(frame.columns)))
        for i in range(frame.shape[1])
    ]


def _plain(column: pd.Series[Any]) -> NDArray[Any]:
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.astype(str).to_numpy(dtype=object)


def _mixed(values: Hashes) -> Hashes:
    """Return the values mixed (the finalizer of SplitMix64), so that their sums distinguish combinations."""
    out = values.copy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        out = (out ^ (out >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(out ^ (out >> np.uint64(31)))


def _coincidence(column: Hashes) -> float:
    """Return the chance that two rows at random agree in a column."""
    size = np.unique(column, return_counts=True)[1].astype(float)
    return float((size * (size - 1)).sum() / (len(column) * (len(column) - 1)))


def _agreement(whole: Hashes, column: Hashes, twins: NDArray[np.int64]) -> float:
    """Return how much more often than by chance rows alike in all other columns agree in this one."""
    _, place, size = np.unique(whole - column, return_inverse=True, return_counts=True)
    others = size[place] - 1
    known = others > 0
    if not known.any():
        return 0.0
    agreeing = float(((twins[known] - 1) / others[known]).mean())
    by_chance = _coincidence(column)
    return (agreeing - by_chance) / (1 - by_chance)


def unit_places(
    strata: NDArray[Any], units: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a place in (0, 1) for each row, the same for all rows of a unit.

    The units of a stratum (that of their first row) are put in random order, one after the other,
    each at the middle of the rows that it takes up.
    """
    _, first, size = np.unique(units, return_index=True, return_counts=True)
    order = rng.permutation(len(size))
    order = order[np.argsort(strata[first][order], kind="stable")]
    stratum = strata[first][order]
    ends = np.cumsum(size[order])
    begins = ends - size[order]
    _, start, count = np.unique(stratum, return_index=True, return_counts=True)
    base, total = begins[start], ends[start + count - 1] - begins[start]
    which = np.repeat(np.arange(len(start)), count)
    place = np.empty(len(size))
    place[order] = ((begins + ends) / 2 - base[which]) / total[which]
    return place[units]
