"""Streams that neither an encoding nor a reader that goes away can break."""

from __future__ import annotations

import io
import sys
from typing import IO, cast


class _Steady(io.FileIO):
    """A file that goes on taking what is written once its reader is gone, as with ``fairmend ... | head``.

    A command then ends with the exit code of its verdict, as if all had been read.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._gone = False

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Write what the reader takes; after it has gone, nothing."""
        if not self._gone:
            try:
                return super().write(data)
            except BrokenPipeError:
                self._gone = True
        return len(data)


def steady_streams() -> None:
    """Make stdout and stderr write what their encoding lacks as its code, and outlive their readers."""
    sys.stdout = _steady(sys.stdout)
    sys.stderr = _steady(sys.stderr)


def _steady(stream: IO[str]) -> IO[str]:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    if stream.isatty():
        stream.reconfigure(errors="backslashreplace")
        return stream
    stream.flush()
    return io.TextIOWrapper(
        cast(io.BufferedWriter, io.BufferedWriter(cast(io.RawIOBase, _Steady(stream.fileno())))),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream is sys.stderr,
    )
