"""Proxy discrimination: paths against enumeration, linear models with known effects, and the bank."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from fairmend.core.case import Case
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import UnknownNameError
from fairmend.core.models.learners import make_learner
from fairmend.plugins.causal import ProxyDiscrimination
from fairmend.plugins.causal._proxy_discrimination import proxy_paths, unresolved_paths


@pytest.mark.parametrize("seed", range(20))
def test_paths_agree_with_their_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes = list("auvwxyz")
    edges = [(nodes[i], nodes[j]) for i in range(7) for j in range(i + 1, 7) if rng.random() < 0.45]
    graph = CausalGraph.from_edges(edges, nodes=nodes)
    some = set(rng.choice(list("uvwx"), 2, replace=False).tolist())
    paths = {node: list(nx.all_simple_paths(graph.network, "a", node)) for node in nodes[1:] if node in nodes}
    unresolved = unresolved_paths(graph, "a", some)
    through = proxy_paths(graph, "a", some)
    assert set(unresolved) == {n for n in paths if any(not some & set(p) for p in paths[n])}
    assert set(through) == {n for n in paths if n not in some and any(some & set(p) for p in paths[n])}
    for node, path in [*unresolved.items(), *through.items()]:
        assert path in paths[node]
    assert all(some & set(path) for path in through.values())


GRAPH = CausalGraph.from_edges(
    [
        ("g", "p"),
        ("g", "x"),
        ("p", "x"),
        ("x", "w"),
        ("p", "w"),
        ("c", "w"),
        ("x", "y"),
        ("p", "y"),
        ("c", "y"),
    ]
)


class Weights:
    """A model of given weights, as the analysis calls a fitted one."""

    def __init__(self, **weights: float) -> None:
        self.weights = weights

    def scores(self, X: pd.DataFrame, sensitive: Any = None) -> np.ndarray:
        return sum((w * X[c].to_numpy() for c, w in self.weights.items()), np.zeros(len(X)))

    def decision_probability(self, X: pd.DataFrame, sensitive: Any = None) -> np.ndarray:
        return (self.scores(X) >= 0.5).astype(float)


@pytest.fixture(scope="module")
def linear() -> Dataset:
    """Rows in which p moves x by 2 and w by 1 beside: its total effect on w is 1 + 2 * 3 = 7."""
    rng = np.random.default_rng(0)
    g = rng.choice(["a", "b", "d"], 6000, p=[0.5, 0.3, 0.2])
    noise = rng.normal(size=(4, 6000))
    p = 1.0 * (g == "b") + 3.0 * (g == "d") + noise[0]
    c = noise[1]
    x = 2 * p - (g == "b") + noise[2]
    w = p + 3 * x + c
    w += noise[3]
    frame = pd.DataFrame({"g": g, "p": p, "x": x, "w": w, "c": c})
    frame["y"] = (x + 0.5 * p + c + rng.normal(size=6000) > 1).astype(int)
    return Dataset.from_frame(frame, Roles(outcome="y", protected=("g",), proxies=("p",)))


def gaps(data: Dataset, model: Any = None, predictor: str = "model", **parameters: Any) -> dict[str, float]:
    result = ProxyDiscrimination(**parameters).analyze(data, GRAPH, model=model).result
    found = {one["predictor"]: one for one in result["predictors"]}[predictor]
    return {row["group"]: row["gap"] for row in found["contrasts"]}


def test_the_effect_of_a_proxy_is_its_total_effect_times_its_difference(linear: Dataset) -> None:
    means = linear.X["p"].groupby(linear.sensitive["g"].to_numpy()).mean()
    found = gaps(linear, Weights(w=1.0, p=0.5))
    for group in "abd":
        assert found[group] == pytest.approx(7.5 * (means[group] - means["a"]), rel=0.02, abs=1e-9)
    # the constraint of the paper: a weight of p that cancels its effect through the features
    assert max(map(abs, gaps(linear, Weights(x=1.0, p=-2.0)).values())) < 0.15  # 6 without it
    assert max(map(abs, gaps(linear, Weights(c=1.0)).values())) == 0


def test_the_corrected_regression_gives_the_same_scores_whatever_the_proxy_is(linear: Dataset) -> None:
    result = ProxyDiscrimination().analyze(linear, GRAPH).result
    found = {one["predictor"]: one for one in result["predictors"]}
    assert found["corrected"]["free"]
    assert max(row["absolute_gap"] for row in found["corrected"]["contrasts"]) < 1e-9
    assert not found["unaware"]["free"]
    assert found["corrected"]["rmse"] > found["unaware"]["rmse"]
    assert "shows proxy discrimination" in result["text"]


def test_declared_columns_decide_what_is_resolved(linear: Dataset) -> None:
    def columns(kind: str, **parameters: Any) -> list[str]:
        return [
            row["column"] for row in ProxyDiscrimination(**parameters).analyze(linear, GRAPH).result[kind]
        ]

    assert columns("unresolved") == ["p", "x", "w", "y"]
    assert columns("unresolved", resolving=["x", "p"]) == []
    assert columns("unresolved", resolving=["x"]) == ["p", "w", "y"]
    assert columns("proxy_paths") == ["x", "w", "y"]
    assert columns("proxy_paths", proxies=["w"]) == []
    none = ProxyDiscrimination(proxies=[]).analyze(linear, GRAPH).result
    assert none["predictors"] == []
    assert "No proxy" in none["text"]
    with pytest.raises(UnknownNameError, match="no proxy is called 'q'"):
        ProxyDiscrimination(proxies=["q"]).analyze(linear, GRAPH)


def test_the_redlining_of_the_bank(case: Case, true_graph: CausalGraph) -> None:
    fitted = case.replace(learner=make_learner("logistic_regression"), graph=true_graph).retrained()
    after, _ = ProxyDiscrimination().run(fitted)
    result = after.results["proxy-discrimination"]
    assert result["proxies"] == ["zip_code", "redlining"]
    first, *_, corrected = result["predictors"]
    by_group = {row["group"]: row["gap"] for row in first["contrasts"] if row["attribute"] == "race"}
    assert first["predictor"] == "model"
    assert by_group["Black"] < by_group["White"]
    assert corrected["free"]
    resolved = {(row["attribute"], row["column"]) for row in result["unresolved"]}
    assert ("gender", "employment_history") not in resolved
    assert ("race", "approved") in resolved
