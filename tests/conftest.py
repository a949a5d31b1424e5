"""Fixtures shared by all tests: the real data, small data with known truth, and the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.cli import invoke
from fairmend.plugins.datasets import bank

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("FAIRMEND_PLUGIN_TIMEOUT", "600")  # no test depends on the speed of the machine


def _data_root() -> Path:
    named = os.environ.get("FAIRMEND_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def config_folder(tmp_path_factory) -> Iterator[Path]:
    """A configuration folder for the tests, so that no key of the user signs, or is made."""
    folder = tmp_path_factory.mktemp("config")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        patch.delenv("FAIRMEND_KEY", raising=False)
        yield folder


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
    """Training part of UCI Adult, 32,561 rows; favorable ``income == '>50K'``."""
    return pd.read_csv(data_dir / "adult" / "adult_train.csv.gz")


@pytest.fixture(scope="session")
def compas(data_dir: Path) -> pd.DataFrame:
    """ProPublica's two-year file, 7,214 rows; favorable ``two_year_recid == 0``."""
    return pd.read_csv(data_dir / "compas" / "compas_two_years.csv.gz")


@pytest.fixture(scope="session")
def german(data_dir: Path) -> pd.DataFrame:
    """Statlog German Credit, 1,000 rows; favorable ``credit == 1``; adds ``age_group``."""
    frame = pd.read_csv(data_dir / "german" / "german.csv")
    return frame.assign(age_group=np.where(frame["age"] > 25, "over 25", "25 or under"))


PIPELINE = """\
fairmend: 1
name: light
learner: logistic_regression
roles: {outcome: hired, favorable: "yes", protected: [sex], mediators: [score]}
steps:
- {technique: 31, slug: instance-weighting, stage: pre-processing}
- technique: 9
  slug: group-thresholds
  stage: post-processing
  when: target not secure
  parameters: {min_ratio: 0.95}
evaluations:
- {technique: 45, slug: expected-calibration-error}
"""


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("fairmend: error:")]


@pytest.fixture
def cli(capsys, monkeypatch):
    """Run a command; returns exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> Outcome:
        code = invoke([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with the bank, job applications with a gap between the sexes, and a light pipeline."""
    where = tmp_path_factory.mktemp("cli")
    bank(600).to_csv(where / "bank.csv", index=False)
    rng = np.random.default_rng(0)
    sex = np.repeat(["F", "M"], 1500)
    score = rng.normal(50, 10, 3000) + 5 * (sex == "M")
    years = rng.poisson(6, 3000)
    hired = rng.random(3000) < 1 / (1 + np.exp(-(score - 52) / 4 - (years - 6) / 4))
    frame = pd.DataFrame({"sex": sex, "score": score.round(2), "years": years})
    frame.assign(hired=np.where(hired, "yes", "no")).to_csv(where / "jobs.csv", index=False)
    (where / "light.yaml").write_text(PIPELINE)
    return where


@pytest.fixture(scope="session")
def bank_csv(folder):
    return folder / "bank.csv"


@pytest.fixture(scope="session")
def jobs_csv(folder):
    return folder / "jobs.csv"
