"""Which technique takes a slot where several fit."""

from __future__ import annotations

import pytest

from fairmend import api

LEARNER = "logistic_regression"


@pytest.fixture(scope="module")
def found():
    return api.audit(api.load_dataset("bank", rows=2000), learner=LEARNER)


def deciding(registry, found, **constraints) -> list[str]:
    spec = api.compose(api.recommend(found, constraints=constraints), learner=LEARNER)
    steps = [step for step in spec.steps if "decisions" in registry.card(step.slug).metadata.modifies]
    return [step.slug for step in steps]


def test_thresholds_that_read_the_group_come_before_a_rule_that_infers_it(registry, found):
    [slug] = deciding(registry, found)
    assert registry.card(slug).metadata.needs_protected_at_prediction


def test_where_decisions_may_not_read_the_group_a_rule_infers_it(registry, found):
    assert deciding(registry, found, protected_at_prediction=False) == ["plugin-cost-sensitive"]
