"""demographic_parity_ratio on a million rows, groups named by strings, against fairlearn.

python benchmarks/measure_ratio.py [--rows 1000000]
"""

from __future__ import annotations

import argparse
from functools import partial

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
from _measure import adult_decisions, allocated, report_versions, seconds

from fairmend.core.metrics import GroupTable, evaluate


def ours(y: np.ndarray, d: np.ndarray, groups: pd.Series | np.ndarray) -> float:
    return evaluate(GroupTable.from_arrays(y, d, groups), "demographic_parity_ratio")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    n = parser.parse_args().rows
    y, d, attributes = adult_decisions()
    drawn = np.random.default_rng(0).integers(len(y), size=n)
    y, d = y[drawn], d[drawn]
    race = attributes["race"].to_numpy()[drawn]
    report_versions("fairlearn", "pandas", "numpy")
    print(f"{n:,} rows, {len(set(race))} groups")
    columns = {
        "pandas str": pd.Series(race, dtype="str"),
        "object": pd.Series(race.astype(object), dtype=object),
        "category": pd.Series(race, dtype="category"),
        "numpy str": race.astype("U32"),
    }
    fairlearn = partial(fl.demographic_parity_ratio, y, d, sensitive_features=columns["object"])
    theirs, value = seconds(fairlearn, repeats=3), fairlearn()
    print(f"fairlearn, object        {theirs * 1e3:9.1f} ms   peak {allocated(fairlearn):7.1f} MB")
    for name, column in columns.items():
        fairmend = partial(ours, y, d, column)
        own, same = seconds(fairmend), abs(fairmend() - value) < 1e-12
        print(
            f"fairmend,  {name:13s} {own * 1e3:9.1f} ms   peak {allocated(fairmend):7.1f} MB   "
            f"ratio {theirs / own:6.0f} x   {'equal' if same else 'DIFFERENT'}"
        )


if __name__ == "__main__":
    main()
