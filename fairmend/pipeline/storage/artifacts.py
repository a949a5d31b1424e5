"""Content-addressed files: results of a run, written atomically and verified when read."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from fairmend.core.errors import RunError, StoreError


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
        """Write content and return its name; identical content is written once.

        Raises
        ------
        RunError
            It cannot be written, for example because the disk is full.
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
            It is missing or was modified.
        """
        target = self.folder / name[:2] / name
        try:
            content = target.read_bytes()
        except FileNotFoundError as error:
            raise RunError(
                f"the stored result {name[:12]} is missing from {self.folder}; run the pipeline again"
            ) from error
        except OSError as error:
            raise StoreError(
                f"the stored result {name[:12]} cannot be read: {error.strerror or error}"
            ) from error
        if hashlib.sha256(content).hexdigest() != name:
            raise RunError(
                f"the stored result {name[:12]} was modified after it was written; run the pipeline again"
            )
        return content
