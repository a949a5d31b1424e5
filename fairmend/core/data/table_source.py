"""The bytes of a table, wherever they come from: a file, packed or not, or a stream, within bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import select
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO, cast

from fairmend.core.errors import DataError, MissingExtraError, UsageError

LIMIT = "FAIRMEND_MAX_UNPACKED"
"""Environment variable: maximum MiB of an unpacked file or a stream."""
MOST_MIB = 4096
"""Maximum MiB without that variable."""
SUSPICIOUS_MIB, SUSPICIOUS_RATIO = 256, 200
"""Without that variable, a file beyond this size and this multiple of its packed size is an error."""
FIFO_SECONDS = 10.0
"""How long to wait for a writer on a named pipe."""
CHUNK = 1 << 20
HEAD = 4096

MAGIC: dict[str, bytes] = {
    ".gz": b"\x1f\x8b",
    ".bz2": b"BZh",
    ".xz": b"\xfd7zXZ\x00",
    ".zip": b"PK\x03\x04",
    ".zst": b"\x28\xb5\x2f\xfd",
}
PARQUET = b"PAR1"
BROKEN = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
)


def open_table(path: Path) -> BinaryIO:
    """Return the unpacked content of a file or stream, to be read from its beginning as often as needed.

    Raises
    ------
    DataError
        There is no such file, it is a folder or device, nobody writes into the pipe, it is packed and
        damaged, or it is larger than allowed.
    """
    status = _status(path)
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{path} is a folder; give a CSV (also .csv.gz) or Parquet file")
    if stat.S_ISFIFO(status.st_mode):
        source = _from_pipe(path)
    elif stat.S_ISREG(status.st_mode):
        source = _opened(path)
    else:
        raise DataError(
            f"{path} is a device or socket; give a CSV (also .csv.gz) or Parquet file, or a pipe with an end"
        )
    head = source.read(HEAD)
    source.seek(0)
    packing = next((suffix for suffix, magic in MAGIC.items() if head.startswith(magic)), None)
    if packing is None and path.suffix.lower() in MAGIC and head:
        source.close()
        raise DataError(
            f"{path} is not a readable table: its name ends with {path.suffix}, but its content is not in that format"
        )
    if packing is None and (path.suffix.lower() == ".tar" or head[257:262] == b"ustar"):
        source.close()
        raise DataError(f"{path} is a tar archive; unpack it, and give one CSV or Parquet file of it")
    if packing is None:
        return source
    with source:
        return _unpacked(source, packing, path)


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; give a CSV (also .csv.gz) or Parquet file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"cannot open {str(path)[:200]!r}: {reason}") from error


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"cannot open {path}: {error.strerror}") from error


def _from_pipe(path: Path) -> BinaryIO:
    """Return what is written into a pipe, held on disk where it is large.

    A pipe without a name (standard input, a process substitution) has a writer, for which it waits; for
    a named one somebody has to come within ``FIFO_SECONDS``.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise DataError(f"cannot open {path}: {error.strerror}") from error
    try:
        named = not os.path.realpath(path).startswith("/proc/") and not str(path).startswith("/dev/")
        poller = select.poll()
        poller.register(handle, select.POLLIN | select.POLLHUP)
        if not poller.poll(FIFO_SECONDS * 1000 if named else None):
            raise DataError(
                f"no data was written to the pipe {path} within {FIFO_SECONDS:g} seconds; start its writer, or give a file"
            )
        os.set_blocking(handle, True)
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return _copied(stream, path, None)
    finally:
        os.close(handle)


def _unpacked(source: BinaryIO, packing: str, path: Path) -> BinaryIO:
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    try:
        with _reader(source, packing, path) as stream:
            return _copied(stream, path, size)
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        raise DataError(
            f"{path} is not a readable table: the packed content ({packing}) is truncated or damaged; "
            "download or compress it again"
        ) from error


def _reader(source: BinaryIO, packing: str, path: Path) -> IO[bytes]:
    if packing == ".zip":
        return _only_member(source, path)
    if packing == ".zst":
        return _zstandard(source, path)
    unpack: dict[str, Callable[[BinaryIO], IO[bytes]]] = {
        ".gz": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb")),
        ".bz2": bz2.BZ2File,
        ".xz": lzma.LZMAFile,
    }
    return unpack[packing](source)


def _only_member(source: BinaryIO, path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(source)
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise DataError(
            f"{path} holds {len(members)} files; expected an archive with one CSV file, or the file itself"
        )
    if members[0].flag_bits & 1:
        raise DataError(f"{path} is encrypted; unpack it first")
    return archive.open(members[0])


def _zstandard(source: BinaryIO, path: Path) -> IO[bytes]:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError(
            f"reading {path.name} needs pyarrow: pip install 'fairmend[parquet]'"
        ) from error
    return cast("IO[bytes]", pa.CompressedInputStream(source, "zstd"))


def _copied(stream: IO[bytes], path: Path, packed: int | None) -> BinaryIO:
    """Return a copy of a stream that can be read again; stop where it becomes larger than allowed."""
    limit, is_set = most_bytes()
    copy = tempfile.SpooledTemporaryFile(max_size=64 * CHUNK)  # noqa: SIM115 - the caller closes it
    size = 0
    while chunk := stream.read(CHUNK):
        if size == 0 and packed is None and b"\x00" in chunk[:HEAD] and not _is_known(chunk):
            raise DataError(f"{path} is not a readable table: it holds binary data")
        size += len(chunk)
        is_bomb = (
            not is_set
            and packed is not None
            and size > SUSPICIOUS_MIB * CHUNK
            and size > SUSPICIOUS_RATIO * packed
        )
        if size > limit or is_bomb:
            copy.close()
            raise DataError(
                f"{path} exceeds {min(size, limit) >> 20:,} MiB when unpacked"
                + (f", from {packed:,} bytes packed" if packed is not None else "")
                + f"; if that is meant, allow it with {LIMIT}=<MiB>, or give it unpacked as a file"
            )
        copy.write(chunk)
    copy.seek(0)
    return cast("BinaryIO", copy)


def _is_known(head: bytes) -> bool:
    return head.startswith((PARQUET, *MAGIC.values())) or head[257:262] == b"ustar"


def most_bytes() -> tuple[int, bool]:
    """Return the most bytes allowed, and whether somebody has said so."""
    words = os.environ.get(LIMIT)
    if words is None:
        return MOST_MIB * CHUNK, False
    if not words.isascii() or not words.isdigit() or not 0 < len(words) < 10:
        raise UsageError(f"{LIMIT} takes a number of MiB, got {words[:40]!r}")
    return int(words) * CHUNK, True
