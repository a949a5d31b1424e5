"""Natural effects against closed forms, an enumerated model, statsmodels, and the truth of the bank."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.stats.mediation import Mediation

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import UnknownNameError, UsageError
from fairmend.plugins.causal import MediationAnalysis
from fairmend.plugins.datasets import bank, bank_roles, true_effects


def effects(technique: MediationAnalysis, frame: pd.DataFrame, **roles: Any) -> dict[str, Any]:
    """Return the only contrast of a frame with the columns a (g or r), m and y, of g against r."""
    given = {"mediators": tuple(c for c in frame.columns if c.startswith("m")), **roles}
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("a",), **given))
    (contrast,) = technique.set_params(reference={"a": "r"}).analyze(data).result["contrasts"]
    return contrast


def linear(n: int, seed: int) -> pd.DataFrame:
    """Return a linear model with interaction, without covariates."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2, n)
    m = 0.5 + a + rng.normal(size=n)
    y = 1 + 0.4 * a + 0.8 * m - 0.3 * a * m + rng.normal(size=n)
    return pd.DataFrame({"a": np.where(a == 1, "g", "r"), "m": m, "y": y})


def test_closed_form_of_a_linear_model_with_interaction() -> None:
    frame = linear(500, 0)
    contrast = effects(MediationAnalysis(), frame, task="regression")
    table = frame.assign(a=(frame["a"] == "g").astype(float))
    outcome, mediator = smf.ols("y ~ a * m", table).fit().params, smf.ols("m ~ a", table).fit().params
    b0, b1 = mediator["Intercept"], mediator["a"]
    t1, t2, t3 = outcome["a"], outcome["m"], outcome["a:m"]
    expected = {
        "direct": t1 + t3 * b0,
        "indirect": (t2 + t3) * b1,
        "pure_indirect": t2 * b1,
        "interaction": t3 * b1,
        "total": t1 + t3 * b0 + (t2 + t3) * b1,
    }
    for name, value in expected.items():
        assert contrast[name]["estimate"] == pytest.approx(value, abs=1e-9)
    assert contrast["mediated_share"] == pytest.approx(expected["indirect"] / expected["total"])
    assert contrast["identified"]


def test_agrees_with_mediation_of_statsmodels() -> None:
    frame = linear(2000, 1)
    table = frame.assign(a=(frame["a"] == "g").astype(float))
    peer = Mediation(sm.OLS.from_formula("y ~ a * m", table), sm.OLS.from_formula("m ~ a", table), "a", "m")
    np.random.seed(0)  # noqa: NPY002  statsmodels draws from the global generator
    summary = peer.fit(n_rep=100).summary()
    contrast = effects(MediationAnalysis(), frame, task="regression")
    for ours, theirs in (("pure_indirect", "ACME (control)"), ("indirect", "ACME (treated)"),
                         ("direct", "ADE (control)"), ("total", "Total effect")):  # fmt: skip
        row = summary.loc[theirs]
        assert contrast[ours]["estimate"] == pytest.approx(row["Estimate"], abs=0.02)
        width = contrast[ours]["interval"][1] - contrast[ours]["interval"][0]
        assert width == pytest.approx(row["Upper CI bound"] - row["Lower CI bound"], rel=0.4)


def test_equals_an_enumerated_model_with_two_mediators_and_a_covariate() -> None:
    p_c, p_a = [0.6, 0.4], lambda c: 0.3 + 0.3 * c
    p_m, p_n = lambda a, c: 0.3 + 0.3 * a + 0.2 * c, lambda a, m: 0.2 + 0.2 * a + 0.3 * m
    p_y = lambda a, m, n, c: 0.1 + 0.1 * a + 0.2 * m + 0.15 * n + 0.1 * c + 0.05 * a * m  # noqa: E731
    chance = lambda p, value: p if value else 1 - p  # noqa: E731
    cells = [
        (c, a, m, n, y, p_c[c] * chance(p_a(c), a) * chance(p_m(a, c), m) * chance(p_n(a, m), n) * chance(p_y(a, m, n, c), y))
        for c, a, m, n, y in product((0, 1), repeat=5)
    ]  # fmt: skip

    def mean(a: int, b: int) -> float:
        """Return E[Y(a, M(b))]."""
        return sum(
            p_c[c] * chance(p_m(b, c), m) * chance(p_n(b, m), n) * p_y(a, m, n, c)
            for c, m, n in product((0, 1), repeat=3)
        )

    frame = pd.DataFrame(cells, columns=["c", "a", "m", "m2", "y", "share"])
    frame = frame.iloc[np.repeat(np.arange(32), np.rint(frame["share"] * 60_000).astype(int))]
    frame = frame.drop(columns="share").assign(a=lambda f: np.where(f["a"] == 1, "g", "r"))
    contrast = effects(MediationAnalysis(model="linear"), frame)
    assert contrast["covariates"] == ["c"]
    assert contrast["mediators"] == ["m", "m2"]
    expected = {"total": mean(1, 1) - mean(0, 0), "direct": mean(1, 0) - mean(0, 0), "indirect": mean(1, 1) - mean(1, 0),
                "pure_indirect": mean(0, 1) - mean(0, 0)}  # fmt: skip
    for name, value in expected.items():
        assert contrast[name]["estimate"] == pytest.approx(value, abs=2e-3)


def test_intervals_cover_the_true_effects_of_the_bank(true_graph: CausalGraph) -> None:
    truth = {g: true_effects("race", g, "White", n_rows=200_000) for g in ("Black", "Hispanic", "Asian")}
    roles, missed = Roles(**bank_roles()), 0
    for seed in range(12):
        data = Dataset.from_frame(bank(2500, random_state=seed), roles)
        technique = MediationAnalysis(reference={"race": "White"})
        for contrast in technique.analyze(data, true_graph).result["contrasts"][:3]:
            assert set(contrast["mediators"]) == {
                "education",
                "zip_code",
                "redlining",
                "income",
                "credit_score",
            }
            assert contrast["identified"]
            for name in ("total", "direct", "indirect"):
                low, high = contrast[name]["interval"]
                missed += not low <= getattr(truth[contrast["group"]], name) <= high
    assert missed <= 0.1 * 12 * 3 * 3


def test_parts_add_up_with_several_attributes_and_groups(bank_data: Dataset, true_graph: CausalGraph) -> None:
    result = MediationAnalysis().analyze(bank_data, true_graph).result
    assert [(c["attribute"], c["group"]) for c in result["contrasts"]] == [
        ("race", "Asian"), ("race", "Black"), ("race", "Hispanic"), ("gender", "Female")]  # fmt: skip
    for contrast in result["contrasts"]:
        value = {
            name: contrast[name]["estimate"]
            for name in ("total", "direct", "indirect", "pure_indirect", "interaction")
        }
        assert value["total"] == pytest.approx(value["direct"] + value["indirect"], abs=1e-12)
        assert value["indirect"] == pytest.approx(value["pure_indirect"] + value["interaction"], abs=1e-12)
    gender = result["contrasts"][-1]
    assert gender["mediators"] == ["employment_history", "income", "credit_score"]
    assert gender["mediated_share"] is None or abs(gender["total"]["estimate"]) > 0.01
    assert "through 5 mediators" in result["text"]
    json.dumps(result, allow_nan=False)


def test_without_mediators_the_effect_is_direct() -> None:
    frame = linear(400, 3).rename(columns={"m": "x"})
    contrast = effects(MediationAnalysis(), frame, task="regression")
    assert contrast["mediators"] == []
    assert contrast["indirect"]["estimate"] == 0
    assert contrast["direct"]["estimate"] == contrast["total"]["estimate"]


def test_standard_errors_agree_with_the_bootstrap() -> None:
    rng = np.random.default_rng(2)
    frame = linear(500, 4).assign(c=rng.normal(size=500))
    frame = frame.assign(m=frame["m"] + frame["c"], y=lambda f: (f["y"] + f["m"] > 1.5).astype(int))
    again = [effects(MediationAnalysis(), frame.iloc[rng.integers(0, 500, 500)]) for _ in range(80)]
    contrast = effects(MediationAnalysis(), frame)
    for name in ("total", "direct", "indirect"):
        assert contrast[name]["se"] == pytest.approx(np.std([c[name]["estimate"] for c in again]), rel=0.3)


def test_says_when_the_graph_does_not_identify_the_effects(
    bank_data: Dataset, true_graph: CausalGraph
) -> None:
    # credit_score, a mediator that is left out, is influenced by race and acts on the outcome past income
    found = MediationAnalysis(mediators=["income"]).analyze(bank_data, true_graph).result
    assert not found["contrasts"][0]["identified"]
    assert "which the graph does not identify" in found["text"]
    everything = MediationAnalysis().analyze(bank_data, true_graph).result["contrasts"]
    assert all(contrast["identified"] for contrast in everything)
    hidden = CausalGraph.from_edges(true_graph.edges, nodes=true_graph.nodes, hidden=[("income", "approved")])
    assert not any(
        c["identified"] for c in MediationAnalysis().analyze(bank_data, hidden).result["contrasts"]
    )


def test_refuses_unknown_and_ambiguous_columns(bank_data: Dataset, true_graph: CausalGraph) -> None:
    with pytest.raises(UnknownNameError, match="mediator"):
        MediationAnalysis(mediators=["incom"]).analyze(bank_data, true_graph)
    with pytest.raises(UsageError, match="must be a mediator or a covariate, but 'income' is both"):
        MediationAnalysis(mediators=["income"], covariates=["income"]).analyze(bank_data, true_graph)
