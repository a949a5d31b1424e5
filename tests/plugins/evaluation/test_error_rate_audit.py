from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.core.errors import DataError
from fairmend.plugins.evaluation import ErrorRateAudit

QUICK = {"n_boot": 50, "n_permutations": 50}


@pytest.mark.data
def test_agrees_with_fairlearn_and_aif360_on_adult(adult_predictions: Any) -> None:
    from aif360.sklearn.metrics import average_odds_difference
    from fairlearn.metrics import equal_opportunity_difference, equalized_odds_difference

    y, decisions, _, sensitive = adult_predictions.first(10_000)
    views = ErrorRateAudit(**QUICK).evaluate(y, decisions, sensitive_features=sensitive)["by_attribute"]
    for name, columns in {"sex": ["sex"], "race": ["race"], "sex & race": ["sex", "race"]}.items():
        given = {"y_true": y, "y_pred": decisions, "sensitive_features": sensitive[columns]}
        comparisons = views[name]["comparisons"]
        assert comparisons["equalized_odds_difference"]["value"] == pytest.approx(
            equalized_odds_difference(**given), abs=1e-12
        )
        assert comparisons["equal_opportunity_difference"]["value"] == pytest.approx(
            equal_opportunity_difference(**given), abs=1e-12
        )
    labeled = pd.Series(y, index=pd.MultiIndex.from_frame(sensitive))
    signed = average_odds_difference(labeled, decisions, prot_attr="sex", priv_group="Male")
    found = views["sex"]["comparisons"]["average_odds_difference"]["value"]
    assert found == pytest.approx(abs(signed), abs=1e-12)


def test_worked_by_hand() -> None:
    # a: 60 of 100 good accepted, 10 of 100 bad; b: 80 of 100 and 25 of 100
    y = np.tile(np.repeat([1, 0], 100), 2)
    decisions = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], [60, 40, 10, 90, 80, 20, 25, 75])
    group = np.repeat(["a", "b"], 200)
    view = ErrorRateAudit().evaluate(y, decisions, sensitive_features=group)["by_attribute"]["group"]
    assert view["by_group"]["true_positive_rate"]["a"]["value"] == pytest.approx(0.6)
    assert view["by_group"]["false_negative_rate"]["a"]["value"] == pytest.approx(0.4)
    assert view["comparisons"]["equal_opportunity_difference"]["value"] == pytest.approx(0.2)
    assert view["comparisons"]["equalized_odds_difference"]["value"] == pytest.approx(0.2)
    assert view["comparisons"]["average_odds_difference"]["value"] == pytest.approx(0.175)
    assert view["comparisons"]["equalized_odds_difference"]["worst_group"] == "a"
    assert view["by_group"]["true_positive_rate"]["a"]["support"] == 100
    assert view["p_value"]["equal_opportunity_difference"] < 0.05


def test_perfect_decisions_have_no_difference_and_opposite_gaps_do_not_cancel() -> None:
    y, group = np.tile([0, 1], 200), np.repeat(["a", "b"], 200)
    perfect = ErrorRateAudit(**QUICK).evaluate(y, y, sensitive_features=group)["by_attribute"]["group"]
    assert perfect["comparisons"]["equalized_odds_difference"]["value"] == 0
    rng = np.random.default_rng(0)
    chance = np.where(group == "a", np.where(y == 1, 0.6, 0.4), np.where(y == 1, 0.9, 0.1))
    opposite = ErrorRateAudit(**QUICK).evaluate(
        y, (rng.random(400) < chance).astype(int), sensitive_features=group
    )["by_attribute"]["group"]["comparisons"]
    assert opposite["average_odds_difference"]["value"] < 0.1
    assert opposite["equalized_odds_difference"]["value"] > 0.2


def test_a_group_without_one_label_is_undefined_not_zero() -> None:
    y = np.repeat([0, 1, 0], [50, 50, 40])
    group = np.repeat(["a", "b"], [100, 40])
    result = ErrorRateAudit(**QUICK).evaluate(y, y, sensitive_features=group)
    view = result["by_attribute"]["group"]
    assert view["by_group"]["true_positive_rate"]["b"]["value"] is None
    assert view["by_group"]["true_positive_rate"]["b"]["support"] == 0
    assert view["comparisons"]["equal_opportunity_difference"]["value"] is None
    assert view["comparisons"]["equal_opportunity_difference"]["lacking"] == ["b"]
    json.dumps(result, allow_nan=False)


def test_needs_labels() -> None:
    with pytest.raises(DataError, match="y_true"):
        ErrorRateAudit().evaluate(y_pred=[0, 1], sensitive_features=["a", "b"])


def test_runs_in_a_case(run_in_case: Any) -> None:
    result = run_in_case(ErrorRateAudit(**QUICK))
    assert set(result["by_attribute"]) == {"race", "gender", "race & gender"}
