from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from fairmend.core.errors import DataError, ParameterError
from fairmend.plugins.evaluation import GeneralizedEntropyIndex


@pytest.mark.data
@pytest.mark.parametrize("alpha", [1.0, 2.0, 0.5])
def test_agrees_with_aif360_on_adult(adult_predictions: Any, alpha: float) -> None:
    from aif360.sklearn.metrics import generalized_entropy_index

    y, decisions, _, sensitive = adult_predictions
    views = GeneralizedEntropyIndex(alpha, n_boot=10).evaluate(y, decisions, sensitive_features=sensitive)[
        "by_attribute"
    ]
    benefit = (decisions - y + 1).astype(float)
    crossed = (sensitive["sex"] + " & " + sensitive["race"]).to_numpy()
    for name, group in {"sex": sensitive["sex"].to_numpy(), "race": sensitive["race"].to_numpy(),
                        "sex & race": crossed}.items():  # fmt: skip
        of_mean = benefit.copy()
        for label, figures in views[name]["by_group"].items():
            rows = group == label
            of_mean[rows] = benefit[rows].mean()
            assert figures["mean_benefit"] == pytest.approx(benefit[rows].mean())
            assert figures["index"] == pytest.approx(generalized_entropy_index(benefit[rows], alpha))
        assert views[name]["total"]["value"] == pytest.approx(generalized_entropy_index(benefit, alpha))
        assert views[name]["between"]["value"] == pytest.approx(
            generalized_entropy_index(of_mean, alpha), abs=1e-12
        )
        parts = views[name]["within"]["value"] + views[name]["between"]["value"]
        assert parts == pytest.approx(views[name]["total"]["value"], abs=1e-12)


def test_worked_by_hand() -> None:
    # benefits 0, 2 in a and 1, 1 in b: mean 1, half of mean((b - 1)^2) = 1/4, all of it within a
    result = GeneralizedEntropyIndex(n_boot=10).evaluate(
        [1, 0, 1, 0], [0, 1, 1, 0], sensitive_features=["a", "a", "b", "b"]
    )
    view = result["by_attribute"]["group"]
    assert view["total"]["value"] == pytest.approx(0.25)
    assert view["between"]["value"] == pytest.approx(0)
    assert view["by_group"]["a"]["index"] == pytest.approx(0.5)
    assert view["by_group"]["b"]["index"] == pytest.approx(0)
    assert not view["total"]["enough"]


def test_right_decisions_are_equal_and_mean_log_deviation_breaks_at_zero() -> None:
    y, group = np.tile([0, 1], 100), np.repeat(["a", "b"], 100)
    perfect = GeneralizedEntropyIndex(n_boot=20).evaluate(y, y, sensitive_features=group)
    assert perfect["by_attribute"]["group"]["total"]["value"] == 0
    assert perfect["by_attribute"]["group"]["between_share"] is None
    refused = np.where(np.arange(200) == 1, 0, y)
    infinite = GeneralizedEntropyIndex(0, n_boot=20).evaluate(y, refused, sensitive_features=group)
    assert infinite["by_attribute"]["group"]["total"]["value"] is None
    json.dumps(infinite, allow_nan=False)


def test_finer_groups_never_have_less_between_them(drawn_predictions: Any) -> None:
    y, decisions, _, sensitive = drawn_predictions
    views = GeneralizedEntropyIndex(n_boot=20).evaluate(y, decisions, sensitive_features=sensitive)[
        "by_attribute"
    ]
    finest = views["sex & race"]["between"]["value"]
    assert finest >= max(views["sex"]["between"]["value"], views["race"]["between"]["value"])
    low, high = views["race"]["total"]["interval"]
    assert low < views["race"]["total"]["value"] < high


def test_integer_weights_are_repeated_rows(drawn_predictions: Any) -> None:
    y, decisions, _, sensitive = drawn_predictions.first(300)
    weights = np.random.default_rng(1).integers(1, 4, 300)
    audit = GeneralizedEntropyIndex(n_boot=5)
    weighted = audit.evaluate(y, decisions, sensitive_features=sensitive, sample_weight=weights)
    repeated = audit.evaluate(
        np.repeat(y, weights),
        np.repeat(decisions, weights),
        sensitive_features=sensitive.loc[sensitive.index.repeat(weights)],
    )
    for name, view in weighted["by_attribute"].items():
        for part in ("total", "between", "within"):
            expected = repeated["by_attribute"][name][part]["value"]
            assert view[part]["value"] == pytest.approx(expected, abs=1e-12)


def test_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(DataError, match="y_true"):
        GeneralizedEntropyIndex().evaluate(y_pred=[0, 1], sensitive_features=["a", "b"])
    with pytest.raises(ParameterError, match="alpha"):
        GeneralizedEntropyIndex.with_parameters(alpha=-1)


def test_runs_in_a_case(run_in_case: Any) -> None:
    assert set(run_in_case(GeneralizedEntropyIndex(n_boot=20))["by_attribute"]) == {
        "race",
        "gender",
        "race & gender",
    }
