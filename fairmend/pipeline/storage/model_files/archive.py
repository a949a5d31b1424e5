"""The archive of a model file: its members and their sizes, bounded before anything is unpacked."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections import Counter

from fairmend.pipeline.storage.model_files.errors import DamagedFileError

SCHEMA = "schema.json"
MAX_MEMBERS = 200_000
MAX_SCHEMA = 64 * 2**20
MAX_TOTAL = 4 * 2**30
# Content larger than this is limited to a maximum compression ratio; real arrays of a model
# compress far less.
FREE_TOTAL = 64 * 2**20
MAX_RATIO = 100
# Other methods decompress a whole block at once, before a size limit can apply.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OSError)


class Archive:
    """A zip archive in memory, whose members are plain files of bounded size with distinct names.

    Parameters
    ----------
    content : bytes
        The archive.
    budget : int
        Maximum total size in bytes of all unpacked members, in addition to the fixed limits.

    Raises
    ------
    DamagedFileError
        It is not an archive, or exceeds a limit.
    """

    def __init__(self, content: bytes, budget: int = MAX_TOTAL) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (*BROKEN, ValueError) as error:
            raise DamagedFileError("it is not a zip archive, or is truncated") from error
        members = self._zip.infolist()
        if len(members) > MAX_MEMBERS:
            raise DamagedFileError(f"it has {len(members):,} members, more than {MAX_MEMBERS:,}")
        [(name, times)] = Counter(m.filename for m in members).most_common(1) or [("", 0)]
        if times > 1:
            raise DamagedFileError(f"its member {name[:80]!r} occurs {times} times")
        for member in members:
            _check_member(member)
        limit = min(budget, MAX_TOTAL, max(FREE_TOTAL, MAX_RATIO * len(content)))
        self.size = sum(m.file_size for m in members)
        if self.size > limit or sum(m.compress_size for m in members) > len(content):
            raise DamagedFileError(
                f"it is {len(content):,} bytes long and would unpack to {self.size:,}, more than {limit:,}"
            )
        self.names = frozenset(m.filename for m in members)

    def read(self, name: str, limit: int = MAX_TOTAL) -> bytes:
        """Return the content of a member.

        Raises
        ------
        DamagedFileError
            The member is missing, too large or corrupted.
        """
        if name not in self.names:
            raise DamagedFileError(f"its member {name[:80]!r} is missing")
        size = self._zip.getinfo(name).file_size
        if size > limit:
            raise DamagedFileError(f"its member {name[:80]!r} has {size:,} bytes, more than {limit:,}")
        try:
            return self._zip.read(name)
        except BROKEN as error:
            raise DamagedFileError(f"its member {name[:80]!r} is corrupted") from error


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    if not name or any(c in name for c in "/\\:\0"):
        raise DamagedFileError(f"its member {name[:80]!r} is not a regular file")
    if member.flag_bits & 1:
        raise DamagedFileError(f"its member {name[:80]!r} is encrypted")
    if member.compress_type not in METHODS:
        raise DamagedFileError(
            f"its member {name[:80]!r} is neither stored nor deflated, as skops.io.dump does by default"
        )
