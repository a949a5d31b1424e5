"""Equal opportunity: brute force, fairlearn, and the credit scores of the paper."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fairmend.core.data.groups import Groups
from fairmend.core.errors import InsufficientDataError, ParameterError, UnseenGroupError
from fairmend.plugins.postprocessing import EqualOpportunityThresholds


def _accuracy(probability, y):
    return float(np.mean(np.where(y == 1, probability, 1 - probability)))


def _tpr(probability, y, sensitive):
    groups = Groups.of(sensitive)
    return groups.counts(probability * y) / groups.counts(y.astype(float))


@pytest.mark.data
@pytest.mark.parametrize("attributes", [["sex"], ["race"], ["sex", "race"]])
@pytest.mark.parametrize("tie_breaking", ["none", "randomize"])
def test_accuracy_is_that_of_fairlearn(scored_adult, fairlearn_probability, attributes, tie_breaking):
    scores, y, sensitive = scored_adult
    sensitive = sensitive[attributes]
    groups = Groups.of(sensitive)
    large = groups.counts(y.astype(float))[groups.codes] >= 20
    scores, y, sensitive = scores[large], y[large], sensitive[large].reset_index(drop=True)
    theirs = fairlearn_probability("true_positive_rate_parity", scores, y, sensitive)
    ours = EqualOpportunityThresholds(tie_breaking=tie_breaking).fit(scores, y, sensitive_features=sensitive)
    probability = ours.decision_probability(scores, sensitive_features=sensitive)
    assert _accuracy(probability, y) == pytest.approx(_accuracy(theirs, y), abs=0.005)
    rates = _tpr(probability, y, sensitive)
    positives = Groups.of(sensitive).counts(y.astype(float))
    allowed = 1 / positives.min() if tie_breaking == "none" else 1e-9
    assert np.ptp(rates) <= allowed + 1e-9
    assert rates.tolist() == pytest.approx(list(ours.diagnostics_["true_positive_rate"].values()))


@pytest.mark.parametrize("tolerance", [0.0, 0.25])
@pytest.mark.parametrize("seed", range(3))
def test_equals_brute_force_over_thresholds(tolerance, seed):
    """Three groups of 13 rows, four of them favorable: every triple of thresholds is tried."""
    rng = np.random.default_rng(seed)
    group, scores = np.repeat(["a", "b", "c"], 13), rng.random(39)
    y = np.concatenate([rng.permutation(np.repeat([1, 0], [4, 9])) for _ in range(3)])
    scores = np.clip(scores + 0.25 * y, 0, 1)
    labels = [y[group == g][np.argsort(-scores[group == g])] for g in "abc"]
    best = 0.0
    for chosen in itertools.product(range(14), repeat=3):
        hits = [line[:k].sum() / 4 for k, line in zip(chosen, labels, strict=True)]
        if max(hits) - min(hits) <= tolerance + 1e-12:
            right = sum(line[:k].sum() + (1 - line[k:]).sum() for k, line in zip(chosen, labels, strict=True))
            best = max(best, right / 39)
    fitted = EqualOpportunityThresholds(tolerance=tolerance).fit(scores, y, sensitive_features=group)
    assert np.mean(fitted.predict(scores, sensitive_features=group) == y) == pytest.approx(best)


def test_by_hand():
    # Alone, a would select its two favorable people and b nobody (one favorable below two others).
    scores = [0.9, 0.8, 0.4, 0.3, 0.9, 0.8, 0.7, 0.1]
    y = [1, 1, 0, 0, 0, 0, 1, 0]
    group = list("aaaabbbb")
    free = EqualOpportunityThresholds(tolerance=1.0).fit(scores, y, sensitive_features=group)
    assert free.diagnostics_["true_positive_rate"] == {"a": 1.0, "b": 0.0}
    equal = EqualOpportunityThresholds().fit(scores, y, sensitive_features=group)
    assert equal.diagnostics_["true_positive_rate"] == {"a": 1.0, "b": 1.0}
    assert equal.diagnostics_["false_positive_rate"] == {"a": 0.0, "b": pytest.approx(2 / 3)}
    assert equal.diagnostics_["thresholds"] == pytest.approx({"a": 0.6, "b": 0.4})
    assert equal.predict([0.5, 0.5], sensitive_features=["a", "b"]).tolist() == [0, 1]


def test_wider_tolerances_are_met_and_gain_accuracy(small_groups):
    scores, y, sensitive = small_groups
    accuracy = []
    for tolerance in (0.02, 0.05, 0.1, 0.3, 1.0):
        fitted = EqualOpportunityThresholds(tolerance=tolerance).fit(scores, y, sensitive_features=sensitive)
        probability = fitted.decision_probability(scores, sensitive_features=sensitive)
        rates = _tpr(probability, y, sensitive)
        assert len(rates) == 6
        assert np.ptp(rates) <= tolerance + 1e-9
        accuracy.append(_accuracy(probability, y))
    assert accuracy == sorted(accuracy)


def test_integer_weights_are_repeated_rows(small_groups):
    scores, y, sensitive = small_groups
    w = np.random.default_rng(0).integers(0, 3, len(y))
    again = np.repeat(np.arange(len(y)), w)
    for parameters in ({}, {"tolerance": 0.05, "tie_breaking": "randomize"}):
        weighted = EqualOpportunityThresholds(**parameters)
        weighted.fit(scores, y, sensitive_features=sensitive, sample_weight=w)
        repeated = EqualOpportunityThresholds(**parameters)
        repeated.fit(scores[again], y[again], sensitive_features=sensitive.iloc[again])
        np.testing.assert_allclose(weighted.thresholds_, repeated.thresholds_)
        np.testing.assert_allclose(weighted.shares_, repeated.shares_, atol=1e-9)


def test_groups_without_favorable_rows_and_unseen_ones(small_groups):
    scores, y, sensitive = small_groups
    lost = np.where(sensitive["b"] == "z", 0, y)
    with pytest.raises(InsufficientDataError, match="group 'z' has the label 1"):
        EqualOpportunityThresholds().fit(scores, lost, sensitive_features=sensitive["b"])
    fitted = EqualOpportunityThresholds(unseen="fallback").fit(scores, y, sensitive_features=sensitive["b"])
    pooled = fitted.predict(scores, sensitive_features=np.repeat("w", len(y)))
    assert np.mean(pooled == y) == max(np.mean((scores >= t) == y) for t in scores)
    with pytest.raises(UnseenGroupError, match="'fallback'"):
        EqualOpportunityThresholds().fit(scores, y, sensitive_features=sensitive["b"]).predict(
            [0.5], sensitive_features=["w"]
        )
    with pytest.raises(ParameterError, match="tie_breaking"):
        EqualOpportunityThresholds(tie_breaking="always").fit(scores, y, sensitive_features=sensitive)


@pytest.mark.data
def test_credit_scores_of_the_paper(fico):
    """Published with the data, on a grid: cost -.063526 at 45.5/29.5/35/46."""
    given = {"sensitive_features": fico["group"], "sample_weight": fico["weight"]}
    fitted = EqualOpportunityThresholds(
        false_positive_cost=5 / 6, false_negative_cost=1 / 6, tie_breaking="randomize"
    ).fit(fico["score"], fico["y"], **given)
    taken = fitted.decision_probability(fico["score"], sensitive_features=fico["group"])
    cost = np.average(taken * np.where(fico["y"] == 1, -1 / 6, 5 / 6), weights=fico["weight"])
    assert cost == pytest.approx(-0.063526, abs=1e-4)
    assert cost <= -0.063526
    published = {"Asian": 45.5, "Black": 29.5, "Hispanic": 35, "Non- Hispanic white": 46}
    found = {group: 100 * t for group, t in fitted.diagnostics_["thresholds"].items()}
    assert found == pytest.approx(published, abs=0.51)


@pytest.mark.data
def test_in_a_case(adult_case):
    after, effect = EqualOpportunityThresholds().run(adult_case)
    data = adult_case.validation
    before = _tpr(adult_case.model.predict(data.X).astype(float), data.y, data.sensitive)
    now = _tpr(after.model.predict(data.X, data.sensitive).astype(float), data.y, data.sensitive)
    assert np.ptp(now) < np.ptp(before) / 2
    assert effect.kind == "decisions"
    assert set(effect.detail["thresholds"]) == {"Female", "Male"}
    assert not effect.changed_nothing
