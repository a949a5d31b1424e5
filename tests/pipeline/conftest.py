"""Real data, small enough to drive the machine through every edge."""

from __future__ import annotations

import pandas as pd
import pytest

from fairmend.catalog.registry import Registry
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry.installed()


@pytest.fixture(scope="session")
def two_races(compas: pd.DataFrame) -> Dataset:
    """COMPAS with the usual features and the two large groups; 0 (not arrested again) is favorable."""
    columns = ["sex", "age", "race", "juv_fel_count", "juv_misd_count", "priors_count", "c_charge_degree"]
    frame = compas.loc[compas["race"].isin(["African-American", "Caucasian"]), [*columns, "two_year_recid"]]
    roles = Roles(outcome="two_year_recid", favorable=0, protected=("race",), mediators=("priors_count",))
    return Dataset.from_frame(frame, roles)


@pytest.fixture(scope="session")
def german_age(german: pd.DataFrame) -> Dataset:
    """German Credit by age over 25."""
    roles = Roles(outcome="credit", favorable=1, protected=("age_group",), ignored=("age",))
    return Dataset.from_frame(german, roles)
