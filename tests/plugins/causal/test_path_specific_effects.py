"""Path-specific effects: products of coefficients, the edge g-formula by enumeration, statsmodels, and the bank."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import NotFeasibleError, UsageError
from fairmend.plugins.causal import PathSpecificEffects
from fairmend.plugins.datasets import true_effects

EDGES = [("a", "m"), ("a", "k"), ("a", "y"), ("m", "k"), ("m", "y"), ("k", "y")]
GRAPH = CausalGraph.from_edges(EDGES)


def effects(data: Dataset, graph: CausalGraph = GRAPH, **parameters: Any) -> dict[tuple[str, str], Any]:
    found = PathSpecificEffects(**{"n_blocks": 0, **parameters}).analyze(data, graph).result
    return {(one["group"], one["path"]): one for one in found["effects"]}


@pytest.fixture(scope="module")
def linear() -> Dataset:
    """Rows of linear equations whose coefficients are found exactly, since the noise is orthogonal to the causes."""
    rng = np.random.default_rng(0)
    a = rng.choice(["base", "one", "two"], 3000, p=[0.5, 0.3, 0.2])

    def noise(*causes: Any) -> Any:
        drawn = rng.normal(size=3000)
        design = np.column_stack([a == "base", a == "one", a == "two", *causes])
        return drawn - design @ np.linalg.lstsq(design, drawn)[0]

    m = 2.0 * (a == "one") - 1.0 * (a == "two") + noise()
    k = 0.5 * (a == "one") + 3.0 * m + noise(m)
    y = 1.0 * (a == "two") + 0.7 * m - 2.0 * k + noise(m, k)
    frame = pd.DataFrame({"a": a, "m": m, "k": k, "y": y})
    return Dataset.from_frame(frame, Roles(outcome="y", protected=("a",), task="regression"))


def test_effects_of_linear_equations_are_products_of_coefficients(linear: Dataset) -> None:
    found = {key: one["effect"] for key, one in effects(linear).items()}
    through_m = 0.7 - 2.0 * 3.0
    expected = {
        ("one", "a -> m -> ..."): 2.0 * through_m,
        ("one", "a -> k -> ..."): 0.5 * -2.0,
        ("one", "a -> y"): 0.0,
        ("one", "a to y"): 2.0 * through_m + 0.5 * -2.0,
        ("two", "a -> m -> ..."): -1.0 * through_m,
        ("two", "a -> k -> ..."): 0.0,
        ("two", "a -> y"): 1.0,
        ("two", "a to y"): -through_m + 1.0,
    }
    assert found == pytest.approx(expected, abs=1e-9)


def test_paths_may_be_given_together_and_the_reference_chosen(linear: Dataset) -> None:
    paths = [["a", "m", "y"], ["a", "m", "k", "y"], ["a", "y"]]
    found = effects(linear, paths=paths, reference={"a": "two"})
    (joint,) = [one["effect"] for one in found.values() if one["kind"] == "paths" and one["group"] == "one"]
    assert joint == pytest.approx(3.0 * (0.7 - 6.0) - 1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("paths", "error", "message"),
    [
        (
            [["a", "m", "y"]],
            NotFeasibleError,
            "m is a recanting witness, since a -> m -> k -> y is not among",
        ),
        ([["a", "m", "k", "y"], ["a", "y"]], NotFeasibleError, "m is a recanting witness"),
        ([["a", "k", "m", "y"]], NotFeasibleError, "k is a recanting witness"),
        ([["m", "y"]], UsageError, "must begin with a protected attribute, got 'm'"),
        ([["a", "m"]], UsageError, "must lead from 'a' to 'y', got a -> m"),
        ([["a", "z", "y"]], UsageError, "has no path a -> z -> y"),
    ],
)
def test_what_is_not_identified_is_refused(linear: Dataset, paths: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        effects(linear, paths=paths)


def test_the_edge_g_formula_of_categories_by_enumeration() -> None:
    rng = np.random.default_rng(3)
    n = 60_000
    a = rng.integers(0, 2, n)
    m = (rng.random(n) < 0.3 + 0.4 * a).astype(int)
    k = np.where(
        rng.random(n) < 0.2 + 0.3 * m + 0.2 * a * m, "p", np.where(rng.random(n) < 0.5 + 0.3 * a, "q", "r")
    )
    chance = 0.1 + 0.2 * a + 0.3 * m * (k == "p") + 0.2 * (k == "q") * (1 - a)
    frame = pd.DataFrame({"a": a.astype(str), "m": m, "k": pd.Series(k, dtype=object)})
    frame["y"] = (rng.random(n) < chance).astype(int)
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("a",)))
    p_m = frame.groupby("a")["m"].mean()
    p_k = frame.groupby(["a", "m"])["k"].value_counts(normalize=True)
    p_y = frame.groupby(["a", "m", "k"])["y"].mean()

    def mean(to_m: str, to_k: str, to_y: str) -> float:
        """The mean outcome with these values of a along its three edges."""
        return sum(
            (p_m[to_m] if m else 1 - p_m[to_m]) * p_k[to_k, m, k] * p_y[to_y, m, k]
            for m, k in product((0, 1), "pqr")
        )

    base = frame["a"].value_counts().index[0]
    own = "1" if base == "0" else "0"
    found = {path: one["effect"] for (_, path), one in effects(data).items()}
    expected = {
        "a to y": mean(own, own, own) - mean(base, base, base),
        "a -> m -> ...": mean(own, own, own) - mean(base, own, own),
        "a -> k -> ...": mean(own, own, own) - mean(own, base, own),
        "a -> y": mean(own, own, own) - mean(own, own, base),
    }
    assert found["a -> y"] == pytest.approx(expected["a -> y"], abs=1e-12)  # nothing is drawn
    assert found == pytest.approx(expected, abs=0.004)


@pytest.mark.data
def test_the_law_schools_by_regressions_of_statsmodels(data_dir: Path) -> None:
    frame = pd.read_csv(data_dir / "law" / "law_school_fya.csv")[["race", "sex", "LSAT", "UGPA", "ZFYA"]]
    frame = frame.iloc[:8000]
    data = Dataset.from_frame(frame, Roles(outcome="ZFYA", protected=("race", "sex"), task="regression"))
    edges = [(a, b) for a in ("race", "sex") for b in ("LSAT", "UGPA", "ZFYA")]
    graph = CausalGraph.from_edges([*edges, ("LSAT", "ZFYA"), ("UGPA", "ZFYA")])
    found = effects(data, graph, min_support=100)
    formulas = {c: f"{c} ~ C(race, Treatment('White')) + C(sex)" for c in ("LSAT", "UGPA", "ZFYA")}
    formulas["ZFYA"] += " + LSAT + UGPA"
    fits = {c: smf.ols(formula, frame).fit().params for c, formula in formulas.items()}
    for group in ("Asian", "Black", "Hispanic", "Mexican"):
        name = f"C(race, Treatment('White'))[T.{group}]"
        assert found[group, "race -> ZFYA"]["effect"] == pytest.approx(fits["ZFYA"][name])
        for column in ("LSAT", "UGPA"):
            expected = fits[column][name] * fits["ZFYA"][column]
            assert found[group, f"race -> {column} -> ..."]["effect"] == pytest.approx(expected)
    assert found["Black", "race to ZFYA"]["effect"] == pytest.approx(
        sum(
            found["Black", path]["effect"]
            for path in ("race -> ZFYA", "race -> LSAT -> ...", "race -> UGPA -> ...")
        )
    )


def test_intervals_hold_the_true_effects_of_the_bank(bank_data: Dataset, true_graph: CausalGraph) -> None:
    found = effects(bank_data.take(np.arange(4000)), true_graph, n_blocks=4)
    truth = true_effects("race", "Black", "White", n_rows=50_000)
    total = found["Black", "race to approved"]
    assert total["interval"][0] <= truth.total <= total["interval"][1]
    assert total["interval"][1] - total["interval"][0] < 0.3
    assert total["effect"] == pytest.approx(truth.total, abs=0.06)
    accepted = [one for one in found.values() if one["kind"] == "accepted bundle"]
    assert {(one["attribute"], one["path"]) for one in accepted} == {
        ("gender", "gender -> employment_history -> ...")
    }


def test_without_a_path_or_with_few_rows_nothing_is_claimed(linear: Dataset) -> None:
    apart = CausalGraph.from_edges([("m", "y")], nodes=["a", "k"])
    result = PathSpecificEffects().analyze(linear, apart).result
    assert result["effects"] == []
    assert "No protected attribute" in result["text"]
    few = PathSpecificEffects(min_support=800, n_blocks=0).analyze(linear, GRAPH).result
    assert few["insufficient_evidence"] == ["a two"]
