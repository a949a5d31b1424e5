"""The command line in this process, and small data for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.cli import invoke
from fairmend.plugins.datasets import bank

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
