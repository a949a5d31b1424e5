"""Content-addressed files: what a run computes, written whole or not at all, verified when read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairmend.core.errors import RunError, StoreError

_EPOCH = (1980, 1, 1, 0, 0, 0)


class Artifacts:
    """A folder of files that are named by the SHA-256 of their content.

    Parameters
    ----------
    folder : Path
        Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes) -> str:
        """Write content and return its name; the same content is written once.

        Raises
        ------
        RunError
            It cannot be written, as on a full disk.
        """
        name = hashlib.sha256(content).hexdigest()
        target = self.folder / name[:2] / name
        if target.exists():
            return name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "wb", dir=target.parent, prefix=".part-", delete=False
            ) as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(handle.name, target)
        except OSError as error:
            raise StoreError(
                f"a result cannot be stored in {self.folder}: {error.strerror or error}"
            ) from error
        return name

    def get(self, name: str) -> bytes:
        """Return content by its name, verified.

        Raises
        ------
        RunError
            It is missing, or not what it was when it was written.
        """
        target = self.folder / name[:2] / name
        try:
            content = target.read_bytes()
        except FileNotFoundError as error:
            raise RunError(
                f"the stored result {name[:12]} is missing from {self.folder}; run the pipeline anew"
            ) from error
        except OSError as error:
            raise StoreError(
                f"the stored result {name[:12]} cannot be read: {error.strerror or error}"
            ) from error
        if hashlib.sha256(content).hexdigest() != name:
            raise RunError(
                f"the stored result {name[:12]} was changed after it was written; run the pipeline anew"
            )
        return content


def dump_frame(frame: pd.DataFrame) -> bytes:
    """Return a frame as bytes: numbers exactly, texts as JSON; the same frame gives the same bytes."""
    buffer = io.BytesIO()
    kinds: list[list[str]] = []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for place, name in enumerate(frame.columns):
            column = frame[name]
            kinds.append([str(name), str(column.dtype)])
            archive.writestr(zipfile.ZipInfo(f"{place}", _EPOCH), _dump_column(column), zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("columns.json", _EPOCH), json.dumps([len(frame), kinds]))
    return buffer.getvalue()


def _dump_column(column: pd.Series[Any]) -> bytes:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        out = io.BytesIO()
        np.save(out, column.to_numpy(), allow_pickle=False)
        return out.getvalue()
    values = [None if pd.isna(v) else v for v in column.tolist()]
    return json.dumps(values, default=str).encode()


def load_frame(content: bytes) -> pd.DataFrame:
    """Return the frame that was dumped."""
    columns: dict[str, Any] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        n_rows, kinds = json.loads(archive.read("columns.json"))
        for place, (name, dtype) in enumerate(kinds):
            raw = archive.read(f"{place}")
            if raw.startswith(b"\x93NUMPY"):
                columns[name] = np.load(io.BytesIO(raw), allow_pickle=False)
            else:
                columns[name] = pd.Series(json.loads(raw), dtype=dtype)
    return pd.DataFrame(columns, index=pd.RangeIndex(n_rows))
