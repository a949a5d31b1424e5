"""Decisions and scores of an existing model, from a column of the data or of another file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from fairmend.core.dataset import read_table
from fairmend.core.errors import DataError, MissingColumnError, unknown


def given_columns(frame: pd.DataFrame, *sources: str | None) -> tuple[list[Any], tuple[str, ...]]:
    """Return the columns that ``[FILE:]COLUMN`` names, and those among them that are in the frame.

    Parameters
    ----------
    frame : DataFrame, shape (n, p)
        The data.
    *sources : str or None
        A column of the data, or of a file with as many rows in the same order: ``scores.csv:p``.

    Returns
    -------
    values : list of Series or None
        One entry a source; None for None.
    taken : tuple of str
        Columns of the frame that hold decisions or scores, so that no model reads them.

    Raises
    ------
    MissingColumnError
        There is no such column.
    DataError
        The other file has another number of rows.
    """
    values: list[Any] = []
    taken: list[str] = []
    for source in sources:
        if source is None:
            values.append(None)
            continue
        file, _, column = source.rpartition(":")
        if source in frame.columns or not file:
            values.append(_column(frame, source))
            taken.append(source)
            continue
        other = read_table(Path(file))
        if len(other) != len(frame):
            raise DataError(
                f"{file} has {len(other)} rows, the data has {len(frame)}; one row a row is needed, in the same order"
            )
        values.append(_column(other, column))
    return values, tuple(taken)


def _column(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    if name not in frame.columns:
        raise MissingColumnError(str(unknown("column", name, [str(c) for c in frame.columns])))
    return frame[name]
