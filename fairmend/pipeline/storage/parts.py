"""Named parts as bytes, in which one process gives another arrays and plain values; nothing is unpickled."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.core.serialization import to_plain


def zipped(parts: Mapping[str, bytes]) -> bytes:
    """Return named parts as one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    """Return the named parts of what :func:`zipped` returned."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """Return a mapping as JSON."""
    return json.dumps(to_plain(value)).encode()


def array_bytes(values: NDArray[Any]) -> bytes:
    """Return an array as bytes; one of objects is an error."""
    out = io.BytesIO()
    np.save(out, values, allow_pickle=False)
    return out.getvalue()


def array_of(content: bytes) -> NDArray[Any]:
    """Return the array of :func:`array_bytes`."""
    found: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return found
