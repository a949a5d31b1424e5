from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from fairmend.core.algorithms.least_squares import LinearSystem
from fairmend.core.case import Case
from fairmend.core.causal.adjusted_contrasts import adjusted_contrast, group_contrasts
from fairmend.core.causal.covariates import adjustment
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.sensitivity import adjusted_estimate
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.data.roles import Roles
from fairmend.core.errors import InsufficientDataError, MissingColumnError, ParameterError, UnknownNameError
from fairmend.plugins.causal import SensitivityAnalysis

DARFUR = ["age", "farmer_dar", "herder_dar", "pastvoted", "hhsize_darfur", "female"]
KEYS = {
    "attribute", "group", "reference", "estimate", "se", "t", "dof", "interval", "partial_r2",
    "robustness_value", "robustness_value_alpha", "e_value", "e_value_limit", "risk_ratio", "support", "bounds",
}  # fmt: skip


def contrast_of(y: Any, treated: Any, **covariates: Any) -> dict[str, Any]:
    """Return the contrast of the treated with the others."""
    frame = pd.DataFrame({"y": y, **covariates})
    groups = Groups.of(np.where(treated, "treated", "other"))
    (found,) = group_contrasts(frame, "y", groups, "other", list(covariates))
    return found


@pytest.mark.data
def test_the_darfur_table_of_the_paper(data_dir: Path) -> None:
    frame = pd.read_csv(data_dir / "darfur" / "darfur.csv")
    system = LinearSystem.from_frame(frame, ["peacefactor", "directlyharmed", *DARFUR], absorb="village")
    found = adjusted_contrast(system, "peacefactor", "directlyharmed", DARFUR)
    rounded = {key: round(found[key], 4) for key in ("estimate", "se", "partial_r2", "robustness_value")}
    assert rounded == {"estimate": 0.0973, "se": 0.0233, "partial_r2": 0.0219, "robustness_value": 0.1388}
    assert found["dof"] == 783
    assert found["t"] == pytest.approx(4.18, abs=0.005)
    assert found["robustness_value_alpha"] == pytest.approx(0.076, abs=0.0005)
    female = [bound for bound in found["bounds"] if bound["covariate"] == "female"]
    assert [round(b["r2dz"], 4) for b in female] == [0.0092, 0.0183, 0.0275]
    assert [round(b["r2yz"], 4) for b in female] == [0.1246, 0.2493, 0.3741]
    assert [round(b["estimate"], 4) for b in female] == [0.0752, 0.0529, 0.0304]
    assert round(female[0]["se"], 4) == 0.0219


@pytest.mark.data
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning:sensemakr")
def test_agrees_with_statsmodels_and_pysensemakr_on_adult(adult: pd.DataFrame) -> None:
    import sensemakr

    columns = ["sex", "race", "age", "education-num", "hours-per-week", "income"]
    data = Dataset.from_frame(
        adult[columns].iloc[:4000],
        Roles(outcome="income", favorable=">50K", protected=("sex", "race"), mediators=("hours-per-week",)),
    )
    result = SensitivityAnalysis(min_support=10).analyze(data).result
    assert len(result["contrasts"]) == 1 + 4
    frame = data.frame.rename(columns={"education-num": "education"})
    for contrast in result["contrasts"]:
        attribute, group, reference = (contrast[k] for k in ("attribute", "group", "reference"))
        other = {"sex": "race", "race": "sex"}[attribute]
        assert set(contrast["covariates"]) == {"age", "education-num", other}
        formula = f"income ~ C({attribute}, Treatment('{reference}')) + age + education + C({other})"
        fit = smf.ols(formula, data=frame).fit()
        name = f"C({attribute}, Treatment('{reference}'))[T.{group}]"
        assert contrast["estimate"] == pytest.approx(fit.params[name])
        assert contrast["se"] == pytest.approx(fit.bse[name])
        assert contrast["interval"] == pytest.approx(fit.conf_int().loc[name].tolist())
        t, dof = fit.tvalues[name], fit.df_resid
        assert contrast["partial_r2"] == pytest.approx(sensemakr.partial_r2(t_statistic=t, dof=dof))
        rv = sensemakr.robustness_value(t_statistic=np.array([t]), dof=dof, alpha=1.0)
        assert contrast["robustness_value"] == pytest.approx(np.ravel(rv)[0])
        # the rates of the people of both groups, were they all in the group, and all in its reference
        part = frame[frame[attribute].isin([group, reference])]
        rates = [fit.predict(part.assign(**{attribute: value})).mean() for value in (group, reference)]
        assert contrast["risk_ratio"] == pytest.approx(rates[0] / rates[1])
        assert contrast["support"] == part[attribute].value_counts().min()


def test_worked_by_hand_without_covariates() -> None:
    # 20 of 100 against 40 of 100: RR 1/2, E = 2 + sqrt 2, log interval .693 +- 1.96 sqrt(.04 + .015)
    frame = pd.DataFrame({"y": np.repeat([1, 0, 1, 0], [20, 80, 40, 60])})
    found = contrast_of(frame["y"], np.repeat([True, False], 100))
    assert found["estimate"] == pytest.approx(-0.2)
    assert found["risk_ratio"] == pytest.approx(0.5)
    assert found["e_value"] == pytest.approx(2 + np.sqrt(2))
    limit = 2 / np.exp(1.959964 * np.sqrt(0.055))
    assert found["e_value_limit"] == pytest.approx(limit + np.sqrt(limit * (limit - 1)), rel=1e-6)
    se = np.sqrt((100 * 0.2 * 0.8 + 100 * 0.4 * 0.6) / 198 * 2 / 100)
    assert found["se"] == pytest.approx(se)
    assert found["partial_r2"] == pytest.approx(0.04 / (0.04 + 198 * se**2))
    assert found["bounds"] == []


def test_no_effect_has_an_e_value_of_one_and_no_robustness() -> None:
    frame = pd.DataFrame({"y": np.tile([1, 0], 100), "z": np.repeat([0.0, 1.0, 2.0, 3.0], 50)})
    found = contrast_of(frame["y"], np.repeat([True, False], 100), z=frame["z"])
    assert found["e_value"] == pytest.approx(1, abs=1e-6)
    assert found["e_value_limit"] == 1
    assert found["robustness_value"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_confounder_as_strong_as_the_robustness_value_undoes_the_estimate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=800)
    treated = rng.random(800) < 1 / (1 + np.exp(-z))
    y = (rng.random(800) < 0.3 + 0.1 * treated + 0.05 * (z > 0)).astype(int)
    found = contrast_of(y, treated, z=z)
    rv = found["robustness_value"]
    left = adjusted_estimate(found["estimate"], found["se"], found["dof"], rv, rv)
    assert left == pytest.approx(0, abs=1e-10)
    for strength in np.linspace(0, rv * 0.99, 5):
        weaker = adjusted_estimate(found["estimate"], found["se"], found["dof"], strength, strength)
        assert np.sign(weaker) == np.sign(found["estimate"])
    assert found["robustness_value_alpha"] <= rv


def test_intervals_of_the_standardized_risk_ratio_cover_the_truth() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(100):
        z = rng.random(400)
        treated = rng.random(400) < 0.3 + 0.4 * z
        y = (rng.random(400) < 0.2 + 0.3 * z + 0.15 * treated).astype(int)
        low, high = contrast_of(y, treated, z=z)["risk_ratio_interval"]
        covered += low <= 0.5 / 0.35 <= high
    assert 89 <= covered <= 99


def test_adjusts_for_causes_of_the_outcome_that_the_attribute_leaves_alone(true_graph: CausalGraph) -> None:
    covariates, identified = adjustment(true_graph, "race", "approved")
    assert identified
    assert set(covariates) == {"gender", "age", "employment_history", "loan_amount", "debt_to_income"}
    assert true_graph.is_adjustment_set(covariates, "race", "approved")
    hidden = CausalGraph.from_edges([("race", "approved")], hidden=[("race", "approved")])
    assert adjustment(hidden, "race", "approved") == ((), False)
    m_shaped = CausalGraph.from_edges(
        [("u", "m"), ("u", "a"), ("v", "m"), ("v", "y"), ("m", "y"), ("a", "y")]
    )
    chosen, identified = adjustment(m_shaped, "a", "y")
    assert identified
    assert m_shaped.is_adjustment_set(chosen, "a", "y")


def test_shape_of_the_result_on_several_attributes_and_groups(
    bank_data: Dataset, true_graph: CausalGraph
) -> None:
    result = SensitivityAnalysis(reference={"gender": "Female"}).analyze(bank_data, true_graph).result
    assert [(c["attribute"], c["group"], c["reference"]) for c in result["contrasts"]] == [
        ("race", "Asian", "White"),
        ("race", "Black", "White"),
        ("race", "Hispanic", "White"),
        ("gender", "Male", "Female"),
    ]
    assert all(set(contrast) >= KEYS for contrast in result["contrasts"])
    black = result["contrasts"][1]
    assert black["estimate"] < -0.1
    assert 1.5 < black["e_value_limit"] < black["e_value"]
    assert {b["covariate"] for b in black["bounds"]} == set(black["covariates"])
    assert result["e_value"] == min(c["e_value"] for c in result["contrasts"])
    assert result["e_value_limit"] == min(c["e_value_limit"] for c in result["contrasts"])
    json.dumps(result, allow_nan=False)


def test_small_and_undetermined_contrasts_are_no_evidence() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "group": np.repeat(["large", "other", "tiny"], [300, 200, 10]),
            "copy": np.repeat([0.0, 1.0, 2.0], [300, 200, 10]),
            "x": rng.normal(size=510),
            "y": rng.integers(0, 2, 510),
        }
    )
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("group",)))
    result = SensitivityAnalysis(covariates=["copy"]).analyze(data).result
    other, tiny = result["contrasts"]
    assert "is not identified" in other["status"]
    assert tiny["status"] == "insufficient evidence"
    assert tiny["support"] == 10
    assert other["estimate"] is None
    assert result["e_value"] is None
    json.dumps(result, allow_nan=False)
    with pytest.raises(InsufficientDataError, match="at least 100 rows"):
        SensitivityAnalysis().analyze(data.take(np.arange(50)))


def test_a_group_without_favorable_outcomes_has_a_difference_but_no_ratio() -> None:
    frame = pd.DataFrame({"y": np.repeat([0, 1, 0], [60, 60, 60])})
    found = contrast_of(frame["y"], np.repeat([True, False], [60, 120]))
    assert found["estimate"] == pytest.approx(-0.5)
    assert found["risk_ratio"] is None
    assert found["e_value"] is None


def test_missing_numbers_are_filled_and_said_so(bank_data: Dataset, true_graph: CausalGraph) -> None:
    part = bank_data.take(np.arange(2000))
    X = part.X.assign(age=part.X["age"].astype(float).where(np.arange(2000) % 10 > 0))
    result = SensitivityAnalysis().analyze(replace(part, X=X), true_graph).result
    assert result["contrasts"][0]["notes"] == {"age": "200 missing values were imputed by the median"}
    assert result["contrasts"][0]["estimate"] is not None


def test_texts_that_nobody_shares_are_excluded_unless_asked_for() -> None:
    rng = np.random.default_rng(0)
    n = 600
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], n),
            "skill": rng.normal(size=n),
            "name": [f"person {i}" for i in range(n)],
            "paid": rng.choice(["no", "yes"], n),
        }
    )
    data = Dataset.from_frame(frame, Roles(outcome="paid", favorable="yes", protected=("sex",)))
    (contrast,) = SensitivityAnalysis().analyze(data).result["contrasts"]
    assert contrast["covariates"] == ["skill"]
    assert "cover 8% of the rows" in contrast["notes"]["name"]
    (asked,) = SensitivityAnalysis(covariates=["skill", "name"]).analyze(data).result["contrasts"]
    assert asked["covariates"] == ["skill", "name"]
    assert asked["dof"] < contrast["dof"]


def test_refuses_unknown_names(bank_data: Dataset, true_graph: CausalGraph) -> None:
    with pytest.raises(UnknownNameError, match="group of race"):
        SensitivityAnalysis(reference={"race": "Blck"}).analyze(bank_data, true_graph)
    with pytest.raises(UnknownNameError, match="covariate"):
        SensitivityAnalysis(covariates=["agee"]).analyze(bank_data, true_graph)
    with pytest.raises(MissingColumnError, match="causal graph"):
        SensitivityAnalysis().analyze(bank_data, CausalGraph.from_edges([("race", "wealth")]))
    with pytest.raises(ParameterError, match="alpha"):
        SensitivityAnalysis.with_parameters(alpha=2.0)


def test_runs_in_a_case(case: Case, true_graph: CausalGraph) -> None:
    after, effect = SensitivityAnalysis().run(case.replace(graph=true_graph))
    assert effect.kind == "none"
    assert not effect.changed_nothing
    result: Any = after.results["sensitivity-analysis"]
    assert effect.text == result["text"]
    assert after.graph is true_graph
    assert after.train is case.train
    without_graph = SensitivityAnalysis().run(case)[0].results["sensitivity-analysis"]
    assert len(without_graph["contrasts"]) == len(result["contrasts"])
