"""Limits that a question states in plain words."""

from __future__ import annotations

import pytest

from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.index.search import query
from fairmend.index.stated_limits import stated_limits, with_stated

STATED = {
    "We cannot retrain the model; what reduces the gap in approval rates?": "retraining",
    "The vendor\u2019s model can\u2019t be retrained, how do we fix its errors?": "retraining",
    "Reduce disparate impact without retraining": "retraining",
    "Retraining is not an option for us, what else helps women?": "retraining",
    "Close the gap without a new model": "retraining",
    "We may not use gender at decision time": "protected_at_prediction",
    "The sensitive attribute is not available at prediction time": "protected_at_prediction",
    "no access to race in production": "protected_at_prediction",
    "Equal selection rates without randomization": "randomized",
    "decisions must not be randomized": "randomized",
    "Is there a method that needs no causal graph?": "causal_graph",
    "We have no labels yet; can we compare selection rates?": "labels",
}
SILENT = (
    "How do we retrain a model so that both groups are approved alike?",
    "Our labels are biased against women",
    "Which method may use gender at decision time?",
    "Is the model not fair, or is the gap noise?",
    "There is no label bias in our data; what causes the gap by race?",
    "Randomized thresholds for equalized odds",
    "Draw the causal graph of our loan data",
    "We do not know which features are proxies for race",
)


@pytest.mark.parametrize("text", STATED)
def test_a_stated_limit_is_read(text):
    assert stated_limits(text) == {STATED[text]: False}


@pytest.mark.parametrize("text", SILENT)
def test_other_words_state_no_limit(text):
    assert stated_limits(text) == {}


def test_a_given_constraint_wins_over_the_words():
    text = "We cannot retrain, and decisions may not be randomized"
    found = with_stated(Constraints(retraining=True), text)
    assert (found.retraining, found.randomized) == (True, False)


@pytest.mark.parametrize("text", [text for text, name in STATED.items() if name == "retraining"][:2])
def test_what_the_question_rules_out_is_no_result(text):
    registry = Registry.installed()
    answer = query(text, registry=registry)
    assert answer.results
    assert not any(registry.card(result.slug).metadata.needs_retraining for result in answer.results)
    assert {one.reason for one in answer.excluded} <= {"needs retraining"}
