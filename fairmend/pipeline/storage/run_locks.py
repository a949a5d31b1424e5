"""Locks on runs and sweeps: one process at a time works on each."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fairmend.core.errors import RunError, StoreError


@dataclass(frozen=True)
class RunLocks:
    """The locks of a store, one file each in ``folder``."""

    folder: Path

    def is_locked(self, run_id: str) -> bool:
        """Whether a process works on a run."""
        try:
            handle = (self.folder / run_id).open("rb")
        except OSError:
            return False
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    @contextmanager
    def lock(self, run_id: str) -> Iterator[None]:
        """Lock a run while it is being worked on.

        Raises
        ------
        RunError
            Another process works on it, or the store cannot be written to.
        """
        path = self.folder / run_id
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("w")
        except OSError as error:
            raise StoreError(
                f"{run_id} cannot be worked on in {self.folder.parent}: {error.strerror}"
            ) from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(
                    f"{run_id} is being run by another process; wait until it ends, or stop it, then resume"
                ) from error
            yield
