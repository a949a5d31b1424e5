"""Real data with two protected attributes and more than two groups, small enough for quick fits."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from scipy.stats import ks_2samp

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
