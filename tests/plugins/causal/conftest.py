"""The bank with its true graph, and a case made from it."""

from __future__ import annotations

import pytest

from fairmend.core.case import Case
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.plugins.datasets import bank, bank_graph, bank_roles


@pytest.fixture(scope="session")
def bank_data() -> Dataset:
    """8,000 loan applications with their roles."""
    return Dataset.from_frame(bank(8000), Roles(**bank_roles()))


@pytest.fixture(scope="session")
def true_graph() -> CausalGraph:
    """The graph that the applications were drawn from."""
    return CausalGraph.from_mapping(bank_graph())


@pytest.fixture(scope="session")
def case(bank_data: Dataset) -> Case:
    """The split applications, without a graph yet."""
    parts = bank_data.split(seed=1)
    return Case(parts["train"], parts["calibration"], parts["validation"])
