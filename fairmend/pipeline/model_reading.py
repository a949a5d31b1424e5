"""Read a model that a user gives as a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fairmend.core.errors import DataError, UsageError
from fairmend.pipeline.storage.model_files import MAX_TOTAL, load_model


def read_model(path: str | Path, plugins: Iterable[str] = ()) -> Any:
    """Read a fitted model that was saved with skops; nothing is unpickled.

    Parameters
    ----------
    path : str or Path
        File written by ``skops.io.dump(model, path)``.
    plugins : iterable of str
        Modules of installed third-party plugins, whose own classes are also trusted.

    Raises
    ------
    UsageError
        The file does not exist.
    DataError
        It was not saved with skops, is damaged, or is too large.
    RunError
        It contains a type that no model needs.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"there is no model file {path}; write one with skops.io.dump(model, 'model.skops')")
    try:
        if (size := path.stat().st_size) > MAX_TOTAL:
            raise DataError(f"{path} has {size:,} bytes; a model file may have at most {MAX_TOTAL:,}")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not content.startswith(b"PK"):
        raise DataError(
            f"{path} was not saved with skops; files of pickle and joblib run code when they are read and are "
            "not loaded: save the model with skops.io.dump(model, 'model.skops')"
        )
    return load_model(content, plugins, what=str(path))
