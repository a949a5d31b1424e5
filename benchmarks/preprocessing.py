"""Seconds of pre-processing against AIF360, in one process, on data of the size of UCI Adult.

    python benchmarks/preprocessing.py [--rows 30000] [--repeats 3]

Both sides get their data in the form that they want, before the clock starts. Each figure is the median
of the repeats, taken in turns. The repair is measured on continuous columns, where both sides produce the
same law: with ties AIF360 repairs buckets of values and leaves other distributions, so that a ratio there would
compare two different results. The printed agreement is the mean distance between the quantiles of the two
results within a group, in standard deviations of the column.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from fairmend.plugins.preprocessing import DisparateImpactRemover, InstanceWeighting

logging.getLogger().setLevel(logging.ERROR)  # aif360 warns of every optional package that is absent

COLUMNS = [f"x{i}" for i in range(6)]


def population(rows: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return six continuous features that differ by group, the group (1 for a third) and the label."""
    rng = np.random.default_rng(0)
    group = (rng.random(rows) < 1 / 3).astype(int)
    X = pd.DataFrame(rng.normal(group[:, None] * np.linspace(0, 1, 6), 1, (rows, 6)), columns=COLUMNS)
    return X, group, (rng.random(rows) < 0.3 - 0.15 * group).astype(int)


def seconds(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each call; the calls take turns, so that a busy moment hits all."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def report(title: str, taken: dict[str, float]) -> None:
    ratio = taken["aif360"] / taken["fairmend"]
    print(f"{title}: fairmend {taken['fairmend']:.4f} s, aif360 {taken['aif360']:.4f} s, ratio {ratio:.1f}x")


def main() -> None:
    from aif360.algorithms.preprocessing import DisparateImpactRemover as ReferenceRemover
    from aif360.algorithms.preprocessing import Reweighing
    from aif360.datasets import BinaryLabelDataset

    parser = argparse.ArgumentParser(description="Time pre-processing against AIF360.")
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    packages = ["fairmend", "aif360", "BlackBoxAuditing", "numpy", "pandas"]
    print(", ".join(f"{name} {version(name)}" for name in packages))
    print(
        f"{arguments.rows} rows x {len(COLUMNS)} continuous features, two groups, median of {arguments.repeats}"
    )

    X, group, y = population(arguments.rows)
    theirs = BinaryLabelDataset(
        df=X.assign(group=group.astype(float), y=y.astype(float)),
        label_names=["y"],
        protected_attribute_names=["group"],
    )
    remover = DisparateImpactRemover(repair_level=1.0, target="lower_median")
    reference = ReferenceRemover(repair_level=1.0, sensitive_attribute="group")
    taken = seconds(
        {
            "fairmend": lambda: remover.fit_transform(X, sensitive_features=group),
            "aif360": lambda: reference.fit_transform(theirs),
        },
        arguments.repeats,
    )
    report("69 disparate impact remover", taken)
    ours = remover.fit_transform(X, sensitive_features=group).to_numpy()
    repaired = reference.fit_transform(theirs).features[:, : len(COLUMNS)]
    u = np.linspace(0.01, 0.99, 99)
    apart = [
        np.abs(np.quantile(ours[group == a], u, axis=0) - np.quantile(repaired[group == a], u, axis=0))
        for a in (0, 1)
    ]
    print(f"   agreement: {np.mean([a / X.std().to_numpy() for a in apart]):.4f} standard deviations")

    weighting, reweighing = InstanceWeighting(), Reweighing([{"group": 1}], [{"group": 0}])
    taken = seconds(
        {
            "fairmend": lambda: weighting.change(X, y, sensitive_features=group).sample_weight,
            "aif360": lambda: reweighing.fit_transform(theirs),
        },
        max(arguments.repeats, 11),
    )
    report("31 instance weighting", taken)
    difference = (
        weighting.change(X, y, sensitive_features=group).sample_weight
        - reweighing.transform(theirs).instance_weights
    )
    print(f"   agreement: largest difference of a weight {np.abs(difference).max():.1e}")


if __name__ == "__main__":
    main()
