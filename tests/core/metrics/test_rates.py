"""Definitions by hand, and what happens at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmend.core.errors import UsageError
from fairmend.core.metrics import GroupTable, by_group, evaluate, metric, metric_names
from fairmend.core.metrics.rates import RATES

#            TN FP    FN TP
HAND = GroupTable(("F", "M", "X"), np.array([[[4, 2], [3, 1]], [[2, 2], [1, 5]], [[6, 0], [2, 2]]]))


def test_rates_by_hand():
    expected = {
        "selection_rate": [3 / 10, 7 / 10, 2 / 10],
        "base_rate": [4 / 10, 6 / 10, 4 / 10],
        "true_positive_rate": [1 / 4, 5 / 6, 2 / 4],
        "false_positive_rate": [2 / 6, 2 / 4, 0],
        "positive_predictive_value": [1 / 3, 5 / 7, 1],
        "negative_predictive_value": [4 / 7, 2 / 3, 6 / 8],
        "false_omission_rate": [3 / 7, 1 / 3, 2 / 8],
        "false_discovery_rate": [2 / 3, 2 / 7, 0],
        "f1": [2 / 7, 10 / 13, 4 / 6],
        "treatment_equality": [3 / 2, 1 / 2, np.nan],
        "average_odds": [(1 / 4 + 2 / 6) / 2, (5 / 6 + 2 / 4) / 2, 1 / 4],
        "balanced_accuracy": [(1 / 4 + 4 / 6) / 2, (5 / 6 + 2 / 4) / 2, 3 / 4],
    }
    for name, values in expected.items():
        assert list(by_group(HAND, name).values()) == pytest.approx(values, nan_ok=True), name


def test_comparisons_by_hand():
    assert evaluate(HAND, "demographic_parity_difference") == pytest.approx(0.5)
    assert evaluate(HAND, "demographic_parity_ratio") == pytest.approx(2 / 7)
    assert evaluate(HAND, "equalized_odds_difference") == pytest.approx(5 / 6 - 1 / 4)
    assert evaluate(HAND, "average_absolute_odds_difference") == pytest.approx((5 / 6 - 1 / 4 + 1 / 2) / 2)
    assert evaluate(HAND, "predictive_parity_difference") == pytest.approx(2 / 3)
    assert evaluate(HAND, "selection_rate_difference", "F") == pytest.approx(0.4)
    assert evaluate(HAND, "selection_rate_ratio", "F") == pytest.approx(3 / 7)
    assert evaluate(HAND, "selection_rate_difference", "to_best") == pytest.approx(0.5)
    assert evaluate(HAND, "false_negative_rate_difference", "to_best") == pytest.approx(3 / 4 - 1 / 6)
    assert evaluate(HAND, "selection_rate_group_min") == pytest.approx(0.2)


def test_an_empty_cell_is_undefined_and_never_fair():
    nobody_to_select = GroupTable(("F", "M"), np.array([[[50, 10], [0, 0]], [[20, 5], [5, 20]]]))
    assert np.isnan(by_group(nobody_to_select, "true_positive_rate")["F"])
    assert np.isnan(evaluate(nobody_to_select, "equal_opportunity_difference"))
    assert np.isnan(evaluate(nobody_to_select, "equalized_odds_difference"))
    nobody_selected = GroupTable(("F", "M"), np.array([[[50, 0], [10, 0]], [[20, 0], [5, 0]]]))
    assert np.isnan(evaluate(nobody_selected, "demographic_parity_ratio"))
    assert evaluate(nobody_selected, "demographic_parity_difference") == 0
    one_group = GroupTable(("F",), np.array([[[5, 5], [5, 5]]]))
    assert np.isnan(evaluate(one_group, "demographic_parity_difference"))


def test_a_reference_must_exist_and_comparisons_have_no_group():
    with pytest.raises(LookupError, match="no group is called 'W'"):
        evaluate(HAND, "demographic_parity_ratio", "W")
    with pytest.raises(UsageError, match="equalized_odds_difference compares groups"):
        by_group(HAND, "equalized_odds_difference")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=8, max_size=24).filter(lambda cells: len(cells) % 4 == 0))
def test_every_metric_keeps_its_bounds_and_ignores_the_order_of_groups(cells):
    counts = np.array(cells, dtype=float).reshape(-1, 2, 2)
    for name in metric_names():
        found = metric(name)
        value = found.of(counts)
        assert value == pytest.approx(found.of(counts[::-1])), name
        assert value == pytest.approx(found.of(counts * 3)), name
        if found.form == "ratio":
            assert 0 <= value <= 1
        if found.ideal is not None:
            assert found.of(np.stack([counts[0], counts[0]])) == pytest.approx(found.ideal)


@pytest.mark.parametrize("name", list(RATES))
def test_the_variance_of_each_rate_is_that_of_resampled_rows(name):
    counts = np.array([[300.0, 120.0], [90.0, 240.0]])
    drawn = np.random.default_rng(0).multinomial(750, counts.ravel() / 750, size=40_000).reshape(-1, 2, 2)
    simulated = RATES[name].of(drawn.astype(float)).var()
    assert RATES[name].variance(counts, counts) == pytest.approx(simulated, rel=0.05)
