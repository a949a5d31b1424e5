"""The causal explanation formula on an enumerated model, in closed form, and on the bank."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import UnknownNameError
from fairmend.plugins.causal import CausalExplanationFormula
from fairmend.plugins.datasets import bank, bank_roles, true_effects

PARTS = ("direct", "indirect", "spurious")


def decomposed(technique: CausalExplanationFormula, frame: pd.DataFrame, **roles: Any) -> dict[str, Any]:
    """Return the only contrast of a frame with the columns x (x1 or x0), z, w and y, of x1 against x0."""
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("x",), mediators=("w",), **roles))
    (contrast,) = technique.set_params(reference={"x": "x0"}).analyze(data).result["contrasts"]
    return contrast


def linear(n: int, seed: int) -> pd.DataFrame:
    """Return a linear model in which z confounds x and y, and w mediates."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    x = rng.random(n) < 1 / (1 + np.exp(-z))
    w = 0.7 * x + 0.5 * z + rng.normal(size=n)
    y = 0.3 * x + 0.9 * w + 0.4 * z + rng.normal(size=n)
    return pd.DataFrame({"x": np.where(x, "x1", "x0"), "z": z, "w": w, "y": y})


def test_equals_the_counterfactuals_of_an_enumerated_model() -> None:
    # Each person is a point (z, e_w, e_y) of the noise; counterfactuals are evaluated person by person.
    grid, people = np.arange(12) / 12 + 1 / 24, []
    for z, e_w, e_y in product((0, 1), grid, grid):
        people.append((z, e_w, e_y))
    z, e_w, e_y = np.array(people).T
    w_of = lambda x: (e_w < 0.25 + 0.25 * x + 0.25 * z).astype(int)  # noqa: E731
    y_of = lambda x, w: (e_y < 1 / 6 + x / 6 + w / 4 + z / 12 - x * w / 12 + x * z / 12).astype(int)  # noqa: E731
    # x depends on z alone: a share of 1/4 of z=0 and of 3/4 of z=1
    weight = np.where(z == 1, 3, 1)  # of each person in group x1; in x0 the opposite
    rate = lambda y, in_x1: float(np.average(y, weights=weight if in_x1 else 4 - weight))  # noqa: E731
    observed, other = rate(y_of(1, w_of(1)), True), rate(y_of(0, w_of(0)), False)
    own, untreated = rate(y_of(0, w_of(1)), True), rate(y_of(0, w_of(0)), True)
    rows = [
        pd.DataFrame({"x": f"x{x}", "z": z, "w": w_of(x), "y": y_of(x, w_of(x))}).iloc[
            np.repeat(np.arange(len(z)), weight if x else 4 - weight)
        ]
        for x in (0, 1)
    ]
    contrast = decomposed(CausalExplanationFormula(model="linear"), pd.concat(rows))
    assert contrast["covariates"] == ["z"]
    assert contrast["total"]["estimate"] == pytest.approx(observed - other, abs=1e-12)
    # DE(x1, x0 | x1), IE(x0, x1 | x1) and SE(x0, x1) of the paper
    expected = {"direct": -(own - observed), "indirect": own - untreated, "spurious": untreated - other}
    for name, value in expected.items():
        assert abs(value) > 0.01
        assert contrast[name]["estimate"] == pytest.approx(value, abs=1e-9)


def test_closed_form_of_a_linear_model() -> None:
    frame = linear(700, 0)
    contrast = decomposed(CausalExplanationFormula(), frame, task="regression")
    x1, x0 = frame[frame["x"] == "x1"], frame[frame["x"] == "x0"]
    full, reduced = smf.ols("y ~ w + z", x0).fit(), smf.ols("y ~ z", x0).fit()
    own, untreated = full.predict(x1).mean(), reduced.predict(x1).mean()
    assert contrast["direct"]["estimate"] == pytest.approx(x1["y"].mean() - own, abs=1e-10)
    assert contrast["indirect"]["estimate"] == pytest.approx(own - untreated, abs=1e-10)
    assert contrast["spurious"]["estimate"] == pytest.approx(untreated - x0["y"].mean(), abs=1e-10)
    # the coefficients of the model: 0.3 direct, 0.7 * 0.9 indirect, (0.4 + 0.5 * 0.9) times the gap in z
    large = decomposed(CausalExplanationFormula(), linear(20_000, 1), task="regression")
    gap = linear(20_000, 1).groupby("x")["z"].mean()
    truth = {"direct": 0.3, "indirect": 0.63, "spurious": 0.85 * (gap["x1"] - gap["x0"])}
    for name, value in truth.items():
        low, high = large[name]["interval"]
        assert low - 0.02 < value < high + 0.02


@pytest.mark.data
def test_parts_add_up_to_the_disparity_on_adult(adult: pd.DataFrame) -> None:
    columns = [
        "sex",
        "race",
        "age",
        "native-country",
        "education-num",
        "occupation",
        "marital-status",
        "hours-per-week",
        "income",
    ]
    through = ("education-num", "occupation", "marital-status", "hours-per-week")
    roles = Roles(outcome="income", favorable=">50K", protected=("sex", "race"), mediators=through)
    data = Dataset.from_frame(adult[columns].iloc[:8000], roles)
    result = CausalExplanationFormula().analyze(data).result
    assert len(result["contrasts"]) == 1 + 4
    for contrast in result["contrasts"]:
        rates = pd.Series(data.y).groupby(data.sensitive[contrast["attribute"]]).mean()
        total = rates[contrast["group"]] - rates[contrast["reference"]]
        assert contrast["total"]["estimate"] == pytest.approx(total, abs=1e-12)
        assert sum(contrast[name]["estimate"] for name in PARTS) == pytest.approx(total, abs=1e-12)
    assert "Female against Male" in result["text"]
    json.dumps(result, allow_nan=False)


def test_intervals_cover_the_true_parts_of_the_bank(true_graph: CausalGraph) -> None:
    truth, missed = {}, 0
    for group in ("Black", "Hispanic", "Asian"):
        # from the group to the reference: the other direction of the same natural effects; nothing is spurious
        back = true_effects("race", "White", group, n_rows=200_000)
        truth[group] = {
            "total": -back.total,
            "direct": -back.direct,
            "indirect": -back.indirect,
            "spurious": 0.0,
        }
    for seed in range(12):
        data = Dataset.from_frame(bank(2500, random_state=seed), Roles(**bank_roles()))
        technique = CausalExplanationFormula(reference={"race": "White"})
        for contrast in technique.analyze(data, true_graph).result["contrasts"][:3]:
            assert contrast["identified"]
            for name, value in truth[contrast["group"]].items():
                low, high = contrast[name]["interval"]
                missed += not low <= value <= high
    assert truth["Black"]["indirect"] < -0.1
    assert missed <= 0.1 * 12 * 3 * 4


def test_standard_errors_agree_with_the_bootstrap() -> None:
    frame, rng = linear(500, 3).assign(y=lambda f: (f["y"] > 0.5).astype(int)), np.random.default_rng(0)
    again = [decomposed(CausalExplanationFormula(), frame.iloc[rng.integers(0, 500, 500)]) for _ in range(80)]
    contrast = decomposed(CausalExplanationFormula(), frame)
    for name in ("total", *PARTS):
        assert contrast[name]["se"] == pytest.approx(np.std([c[name]["estimate"] for c in again]), rel=0.3)


def test_without_confounders_or_mediators_their_parts_are_zero() -> None:
    frame = linear(400, 4)
    alone = decomposed(CausalExplanationFormula(covariates=[]), frame, task="regression")
    assert alone["spurious"]["estimate"] == pytest.approx(0, abs=1e-12)
    none = decomposed(CausalExplanationFormula(mediators=[]), frame, task="regression")
    assert none["indirect"]["estimate"] == 0


def test_sample_weights_act_as_repeated_rows() -> None:
    frame = linear(300, 5).assign(k=np.arange(300) % 3 + 1)
    weighted = decomposed(CausalExplanationFormula(), frame, task="regression", weights="k")
    repeated = decomposed(
        CausalExplanationFormula(),
        frame.drop(columns="k").iloc[np.repeat(np.arange(300), frame["k"])],
        task="regression",
    )
    for name in PARTS:
        assert weighted[name]["estimate"] == pytest.approx(repeated[name]["estimate"], abs=1e-9)


def test_says_when_the_graph_denies_the_parts(bank_data: Dataset, true_graph: CausalGraph) -> None:
    hidden = CausalGraph.from_edges(true_graph.edges, nodes=true_graph.nodes, hidden=[("race", "approved")])
    result = CausalExplanationFormula().analyze(bank_data, hidden).result
    assert [contrast["identified"] for contrast in result["contrasts"]] == [False, False, False, True]
    with pytest.raises(UnknownNameError, match="mediator"):
        CausalExplanationFormula(mediators=["incom"]).analyze(bank_data, true_graph)
