"""Which technique takes a slot where several fit."""

from __future__ import annotations

import pytest

from fairmend import api
from fairmend.core.errors import UsageError
from fairmend.pipeline.spec import load_spec

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


DECIDES = {  # what decisions are worth; the parameters of the thresholds, and when they act
    "nothing said": ({}, {}, "target not secure"),
    "accuracy": ({"utility": "accuracy"}, {}, "target not secure"),
    "area under the curve": ({"utility": "auc"}, {}, "target not secure"),
    "equal costs": ({"cost_fp": 2, "cost_fn": 2}, {}, "target not secure"),
    "costs": (
        {"cost_fn": 5},
        {"false_positive_cost": 1.0, "false_negative_cost": 5.0},
        "always",
    ),
    "balanced accuracy": ({"utility": "balanced_accuracy"}, {"objective": "balanced_accuracy"}, "always"),
    "F1": ({"utility": "f1"}, {"objective": "f1"}, "always"),
}


@pytest.mark.parametrize(("worth", "parameters", "when"), DECIDES.values(), ids=DECIDES)
def test_thresholds_serve_the_utility(found, worth, parameters, when):
    spec = api.compose(found, learner=LEARNER, **worth)
    [step] = [step for step in spec.steps if step.slug == "group-thresholds"]
    named = ("objective", "false_positive_cost", "false_negative_cost")
    assert {k: v for k, v in step.parameters.items() if k in named} == parameters
    assert step.when == when
    assert step.parameters["min_ratio"] == 0.8


@pytest.mark.parametrize("limit", [{}, {"protected_at_prediction": False}])
def test_every_rule_of_decision_and_its_alternatives_take_the_utility(registry, found, limit):
    spec = api.compose(found, constraints=limit, learner=LEARNER, utility="f1")
    [step] = [step for step in spec.steps if "decisions" in registry.card(step.slug).metadata.modifies]
    for choice in (step, *step.alternatives):
        assert choice.parameters["objective"] == "f1", choice.slug


def test_the_utility_of_a_pipeline_survives_its_file(found, tmp_path):
    spec = api.compose(found, learner=LEARNER, cost_fp=2, cost_fn=3)
    spec.save(tmp_path / "p.yaml")
    back = load_spec(tmp_path / "p.yaml")
    assert (back.utility, back.steps) == (spec.utility, spec.steps)
    assert "utility" not in api.compose(found, learner=LEARNER).to_yaml()


def test_a_pipeline_that_is_given_sets_the_utility(found):
    spec = api.compose(found, learner=LEARNER)
    with pytest.raises(UsageError, match="set by the pipeline"):
        api.run(spec, api.load_dataset("bank", rows=2000), utility="f1")
