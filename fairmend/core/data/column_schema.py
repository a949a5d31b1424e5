"""What the columns held at fit, and whether new rows hold the same: kinds, categories, ranges, groups."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from fairmend.core.errors import DataError, UnseenGroupError
from fairmend.core.text.words import skeleton

MOST_CATEGORIES = 1000
"""The values of a column are not stored if there are more, or more than one per two rows."""
LARGEST_SHARE = 0.05
"""Share of rows with an unknown category, or a number out of range, above which there is a warning."""
ENOUGH_ROWS = 20
"""From this many rows on, numbers that are all out of range are an error."""

Kind = Literal["number", "text", "boolean"]


@dataclass(frozen=True)
class ColumnSchema:
    """What a feature held at fit.

    Attributes
    ----------
    name : str
        The feature.
    kind : str
        ``number``, ``text`` or ``boolean``.
    numeric : bool
        Whether its dtype was numeric; booleans with gaps are objects.
    categories : tuple of str or None
        The values of a text; None where there were too many.
    low, high : float or None
        The range of a number.
    """

    name: str
    kind: Kind
    numeric: bool
    categories: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, column: pd.Series[Any]) -> Self:
        """Return the schema of a column."""
        name, kind = str(column.name), kind_of(column)
        numeric = pd.api.types.is_numeric_dtype(column)
        if kind == "number":
            values = _finite(column)
            ends = (float(values.min()), float(values.max())) if len(values) else (None, None)
            return cls(name, kind, numeric, None, *ends)
        if kind == "boolean":
            return cls(name, kind, numeric)
        categories = sorted({str(v) for v in column.dropna().unique()})
        many = len(categories) > min(MOST_CATEGORIES, max(len(column) // 2, 1))
        return cls(name, kind, numeric, None if many else tuple(categories))

    def read(self, column: pd.Series[Any]) -> tuple[pd.Series[Any], list[str]]:
        """Return a column of new rows as the model reads it, and what to warn of.

        Raises
        ------
        DataError
            Values of another kind, infinite ones, no category that was there at fit, or no number in the range.
        """
        if column.isna().all():
            told = [f"feature {self.name!r} is empty"] if len(column) else []
            return column.astype(float if self.numeric else object), told
        found = kind_of(column)
        if found == "number" and np.isinf(column.to_numpy(dtype=float, na_value=np.nan)).any():
            raise DataError(f"feature {self.name!r} holds infinite values; replace or remove them")
        if found != self.kind:
            raise DataError(
                f"feature {self.name!r} held {self.kind}s at fit and holds {found}s now; fix the column"
            )
        if found == "boolean":  # with gaps they are objects
            same = pd.api.types.is_numeric_dtype(column) == self.numeric
            return (column if same else column.astype(float if self.numeric else object)), []
        return column, self._out_of_range(column) if found == "number" else self._unknown(column)

    def _out_of_range(self, column: pd.Series[Any]) -> list[str]:
        if self.low is None or self.high is None:
            return []
        values = _finite(column)
        outside = (values < self.low) | (values > self.high)
        if outside.mean() <= LARGEST_SHARE:
            return []
        told = (
            f"feature {self.name!r} is out of the range seen at fit ({self.low:g} to {self.high:g}) in "
            f"{outside.sum():,} of {len(values):,} rows, such as {values[outside][0]:g}"
        )
        if outside.all() and len(values) >= ENOUGH_ROWS:
            raise DataError(f"{told}; check the order of the columns and the unit")
        return [told]

    def _unknown(self, column: pd.Series[Any]) -> list[str]:
        if self.categories is None:
            return []
        counts = column.value_counts()
        rows = counts.groupby([str(v) for v in counts.index]).sum()
        unknown = rows[~rows.index.isin(self.categories)]
        if not len(unknown):
            return []
        alike = respelled(unknown.index, self.categories)
        hint = "".join(f"; {new!r} was {old!r} at fit" for new, old in list(alike.items())[:1])
        if len(unknown) == len(rows):
            raise DataError(
                f"no value of feature {self.name!r} was seen at fit: it holds {_some(unknown.index)}, and held "
                f"{_some(self.categories)}{hint}; fix the column"
            )
        share = unknown.sum() / rows.sum()
        if share <= LARGEST_SHARE and not alike:
            return []
        return [
            f"feature {self.name!r} holds values that were not seen at fit in {unknown.sum():,} of {rows.sum():,} "
            f"rows, such as {_some(unknown.index)}{hint}"
        ]


def kind_of(column: pd.Series[Any]) -> Kind:
    """Return what a column holds; booleans with gaps are booleans, too."""
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        return "boolean"
    return "text"


def respelled(new: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """Return the new values that look or read like known ones, with those.

    Examples
    --------
    >>> respelled(["FEMALE ", "other"], ["Female", "Male"])
    {'FEMALE ': 'Female'}
    """
    alike = {skeleton(value): value for value in known}
    return {value: alike[skeleton(value)] for value in new if value not in known and skeleton(value) in alike}


def check_groups(attribute: str, groups: Iterable[str], known: Collection[str]) -> None:
    """Check that no group of new rows is one that was there at fit in another spelling.

    Raises
    ------
    UnseenGroupError
        There is one; the message names both spellings.
    """
    for new, old in respelled(groups, known).items():
        raise UnseenGroupError(
            f"the group {new!r} of {attribute!r} was not seen at fit; it was spelled {old!r}: fix the column"
        )


def _finite(column: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = column.to_numpy(dtype=float, na_value=np.nan)
    return values[np.isfinite(values)]


def _some(values: Collection[str]) -> str:
    shown = ", ".join(repr(v) for v in list(values)[:3])
    return f"{shown}, ..." if len(values) > 3 else shown
