from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.core.errors import DataError, ParameterError
from fairmend.plugins.evaluation import VerifiedCalibrationError


def error_of(y: np.ndarray, scores: np.ndarray, edges: np.ndarray) -> float:
    """Return the debiased squared error, bin by bin, as the paper writes it."""
    total, used = 0.0, 0
    place = np.searchsorted(edges[1:-1], scores, side="right")
    for b in np.unique(place):
        own = place == b
        n = own.sum()
        if n > 1:
            share = y[own].mean()
            total += n * ((share - scores[own].mean()) ** 2 - share * (1 - share) / (n - 1))
            used += n
    return total / used


@pytest.mark.data
def test_agrees_with_the_formula_in_every_group_of_adult(adult_predictions: Any) -> None:
    y, _, scores, sensitive = adult_predictions
    result = VerifiedCalibrationError(bins=10, strategy="width", n_boot=5).evaluate(
        y, y_score=scores, sensitive_features=sensitive
    )
    edges = np.linspace(0, 1, 11)
    crossed = sensitive["sex"] + " & " + sensitive["race"]
    for name, column in {"sex": sensitive["sex"], "race": sensitive["race"], "sex & race": crossed}.items():
        for group, figures in result["by_attribute"][name]["by_group"].items():
            own = (column == group).to_numpy()
            expected = error_of(y[own], scores[own], edges)
            assert figures["squared_error"]["value"] == pytest.approx(expected, abs=1e-12)
            assert figures["error"] == pytest.approx(np.sqrt(max(expected, 0)))
    assert result["overall"]["squared_error"]["value"] == pytest.approx(error_of(y, scores, edges), abs=1e-12)


def test_right_scores_have_no_error_on_average_where_the_plug_in_has_one() -> None:
    rng = np.random.default_rng(0)
    debiased, plug_in = [], []
    for _ in range(100):
        scores = rng.random(300)
        y = (rng.random(300) < scores).astype(int)
        figures = VerifiedCalibrationError(n_boot=1).evaluate(
            y, y_score=scores, sensitive_features=np.repeat(["a", "b"], 150)
        )["by_attribute"]["group"]["by_group"]["a"]
        debiased.append(figures["squared_error"]["value"])
        plug_in.append(figures["plug_in_squared_error"])
    error = np.std(debiased) / np.sqrt(len(debiased))
    assert abs(np.mean(debiased)) < 3 * error
    assert np.mean(plug_in) > 10 * error
    assert 0.25 < np.mean(np.array(debiased) < 0) < 0.8


def test_the_interval_covers_the_true_error() -> None:
    # scores of .2 and .8, true chances .3 and .8: squared error .01 / 2 (half of the rows in each bin)
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(60):
        scores = np.repeat([0.2, 0.8], 300)
        y = (rng.random(600) < np.repeat([0.3, 0.8], 300)).astype(int)
        low, high = VerifiedCalibrationError(bins=2, strategy="width", n_boot=300).evaluate(
            y, y_score=scores, sensitive_features=np.tile(["a", "a"], 300)
        )["overall"]["squared_error"]["interval"]
        covered += low <= 0.005 <= high
    assert covered >= 50


def test_worked_by_hand() -> None:
    # one bin of 4 rows: share 1/2, mean score .7: .04 - .25 / 3
    result = VerifiedCalibrationError(bins=1, n_boot=5).evaluate(
        [1, 0, 1, 0], y_score=[0.7, 0.6, 0.8, 0.7], sensitive_features=["a"] * 4
    )
    assert result["overall"]["squared_error"]["value"] == pytest.approx(0.04 - 0.25 / 3)
    assert result["overall"]["error"] == 0
    assert result["overall"]["plug_in_squared_error"] == pytest.approx(0.04)
    assert not result["overall"]["squared_error"]["enough"]
    json.dumps(result, allow_nan=False)


def test_whole_weights_are_repeated_rows_and_others_are_refused(drawn_predictions: Any) -> None:
    y, _, scores, sensitive = drawn_predictions.first(300)
    weights = np.random.default_rng(1).integers(1, 4, 300)
    audit = VerifiedCalibrationError(n_boot=5)
    weighted = audit.evaluate(y, y_score=scores, sensitive_features=sensitive, sample_weight=weights)
    repeated = audit.evaluate(
        np.repeat(y, weights),
        y_score=np.repeat(scores, weights),
        sensitive_features=sensitive.loc[sensitive.index.repeat(weights)],
    )
    assert weighted == repeated
    with pytest.raises(DataError, match="must be integers"):
        audit.evaluate(y, y_score=scores, sensitive_features=sensitive, sample_weight=weights / 2)


def test_missing_attribute_values_and_bad_settings() -> None:
    sensitive = pd.DataFrame({"sex": ["F", None, "M", "M"]})
    result = VerifiedCalibrationError(n_boot=2).evaluate(
        [0, 1, 0, 1], y_score=[0.1, 0.2, 0.3, 0.4], sensitive_features=sensitive
    )
    assert result["by_attribute"]["sex"]["by_group"]["missing"]["squared_error"]["value"] is None
    with pytest.raises(ParameterError, match="strategy"):
        VerifiedCalibrationError.with_parameters(strategy="depth")


def test_runs_in_a_case(run_in_case: Any) -> None:
    result = run_in_case(VerifiedCalibrationError(n_boot=20))
    assert set(result["by_attribute"]) == {"race", "gender", "race & gender"}
