"""Write files whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fairmend.core.errors import MissingExtraError, StoreError, UsageError
from fairmend.core.text.escaping import is_formula, one_line

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a path to write to; it takes the name of the wanted file once all is written.

    On an error nothing is left behind, and an existing file is unchanged.

    Raises
    ------
    UsageError
        The folder is missing, or cannot be written to.
    """
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{target} is a folder; expected a file")
    suffix = "".join(target.suffixes[-2:])
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".part-", suffix=suffix)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o666 & ~_umask())
        os.replace(part, target)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_table(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV (also .csv.gz) or Parquet, by the ending of the name.

    Raises
    ------
    UsageError
        Another ending, or the file cannot be written.
    MissingExtraError
        Parquet, and pyarrow is not installed.
    """
    check_table_name(path)
    with replacing(path) as part:
        if part.suffix in {".parquet", ".pq"}:
            try:
                frame.to_parquet(part, index=False)
            except ImportError as error:
                raise MissingExtraError(
                    f"writing {Path(path).name} needs pyarrow: pip install 'fairmend[parquet]'"
                ) from error
        else:
            frame.to_csv(part, index=False)


def append(path: Path, content: bytes) -> None:
    """Append to a file in one write, so that neither a kill nor a full disk leaves a part of it.

    Raises
    ------
    StoreError
        The folder cannot be written to, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as handle:
            length = handle.tell()
            if handle.write(content) < len(content):
                handle.truncate(length)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error


def check_table_name(path: str | Path) -> None:
    """Check that a table can be written under this name, before anything is computed."""
    name = Path(path).name
    if not name.endswith((".csv", ".csv.gz", ".parquet", ".pq")):
        raise UsageError(f"a table is written as .csv, .csv.gz or .parquet, got {name!r}")


def check_spared(outputs: Iterable[str], inputs: Iterable[str]) -> None:
    """Check that nothing is written over what is read, or twice, before anything is computed.

    Parameters
    ----------
    outputs : iterable of str
        Files to write, and folders of reports, whether they are there or not.
    inputs : iterable of str
        Files that are read; a folder of a report must not hold any.

    Raises
    ------
    UsageError
        An output is an input, also by another name (a link), or two outputs are one.
    """
    read = [path for path in map(Path, inputs) if _is_file(path)]
    seen: dict[str, str] = {}
    for output in outputs:
        path, real = Path(output), os.path.realpath(output)
        for source in read:
            if path.is_dir() and path.samefile(source.parent):
                raise UsageError(
                    f"the folder {output} holds {source.name}, which is read; name another folder, or give --force"
                )
            if path.exists() and path.samefile(source):
                raise UsageError(
                    f"{output} would be written over what is read from {source}; name another file, or give --force"
                )
        if real in seen:
            raise UsageError(f"{output} would be written twice (also as {seen[real]}); name another file")
        seen[real] = output


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a word that cannot name one, such as a long value, is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def formula_note(frame: pd.DataFrame) -> str:
    """Return a warning where a spreadsheet would take cells of a table for formulas; else nothing.

    The data are the user's own and are written as they came.
    """
    from pandas.api.types import is_numeric_dtype

    columns = [
        str(name)
        for name in frame.columns
        if is_formula(name)
        or (not is_numeric_dtype(frame[name]) and any(map(is_formula, frame[name].unique())))
    ]
    if not columns:
        return ""
    return f"cells of {one_line(', '.join(columns), 120)} start like formulas and were written unchanged: import them as text, do not open them in a spreadsheet"


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
