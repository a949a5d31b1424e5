"""Causal feature selection against its definition on random graphs, MANOVA, and real data."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from fairmend.base import TableEncoder
from fairmend.core.errors import NotFeasibleError, UnknownNameError
from fairmend.plugins.datasets import bank
from fairmend.plugins.preprocessing import CausalFeatureSelection
from fairmend.plugins.preprocessing._causal_feature_selection import causal_selection, partial_dependence


def drawn_graph(seed: int) -> tuple[Any, list[str], list[str]]:
    """Return a random graph whose root is the attribute s, with candidates and admissible nodes."""
    rng = np.random.default_rng(seed)
    names = ["s", *rng.permutation([f"x{k}" for k in range(6)] + ["a0", "a1"]).tolist(), "y"]
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from(pair for pair in itertools.combinations(names, 2) if rng.random() < 0.25)
    return graph, [n for n in names if n.startswith("x")], ["a0", "a1"]


def is_d_separated(graph: Any, x: Any, y: Any, given: Any) -> bool:
    return nx.is_d_separator(graph, set(x), set(y), set(given))


@pytest.mark.parametrize("seed", range(30))
def test_both_searches_return_the_set_of_the_definition_on_a_random_graph(seed: int) -> None:
    graph, features, admissible = drawn_graph(seed)
    tests: list[int] = []

    def separated(x: Any, y: Any, given: Any) -> bool:
        tests.append(len(x))
        return is_d_separated(graph, x, y, given)

    parts = [(), ("a0",), ("a1",), ("a0", "a1")]
    first = [f for f in features if any(nx.is_d_separator(graph, {f}, {"s"}, set(a)) for a in parts)]
    rest = [f for f in features if f not in first]
    second = [f for f in rest if nx.is_d_separator(graph, {f}, {"y"}, {"a0", "a1", *first})]
    assert causal_selection(features, ["s"], "y", admissible, separated) == (first, second)
    assert max(tests) == 1
    assert causal_selection(features, ["s"], "y", admissible, separated, grouped=True) == (first, second)


def test_what_is_untouched_descends_from_the_attribute_through_admissible_nodes_only() -> None:
    for seed in range(30):
        graph, features, admissible = drawn_graph(seed)
        separated = partial(is_d_separated, graph)
        first, _ = causal_selection(features, ["s"], "y", admissible, separated)
        held = graph.copy()
        held.remove_edges_from([(u, v) for u, v in graph.edges if v in admissible])  # do(admissible)
        assert not set(first) & nx.descendants(held, "s")


def test_grouped_search_needs_fewer_tests_where_most_features_are_safe() -> None:
    names = [f"x{k}" for k in range(64)]
    calls: list[int] = []

    def separated(x: Any, y: Any, given: Any) -> bool:
        calls.append(1)
        return "x9" not in x

    assert causal_selection(names, ["s"], "y", [], separated, grouped=True)[0] == [
        n for n in names if n != "x9"
    ]
    assert len(calls) <= 15  # 2 log2(64) + 1, and one for the rest


def test_the_strength_is_that_of_manova() -> None:
    manova = pytest.importorskip("statsmodels.multivariate.manova")
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
    R = np.corrcoef(Z.T)
    frame = pd.DataFrame(Z, columns=list("abcdef"))
    test = manova.MANOVA.from_formula("a + b ~ c + d + e + f", frame).mv_test([("cd", np.eye(5)[1:3])])
    wilks = float(test.results["cd"]["stat"].loc["Wilks' lambda", "Value"])
    places = [np.array(p) for p in ([0, 1], [2, 3], [4, 5])]
    strength, p_value = partial_dependence(R, 300, *places)
    assert strength == pytest.approx(np.sqrt(1 - wilks), rel=1e-9)
    assert 0 <= p_value <= 1


def test_the_test_of_independent_blocks_holds_its_level() -> None:
    rng = np.random.default_rng(1)
    rejected = 0
    for _ in range(600):
        Z = rng.normal(size=(120, 5))
        Z[:, :4] += Z[:, [4]]
        R = np.corrcoef(Z.T)
        rejected += partial_dependence(R, 120, np.array([0, 1]), np.array([2, 3]), np.array([4]))[1] < 0.05
    assert rejected / 600 == pytest.approx(0.05, abs=0.03)


def planted(n: int = 4000) -> tuple[pd.DataFrame, Any, pd.DataFrame]:
    rng = np.random.default_rng(0)
    sex, race = rng.choice(["f", "m"], n), rng.choice(["a", "b", "c"], n)
    job = np.where(rng.random(n) < 0.3 + 0.4 * (sex == "m"), "tech", "care")  # admissible
    X = pd.DataFrame({
        "job": job,
        "salary": 2.0 * (job == "tech") + rng.normal(size=n),  # of the attribute through the job alone
        "skill": rng.normal(size=n),
        "club": rng.normal(size=n) + 1.0 * (race == "a"),  # acts on the outcome
        "town": rng.choice(["north", "south"], n),
    })  # fmt: skip
    logit = X["salary"] + X["skill"] + X["club"] + (X["town"] == "north")
    y = (rng.random(n) < 1 / (1 + np.exp(2 - logit))).astype(int)
    return X, y, pd.DataFrame({"sex": sex, "race": race})


@pytest.mark.parametrize("search", ["sequential", "grouped"])
def test_a_planted_descendant_goes_and_what_the_job_explains_stays(search: str) -> None:
    X, y, people = planted()
    selection = CausalFeatureSelection(["job"], search=search).fit(X, y, sensitive_features=people)
    assert selection.kept_ == ["job", "salary", "skill", "town"]
    assert selection.diagnostics_["removed"] == ["club"]
    assert list(selection.transform(X).columns) == selection.kept_
    strict = CausalFeatureSelection(search=search).fit(X, y, sensitive_features=people)
    assert strict.kept_ == ["skill", "town"]


def test_a_stand_in_without_effect_adds_nothing_once_the_admissible_are_known() -> None:
    rng = np.random.default_rng(3)
    s = rng.integers(0, 2, 4000)
    job = s + rng.normal(size=4000)
    X = pd.DataFrame({"job": job, "shoe_size": s + rng.normal(size=4000)})
    y = (job + rng.normal(size=4000) > 0.5).astype(int)
    found = CausalFeatureSelection(["job"]).fit(X, y, sensitive_features=s).diagnostics_
    assert found["irrelevant"] == ["shoe_size"]


@pytest.mark.data
def test_what_stays_of_adult_no_longer_tells_the_sex(adult: pd.DataFrame) -> None:
    rows = adult[:8000]
    X = rows.drop(columns=["income", "sex", "race"])
    y = (rows["income"] == ">50K").to_numpy().astype(int)
    selection = CausalFeatureSelection(min_strength=0.1).fit(X, y, sensitive_features=rows[["sex", "race"]])
    assert {"relationship", "marital-status", "occupation"} <= set(selection.diagnostics_["removed"])
    told = []
    for frame in (X, selection.transform(X)):
        Z = TableEncoder("one-hot").fit(frame).transform(frame)
        sex = (rows["sex"] == "Male").to_numpy()
        told.append(
            roc_auc_score(
                sex,
                cross_val_predict(LogisticRegression(max_iter=300), Z, sex, cv=3, method="predict_proba")[
                    :, 1
                ],
            )
        )
    assert told[0] > 0.9
    assert told[1] < 0.65


def test_an_unknown_feature_and_a_table_without_safe_features_are_refused() -> None:
    loans = bank(2000)
    X, y, race = loans[["income", "credit_score"]], loans["approved"], loans["race"]
    with pytest.raises(UnknownNameError, match="no feature is called 'incom'; did you mean income"):
        CausalFeatureSelection(["incom"]).fit(X, y, sensitive_features=race)
    with pytest.raises(NotFeasibleError, match="all 2 features carry an influence"):
        CausalFeatureSelection().fit(X, y, sensitive_features=race)


def test_weights_are_repeated_rows() -> None:
    X, y, people = planted(1500)
    weights = np.random.default_rng(1).integers(1, 4, 1500)
    at = np.repeat(np.arange(1500), weights)
    one = CausalFeatureSelection(alpha=0.2).fit(X, y, sensitive_features=people, sample_weight=weights)
    other = CausalFeatureSelection(alpha=0.2).fit(X.iloc[at], y[at], sensitive_features=people.iloc[at])
    assert one.diagnostics_ == other.diagnostics_
