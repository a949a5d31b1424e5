from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.core.errors import DataError
from fairmend.core.metrics.differential import epsilon, log_probabilities
from fairmend.plugins.evaluation import IntersectionalBiasAudit


@pytest.mark.data
def test_agrees_with_aif360_on_ten_cells_of_adult(adult_predictions: Any) -> None:
    from aif360.sklearn.metrics import df_bias_amplification, smoothed_edf

    y, decisions, _, sensitive = adult_predictions
    result = IntersectionalBiasAudit(n_boot=20).evaluate(y, decisions, sensitive_features=sensitive)
    index = pd.MultiIndex.from_frame(sensitive)
    labels, predicted = pd.Series(y, index=index), pd.Series(decisions, index=index)
    attributes = ["sex", "race"]
    assert result["epsilon"]["value"] == pytest.approx(
        smoothed_edf(labels, predicted, prot_attr=attributes), abs=1e-12
    )
    assert result["epsilon_of_labels"]["value"] == pytest.approx(
        smoothed_edf(labels, prot_attr=attributes), abs=1e-12
    )
    assert result["bias_amplification"]["value"] == pytest.approx(
        df_bias_amplification(labels, predicted, prot_attr=attributes), abs=1e-12
    )
    assert result["by_subset"]["race"]["smoothed"] == pytest.approx(
        smoothed_edf(labels, predicted, prot_attr="race"), abs=1e-12
    )
    assert sum(cell["support"] for cell in result["cells"].values()) == len(y)


def test_worked_by_hand() -> None:
    # F & A: 1 of 4 chosen, F & B: 2 of 4, M & A: 3 of 4, M & B: 3 of 4
    sensitive = pd.DataFrame({"sex": list("FFFFFFFFMMMMMMMM"), "race": list("AAAABBBBAAAABBBB")})
    decisions = np.array([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0])
    result = IntersectionalBiasAudit(concentration=1, n_boot=50, min_support=1).evaluate(
        y_pred=decisions, sensitive_features=sensitive
    )
    assert result["unsmoothed"]["value"] == pytest.approx(np.log(3))  # refusals and approvals alike
    assert result["epsilon"]["value"] == pytest.approx(np.log(3.5 / 1.5))
    assert result["by_subset"]["sex"]["plain"] == pytest.approx(np.log((5 / 8) / (2 / 8)))
    assert result["by_subset"]["race"]["plain"] == pytest.approx(np.log((4 / 8) / (3 / 8)))
    assert result["epsilon"]["worst_group"] == "F & A"
    assert result["smallest_cell"] == 4
    assert "bias_amplification" not in result  # there are no labels to compare with


def test_equal_rates_give_zero_and_amplification_is_the_gain_over_the_labels() -> None:
    rng = np.random.default_rng(0)
    sensitive = pd.DataFrame({"a": np.tile(["x", "y", "z"], 300), "b": np.repeat(["u", "v"], 450)})
    y = np.tile([0, 0, 0, 1, 1, 1], 150)  # half of every cell
    audit = IntersectionalBiasAudit(n_boot=200)
    fair = audit.evaluate(y, y, sensitive_features=sensitive)
    assert fair["epsilon"]["value"] == pytest.approx(0)
    assert fair["epsilon"]["interval"][0] == 0
    unfair = (rng.random(900) < np.where(sensitive["a"] == "x", 0.2, 0.5)).astype(int)
    found = audit.evaluate(y, unfair, sensitive_features=sensitive)
    assert found["bias_amplification"]["value"] == pytest.approx(found["epsilon"]["value"])
    assert found["bias_amplification"]["interval"][0] > 0.3


@pytest.mark.parametrize("seed", range(5))
def test_epsilon_never_grows_when_an_attribute_is_dropped(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sensitive = pd.DataFrame({name: rng.choice(list("pqr"), 600) for name in ("a", "b", "c")})
    decisions = (rng.random(600) < 0.3 + 0.2 * (sensitive["a"] == sensitive["b"])).astype(int)
    by_subset = IntersectionalBiasAudit(n_boot=2).evaluate(y_pred=decisions, sensitive_features=sensitive)[
        "by_subset"
    ]
    assert len(by_subset) == 7
    for fewer, more in pairwise(["a", "a & b", "a & b & c"]):
        assert by_subset[fewer]["plain"] <= by_subset[more]["plain"] + 1e-12


def test_a_cell_with_one_outcome_is_infinite_unless_smoothed_or_excluded() -> None:
    sensitive = np.repeat(["a", "b", "tiny"], [200, 200, 3])
    decisions = np.concatenate([np.tile([0, 1], 100), np.tile([0, 1], 100), [0, 0, 0]])
    result = IntersectionalBiasAudit(n_boot=100).evaluate(y_pred=decisions, sensitive_features=sensitive)
    assert result["unsmoothed"]["value"] is None  # infinite
    assert result["epsilon"]["value"] > 1
    assert result["epsilon"]["lacking"] == ["tiny"]
    assert not result["epsilon"]["enough"]
    assert result["supported"]["value"] == pytest.approx(0)
    assert result["supported"]["enough"]


def test_an_outcome_that_nobody_has_makes_no_difference() -> None:
    assert epsilon(log_probabilities(np.array([[5.0, 0.0], [9.0, 0.0]]), 0.0)) == 0


def test_the_interval_covers_the_true_epsilon() -> None:
    rng = np.random.default_rng(3)
    truth = np.log(0.5 / 0.3)
    sensitive = np.repeat(["a", "b"], 400)
    audit = IntersectionalBiasAudit(n_boot=300, concentration=0)
    covered = 0
    for _ in range(100):
        decisions = (rng.random(800) < np.where(sensitive == "a", 0.3, 0.5)).astype(int)
        low, high = audit.evaluate(y_pred=decisions, sensitive_features=sensitive)["epsilon"]["interval"]
        covered += low <= truth <= high
    assert covered >= 88


def test_integer_weights_are_repeated_rows(drawn_predictions: Any) -> None:
    y, decisions, _, sensitive = drawn_predictions.first(500)
    weights = np.random.default_rng(1).integers(1, 4, len(y))
    audit = IntersectionalBiasAudit(n_boot=5)
    weighted = audit.evaluate(y, decisions, sensitive_features=sensitive, sample_weight=weights)
    repeated = audit.evaluate(
        np.repeat(y, weights),
        np.repeat(decisions, weights),
        sensitive_features=sensitive.loc[sensitive.index.repeat(weights)],
    )
    for name in ("epsilon", "unsmoothed", "bias_amplification"):
        assert weighted[name]["value"] == pytest.approx(repeated[name]["value"])


def test_needs_decisions() -> None:
    with pytest.raises(DataError, match="y_pred"):
        IntersectionalBiasAudit().evaluate([0, 1], sensitive_features=["a", "b"])


def test_runs_in_a_case_and_is_json(run_in_case: Any) -> None:
    result = run_in_case(IntersectionalBiasAudit(n_boot=50))
    assert set(result["by_subset"]) == {"race", "gender", "race & gender"}
    json.dumps(result, allow_nan=False)
