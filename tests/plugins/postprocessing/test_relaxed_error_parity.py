"""Relaxed error parity: its stated properties, fairlearn at tolerance 0, and the published credit example."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fairmend.core.data.groups import Groups
from fairmend.core.errors import InsufficientDataError, ParameterError
from fairmend.plugins.postprocessing import GroupThresholds, RelaxedErrorParity


def _accuracy(probability, y):
    return float(np.mean(np.where(y == 1, probability, 1 - probability)))


def _points(probability, y, sensitive):
    """Return TPR and FPR of each group."""
    groups = Groups.of(sensitive)
    return np.column_stack(
        [groups.counts(probability * on) / groups.counts(on) for on in ((y == 1) * 1.0, (y == 0) * 1.0)]
    )


@pytest.mark.data
@pytest.mark.parametrize("attributes", [["sex"], ["race"]])
def test_tolerance_0_is_the_derived_predictor_of_fairlearn(scored_adult, fairlearn_probability, attributes):
    scores, y, sensitive = scored_adult
    sensitive = sensitive[attributes]
    theirs = fairlearn_probability("equalized_odds", scores, y, sensitive)
    ours = RelaxedErrorParity(tolerance=0.0).fit(scores, y, sensitive_features=sensitive)
    probability = ours.decision_probability(scores, sensitive_features=sensitive)
    assert np.ptp(_points(probability, y, sensitive), axis=0).max() < 1e-6
    assert _accuracy(probability, y) == pytest.approx(_accuracy(theirs, y), abs=0.005)
    assert _accuracy(probability, y) >= _accuracy(theirs, y) - 1e-6


@pytest.mark.data
def test_cost_falls_with_the_tolerance_down_to_the_best_threshold_of_each_group(scored_adult):
    scores, y, sensitive = scored_adult
    sensitive = sensitive["race"]
    costs = []
    for tolerance in (0.0, 0.02, 0.05, 0.1, 0.3, 1.0):
        fitted = RelaxedErrorParity(tolerance=tolerance).fit(scores, y, sensitive_features=sensitive)
        probability = fitted.decision_probability(scores, sensitive_features=sensitive)
        assert np.ptp(_points(probability, y, sensitive), axis=0).max() <= tolerance + 1e-6
        assert 1 - _accuracy(probability, y) == pytest.approx(fitted.diagnostics_["expected_cost"])
        costs.append(fitted.diagnostics_["expected_cost"])
    assert (np.diff(costs) <= 1e-9).all()
    assert costs[0] > costs[-1]
    free = GroupThresholds(min_ratio=0, utility="labels").fit(scores, y, sensitive_features=sensitive)
    best = free.decision_probability(scores, sensitive_features=sensitive)
    assert costs[-1] == pytest.approx(1 - _accuracy(best, y))


@pytest.mark.parametrize("norm", ["max", "1"])
def test_every_pair_of_groups_is_within_the_norm(small_groups, norm):
    scores, y, sensitive = small_groups
    fitted = RelaxedErrorParity(tolerance=0.08, norm=norm, false_positive_cost=2.0)
    fitted.fit(scores, y, sensitive_features=sensitive)
    points = _points(fitted.decision_probability(scores, sensitive_features=sensitive), y, sensitive)
    assert len(points) == 6
    order = 1 if norm == "1" else np.inf
    distances = [np.linalg.norm(a - b, order) for a, b in itertools.combinations(points, 2)]
    assert max(distances) == pytest.approx(0.08, abs=1e-6)


@pytest.mark.parametrize(
    ("parity", "figure"),
    [
        ("equal_opportunity", "true_positive_rate"),
        ("false_positive_rate", "false_positive_rate"),
        ("demographic_parity", "selection_rate"),
    ],
)
def test_one_rate_alone(small_groups, parity, figure):
    scores, y, sensitive = small_groups
    one = RelaxedErrorParity(tolerance=0.04, parity=parity).fit(scores, y, sensitive_features=sensitive)
    assert np.ptp(list(one.diagnostics_[figure].values())) == pytest.approx(0.04, abs=1e-6)
    if parity != "demographic_parity":
        both = RelaxedErrorParity(tolerance=0.04).fit(scores, y, sensitive_features=sensitive)
        assert one.diagnostics_["expected_cost"] <= both.diagnostics_["expected_cost"] + 1e-9


def test_by_hand():
    # a is told apart without error, b not at all: with equal rates both must decide as b can, on the
    # diagonal, where each point costs two errors of four in each group.
    scores = [0.9, 0.8, 0.2, 0.1, 0.5, 0.5, 0.5, 0.5]
    y = [1, 1, 0, 0, 1, 1, 0, 0]
    group = list("aaaabbbb")
    equal = RelaxedErrorParity(tolerance=0.0).fit(scores, y, sensitive_features=group)
    assert equal.diagnostics_["expected_cost"] == pytest.approx(0.5)
    half = RelaxedErrorParity(tolerance=0.5).fit(scores, y, sensitive_features=group)
    assert half.diagnostics_["expected_cost"] == pytest.approx(0.25)
    free = RelaxedErrorParity(tolerance=1.0).fit(scores, y, sensitive_features=group)
    assert free.diagnostics_["true_positive_rate"]["a"] == 1
    assert free.diagnostics_["false_positive_rate"]["a"] == 0


def test_draws_belong_to_rows_and_meet_the_probability(small_groups):
    scores, y, sensitive = small_groups
    fitted = RelaxedErrorParity(tolerance=0.0).fit(scores, y, sensitive_features=sensitive)
    probability = fitted.decision_probability(scores, sensitive_features=sensitive)
    assert ((probability > 0) & (probability < 1)).any()
    keys = np.arange(len(y))
    decisions = fitted.predict(scores, sensitive_features=sensitive, key=keys, seed=3)
    assert set(np.unique(decisions)) == {0, 1}
    assert decisions.mean() == pytest.approx(probability.mean(), abs=0.03)
    some = np.random.default_rng(0).permutation(len(y))[:500]
    again = fitted.predict(scores[some], sensitive_features=sensitive.iloc[some], key=keys[some], seed=3)
    np.testing.assert_array_equal(again, decisions[some])
    groups = Groups.of(sensitive)
    for code in range(groups.n_groups):
        own = np.flatnonzero(groups.codes == code)
        assert (np.diff(probability[own][np.argsort(scores[own])]) >= 0).all()


def test_weights_edges_and_parameters(small_groups):
    scores, y, sensitive = small_groups
    w = np.random.default_rng(0).integers(0, 3, len(y))
    again = np.repeat(np.arange(len(y)), w)
    weighted = RelaxedErrorParity().fit(scores, y, sensitive_features=sensitive, sample_weight=w)
    repeated = RelaxedErrorParity().fit(scores[again], y[again], sensitive_features=sensitive.iloc[again])
    assert weighted.diagnostics_["expected_cost"] == pytest.approx(repeated.diagnostics_["expected_cost"])
    lost = np.where(sensitive["b"] == "z", 1, y)
    with pytest.raises(InsufficientDataError, match="group 'z' has the label 0"):
        RelaxedErrorParity().fit(scores, lost, sensitive_features=sensitive["b"])
    with pytest.raises(ParameterError, match="norm"):
        RelaxedErrorParity(norm="2").fit(scores, y, sensitive_features=sensitive)
    fitted = RelaxedErrorParity(unseen="fallback").fit(scores, y, sensitive_features=sensitive["b"])
    pooled = fitted.predict(scores, sensitive_features=np.repeat("w", len(y)))
    assert np.mean(pooled == y) == max(np.mean((scores >= t) == y) for t in scores)


@pytest.mark.data
def test_credit_scores_of_hardt_et_al(fico):
    """Published with the data, on a grid: equal odds at the point (.1113, .7032) with cost -.054285."""
    fitted = RelaxedErrorParity(tolerance=0.0, false_positive_cost=5 / 6, false_negative_cost=1 / 6)
    fitted.fit(fico["score"], fico["y"], sensitive_features=fico["group"], sample_weight=fico["weight"])
    taken = fitted.decision_probability(fico["score"], sensitive_features=fico["group"])
    cost = np.average(taken * np.where(fico["y"] == 1, -1 / 6, 5 / 6), weights=fico["weight"])
    assert cost == pytest.approx(-0.054285, abs=1e-4)
    assert cost <= -0.054285
    for figure, published in (("false_positive_rate", 0.1113), ("true_positive_rate", 0.7032)):
        assert fitted.diagnostics_[figure]["Asian"] == pytest.approx(published, abs=0.01)


@pytest.mark.data
def test_in_a_case(adult_case):
    after, effect = RelaxedErrorParity(tolerance=0.0).run(adult_case)
    data = adult_case.validation
    before = _points(adult_case.model.predict(data.X).astype(float), data.y, data.sensitive)
    now = _points(after.model.decision_probability(data.X, data.sensitive), data.y, data.sensitive)
    assert np.ptp(now, axis=0).max() < np.ptp(before, axis=0).max()
    assert effect.kind == "decisions"
    assert effect.to_json()["detail"]["mixtures"]
    np.testing.assert_array_equal(
        after.model.predict(data.X, data.sensitive), after.model.predict(data.X, data.sensitive)
    )
