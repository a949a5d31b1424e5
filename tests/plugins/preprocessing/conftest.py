"""Real data with two protected attributes and more than two groups, small enough for quick fits."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.data.roles import Roles
from fairmend.core.models.learners import make_learner


@pytest.fixture(scope="session")
def adult_data(adult: pd.DataFrame) -> Dataset:
    """Six groups of sex and race, 12,000 rows, five numeric features and a category that tells the sex."""
    common = adult[adult["race"].isin(["White", "Black", "Asian-Pac-Islander"])].sample(
        12_000, random_state=0
    )
    excluded = ("education", "marital-status", "native-country", "capital-loss", "workclass", "occupation")
    roles = Roles(outcome="income", favorable=">50K", protected=("sex", "race"), ignored=excluded)
    return Dataset.from_frame(common, roles)


@pytest.fixture(scope="session")
def adult_case(adult_data: Dataset) -> Case:
    """A case with a trained logistic regression."""
    parts = adult_data.split(seed=1)
    case = Case(
        parts["train"], parts["calibration"], parts["validation"], make_learner("logistic_regression"), seed=3
    )
    return case.retrained()


@pytest.fixture(scope="session")
def by_group() -> Callable[[pd.DataFrame, Any], list[pd.DataFrame]]:
    """Split a frame into the rows of each group."""

    def split(X: pd.DataFrame, sensitive: Any) -> list[pd.DataFrame]:
        groups = Groups.of(sensitive)
        return [X[groups.codes == a] for a in range(groups.n_groups)]

    return split


@pytest.fixture(scope="session")
def largest_ks() -> Callable[[list[pd.DataFrame], str], float]:
    """Measure the largest Kolmogorov-Smirnov distance between two groups on one feature."""

    def measure(parts: list[pd.DataFrame], name: str) -> float:
        pairs = itertools.combinations([part[name].dropna() for part in parts], 2)
        return max(float(ks_2samp(a, b, method="asymp").statistic) for a, b in pairs)

    return measure


@pytest.fixture(scope="session")
def published_adult(adult: pd.DataFrame, data_dir: Path) -> SimpleNamespace:
    """The setting of AIF360's notebook on reweighing: features age by decade, years of education, sex, race; seed 1.

    ``train`` and ``test`` have ``X``, ``y`` and ``women``; ``tested(X, y)`` returns the balanced accuracy of a
    logistic regression trained on them, at the notebook's threshold, and women's selection rate less men's.
    """
    both = pd.concat([adult, pd.read_csv(data_dir / "adult" / "adult_test.csv.gz")], ignore_index=True)
    rng = np.random.RandomState(1)
    order = rng.permutation(len(both))
    train, rest = order[:34189], order[34189:]
    test = rest[rng.permutation(len(rest))][len(rest) // 2 :]
    y = both["income"].str.contains(">50K").to_numpy().astype(int)
    women = (both["sex"] == "Female").to_numpy()
    decade = (both["age"] // 10 * 10).clip(upper=70).astype(str)
    years = both["education-num"].clip(5, 13).astype(str)
    X = pd.get_dummies(pd.DataFrame({"decade": decade, "years": years})).astype(float)
    X = X.assign(women=women.astype(float), white=(both["race"] == "White").astype(float))

    def tested(features: pd.DataFrame, labels: np.ndarray, weights: Any = None) -> tuple[float, float]:
        model = LogisticRegression().fit(features, labels, weights)
        decided = model.predict_proba(X.iloc[test])[:, 1] > 0.2674
        gap = decided[women[test]].mean() - decided[~women[test]].mean()
        return float(balanced_accuracy_score(y[test], decided)), float(gap)

    parts = [SimpleNamespace(X=X.iloc[rows], y=y[rows], women=women[rows]) for rows in (train, test)]
    return SimpleNamespace(train=parts[0], test=parts[1], tested=tested)


@pytest.fixture(scope="session")
def average_odds() -> Callable[[Any, Any, Any], float]:
    """Measure the largest difference between groups of the mean of true and false positive rate."""

    def measure(groups: Any, y: Any, said: Any) -> float:
        rates = pd.Series(np.asarray(said)).groupby([Groups.of(groups).codes, np.asarray(y)]).mean()
        return float(np.ptp(rates.groupby(level=0).mean()))

    return measure
