"""Decisions of deployed rules for a million rows, against the base model's own time; the goal is 10 s beyond it.

python benchmarks/predict_million.py [--rows 1000000] [--learner gradient_boosting] [--files]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from _measure import report_versions, watched

from fairmend.catalog.registry import Registry
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.files import write_table
from fairmend.core.data.roles import Roles
from fairmend.core.data.table_reading import read_table
from fairmend.core.fair_pipeline import FairPipeline
from fairmend.core.models.learners import make_learner
from fairmend.pipeline.stored_runs import decide

ROLES = Roles(outcome="income", favorable=">50K", protected=("sex", "race"), ignored=("fnlwgt",))
RULES = {
    "group thresholds (9)": [(9, {})],
    "randomized (14)": [(14, {"tolerance": 0.02})],
    "feature repair (69)": [(69, {"features": ["age", "hours-per-week", "capital-gain"]})],
    "calibrators (48)": [(48, {})],
    "repair, calibrators, thresholds (69, 48, 9)": [(69, {}), (48, {}), (9, {})],
}


class Clocked:
    """The base model with a clock, so that its time is told from the rest in the same run."""

    def __init__(self, estimator: object) -> None:
        self.estimator = estimator
        self.seconds = 0.0

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        taken, out = timed(lambda: self.estimator.predict_proba(X))
        self.seconds += taken
        return out


def timed(work: Callable[[], object]) -> tuple[float, object]:
    began = time.perf_counter()
    out = work()
    return time.perf_counter() - began, out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--learner", default="gradient_boosting")
    parser.add_argument(
        "--files", action="store_true", help="also read and write the table as CSV and Parquet"
    )
    asked = parser.parse_args()
    root = Path(os.environ.get("FAIRMEND_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    adult = pd.read_csv(root / "adult" / "adult_train.csv.gz")
    data = Dataset.from_frame(adult, ROLES)
    drawn = np.random.default_rng(0).integers(len(adult), size=asked.rows)
    rows = adult.iloc[drawn].reset_index(drop=True).drop(columns="income")
    registry = Registry.installed()
    report_versions("pandas", "numpy", "scikit-learn")
    base = make_learner(asked.learner).fit(data.X, data.y)
    features = rows[list(data.X.columns)]
    with watched() as peak:
        alone, _ = timed(lambda: base.predict_proba(features))
    print(f"{asked.rows:,} rows, {data.X.shape[1]} features, {data.groups.n_groups} groups, {asked.learner}")
    print(f"{'base model alone':45s} {alone:6.2f} s   {'':44s} peak {peak[0]:6.0f} MB")
    for name, parts in RULES.items():
        steps = [registry.technique(number)(**parameters) for number, parameters in parts]
        fitted = FairPipeline(make_learner(asked.learner), steps)
        fitted.fit(data.X, data.y, sensitive_features=data.sensitive)
        rule = FairPipeline.of_model(fitted.model_, data)
        clock = Clocked(rule.model_.estimator)
        rule.model_ = replace(rule.model_, estimator=clock)
        with watched() as peak:
            taken, found = timed(lambda rule=rule: decide(rule, ROLES, rows))
        beyond = taken - clock.seconds
        print(
            f"{name:45s} {taken:6.2f} s   base model {clock.seconds:6.2f} s   beyond it {beyond:6.2f} s   "
            f"peak {peak[0]:6.0f} MB   {found['decision'].mean():.3f} favorable"
        )
    if asked.files:
        with tempfile.TemporaryDirectory() as folder:
            for ending in ("csv", "parquet"):
                path = Path(folder) / f"rows.{ending}"
                write, _ = timed(lambda path=path: write_table(path, rows))
                read, _ = timed(lambda path=path: read_table(path))
                out, _ = timed(lambda path=path, found=found: write_table(path, found))
                print(
                    f"{ending:8s} read {read:5.2f} s   write the rows {write:5.2f} s   write decisions {out:5.2f} s"
                )


if __name__ == "__main__":
    main()
