"""Output streams that survive unencodable characters and closed pipes."""

from __future__ import annotations

import io
import sys
from typing import IO, cast


class _Steady(io.FileIO):
    """A file that discards output once its reader has closed the pipe, as with ``fairmend ... | head``.

    The command then exits with the code of its verdict, as if everything had been read.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._gone = False

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Write to the reader; discard everything after it has closed the pipe."""
        if not self._gone:
            try:
                return super().write(data)
            except BrokenPipeError:
                self._gone = True
        return len(data)


def steady_streams() -> None:
    """Make stdout and stderr escape unencodable characters and survive closed pipes."""
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
