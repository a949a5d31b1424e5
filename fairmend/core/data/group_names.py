"""From the values of a protected attribute to the names of its groups, and what to say about them."""

from __future__ import annotations

import itertools
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fairmend.core.data.groups import MISSING, label_of
from fairmend.core.data.table_reading import is_number
from fairmend.core.errors import DataError, InsufficientDataError
from fairmend.core.text.words import skeleton

MOST_CATEGORIES_OF_A_NUMBER = 20
"""A numeric attribute with more values than this is binned by default; with fewer, each value is a group."""
MOST_GROUPS = 5_000
LONGEST_LABEL = 200
GAPS = {"na", "n/a", "nan", "null", "none", "#n/a", "<na>", "?"}
"""Spellings of a missing number, in lower case. In text columns these are ordinary values."""


def protected_groups(
    frame: pd.DataFrame, protected: Sequence[str], given_cuts: Mapping[str, tuple[float, ...]]
) -> tuple[pd.DataFrame, dict[str, tuple[float, ...]], list[str]]:
    """Return protected attributes as group names, the cut points of numeric ones, and what was decided.

    Raises
    ------
    InsufficientDataError
        An attribute without a single value, or with one group only.
    DataError
        Cut points for an attribute that is not a number, or values that cannot name a group.
    """
    out: dict[str, pd.Series[Any]] = {}
    cuts: dict[str, tuple[float, ...]] = {}
    notes: list[str] = []
    for name in protected:
        column = frame[name]
        check_values(column)
        if column.isna().all():
            raise InsufficientDataError(f"the protected attribute {name!r} is empty")
        edges = given_cuts.get(name)
        numbers = as_numbers(column)
        if edges is None and numbers is not None and numbers.nunique() > MOST_CATEGORIES_OF_A_NUMBER:
            edges = tuple(float(q) for q in np.unique(numbers.quantile([0.25, 0.5, 0.75])))
            notes.append(_quartiles(name, numbers, edges))
        if edges is None:
            out[name] = labels_of(column)
            notes += spelling_notes(column, f"the protected attribute {name!r}")
        elif numbers is None:
            raise DataError(f"bin edges are given for {name!r}, which is not a number{_stranger(column)}")
        else:
            cuts[name] = tuple(sorted(set(edges)))
            out[name] = cut(numbers, cuts[name])
            if gaps := int(numbers.isna().sum() - column.isna().sum()):
                notes.append(f"{gaps} values of {name} that are no numbers (such as NA) were read as missing")
        if out[name].nunique() < 2:
            raise InsufficientDataError(
                f"the protected attribute {name!r} has only one group ({out[name].iloc[0]!r}); at least two are required"
            )
    return pd.DataFrame(out), cuts, notes


def _quartiles(name: str, numbers: pd.Series[Any], edges: Sequence[float]) -> str:
    return (
        f"{name} is a number with {numbers.nunique()} values; it was binned at its quartiles "
        f"({', '.join(f'{e:g}' for e in edges)}), which may hide a group: "
        f"set bin edges with --bins {name}=..."
    )


def _stranger(column: pd.Series[Any]) -> str:
    values = column.dropna().astype(str).str.strip().unique()
    strange = next((v for v in values if not is_number(v) and v.lower() not in GAPS), None)
    return "" if strange is None else f": it holds {strange[:60]!r}"


def as_numbers(column: pd.Series[Any]) -> pd.Series[Any] | None:
    """Return a protected attribute as numbers, its gaps missing, or None where it is none.

    Texts are numbers if all of them are in plain spelling; ``007`` is a code and no number.
    """
    if pd.api.types.is_bool_dtype(column):
        return None
    if pd.api.types.is_numeric_dtype(column):
        return column
    known = column.dropna()
    texts = {value: str(value).strip() for value in known.unique() if isinstance(value, (str, int, float))}
    numbers = {value: float(text) for value, text in texts.items() if is_number(text)}
    gaps = sum(text.lower() in GAPS for text in texts.values())
    if not numbers or len(numbers) + gaps < known.nunique():
        return None
    return column.map(lambda value: np.nan if pd.isna(value) else numbers.get(value, np.nan)).astype(float)


def labels_of(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the name of the group of each row.

    Raises
    ------
    DataError
        There are more values than groups can be compared, or one has more than 200 characters.
    """
    labels = {value: label_of(value) for value in column.dropna().unique()}
    if len(labels) > MOST_GROUPS:
        raise DataError(
            f"the protected attribute {column.name!r} has {len(labels):,} values, at most {MOST_GROUPS:,} groups can "
            "be compared; give a categorical column, or bin a numeric one (--bins)"
        )
    long = next((label for label in labels.values() if len(label) > LONGEST_LABEL), None)
    if long is not None:
        raise DataError(
            f"{column.name!r} holds a text of {len(long):,} characters ({long[:40]!r}...), at most {LONGEST_LABEL} "
            "name a group; give a column of categories"
        )
    return column.map(labels).astype(object).where(column.notna(), MISSING)


def check_values(column: pd.Series[Any]) -> None:
    """Check that the values of a column are numbers, texts, truth values or dates.

    Raises
    ------
    DataError
        The column holds lists, mappings, binary data or complex numbers.
    """
    if column.dtype.kind == "c":
        raise DataError(f"column {column.name!r} holds complex numbers; give its parts, or ignore it")
    if column.dtype != object:
        return
    kinds = {type(value) for value in column.to_numpy()}
    strange = next((kind for kind in kinds if issubclass(kind, _NOT_VALUES)), None)
    if strange is not None:
        raise DataError(
            f"column {column.name!r} holds values of type {strange.__name__}, not numbers or texts; "
            "spread it over columns, or ignore it (--ignore)"
        )


_NOT_VALUES = (list, tuple, dict, set, frozenset, bytes, bytearray, memoryview, np.ndarray, complex)


def spelling_notes(column: pd.Series[Any], what: str) -> list[str]:
    """Return what to know of values that differ in spelling only, with the rows of each."""
    counts = column.value_counts(dropna=True)
    raw: dict[str, list[str]] = defaultdict(list)
    rows: dict[str, int] = defaultdict(int)
    for value, n in counts.items():
        raw[label_of(value)].append(str(value))
        rows[label_of(value)] += int(n)
    notes = []
    if tidied := [
        label for label, values in raw.items() if any(v != label for v in values) and _is_text(values)
    ]:
        notes.append(
            f"{what} has values that differ from their names by spaces at the ends or by Unicode composition only; "
            f"they were read as {', '.join(_counted(label, rows) for label in tidied[:5])}"
        )
    alike: dict[str, list[str]] = defaultdict(list)
    for label in rows:
        alike[skeleton(label)].append(label)
    for labels in alike.values():
        if len(labels) > 1:
            notes.append(
                f"{what} has values that differ in spelling only and stay separate: "
                f"{', '.join(_counted(label, rows) for label in labels[:5])}; if they mean the same, use one spelling"
            )
    if MISSING in rows and column.isna().any():
        notes.append(
            f"{what} has {rows[MISSING]} values {MISSING!r} beside {int(column.isna().sum())} blank cells; "
            "they form one group"
        )
    return notes


def _is_text(values: Sequence[str]) -> bool:
    return not all(is_number(value) for value in values)


def _counted(label: str, rows: Mapping[str, int]) -> str:
    return f"{ascii(label) if not label.isprintable() or _has_format(label) else repr(label)} ({rows[label]:,} rows)"


def _has_format(label: str) -> bool:
    return any(unicodedata.category(character) == "Cf" for character in label)


def cut(column: pd.Series[Any], edges: Sequence[float]) -> pd.Series[Any]:
    """Return the groups of a number: up to and including each edge, and above the last one.

    Examples
    --------
    >>> cut(pd.Series([19, 25, 40, None]), [25]).tolist()
    ['<=25', '<=25', '>25', 'missing']
    """
    bounds = [f"{e:g}" for e in edges]
    if len(set(bounds)) < len(bounds):  # six digits do not tell them apart
        bounds = [repr(float(e)) for e in edges]
    names = [f"<={bounds[0]}"]
    names += [f">{low} to {high}" for low, high in itertools.pairwise(bounds)]
    names += [f">{bounds[-1]}"]
    place = np.searchsorted(np.asarray(edges, dtype=float), column.to_numpy(dtype=float), side="left")
    labels = np.asarray(names, dtype=object)[np.minimum(place, len(edges))]
    return pd.Series(
        np.where(column.isna(), MISSING, labels), index=column.index, name=column.name, dtype=object
    )
