"""Time the fit and use of every post-processor of scores at a million rows.

    python benchmarks/postprocessing.py [--rows 1000000] [--groups 10] [--repeats 3]

The scores are drawn, so that no model is timed. Each figure is the median of the repeats, in one process.
Against public implementations they are timed in ``techniques.py``.
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

from fairmend.plugins import postprocessing


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


def at_scale(rows: int, groups: int, repeats: int) -> None:
    scores, y, group = draw(rows, groups)
    print(f"{rows} rows, {groups} groups")
    for name in postprocessing.__all__:
        technique = getattr(postprocessing, name)()
        verb = next((v for v in ("predict", "adjust", "abstain") if hasattr(technique, v)), None)
        if verb is None or technique.reads("X") or "binary" not in technique.metadata.tasks:
            continue  # rankings, and rules that read more than scores
        fit, use = [], []
        for _ in range(repeats):
            fit.append(seconds(lambda rule=technique: rule.fit(scores, y, sensitive_features=group)))
            act = getattr(technique, verb)
            use.append(seconds(lambda act=act: act(scores, sensitive_features=group)))
        print(f"  {name:30s} fit {statistics.median(fit):.2f} s, {verb} {statistics.median(use):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--groups", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    packages = ("fairmend", "numpy", "scipy", "scikit-learn", "pandas")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{p} {version(p)}" for p in packages))
    at_scale(given.rows, given.groups, given.repeats)


if __name__ == "__main__":
    main()
