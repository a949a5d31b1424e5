"""Decisions that are drawn, with the figures that gates read: no model is trained for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fairmend.core.metrics import Comparison, InferenceSettings, Measurement, compare, measure
from fairmend.pipeline.gates.gate_context import COMPARED, GateContext

MEASURES = {
    "demographic_parity": ("demographic_parity_ratio", True),
    "equal_opportunity": ("equal_opportunity_difference", False),
    "equalized_odds": ("equalized_odds_difference", False),
}


SETTINGS = InferenceSettings(100, n_permutations=200)


@dataclass(frozen=True, eq=False)
class Rows:
    y: np.ndarray
    sensitive: pd.DataFrame
    units: Any = None
    weights: Any = None

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Measured:
    """Decisions on rows, with the interface of a model's evaluation."""

    y: np.ndarray
    scores: np.ndarray
    groups: np.ndarray
    threshold: float = 0.5
    settings: InferenceSettings = SETTINGS
    cluster: Any = None

    @property
    def data(self) -> Rows:
        return Rows(self.y, pd.DataFrame({"group": self.groups}), self.cluster)

    @property
    def decisions(self) -> np.ndarray:
        return (self.scores >= self.threshold).astype(int)

    @cached_property
    def measurement(self) -> Measurement:
        return measure(
            self.y, self.decisions, sensitive_features=self.groups, y_score=self.scores, cluster=self.cluster,
            **self.settings.intervals,
        )  # fmt: skip

    def against(self, before: Measured, n_permutations: int | None = None) -> Comparison:
        return compare(
            self.y, before.decisions, self.decisions, sensitive_features=self.groups, metrics=COMPARED,
            n_permutations=n_permutations or 200, **self.settings.intervals,
        )  # fmt: skip

    def view(self, notion: str = "demographic_parity") -> GateContext:
        """Return what checks see of it, as its own baseline."""
        return GateContext(self, self, None, None, frozenset(), notion, *MEASURES[notion])


def drawn(
    n: int,
    seed: int,
    *,
    gap: float = 0.0,
    groups: int = 2,
    base: float = 0.3,
    signal: float = 1.5,
    **more: Any,
) -> Measured:
    """Draw labels and calibrated scores; ``gap`` moves the log odds of the first group down."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, n)
    logit = signal * rng.normal(size=n) + np.log(base / (1 - base)) - gap * (group == 0)
    scores = 1 / (1 + np.exp(-logit))
    return Measured((rng.random(n) < scores).astype(int), scores, np.array([f"g{g}" for g in group]), **more)
