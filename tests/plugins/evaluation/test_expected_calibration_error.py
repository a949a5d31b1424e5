from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.core.errors import DataError, ParameterError
from fairmend.plugins.evaluation import ExpectedCalibrationError


@pytest.mark.data
def test_agrees_with_netcal_in_every_group_of_adult(adult_predictions: Any) -> None:
    from netcal.metrics import ECE, MCE

    y, _, scores, sensitive = adult_predictions
    result = ExpectedCalibrationError(n_boot=20).evaluate(y, y_score=scores, sensitive_features=sensitive)
    crossed = sensitive["sex"] + " & " + sensitive["race"]
    for name, column in {"sex": sensitive["sex"], "race": sensitive["race"], "sex & race": crossed}.items():
        by_group = result["by_attribute"][name]["by_group"]
        assert set(by_group) == set(column.unique())
        for group, figures in by_group.items():
            rows = (column == group).to_numpy()
            assert figures["expected_calibration_error"]["support"] == rows.sum()
            for key, peer in (("expected_calibration_error", ECE), ("maximum_calibration_error", MCE)):
                expected = peer(bins=10).measure(scores[rows], y[rows])
                assert figures[key]["value"] == pytest.approx(expected, abs=1e-12)


def test_worked_by_hand() -> None:
    # bins of width 1/2; F: bin 1 scores .2 .4, labels 0 1: |.5 - .3| = .2; bin 2 score .9 label 1: .1
    scores, y = [0.2, 0.4, 0.9, 0.6], [0, 1, 1, 0]
    result = ExpectedCalibrationError(bins=2, min_support=1, n_boot=10).evaluate(
        y, y_score=scores, sensitive_features=["F", "F", "F", "M"]
    )
    figures = result["by_attribute"]["group"]["by_group"]
    assert figures["F"]["expected_calibration_error"]["value"] == pytest.approx(2 / 3 * 0.2 + 1 / 3 * 0.1)
    assert figures["F"]["maximum_calibration_error"]["value"] == pytest.approx(0.2)
    assert figures["F"]["mean_calibration_error"]["value"] == pytest.approx((2 - 1.5) / 3)
    assert figures["M"]["expected_calibration_error"]["value"] == pytest.approx(0.6)
    assert result["overall"]["expected_calibration_error"]["value"] == pytest.approx(
        (abs(1 - 0.6) + abs(1 - 1.5)) / 4
    )
    assert result["by_attribute"]["group"]["worst_group"] == "M"
    assert result["by_attribute"]["group"]["reliability"]["by_group"]["M"]["support"] == [0, 1]


def test_scores_equal_to_labels_have_no_error_and_pooling_hides_error(drawn_predictions: Any) -> None:
    y, _, scores, sensitive = drawn_predictions
    audit = ExpectedCalibrationError(n_boot=10)
    perfect = audit.evaluate(y, y_score=y, sensitive_features=sensitive)
    assert perfect["overall"]["expected_calibration_error"]["value"] == 0
    found = audit.evaluate(y, y_score=scores, sensitive_features=sensitive)
    for view in found["by_attribute"].values():
        parts = [f["expected_calibration_error"] for f in view["by_group"].values()]
        mean = sum(p["value"] * p["support"] for p in parts) / len(y)
        assert found["overall"]["expected_calibration_error"]["value"] <= mean + 1e-12


def test_chance_level_tells_a_small_group_from_a_miscalibrated_one() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(5200)
    group = np.repeat(["large and wrong", "small and right"], [5000, 200])
    y = (rng.random(5200) < np.where(group == "large and wrong", scores**1.4, scores)).astype(int)
    figures = ExpectedCalibrationError(n_boot=400).evaluate(y, y_score=scores, sensitive_features=group)
    small = figures["by_attribute"]["group"]["by_group"]["small and right"]
    large = figures["by_attribute"]["group"]["by_group"]["large and wrong"]
    assert small["by_chance"] == pytest.approx(0.07, abs=0.02)  # the size known for 200 uniform scores
    assert small["p_holm"] > 0.05
    assert large["p_holm"] < 0.01
    assert large["debiased_squared_error"] > 0.002


def test_integer_weights_are_repeated_rows(drawn_predictions: Any) -> None:
    y, _, scores, sensitive = drawn_predictions.first(400)
    weights = np.random.default_rng(1).integers(1, 4, len(y))
    audit = ExpectedCalibrationError(n_boot=10)
    weighted = audit.evaluate(y, y_score=scores, sensitive_features=sensitive, sample_weight=weights)
    repeated = audit.evaluate(
        np.repeat(y, weights),
        y_score=np.repeat(scores, weights),
        sensitive_features=sensitive.loc[sensitive.index.repeat(weights)],
    )
    for name in ("expected_calibration_error", "maximum_calibration_error", "mean_calibration_error"):
        assert weighted["overall"][name]["value"] == pytest.approx(repeated["overall"][name]["value"])
    assert "p_value" not in weighted["overall"]  # chance levels are for rows of equal weight


def test_result_is_json_and_the_same_for_the_same_seed(drawn_predictions: Any) -> None:
    y, _, scores, sensitive = drawn_predictions
    audit = ExpectedCalibrationError(n_boot=50)
    first, second = (audit.evaluate(y, y_score=scores, sensitive_features=sensitive) for _ in range(2))
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)
    tiny = first["by_attribute"]["sex & race"]["by_group"]["F & C"]["expected_calibration_error"]
    assert not tiny["enough"]
    assert first["by_attribute"]["sex & race"]["worst_group"] not in {"F & C", "M & C"}


def test_missing_attribute_values_are_a_group() -> None:
    sensitive = pd.DataFrame({"sex": ["F", None, "M", "M"]})
    result = ExpectedCalibrationError(n_boot=5).evaluate(
        [0, 1, 0, 1], y_score=[0.1, 0.2, 0.3, 0.4], sensitive_features=sensitive
    )
    assert "missing" in result["by_attribute"]["sex"]["by_group"]


def test_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(DataError, match="y_score"):
        ExpectedCalibrationError().evaluate([0, 1], [0, 1], sensitive_features=["a", "b"])
    with pytest.raises(DataError, match="probabilities"):
        ExpectedCalibrationError().evaluate([0, 1], y_score=[0.1, 3.0], sensitive_features=["a", "b"])
    with pytest.raises(ParameterError, match="bins"):
        ExpectedCalibrationError.with_parameters(bins=0)


def test_runs_in_a_case(run_in_case: Any, case: Any) -> None:
    result = run_in_case(ExpectedCalibrationError(n_boot=20))
    assert set(result["by_attribute"]) == {"race", "gender", "race & gender"}
    assert result["overall"]["expected_calibration_error"]["support"] == len(case.validation)
