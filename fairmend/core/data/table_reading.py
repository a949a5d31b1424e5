"""A file of data as a frame: CSV or Parquet, with every fault named by line or column."""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from fairmend.core.data.table_source import LIMIT, MOST_MIB, PARQUET, most_bytes, open_table
from fairmend.core.errors import DataError, FairmendError, MissingExtraError

LONGEST_NAME = 500
MOST_COLUMNS = 100_000
MOST_DIGITS = 15
"""A float, which is what a column with gaps becomes, cannot distinguish longer whole numbers."""
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
WHOLE = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
GAPS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""What pandas reads as a missing value by default."""
TRUTH = {"true": True, "false": False}
_MOST_FIELD = 1 << 30


def exact_columns(roles: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns whose values are names: the outcome, the protected attributes and the row key."""
    protected = roles.get("protected") or ()
    named = (
        roles.get("outcome"),
        *((protected,) if isinstance(protected, str) else protected),
        roles.get("key"),
    )
    return tuple(name for name in named if name is not None)


def read_table(path: str | Path, exact: Collection[str] = ()) -> pd.DataFrame:
    """Read a CSV (also packed: .gz, .bz2, .xz, .zst, .zip) or Parquet file, or a pipe.

    Parameters
    ----------
    path : str or Path
        The file. A pipe works too, such as ``/dev/stdin``.
    exact : collection of str
        Columns whose values are names. They keep their text unchanged, so that ``01`` and ``1``, or
        ``NA`` and a blank cell, stay two things; only a column that holds nothing but plain numbers,
        or true and false, becomes numbers or booleans. See :func:`exact_columns`.

    Raises
    ------
    DataError
        The file is missing, empty, or not a table in one of these formats; a name stands twice in the
        header; a row has more or fewer fields than the header.
    MissingExtraError
        A Parquet file, and pyarrow is not installed.
    """
    path = Path(path)
    try:
        with open_table(path) as source:
            is_parquet = source.read(4) == PARQUET or path.suffix in {".parquet", ".pq"}
            source.seek(0)
            frame = _parquet(source, path) if is_parquet else _csv(source, path, exact)
    except FairmendError:
        raise
    except (UnicodeDecodeError, pd.errors.ParserError, OSError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path} is not a readable table (CSV, .csv.gz or Parquet): {_one_line(error)}"
        ) from error
    except MemoryError as error:
        raise DataError(f"{path} does not fit into memory; leave out columns or rows") from error
    if frame.empty:
        raise DataError(f"{path} holds a header and no rows")
    return frame


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]


# -- CSV ------------------------------------------------------------------------------------------


def _csv(source: BinaryIO, path: Path, exact: Collection[str]) -> pd.DataFrame:
    first = _header(source, path)
    names = [name.strip() for name in first]
    check_names([name for name in names if name], str(path))
    # A column without a name is called as pandas would call it.
    names = [name or f"Unnamed: {place}" for place, name in enumerate(names)]
    kept = [name for name in exact if name in names]
    source.seek(0)
    options: dict[str, Any] = {}
    if kept:
        options = {
            "dtype": dict.fromkeys(kept, str),
            "na_values": {name: [""] if name in kept else list(GAPS) for name in names},
            "keep_default_na": False,
        }
    try:
        with warnings.catch_warnings():
            # Rows longer than the header: pandas would drop the rest of each with a mere warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                source,
                header=0,
                names=names,
                index_col=False,
                skipinitialspace=True,
                low_memory=False,
                **options,
            )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        _check_rows(source, path, len(names))
        raise DataError(f"{path} is not a readable table: {_one_line(error)}") from error
    except UnicodeDecodeError as error:
        raise _not_utf8(source, path) from error
    if frame.iloc[:, -1].isna().any():  # as is the last field of a row that is too short
        _check_rows(source, path, len(names))
    for name in kept:
        frame[name] = plain_values(frame[name])
    return frame


def _header(source: BinaryIO, path: Path) -> list[str]:
    """Return the names in the first line that is not blank, as they stand there."""
    csv.field_size_limit(_MOST_FIELD)
    try:
        names = next((row for _, row in _rows(source) if row), None)
    except UnicodeDecodeError as error:
        raise _not_utf8(source, path) from error
    except csv.Error as error:
        raise DataError(f"{path} is not a readable table: its first line: {_one_line(error)}") from error
    if names is None:
        raise DataError(f"{path} is empty")
    return names


def _rows(source: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the last line of each row, and its fields."""
    source.seek(0)
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    try:
        reader = csv.reader(text, skipinitialspace=True)
        for row in reader:
            yield reader.line_num, row
    finally:
        text.detach()


def _check_rows(source: BinaryIO, path: Path, expected: int) -> None:
    """Raise an error that names the first row with more or fewer fields than the header.

    A line that holds blanks only is no row, as for pandas.
    """
    try:
        for line, row in _rows(source):
            if len(row) == expected or not row or (len(row) == 1 and not row[0].strip()):
                continue
            raise DataError(
                f"line {line} of {path} has {len(row)} {'field' if len(row) == 1 else 'fields'}, the header has "
                f"{expected}; fix the line (text with a comma needs quotes), or name all columns"
            )
    except csv.Error:
        return


def _not_utf8(source: BinaryIO, path: Path) -> DataError:
    """Return the error that names the first line that is not UTF-8."""
    source.seek(0)
    head = source.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return DataError(f"{path} is UTF-16, not UTF-8; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)")
    source.seek(0)
    for number, line in enumerate(source, start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return DataError(
                f"{path} is not a readable table: line {number} is not UTF-8 (byte 0x{line[error.start]:02x} at "
                f"place {error.start + 1}); save it as UTF-8, e.g. iconv -f WINDOWS-1252 -t UTF-8"
            )
    return DataError(f"{path} is not a readable table: it is not UTF-8")


def check_names(names: Sequence[str], where: str) -> None:
    """Check the names of columns: each once, not too long, and text.

    Raises
    ------
    DataError
        A name stands twice, holds binary data or is longer than 500 characters.
    """
    if any("\x00" in name for name in names):
        raise DataError(f"{where} is not a readable table: its header holds binary data")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DataError(
            f"column names must be unique; repeated: {', '.join(name[:60] for name in twice[:5])}: rename or remove one of them"
        )
    long = next((place for place, name in enumerate(names, start=1) if len(name) > LONGEST_NAME), None)
    if long is not None:
        raise DataError(
            f"the name of column {long} has {len(names[long - 1]):,} characters, the maximum is {LONGEST_NAME};  "
            "is the first line a header?"
        )
    if len(names) > MOST_COLUMNS:
        raise DataError(f"{where} has {len(names):,} columns, the maximum is {MOST_COLUMNS:,}")


def plain_values(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Return texts as numbers or booleans if different texts stay different.

    Examples
    --------
    >>> plain_values(pd.Series(["1", None, "2"])).tolist()
    [1.0, nan, 2.0]
    >>> plain_values(pd.Series(["01", "1"])).tolist()
    ['01', '1']
    """
    known = [str(value).strip() for value in texts.dropna().unique()]
    if not known:
        return texts
    if all(value.lower() in TRUTH for value in known):
        return texts.map(lambda value: value if pd.isna(value) else TRUTH[value.strip().lower()])
    if not all(map(is_number, known)):
        return texts
    return pd.to_numeric(texts)


def is_number(text: str) -> bool:
    """Whether a text is a number in plain spelling, which a float can distinguish from others.

    Examples
    --------
    >>> [is_number(text) for text in ("7", "-0.5", "1e-3", "007", "12345678901234567", "x")]
    [True, True, True, False, False, False]
    """
    if NUMBER.fullmatch(text) is None:
        return False
    return WHOLE.fullmatch(text) is None or len(text.lstrip("-")) <= MOST_DIGITS


# -- Parquet --------------------------------------------------------------------------------------


def _parquet(source: BinaryIO, path: Path) -> pd.DataFrame:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(
            f"reading {path.name} needs pyarrow: pip install 'fairmend[parquet]'"
        ) from error
    try:
        file = pq.ParquetFile(source)
        check_names([str(name) for name in file.schema_arrow.names], str(path))
        _check_size(file.metadata, path)
        return _plain_types(file.read().to_pandas())
    except (pa.ArrowException, TypeError, KeyError) as error:
        raise DataError(f"{path} is not a readable table (Parquet): {_one_line(error)}") from error


def _check_size(about: Any, path: Path) -> None:
    """Refuse a file whose few bytes say that they stand for more cells than memory can be expected to hold."""
    limit, _ = most_bytes()
    cells = about.num_rows * max(about.num_columns, 1)
    if cells * 8 > limit:
        raise DataError(
            f"{path} holds {about.num_rows:,} rows of {about.num_columns:,} columns, more than {limit >> 20:,} MiB; "
            f"leave out columns or rows, or allow it with {LIMIT}=<MiB> (default {MOST_MIB})"
        )


def _plain_types(frame: pd.DataFrame) -> pd.DataFrame:
    """Return categories as the values they stand for, and numbers with gaps as floats."""
    changed: dict[str, Any] = {}
    for name, dtype in frame.dtypes.items():
        column = frame[name]
        if isinstance(dtype, pd.CategoricalDtype):
            changed[str(name)] = column.astype(object).infer_objects()
        elif isinstance(dtype, pd.BooleanDtype):
            changed[str(name)] = column.astype(object)
        elif pd.api.types.is_extension_array_dtype(dtype) and pd.api.types.is_numeric_dtype(dtype):
            changed[str(name)] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return frame.assign(**changed) if changed else frame
