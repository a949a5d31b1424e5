"""What every attack must end in: the expected exit code, one line of error, nothing half-written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return the content of every file below a folder, by its path; None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def arena(tmp_path, monkeypatch, jobs_csv, folder) -> Path:
    """An empty working folder with ``jobs.csv`` and ``light.yaml``; the run store lies beside it."""
    here = tmp_path / "arena"
    here.mkdir()
    shutil.copy(jobs_csv, here / "jobs.csv")
    shutil.copy(folder / "light.yaml", here / "light.yaml")
    monkeypatch.chdir(here)
    monkeypatch.setenv("FAIRMEND_HOME", str(tmp_path / "store"))
    return here


@pytest.fixture
def refused(cli, arena) -> Callable[..., str]:
    """Run a command that must be refused: exit code, one line of error that matches, no other trace."""

    def check(*arguments: object, match: str, code: int | tuple[int, ...] = (1, 2)) -> str:
        before = tree(arena)
        done = cli(*arguments)
        codes = (code,) if isinstance(code, int) else code
        assert done.code in codes, f"exit {done.code}: {done.err}"
        assert len(done.errors) == 1, done.err
        assert re.search(match, done.errors[0], re.IGNORECASE), done.errors[0]
        assert len(done.errors[0]) < 1500
        assert "Traceback" not in done.err
        assert done.out == ""
        assert tree(arena) == before
        return done.errors[0]

    return check
