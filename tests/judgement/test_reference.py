"""The reference of the judgement benchmark against scikit-learn, Fairlearn and rules worked by hand."""

from __future__ import annotations

import _reference
import numpy as np
import pytest
from _problems import problem
from _reference import best_thresholds, cells, figures, met, values
from fairlearn.metrics import (
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
)
from sklearn.metrics import accuracy_score, balanced_accuracy_score

NOTIONS = tuple(_reference.BOUNDS)


@pytest.fixture(scope="module")
def decided():
    rng = np.random.default_rng(0)
    groups = rng.choice(["a", "b", "c"], 3_000, p=[0.6, 0.3, 0.1])
    y = (rng.random(3_000) < np.where(groups == "a", 0.6, 0.4)).astype(float)
    scores = np.clip(0.3 * y + 0.1 * (groups == "a") + 0.5 * rng.random(3_000), 0, 1)
    return scores, y, groups


def test_figures_are_those_of_the_libraries(decided):
    scores, y, groups = decided
    decisions = (scores >= 0.5).astype(float)
    found = values(cells(decisions, y, groups))
    by = {"sensitive_features": groups}
    assert found["demographic_parity_ratio"] == pytest.approx(demographic_parity_ratio(y, decisions, **by))
    assert found["equal_opportunity_difference"] == pytest.approx(
        equal_opportunity_difference(y, decisions, **by)
    )
    assert found["equalized_odds_difference"] == pytest.approx(equalized_odds_difference(y, decisions, **by))
    assert found["accuracy"] == pytest.approx(accuracy_score(y, decisions))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, decisions))
    assert found["constant_accuracy"] == pytest.approx(max(y.mean(), 1 - y.mean()))


def test_figures_of_many_tables_are_those_of_each(decided):
    scores, y, groups = decided
    tables = np.stack([cells((scores >= t).astype(float), y, groups) for t in (0.3, 0.6)])
    for name, both in figures(tables).items():
        assert both == pytest.approx([values(table)[name] for table in tables])


@pytest.mark.parametrize("notion", NOTIONS)
@pytest.mark.parametrize("utility", ["accuracy", "balanced_accuracy"])
def test_thresholds_meet_their_bound_and_no_pair_on_a_grid_is_better(decided, notion, utility):
    scores, y, groups = (part[decided[2] != "c"] for part in decided)
    bound = _reference.BOUNDS[notion]
    found = best_thresholds(scores, y, groups, notion, bound, utility=utility)
    reached = values(cells(found.decide(scores, groups), y, groups))
    assert met(
        notion, reached[_reference.METRICS[notion]] + (1e-9 if notion == "demographic_parity" else -1e-9)
    )
    grid = np.linspace(0.1, 0.9, 33)
    best = 0.0
    for a in grid:
        for b in grid:
            one = values(cells((scores >= np.where(groups == "a", a, b)).astype(float), y, groups))
            if met(notion, one[_reference.METRICS[notion]]):
                best = max(best, one[utility])
    assert reached[utility] >= best - 0.004  # windows and thresholds are on grids, too


def test_thresholds_worked_by_hand():
    # Group a: favorable at 0.9 and 0.8; group b: at 0.4. Parity of 2 in 4 and 1 in 2 decides all six right.
    scores = np.array([0.9, 0.8, 0.2, 0.1, 0.4, 0.3])
    y = np.array([1.0, 1, 0, 0, 1, 0])
    groups = np.array(["a"] * 4 + ["b"] * 2)
    found = best_thresholds(scores, y, groups, "demographic_parity", 1.0)
    assert found.decide(scores, groups).tolist() == y.tolist()
    assert found.thresholds == {"a": 0.8, "b": 0.4}


@pytest.mark.parametrize("notion", NOTIONS)
def test_no_bound_is_as_accurate_as_the_half(notion):
    sample = problem("difference in labels", 1).fresh(40_000)
    groups = sample.frame["group"].to_numpy()
    found = _reference.optimum(sample.probability, groups, sample.weight, notion)
    assert found["free"]["accuracy"] >= found["bound"]["accuracy"] - 1e-12
    slack = 1e-9
    disparity = found["bound"][_reference.METRICS[notion]]
    assert met(notion, disparity + slack if notion == "demographic_parity" else disparity - slack)


def test_a_chance_is_near_one_where_the_bound_is_far_and_near_a_half_where_it_is_met_exactly():
    rng = np.random.default_rng(0)
    far = np.array([[[500.0, 0], [0, 500]], [[500.0, 0], [0, 500]]])
    exact = np.array([[[500.0, 0], [0, 500]], [[600.0, 0], [0, 400]]])
    assert _reference._chance(far, "demographic_parity", rng) == 1
    assert _reference._chance(exact, "demographic_parity", rng) == pytest.approx(0.5, abs=0.06)


def test_the_reference_mends_a_drawn_problem():
    drawn = problem("difference in features", 21, rows=(6_000, 6_001), base_rates=(0.4, 0.5), least_share=0.3)
    table, sample = drawn.table(), drawn.fresh(30_000)
    groups = table["group"].to_numpy()
    X = _reference.readable(table.drop(columns=["group", "outcome"]))
    found = _reference.reference(
        X, table["outcome"].to_numpy(), groups, "demographic_parity", learner="logistic_regression"
    )
    assert found.chance["thresholds"] >= _reference.SURE
    frame = _reference.readable(sample.frame)
    fresh = found.decide(found.model.predict_proba(frame[X.columns])[:, 1], sample.frame["group"].to_numpy())
    reached = {
        name: values(cells(rule, sample.probability, sample.frame["group"].to_numpy(), sample.weight))
        for name, rule in fresh.items()
    }
    assert reached["plain"]["demographic_parity_ratio"] < 0.8
    assert reached["thresholds"]["demographic_parity_ratio"] > 0.8
    assert reached["fairlearn"]["demographic_parity_ratio"] > 0.8
    best = _reference.optimum(
        sample.probability, sample.frame["group"].to_numpy(), sample.weight, "demographic_parity"
    )
    assert reached["thresholds"]["accuracy"] <= best["bound"]["accuracy"] + 0.002
