from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.plugins.evaluation import PredictiveParityAudit

QUICK = {"n_boot": 50, "n_permutations": 50}


@pytest.mark.data
def test_the_published_figures_of_compas(compas: pd.DataFrame) -> None:
    flagged = (compas["decile_score"] >= 5).astype(int)
    views = PredictiveParityAudit(**QUICK).evaluate(
        compas["two_year_recid"], flagged, sensitive_features=compas[["race", "sex"]]
    )["by_attribute"]
    published = {
        "false_positive_rate": {"African-American": 44.85, "Caucasian": 23.45},
        "false_negative_rate": {"African-American": 27.99, "Caucasian": 47.72},
        "positive_predictive_value": {"African-American": 63.0, "Caucasian": 59.1},
    }
    for rate, groups in published.items():
        for group, percent in groups.items():
            decimals = 1 if rate == "positive_predictive_value" else 2
            value = views["race"]["by_group"][rate][group]["value"]
            assert round(100 * value, decimals) == percent
    assert set(views) == {"race", "sex", "race & sex"}


@pytest.mark.parametrize("seed", range(5))
def test_the_identity_that_binds_the_rates_holds_in_every_group(seed: int) -> None:
    from fairmend.plugins.evaluation._predictive_parity_audit import implied_false_positive_rate

    rng = np.random.default_rng(seed)
    group = rng.choice(list("abcd"), 800)
    y, decisions = rng.integers(0, 2, 800), rng.integers(0, 2, 800)
    rates = PredictiveParityAudit(**QUICK).evaluate(y, decisions, sensitive_features=group)["by_attribute"][
        "group"
    ]["by_group"]
    for label in "abcd":
        p, ppv, fnr, fpr = (
            rates[name][label]["value"]
            for name in (
                "base_rate",
                "positive_predictive_value",
                "false_negative_rate",
                "false_positive_rate",
            )
        )
        assert implied_false_positive_rate(p, ppv, fnr) == pytest.approx(fpr, abs=1e-12)


def test_worked_by_hand_equal_predictive_values_with_unequal_base_rates() -> None:
    # a: p 1/2, 40 of 50 found, 10 false alarms; b: p 1/5, 16 of 20 found, 4 false alarms; PPV 4/5 in both
    y = np.repeat([1, 0, 1, 0], [50, 50, 20, 80])
    decisions = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], [40, 10, 10, 40, 16, 4, 4, 76])
    group = np.repeat(["a", "b"], 100)
    result = PredictiveParityAudit(**QUICK, min_support=10).evaluate(y, decisions, sensitive_features=group)
    view = result["by_attribute"]["group"]
    assert view["comparisons"]["predictive_parity_difference"]["value"] == pytest.approx(0)
    assert view["comparisons"]["base_rate_difference"]["value"] == pytest.approx(0.3)
    assert view["by_group"]["false_positive_rate"]["a"]["value"] == pytest.approx(0.2)
    assert view["by_group"]["false_positive_rate"]["b"]["value"] == pytest.approx(0.05)
    assert view["equal_ppv_would_give"] == pytest.approx({"a": 0.2, "b": 0.05})
    json.dumps(result, allow_nan=False)


def test_a_group_that_is_never_flagged_has_no_predictive_value() -> None:
    y, group = np.tile([0, 1], 100), np.repeat(["a", "b"], 100)
    decisions = np.where(group == "a", y, 0)
    view = PredictiveParityAudit(**QUICK).evaluate(y, decisions, sensitive_features=group)["by_attribute"][
        "group"
    ]
    assert view["by_group"]["positive_predictive_value"]["b"]["value"] is None
    assert view["comparisons"]["predictive_parity_difference"]["value"] is None
    assert view["comparisons"]["predictive_parity_difference"]["lacking"] == ["b"]
    assert view["p_value"]["predictive_parity_difference"] is None


def test_runs_in_a_case(run_in_case: Any) -> None:
    result = run_in_case(PredictiveParityAudit(**QUICK))
    assert set(result["by_attribute"]) == {"race", "gender", "race & gender"}
