"""demographic_parity_ratio on a million rows, groups named by strings, against fairlearn.

    python benchmarks/measure_ratio.py [--rows 1000000]
"""

from __future__ import annotations

import argparse

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
from _measure import adult_decisions, alone, report_versions

from fairmend.core.measure import GroupTable
from fairmend.core.measure.metrics import demographic_parity_ratio


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
    theirs, their_peak = alone(lambda: fl.demographic_parity_ratio(y, d, sensitive_features=columns["object"]), 3)
    value = fl.demographic_parity_ratio(y, d, sensitive_features=columns["object"])
    print(f"fairlearn, object                {theirs * 1e3:9.1f} ms   peak {their_peak:7.1f} MB")
    for name, column in columns.items():
        ours, peak = alone(lambda column=column: demographic_parity_ratio(GroupTable.from_arrays(y, d, column)), 7)
        same = abs(demographic_parity_ratio(GroupTable.from_arrays(y, d, column)) - value) < 1e-12
        print(
            f"fairmend, {name:22s} {ours * 1e3:9.1f} ms   peak {peak:7.1f} MB   "
            f"ratio {theirs / ours:6.0f} x   {'equal' if same else 'DIFFERENT'}"
        )


if __name__ == "__main__":
    main()
