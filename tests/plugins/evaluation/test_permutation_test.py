from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fairmend.core.errors import DataError, InsufficientDataError, ParameterError, UsageError
from fairmend.plugins.evaluation import PermutationTest


def first_test(
    result: dict[str, Any], attribute: str = "group", metric: str = "demographic_parity_difference"
) -> Any:
    return next(t for t in result["tests"] if t["attribute"] == attribute and t["metric"] == metric)


def test_agrees_with_all_permutations_of_ten_rows() -> None:
    decisions = np.array([1, 1, 1, 1, 0, 1, 0, 0, 0, 0])
    group = np.repeat(["a", "b"], 5)
    observed = abs(decisions[:5].mean() - decisions[5:].mean())
    every = [
        abs(decisions[list(own)].mean() - np.delete(decisions, own).mean())
        for own in combinations(range(10), 5)
    ]
    exact = np.mean(np.array(every) >= observed - 1e-12)
    result = PermutationTest(studentize=False, n_permutations=20_000).evaluate(
        y_pred=decisions, sensitive_features=group
    )
    assert first_test(result)["value"] == pytest.approx(observed)
    assert first_test(result)["p_value"] == pytest.approx(exact, abs=0.015)


@pytest.mark.data
def test_agrees_with_scipy_on_adult(adult_predictions: Any) -> None:
    y, decisions, _, sensitive = adult_predictions
    rows = (sensitive["race"] == "Other").to_numpy() | (sensitive["race"] == "Amer-Indian-Eskimo").to_numpy()
    race = sensitive["race"].to_numpy()[rows]
    y, decisions = y[rows], decisions[rows]
    result = PermutationTest(
        ["equal_opportunity_difference"], studentize=False, n_permutations=20_000
    ).evaluate(y, decisions, sensitive_features=race)
    own = [decisions[(y == 1) & (race == name)] for name in np.unique(race)]
    peer = stats.permutation_test(
        own, lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis)), vectorized=True,
        n_resamples=20_000, alternative="greater", rng=np.random.default_rng(0),
    )  # fmt: skip
    found = first_test(result, metric="equal_opportunity_difference")
    assert found["value"] == pytest.approx(peer.statistic)
    assert found["p_value"] == pytest.approx(peer.pvalue, abs=0.015)


@pytest.mark.data
def test_several_attributes_and_groups_of_adult_differ(adult_predictions: Any) -> None:
    y, decisions, _, sensitive = adult_predictions
    result = PermutationTest(n_permutations=999).evaluate(y, decisions, sensitive_features=sensitive)
    assert len(result["tests"]) == 3 * 3
    parity = first_test(result, "sex")
    assert parity["p_value"] == pytest.approx(1 / 1000)  # never 0
    assert parity["p_holm"] == pytest.approx(9 / 1000)
    assert parity["significant"]
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("studentize", [True, False])
def test_p_values_are_uniform_when_nothing_differs(studentize: bool) -> None:
    rng = np.random.default_rng(4)
    p = []
    for seed in range(80):
        y, decisions = rng.integers(0, 2, (2, 300))
        result = PermutationTest(
            ["equalized_odds_difference"], studentize, n_permutations=199, random_state=seed
        ).evaluate(y, decisions, sensitive_features=rng.choice(["a", "b", "c"], 300))
        p.append(result["tests"][0]["p_value"])
    assert stats.kstest(p, "uniform").pvalue > 0.001
    assert np.mean(np.array(p) <= 0.05) < 0.15


def test_studentizing_holds_the_size_where_only_the_rates_are_equal() -> None:
    # same selection rate, but the small group is weighted unevenly, so rows are not exchangeable
    rng = np.random.default_rng(5)
    group = np.repeat(["large", "small"], [900, 100])
    weights = np.where(group == "small", np.where(np.arange(1000) % 10 == 0, 30.0, 1.0), 1.0)
    rejected = dict.fromkeys((True, False), 0)
    for seed in range(50):
        decisions = (rng.random(1000) < 0.5).astype(int)
        for studentize in rejected:
            test = PermutationTest(None, studentize, n_permutations=199, random_state=seed).evaluate(
                y_pred=decisions, sensitive_features=group, sample_weight=weights
            )["tests"][0]
            rejected[studentize] += test["p_value"] <= 0.05
    assert rejected[False] > rejected[True]
    assert rejected[True] <= 10


def test_a_better_model_is_told_from_its_baseline() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b"], 500)
    before = (rng.random(1000) < np.where(group == "a", 0.3, 0.6)).astype(int)
    after = np.where((group == "a") & (rng.random(1000) < 0.4), 1, before)
    test = PermutationTest(n_permutations=500)
    change = test.evaluate(y_pred=after, sensitive_features=group, baseline=before)["change"]["metrics"]
    assert change["demographic_parity_difference"]["p_value"] < 0.01
    same = test.evaluate(y_pred=before, sensitive_features=group, baseline=before)["change"]["metrics"]
    assert same["demographic_parity_difference"]["p_value"] == 1


def test_refuses_what_it_cannot_test() -> None:
    given = {"y_pred": [0, 1] * 20, "sensitive_features": ["a", "b"] * 20}
    with pytest.raises(DataError, match="reads y_true"):
        PermutationTest(["equalized_odds_difference"]).evaluate(**given)
    with pytest.raises(UsageError, match="does not compare groups"):
        PermutationTest(["selection_rate"]).evaluate(**given)
    with pytest.raises(InsufficientDataError, match="two groups"):
        PermutationTest().evaluate(y_pred=[0, 1], sensitive_features=["a", "a"])
    with pytest.raises(ParameterError, match="n_permutations"):
        PermutationTest.with_parameters(n_permutations=0)


def test_runs_in_a_case(run_in_case: Any) -> None:
    result = run_in_case(PermutationTest(n_permutations=50))
    assert {test["attribute"] for test in result["tests"]} == {"race", "gender", "race & gender"}
