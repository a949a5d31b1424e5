"""E-values against the worked examples of the paper, the closed form, and technique 56."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from fairmend.core.causal.e_values import bias_factor
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import ParameterError
from fairmend.plugins.causal import EValue, SensitivityAnalysis
from fairmend.plugins.causal._measured_confounders import strength
from fairmend.plugins.datasets import bank, bank_roles


def two_groups(events: int, n: int, base_events: int, base_n: int) -> Dataset:
    """Return people of the groups formula and breast with so many events."""
    y = np.repeat([1, 0, 1, 0], [events, n - events, base_events, base_n - base_events])
    frame = pd.DataFrame({"fed": np.repeat(["formula", "breast"], [n, base_n]), "died": y, "x": 0.0})
    return Dataset.from_frame(
        frame.assign(x=np.arange(len(y)) % 5), Roles(outcome="died", protected=("fed",))
    )


def test_the_worked_example_of_the_paper() -> None:
    # risk ratio 3.9 with the lower limit 1.8: E-values 7.26 and 3.0
    data = two_groups(22, 2200, 9, 3510)
    (contrast,) = EValue(covariates=[], min_support=9).analyze(data).result["contrasts"]
    assert contrast["risk_ratio"] == pytest.approx(3.9)
    assert round(contrast["risk_ratio_interval"][0], 1) == 1.8
    assert round(contrast["e_value"], 2) == 7.26
    assert round(contrast["e_value_limit"], 1) == 3.0


@pytest.mark.parametrize(
    ("published", "value", "limit"),
    [((3.9, 1.8, 8.7), 7.26, 3.0), ((0.8, 0.71, 0.91), 1.81, 1.43), ((1.2, 0.9, 1.6), 1.69, 1.0)],
)
def test_published_ratios(published: tuple[float, ...], value: float, limit: float) -> None:
    found = EValue(published=published).analyze(two_groups(40, 200, 80, 200)).result["published"]
    assert round(found["e_value"], 2) == value
    assert round(found["e_value_limit"], 2) == limit


def test_moves_to_another_ratio_than_one() -> None:
    data = two_groups(40, 200, 80, 200)  # risk ratio 1/2, interval [0.361, 0.693]
    (contrast,) = EValue(covariates=[], to_ratio=0.8).analyze(data).result["contrasts"]
    assert contrast["e_value"] == pytest.approx(1.6 + np.sqrt(1.6 * 0.6))
    inside = EValue(covariates=[], to_ratio=0.6).analyze(data).result["contrasts"][0]
    assert inside["e_value_limit"] == 1


def test_agrees_with_the_sensitivity_analysis_on_several_groups_and_attributes(
    bank_data: Dataset, true_graph: CausalGraph
) -> None:
    ours = EValue().analyze(bank_data, true_graph).result["contrasts"]
    theirs = SensitivityAnalysis().analyze(bank_data, true_graph).result["contrasts"]
    assert len(ours) == len(theirs) == 4
    for a, b in zip(ours, theirs, strict=True):
        assert {key: a[key] for key in a if key != "benchmarks"} == {
            key: b[key] for key in a if key != "benchmarks"
        }


@pytest.mark.parametrize("seed", range(5))
def test_a_hidden_confounder_of_the_measured_strength_stays_below_the_bias_factor(seed: int) -> None:
    # without an effect of the group, the crude risk ratio is what the confounder produces
    rng = np.random.default_rng(seed)
    u = rng.random(40_000) < 0.4
    group = rng.random(40_000) < np.where(u, 0.2, 0.5)
    y = (rng.random(40_000) < np.where(u, 0.5, 0.2)).astype(float)
    crude = y[group].mean() / y[~group].mean()
    assert crude < 0.9
    a, outcome = strength(u, y, group, ~group, lowered=True)
    assert 1 / crude <= float(bias_factor(a, outcome))
    share = [u[~group].mean() / u[group].mean(), (1 - u[~group].mean()) / (1 - u[group].mean())]
    assert a == pytest.approx(max(share))


def test_benchmarks_name_the_strongest_covariate_first(bank_data: Dataset, true_graph: CausalGraph) -> None:
    rng = np.random.default_rng(0)
    n = 3000
    school = np.where(rng.random(n) < 0.5, "night", "day")
    group = np.where(rng.random(n) < np.where(school == "night", 0.6, 0.2), "b", "a")
    hired = rng.random(n) < np.where(school == "night", 0.2, 0.6)
    frame = pd.DataFrame(
        {"school": school, "age": rng.integers(20, 60, n), "group": group, "hired": hired * 1}
    )
    data = Dataset.from_frame(frame, Roles(outcome="hired", protected=("group",)))
    (contrast,) = EValue().analyze(data).result["contrasts"]
    assert [b["covariate"] for b in contrast["benchmarks"]] == ["school", "age"]
    first, second = contrast["benchmarks"]
    assert first["bias_factor"] > 1.3
    assert 1 <= second["bias_factor"] < 1.05
    json.dumps(contrast, allow_nan=False)


@pytest.mark.data
def test_of_a_numeric_outcome_by_its_standardized_difference(data_dir: Path) -> None:
    law = pd.read_csv(data_dir / "law" / "law_school_bar.csv")[["ugpa", "lsat", "race", "male"]].iloc[:3000]
    roles = Roles(outcome="ugpa", protected=("race", "male"), task="regression")
    data = Dataset.from_frame(law, roles)
    for contrast in EValue(covariates=["lsat"]).analyze(data).result["contrasts"]:
        frame = law.assign(g=(data.sensitive[contrast["attribute"]] == contrast["group"]).astype(float))
        fit = smf.ols("ugpa ~ g + lsat", data=frame).fit()
        d, low, high = (np.r_[fit.params["g"], fit.conf_int().loc["g"]]) / law["ugpa"].std()
        assert contrast["risk_ratio"] == pytest.approx(np.exp(0.91 * d))
        assert contrast["risk_ratio_interval"] == pytest.approx(
            [np.exp(0.91 * low), np.exp(0.91 * high)], rel=1e-3
        )
        assert contrast["benchmarks"] == []
        assert contrast["e_value"] > contrast["e_value_limit"] >= 1


def test_without_evidence_or_events_there_is_no_figure() -> None:
    found = EValue(covariates=[]).analyze(two_groups(0, 60, 20, 90)).result
    assert found["contrasts"][0]["e_value"] is None
    assert found["text"] == "None of 1 contrasts has enough rows for an E-value."
    few = EValue(covariates=[]).analyze(two_groups(5, 20, 20, 90)).result["contrasts"][0]
    assert few["status"] == "insufficient evidence"


def test_refuses_other_than_a_ratio_with_two_limits() -> None:
    data = Dataset.from_frame(bank(500), Roles(**bank_roles()))
    wrong: Any
    for wrong in ([2.0], [2.0, 1.0]):
        with pytest.raises(ParameterError, match="a risk ratio and its two limits"):
            EValue(published=wrong).analyze(data)
    with pytest.raises(ParameterError, match="above 0"):
        EValue(published=[-1.0, -2.0, 3.0]).analyze(data)
