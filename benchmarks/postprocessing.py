"""Time group thresholds against fairlearn, and the fit and use of every post-processor at a million rows.

    python benchmarks/postprocessing.py [--rows 48842] [--many 1000000] [--groups 10] [--repeats 3]

The scores are drawn, of the size of Adult, so that no model is timed. Each figure is the median of
the repeats, in one process, ours and fairlearn's in turn. fairlearn gets the same scores through a
classifier that returns its first column.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pandas as pd
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator, ClassifierMixin

from fairmend.plugins import postprocessing
from fairmend.plugins.postprocessing import EqualOpportunityThresholds, GroupThresholds


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose score is its first feature."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Given:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([1 - X[:, 0], X[:, 0]])


def draw(rows: int, groups: int) -> tuple[np.ndarray, np.ndarray, pd.Series]:
    """Return scores, labels and groups; a quarter of the labels is favorable, as in Adult."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, groups, rows)
    scores = rng.beta(0.8 + 0.6 * group / groups, 3.0, rows)
    return scores, (rng.random(rows) < scores).astype(int), pd.Series(group).map("group {}".format)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def against_fairlearn(rows: int, repeats: int) -> None:
    scores, y, group = draw(rows, 2)
    X, given = scores[:, None], {"sensitive_features": group}
    pairs = [
        ("group-thresholds", GroupThresholds(min_ratio=1.0), "demographic_parity"),
        ("equal-opportunity-thresholds", EqualOpportunityThresholds(), "true_positive_rate_parity"),
    ]
    print(f"{rows} rows, 2 groups, fit and decisions for the same rows")
    for name, ours, constraint in pairs:
        peer = ThresholdOptimizer(estimator=Given(), constraints=constraint, predict_method="predict_proba")
        mine, theirs = [], []
        for _ in range(repeats):
            mine.append(seconds(lambda rule=ours: rule.fit(scores, y, **given).predict(scores, **given)))
            theirs.append(seconds(lambda rule=peer: rule.fit(X, y, **given).predict(X, **given)))
        a, b = statistics.median(mine), statistics.median(theirs)
        right, peer_right = (
            np.mean(ours.predict(scores, **given) == y),
            np.mean(peer.predict(X, **given) == y),
        )
        print(
            f"  {name:30s} fairmend {a:.3f} s, fairlearn {b:.3f} s, {b / a:.1f} times as fast; "
            f"accuracy {right:.4f} and {peer_right:.4f}"
        )


def at_scale(rows: int, groups: int, repeats: int) -> None:
    scores, y, group = draw(rows, groups)
    print(f"{rows} rows, {groups} groups")
    for name in postprocessing.__all__:
        technique = getattr(postprocessing, name)()
        fit, use = [], []
        for _ in range(repeats):
            fit.append(seconds(lambda rule=technique: rule.fit(scores, y, sensitive_features=group)))
            use.append(
                seconds(
                    lambda rule=technique: getattr(rule, "predict", getattr(rule, "adjust", None))(
                        scores, sensitive_features=group
                    )
                )
            )
        print(f"  {name:30s} fit {statistics.median(fit):.2f} s, adjust {statistics.median(use):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=48_842, help="rows of the comparison")
    parser.add_argument("--many", type=int, default=1_000_000, help="rows of the run at scale")
    parser.add_argument("--groups", type=int, default=10, help="groups of the run at scale")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    packages = ("fairmend", "fairlearn", "numpy", "scipy", "scikit-learn", "pandas")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{p} {version(p)}" for p in packages))
    against_fairlearn(given.rows, given.repeats)
    at_scale(given.many, given.groups, given.repeats)


if __name__ == "__main__":
    main()
