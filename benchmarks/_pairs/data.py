"""The data of the rows: drawn, so that any number of rows can be had, or those of Adult."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class Sample(NamedTuple):
    """Features, labels, scores, decisions and protected attributes."""

    X: pd.DataFrame
    y: NDArray[np.int64]
    scores: NDArray[np.float64]
    decisions: NDArray[np.int64]
    sensitive: pd.DataFrame

    @property
    def codes(self) -> NDArray[np.int64]:
        """Return 1 for the first group, the smaller one of two."""
        return (self.sensitive["group"] == "group 1").to_numpy().astype(int)


@cache
def drawn(rows: int, groups: int = 2, features: int = 6) -> Sample:
    """Return continuous features that differ by group, calibrated scores and labels; the last group is the smallest."""
    rng = np.random.default_rng(0)
    code = rng.choice(groups, rows, p=np.arange(groups, 0, -1) / np.arange(1, groups + 1).sum())
    X = rng.normal(code[:, None] * np.linspace(0, 1, features), 1, (rows, features))
    scores = 1 / (1 + np.exp(-(X @ np.linspace(1, -1, features) - 0.5 - 0.3 * code)))
    y = (rng.random(rows) < scores).astype(int)
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(features)])
    sensitive = pd.DataFrame({"group": np.char.add("group ", code.astype(str))}, dtype=object)
    return Sample(frame, y, scores, (scores > 0.5).astype(int), sensitive)


@cache
def adult(rows: int) -> Sample:
    """Return rows of Adult: their numeric features, scores and decisions of a simple rule, sex and race."""
    root = Path(os.environ.get("FAIRMEND_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    frame = pd.read_csv(root / "adult" / "adult_train.csv.gz").dropna().head(rows)
    X = frame[["age", "education-num", "capital-gain", "capital-loss", "hours-per-week"]].reset_index(
        drop=True
    )
    scores = (X["education-num"] / 16 + X["hours-per-week"] / 100 + X["age"] / 90).rank(pct=True).to_numpy()
    y = (frame["income"] == ">50K").to_numpy().astype(int)
    sensitive = frame[["sex", "race"]].astype(object).reset_index(drop=True)
    return Sample(X, y, scores, (scores > 0.75).astype(int), sensitive)
