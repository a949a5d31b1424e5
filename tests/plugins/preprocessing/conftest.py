"""Real data with two protected attributes and more than two groups, small enough for quick fits."""

from __future__ import annotations

import pandas as pd
import pytest

from fairmend.core.case import Case
from fairmend.core.dataset import Dataset
from fairmend.core.learner import make_learner
from fairmend.core.roles import Roles


@pytest.fixture(scope="session")
def adult_data(adult: pd.DataFrame) -> Dataset:
    """Six groups of sex and race, 12,000 rows, five numeric features and a category that tells the sex."""
    common = adult[adult["race"].isin(["White", "Black", "Asian-Pac-Islander"])].sample(12_000, random_state=0)
    left_out = ("education", "marital-status", "native-country", "capital-loss", "workclass", "occupation")
    roles = Roles(outcome="income", favorable=">50K", protected=("sex", "race"), ignored=left_out)
    return Dataset.from_frame(common, roles)


@pytest.fixture(scope="session")
def adult_case(adult_data: Dataset) -> Case:
    """A case with a trained logistic regression."""
    parts = adult_data.split(seed=1)
    case = Case(
        parts["train"], parts["calibration"], parts["validation"], make_learner("logistic_regression"), seed=3
    )
    return case.retrained()
