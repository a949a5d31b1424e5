"""Fixtures shared by all tests: the real data, and small data with known truth."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")


def _data_root() -> Path:
    named = os.environ.get("FAIRMEND_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real data sets; skips aloud, or fails where FAIRMEND_REQUIRE_DATA is 1."""
    root = _data_root()
    if not (root / "adult" / "adult_train.csv.gz").exists():
        message = f"SKIPPED FOR LACK OF DATA: no real data at {root}; set FAIRMEND_DATA to its folder"
        if os.environ.get("FAIRMEND_REQUIRE_DATA") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return root


@pytest.fixture(scope="session")
def adult(data_dir: Path) -> pd.DataFrame:
    """Training part of UCI Adult, 32,561 rows; favourable ``income == '>50K'``."""
    return pd.read_csv(data_dir / "adult" / "adult_train.csv.gz")


@pytest.fixture(scope="session")
def compas(data_dir: Path) -> pd.DataFrame:
    """ProPublica's two-year file, 7,214 rows; favourable ``two_year_recid == 0``."""
    return pd.read_csv(data_dir / "compas" / "compas_two_years.csv.gz")


@pytest.fixture(scope="session")
def german(data_dir: Path) -> pd.DataFrame:
    """Statlog German Credit, 1,000 rows; favourable ``credit == 1``; adds ``age_group``."""
    frame = pd.read_csv(data_dir / "german" / "german.csv")
    return frame.assign(age_group=np.where(frame["age"] > 25, "over 25", "25 or under"))
