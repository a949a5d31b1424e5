"""Records of runs: the one that comes with the suite, and that of a light run which is kept."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import fairmend
from fairmend.pipeline.storage.run_store import RunStore


@pytest.fixture
def sample_record() -> dict[str, Any]:
    """The record that operations are checked on: two attributes, eight groups, an escalation."""
    text = resources.files("fairmend.testing").joinpath("sample_record.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@pytest.fixture(scope="session")
def kept_run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A light run of one attribute that is kept: the folder of the store, and the record."""
    home = tmp_path_factory.mktemp("runs")
    record = fairmend.run(
        folder / "light.yaml", folder / "jobs.csv", assume_approved=True, store=RunStore(home)
    )
    return home, record
