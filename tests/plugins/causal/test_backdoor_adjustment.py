"""Backdoor adjustment against enumerated interventions, statsmodels, and the truth of the bank."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.api import OLS, Logit, add_constant
from statsmodels.treatment.treatment_effects import TreatmentEffect

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import ParameterError, UnknownNameError
from fairmend.plugins.causal import BackdoorAdjustment
from fairmend.plugins.datasets import bank, bank_roles, true_effects


def adjusted(technique: BackdoorAdjustment, frame: pd.DataFrame, **roles: Any) -> dict[str, Any]:
    """Return the only contrast of a frame with the columns a and y."""
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("a",), **roles))
    (contrast,) = technique.analyze(data).result["contrasts"]
    return contrast


def confounded(n: int, seed: int) -> pd.DataFrame:
    """Return a numeric outcome with the effect -1 of group b, confounded by x and z."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.integers(0, 3, n)
    b = rng.random(n) < 1 / (1 + np.exp(-x - 0.5 * z + 1))
    y = 2 * x + z - b * (1 + 0.5 * x) + rng.normal(size=n)
    return pd.DataFrame({"a": np.where(b, "b", "a"), "x": x, "z": np.array(["p", "q", "r"])[z], "y": y})


def test_equals_the_interventional_distribution_of_a_discrete_model() -> None:
    # every cell (z, w, a, y) of the population, in exact proportion
    p_z, p_w, p_a = [0.5, 0.3, 0.2], [0.4, 0.6], lambda z, w: 0.2 + 0.2 * z + 0.1 * w
    p_y = lambda a, z, w: 0.1 + 0.15 * a + 0.1 * z + 0.2 * w * a  # noqa: E731
    cells, truth = [], {0: 0.0, 1: 0.0}
    for z, w in product(range(3), range(2)):
        for a in (0, 1):
            truth[a] += p_z[z] * p_w[w] * p_y(a, z, w)
            share = p_z[z] * p_w[w] * (p_a(z, w) if a else 1 - p_a(z, w))
            cells += [
                (z, w, f"a{a}", 1, share * p_y(a, z, w)),
                (z, w, f"a{a}", 0, share * (1 - p_y(a, z, w))),
            ]
    frame = pd.DataFrame(cells, columns=["z", "w", "a", "y", "share"])
    frame = frame.iloc[np.repeat(np.arange(len(frame)), np.rint(frame["share"] * 100_000).astype(int))]
    contrast = adjusted(BackdoorAdjustment(method="stratification"), frame.drop(columns="share"))
    assert contrast["covariates"] == ["z", "w"]
    assert contrast["reference"] == "a0"
    assert contrast["rate"]["estimate"] == pytest.approx(truth[1], abs=1e-4)
    assert contrast["estimate"] == pytest.approx(truth[1] - truth[0], abs=1e-4)
    assert contrast["confounded"]["estimate"] == pytest.approx(
        contrast["unadjusted"]["estimate"] - contrast["estimate"]
    )
    assert contrast["confounded"]["interval"][0] > 0.05


def test_strata_without_rows_of_a_group_are_excluded_and_counted() -> None:
    frame = pd.DataFrame({"a": ["g"] * 80 + ["r"] * 120, "z": [0] * 40 + [1] * 40 + [0] * 60 + [2] * 60,
                          "y": [1] * 20 + [0] * 20 + [1] * 40 + [1] * 15 + [0] * 45 + [0] * 60})  # fmt: skip
    contrast = adjusted(BackdoorAdjustment(method="stratification"), frame)
    assert contrast["outside_support"] == 0.5
    assert contrast["estimate"] == pytest.approx(0.5 - 0.25)
    apart = adjusted(BackdoorAdjustment(method="stratification"), frame[frame["z"] > 0])
    assert apart["estimate"] is None
    assert apart["status"] == "no stratum of the covariates has rows of both groups"


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_regression_adjustment_of_statsmodels(seed: int) -> None:
    frame = confounded(800, seed)
    contrast = adjusted(BackdoorAdjustment(reference={"a": "a"}), frame, task="regression")
    exog = add_constant(pd.get_dummies(frame[["x", "z"]], drop_first=True, dtype=float))
    treated = (frame["a"] == "b").astype(int).to_numpy()
    peer = TreatmentEffect(OLS(frame["y"], exog), treated, results_select=Logit(treated, exog).fit(disp=0))
    found = peer.ra()
    assert contrast["estimate"] == pytest.approx(found.results_gmm.params[0], abs=1e-6)
    assert contrast["reference_rate"]["estimate"] == pytest.approx(found.results_gmm.params[1], abs=1e-6)
    assert contrast["se"] == pytest.approx(found.results_gmm.bse[0], rel=1e-3)


@pytest.mark.data
def test_logistic_standardization_agrees_with_statsmodels_on_compas(compas: pd.DataFrame) -> None:
    frame = compas[["sex", "race", "age", "juv_fel_count", "two_year_recid"]].iloc[:4000]
    roles = Roles(outcome="two_year_recid", favorable="0", protected=("sex", "race"))
    data = Dataset.from_frame(frame, roles)
    found = BackdoorAdjustment(covariates=["age", "sex"]).analyze(data).result["contrasts"]
    measured = [contrast for contrast in found if contrast["status"] == "measured"]
    assert len(measured) >= 4
    for contrast in measured:
        attribute = contrast["attribute"]
        formula = "y ~ age" if attribute == "sex" else "y ~ age + C(sex)"
        table = data.frame.assign(y=data.y)
        for key, group in (("rate", contrast["group"]), ("reference_rate", contrast["reference"])):
            fit = smf.logit(formula, data=table[table[attribute] == group]).fit(disp=0)
            assert contrast[key]["estimate"] == pytest.approx(fit.predict(table).mean(), abs=1e-5)


def test_standard_errors_agree_with_the_bootstrap() -> None:
    frame, rng = confounded(500, 1).assign(y=lambda f: (f["y"] > 0).astype(int)), np.random.default_rng(0)
    for technique in (
        BackdoorAdjustment(reference={"a": "a"}),
        BackdoorAdjustment(reference={"a": "a"}, method="stratification", n_bins=2),
    ):
        again = [adjusted(technique, frame.iloc[rng.integers(0, 500, 500)]) for _ in range(100)]
        assert adjusted(technique, frame)["se"] == pytest.approx(
            np.std([c["estimate"] for c in again]), rel=0.25
        )


def test_intervals_cover_the_true_effects_of_the_bank(true_graph: CausalGraph) -> None:
    pairs = {(a, g): true_effects(a, g, r, n_rows=200_000).total
             for a, r, groups in (("race", "White", ("Black", "Hispanic", "Asian")), ("gender", "Male", ("Female",)))
             for g in groups}  # fmt: skip
    missed = 0
    for seed in range(12):
        data = Dataset.from_frame(bank(2000, random_state=seed), Roles(**bank_roles()))
        technique = BackdoorAdjustment(reference={"race": "White", "gender": "Male"})
        for contrast in technique.analyze(data, true_graph).result["contrasts"]:
            low, high = contrast["interval"]
            missed += not low <= pairs[contrast["attribute"], contrast["group"]] <= high
            assert contrast["identified"]
    assert missed <= 0.12 * 12 * len(pairs)


def test_sample_weights_act_as_repeated_rows() -> None:
    frame = confounded(400, 2).assign(w=lambda f: 1 + (f["z"] == "q"))
    repeated = frame.drop(columns="w").iloc[np.repeat(np.arange(400), frame["w"])]
    for method in ("regression", "stratification"):
        technique = BackdoorAdjustment(reference={"a": "a"}, method=method, covariates=["z"])
        weighted = adjusted(technique, frame, task="regression", weights="w")
        assert weighted["estimate"] == pytest.approx(
            adjusted(technique, repeated, task="regression")["estimate"]
        )


def test_says_what_the_graph_identifies(bank_data: Dataset, true_graph: CausalGraph) -> None:
    through = BackdoorAdjustment(covariates=["income"]).analyze(bank_data, true_graph).result
    assert not any(contrast["identified"] for contrast in through["contrasts"])
    assert "which the graph does not identify" in through["text"]
    assert through["minimal_adjustment_sets"] == {"race": [[]], "gender": [[]]}
    hidden = CausalGraph.from_edges([("race", "approved")], hidden=[("race", "approved")])
    found = BackdoorAdjustment().analyze(bank_data, hidden).result
    assert [c["identified"] for c in found["contrasts"]] == [False] * 3 + [True]
    assert found["minimal_adjustment_sets"]["race"] == []
    json.dumps(found, allow_nan=False)


def test_missing_values_and_groups_without_both_outcomes() -> None:
    frame = confounded(400, 3).assign(y=lambda f: (f["y"] > 0).astype(int))
    frame["x"], frame["z"] = (
        frame["x"].where(np.arange(400) % 9 > 0),
        frame["z"].where(np.arange(400) % 5 > 0),
    )
    for method in ("regression", "stratification"):
        contrast = adjusted(BackdoorAdjustment(method=method), frame)
        assert contrast["status"] == "measured"
        assert "imputed by the median" in contrast["notes"]["x"]
    constant = frame.assign(y=np.where(frame["a"] == "b", 0, frame["y"]))
    assert adjusted(BackdoorAdjustment(), constant)["status"].startswith("all ")
    assert adjusted(BackdoorAdjustment(model="linear"), constant)["rate"]["estimate"] == pytest.approx(0)


def test_refuses_unknown_names(bank_data: Dataset) -> None:
    with pytest.raises(UnknownNameError, match="covariate"):
        BackdoorAdjustment(covariates=["agee"]).analyze(bank_data)
    with pytest.raises(ParameterError, match="method"):
        BackdoorAdjustment.with_parameters(method="matching")
