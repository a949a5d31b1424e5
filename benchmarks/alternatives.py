"""What a search for a less discriminatory alternative finds on real data, and what it costs.

    python benchmarks/alternatives.py [--candidates 40] [--margin 0.01] [--only german law]

Each case is searched once with logistic regression. Printed are the candidates by why they are not the
alternative, the plain model and the chosen one on out-of-fold rows, and the verdict of the test rows.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from _measure import report_versions

from fairmend import api
from fairmend.core.data.dataset import Dataset


def root() -> Path:
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("FAIRMEND_DATA", default))


def german() -> Dataset:
    frame = pd.read_csv(root() / "german" / "german.csv")
    frame["age_group"] = np.where(frame["age"] > 25, "over 25", "25 or under")
    return api.dataset(
        frame, outcome=frame.columns[20], favorable="1", protected="age_group", ignored=("age",)
    )


def law() -> Dataset:
    path = root() / "law" / "law_school_bar.csv"
    return api.dataset(path, outcome="pass_bar", favorable="1", protected="race", ignored=("male",))


CASES = {"german": german, "law": law}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--margin", type=float, default=0.01)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    asked = parser.parse_args()
    report_versions()
    for name in asked.only:
        found = api.sweep(
            CASES[name](), lda=True, candidates=asked.candidates, margin=asked.margin, depth=1, store=False,
            learner="logistic_regression", constraints=["max_complexity=low"], jobs=1,
        )  # fmt: skip
        lost = Counter(c.alternative.lost or "chosen" for c in found.measured if c.changes and c.alternative)
        print(f"\n{name}: {found.data['rows']:,} rows, {found.seconds:.0f} s: {found.lda.outcome}")
        print("  " + ", ".join(f"{reason} {count}" for reason, count in lost.most_common()))
        for c in found.candidates:
            if not c.changes or c is found.pick:
                print(
                    f"  {c.name}: accuracy {c.accuracy.text(4)}, {found.target.measure} {c.fairness.text(3)}"
                )
        print(f"  {found.reason}")


if __name__ == "__main__":
    main()
