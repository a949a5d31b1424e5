from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.core.errors import DataError, ParameterError, UnknownNameError
from fairmend.plugins.evaluation import SelectionRateAudit

QUICK = {"n_boot": 50, "n_permutations": 50}


@pytest.mark.data
def test_agrees_with_fairlearn_and_aif360_on_adult(adult_predictions: Any) -> None:
    from aif360.sklearn.metrics import disparate_impact_ratio
    from fairlearn.metrics import (
        MetricFrame,
        demographic_parity_difference,
        demographic_parity_ratio,
        selection_rate,
    )

    y, decisions, _, sensitive = adult_predictions.first(10_000)
    views = SelectionRateAudit(**QUICK).evaluate(y, decisions, sensitive_features=sensitive)["by_attribute"]
    for name, columns in {"sex": ["sex"], "race": ["race"], "sex & race": ["sex", "race"]}.items():
        given = {"y_true": y, "y_pred": decisions, "sensitive_features": sensitive[columns]}
        comparisons = views[name]["comparisons"]
        assert comparisons["demographic_parity_difference"]["value"] == pytest.approx(
            demographic_parity_difference(**given), abs=1e-12
        )
        assert comparisons["demographic_parity_ratio"]["value"] == pytest.approx(
            demographic_parity_ratio(**given), abs=1e-12
        )
        theirs = MetricFrame(metrics=selection_rate, **given).by_group.sort_index().to_numpy()
        ours = [figure["value"] for figure in views[name]["by_group"]["selection_rate"].values()]
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    labeled = pd.Series(y, index=pd.MultiIndex.from_frame(sensitive))
    impact = disparate_impact_ratio(labeled, decisions, prot_attr="sex", priv_group="Male")
    against_men = SelectionRateAudit(reference={"sex": "Male"}, **QUICK).evaluate(
        y, decisions, sensitive_features=sensitive
    )["by_attribute"]["sex"]["contrast"]["selection_rate"]
    assert against_men["Female"]["ratio"]["value"] == pytest.approx(impact, abs=1e-12)
    assert against_men["Male"]["difference"]["value"] == 0


def test_worked_by_hand() -> None:
    decisions = np.repeat([1, 0, 1, 0, 1, 0], [30, 70, 40, 60, 36, 64])
    group = np.repeat(["a", "b", "c"], 100)
    view = SelectionRateAudit().evaluate(y_pred=decisions, sensitive_features=group)["by_attribute"]["group"]
    assert view["comparisons"]["demographic_parity_ratio"]["value"] == pytest.approx(0.75)
    assert view["verdict"] == "failed"
    assert not view["beyond_doubt"]  # a hundred rows a group cannot tell .75 from .80
    assert view["contrast"]["selection_rate"]["a"]["difference"]["value"] == pytest.approx(-0.1)
    assert view["p_value"]["demographic_parity_difference"] > 0.05
    many = SelectionRateAudit(threshold=0.7).evaluate(
        y_pred=np.tile(decisions, 40), sensitive_features=np.tile(group, 40)
    )["by_attribute"]["group"]
    assert many["verdict"] == "passed"
    assert many["beyond_doubt"]
    assert many["p_holm"]["demographic_parity_difference"] < 0.01


@pytest.mark.parametrize(
    ("decisions", "sizes", "threshold"),
    [([0, 0], [50, 50], 0.8), ([1, 0], [50, 5], 0.8), ([0, 0], [50, 50], 0.0)],
)
def test_undefined_or_small_is_no_verdict(decisions: list[int], sizes: list[int], threshold: float) -> None:
    result = SelectionRateAudit(threshold=threshold, **QUICK).evaluate(
        y_pred=np.repeat(decisions, sizes), sensitive_features=np.repeat(["a", "b"], sizes)
    )
    view = result["by_attribute"]["group"]
    assert view["verdict"] == "insufficient evidence"
    assert not view["beyond_doubt"]
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("seed", range(5))
def test_the_ratio_lies_between_zero_and_one_and_equals_one_at_parity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group, decisions = rng.choice(list("abcd"), 400), rng.integers(0, 2, 400)
    given = {"y_pred": decisions, "sensitive_features": group}
    ratio = SelectionRateAudit(**QUICK).evaluate(**given)["by_attribute"]["group"]["comparisons"]
    assert 0 <= ratio["demographic_parity_ratio"]["value"] <= 1
    equal = SelectionRateAudit(**QUICK).evaluate(
        y_pred=np.tile([0, 1], 200), sensitive_features=np.repeat(list("abcd"), 100)
    )["by_attribute"]["group"]
    assert equal["comparisons"]["demographic_parity_ratio"]["value"] == 1
    assert equal["verdict"] == "passed"
    assert equal["p_value"]["demographic_parity_difference"] == 1


def test_integer_weights_are_repeated_rows(drawn_predictions: Any) -> None:
    _, decisions, _, sensitive = drawn_predictions.first(300)
    weights = np.random.default_rng(1).integers(1, 4, 300)
    audit = SelectionRateAudit(**QUICK)
    weighted = audit.evaluate(y_pred=decisions, sensitive_features=sensitive, sample_weight=weights)
    repeated = audit.evaluate(
        y_pred=np.repeat(decisions, weights),
        sensitive_features=sensitive.loc[sensitive.index.repeat(weights)],
    )
    for name, view in weighted["by_attribute"].items():
        expected = repeated["by_attribute"][name]["by_group"]["selection_rate"]
        for group, figure in view["by_group"]["selection_rate"].items():
            assert figure["value"] == pytest.approx(expected[group]["value"])


def test_refuses_what_it_cannot_measure() -> None:
    given = {"y_pred": [0, 1] * 40, "sensitive_features": ["a", "b"] * 40}
    with pytest.raises(UnknownNameError, match="no group is called 'c'"):
        SelectionRateAudit(reference="c", **QUICK).evaluate(**given)
    with pytest.raises(DataError, match="reads the protected attribute"):
        SelectionRateAudit().evaluate(y_pred=[0, 1])
    with pytest.raises(ParameterError, match="threshold"):
        SelectionRateAudit.with_parameters(threshold=80)


def test_runs_in_a_case(run_in_case: Any) -> None:
    result = run_in_case(SelectionRateAudit(**QUICK))
    assert set(result["by_attribute"]) == {"race", "gender", "race & gender"}
