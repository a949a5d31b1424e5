"""Scores of a plain model on real data, shared by the tests of post-processing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator, ClassifierMixin

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.models.learners import make_learner


class Given(ClassifierMixin, BaseEstimator):
    """Return the first column as the score, so that fairlearn adjusts scores that are given."""

    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X):
        s = np.asarray(X)[:, 0]
        return np.column_stack([1 - s, s])


@pytest.fixture
def fairlearn_probability():
    """Fit fairlearn's rule under a constraint and return its probability of a favorable decision."""

    def probability(constraints: str, scores, y, sensitive) -> np.ndarray:
        rule = ThresholdOptimizer(
            estimator=Given(), constraints=constraints, predict_method="predict_proba"
        ).fit(scores[:, None], y, sensitive_features=sensitive)
        return rule._pmf_predict(scores[:, None], sensitive_features=sensitive)[:, 1]

    return probability


class Scored(NamedTuple):
    """Scores with labels and groups: sex, race and both, on rows that trained no model."""

    scores: np.ndarray
    y: np.ndarray
    sensitive: pd.DataFrame


@pytest.fixture(scope="session")
def adult_parts(adult: pd.DataFrame) -> dict[str, Dataset]:
    data = Dataset.from_frame(adult, Roles(outcome="income", favorable=">50K", protected=("sex", "race")))
    return data.split(seed=0)


@pytest.fixture(scope="session")
def adult_model(adult_parts: dict[str, Dataset]):
    train = adult_parts["train"]
    return make_learner("gradient_boosting", seed=0).fit(train.X, train.y)


@pytest.fixture(scope="session")
def scored_adult(adult_parts: dict[str, Dataset], adult_model) -> Scored:
    part = adult_parts["test"]
    return Scored(adult_model.predict_proba(part.X)[:, 1], part.y, part.sensitive)


@pytest.fixture(scope="session")
def adult_case(adult_parts: dict[str, Dataset]) -> Case:
    """A trained case on Adult with the protected attribute sex; gates would read ``validation``."""
    parts = {
        name: replace(
            part,
            sensitive=part.sensitive[["sex"]],
            roles=part.roles.model_copy(update={"protected": ("sex",)}),
        )
        for name, part in adult_parts.items()
    }
    learner = make_learner("gradient_boosting", seed=0)
    return Case(parts["train"], parts["calibration"], parts["test"], learner=learner).retrained()


@pytest.fixture(scope="session")
def fico(data_dir: Path) -> pd.DataFrame:
    """The credit scores of Hardt et al. as weighted rows: score (0 to 1), group, y (1 = repaid), weight."""
    folder = data_dir / "fico"
    totals = pd.read_csv(folder / "totals.csv").set_index("Kind").loc["SSA"]
    below = pd.read_csv(folder / "transrisk_cdf_by_race_ssa.csv").set_index("Score")
    default = pd.read_csv(folder / "transrisk_performance_by_race_ssa.csv").set_index("Score") / 100
    weight = below.diff().fillna(below.iloc[[0]]) / 100 * totals
    parts = [
        pd.DataFrame(
            {
                "score": below.index / 100,
                "group": group,
                "y": y,
                "weight": weight[group] * (default[group] if y == 0 else 1 - default[group]),
            }
        )
        for group in below.columns
        for y in (0, 1)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def small_groups() -> Scored:
    """Two groups by three, 3,000 rows; in each, scores are off in a way of its own."""
    rng = np.random.default_rng(11)
    n = 3000
    sensitive = pd.DataFrame({"a": rng.choice(["p", "q"], n), "b": rng.choice(["x", "y", "z"], n)})
    z = rng.normal(size=n) * 1.5
    shift = np.where(sensitive["a"] == "p", 0.8, -0.6) + np.where(sensitive["b"] == "z", -0.5, 0.1)
    slope = np.where(sensitive["b"] == "x", 0.5, 1.6)
    y = (rng.random(n) < 1 / (1 + np.exp(-(slope * z + shift)))).astype(int)
    return Scored(1 / (1 + np.exp(-z)), y, sensitive)
