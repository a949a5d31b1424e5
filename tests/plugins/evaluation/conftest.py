"""Predictions on real and on drawn data, and a case whose model can be evaluated."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.models.learners import make_learner
from fairmend.plugins.datasets import bank, bank_roles


class Predictions(NamedTuple):
    """What an evaluator is given."""

    y: np.ndarray
    decisions: np.ndarray
    scores: np.ndarray
    sensitive: pd.DataFrame

    def first(self, n: int) -> Predictions:
        """Return the first n rows."""
        return Predictions(self.y[:n], self.decisions[:n], self.scores[:n], self.sensitive.iloc[:n])


@pytest.fixture(scope="session")
def adult_predictions(adult: pd.DataFrame) -> Predictions:
    """Predictions of a plain logistic model on Adult, with sex (2 groups) and race (5 groups)."""
    numbers = adult[["age", "education-num", "hours-per-week", "capital-gain"]].astype(float)
    y = (adult["income"] == ">50K").to_numpy().astype(int)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(numbers, y)
    scores = model.predict_proba(numbers)[:, 1]
    return Predictions(y, (scores >= 0.5).astype(int), scores, adult[["sex", "race"]])


@pytest.fixture(scope="session")
def drawn_predictions() -> Predictions:
    """2,000 rows of six cells (two attributes), scores right on average, one cell of 12 rows."""
    rng = np.random.default_rng(7)
    sensitive = pd.DataFrame(
        {"sex": rng.choice(["F", "M"], 2000), "race": rng.choice(["A", "B", "C"], 2000, p=[0.6, 0.38, 0.02])}
    )
    scores = np.clip(rng.beta(2, 2, 2000) - 0.15 * (sensitive["race"] == "B").to_numpy(), 0, 1)
    y = (rng.random(2000) < scores).astype(int)
    return Predictions(y, (scores >= 0.5).astype(int), scores, sensitive)


@pytest.fixture(scope="session")
def case() -> Case:
    """A case of 3,000 loan applications with a fitted logistic model."""
    data = Dataset.from_frame(bank(3000), Roles(**bank_roles()))
    parts = data.split(seed=1)
    return Case(
        parts["train"], parts["calibration"], parts["validation"], make_learner("logistic_regression")
    ).retrained()


@pytest.fixture
def run_in_case(case: Case) -> Any:
    """Run an evaluator in the case, and check what every evaluator's effect must be."""

    def run(technique: Any) -> dict[str, Any]:
        after, effect = technique.run(case)
        result = after.results[technique.metadata.slug]
        assert effect.kind == "none"
        assert effect.share == 0
        assert not effect.changed_nothing
        assert effect.text == result["text"]
        assert dict(effect.detail) == dict(result)
        assert after.model is case.model
        assert after.validation is case.validation
        return dict(result)

    return run
