"""Write files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from fairmend.core.errors import MissingExtraError, UsageError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a path to write to; it takes the name of the wanted file once all is written.

    On an error nothing is left behind, and a file that was there before stays as it was.

    Raises
    ------
    UsageError
        The folder is missing, or cannot be written to.
    """
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file")
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


def check_table_name(path: str | Path) -> None:
    """Check that a table can be written under this name, before anything is computed."""
    name = Path(path).name
    if not name.endswith((".csv", ".csv.gz", ".parquet", ".pq")):
        raise UsageError(f"a table is written as .csv, .csv.gz or .parquet, got {name!r}")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
