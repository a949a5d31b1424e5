"""Pairwise fair representations against graphs written out, random projections, and data with planted ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import eigh
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import kneighbors_graph

from fairmend.core.data.groups import Groups
from fairmend.core.errors import InsufficientDataError
from fairmend.plugins.preprocessing import PairwiseFairRepresentations
from fairmend.plugins.preprocessing._pairwise_fair_representations import (
    neighbor_scatter,
    projection,
    quantile_scatter,
    ranks,
)


def drawn(seed: int = 0, n: int = 120) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 5)) @ rng.normal(size=(5, 5)), rng.integers(0, 4, n), rng.integers(0, 3, n)


def laplacian_form(X: Any, W: Any) -> Any:
    """Return X' L X / sum of the weights, with the Laplacian written out."""
    return X.T @ (np.diag(W.sum(axis=1)) - W) @ X / (W.sum() / 2)


def test_the_quantile_graph_is_that_of_its_edges() -> None:
    X, quantile, group = drawn()
    W = ((quantile[:, None] == quantile) & (group[:, None] != group)).astype(float)
    np.testing.assert_allclose(quantile_scatter(X, quantile, group), laplacian_form(X, W), rtol=1e-9)


def test_the_graph_of_neighbors_is_that_of_scikit_learn() -> None:
    X, *_ = drawn()
    D = kneighbors_graph(X, 7, mode="distance").toarray()
    W = np.where(D > 0, np.exp(-(D**2) / (D[D > 0] ** 2).mean()), 0)
    np.testing.assert_allclose(neighbor_scatter(X, 7), laplacian_form(X, (W + W.T) / 2), rtol=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0])
def test_no_orthonormal_projection_has_a_smaller_objective(gamma: float) -> None:
    X, quantile, group = drawn(1)
    S_x, S_f = neighbor_scatter(X, 7), quantile_scatter(X, quantile, group)
    V = projection(S_x, S_f, gamma, 2)
    np.testing.assert_allclose(V.T @ V, np.eye(2), atol=1e-12)
    S = (1 - gamma) * S_x + gamma * S_f
    least = np.trace(V.T @ S @ V)
    assert least == pytest.approx(eigh(S, eigvals_only=True)[:2].sum())
    rng = np.random.default_rng(2)
    for _ in range(100):
        other = np.linalg.qr(rng.normal(size=(5, 2)))[0]
        assert np.trace(other.T @ S @ other) >= least - 1e-9


def test_ranks_are_quantiles_within_each_group() -> None:
    score, group = np.array([0.1, 0.9, 0.5, 10.0, 30.0, 20.0, 40.0]), np.array([0, 0, 0, 1, 1, 1, 1])
    assert ranks(score, group, np.arange(7), 2).tolist() == [0, 1, 0, 0, 1, 0, 1]


def planted(n: int = 3000) -> tuple[pd.DataFrame, Any, pd.DataFrame, Any]:
    """Return two test scores that are lower in some groups at the same talent, and a feature that says nothing."""
    rng = np.random.default_rng(0)
    race, sex = rng.choice(["a", "b", "c"], n), rng.choice(["f", "m"], n)
    talent = rng.normal(size=n)
    lower = 1.5 * (race == "a") + 0.5 * (sex == "f")
    X = pd.DataFrame({
        "test": talent - lower + 0.4 * rng.normal(size=n),
        "essay": talent + 0.4 * rng.normal(size=n),
        "shoe": rng.normal(size=n),
        "town": rng.choice(["x", "y"], n),
    })  # fmt: skip
    y = (talent + 0.5 * rng.normal(size=n) > 0).astype(int)
    return X, y, pd.DataFrame({"race": race, "sex": sex}), talent


def fitted(gamma: float, **settings: Any) -> tuple[Any, Any, Any, Any]:
    X, y, people, talent = planted()
    learner = LogisticRegression(max_iter=500)
    numbers = X.assign(town=(X["town"] == "x").astype(float))
    technique = PairwiseFairRepresentations(gamma, estimator=learner, **settings)
    Z = technique.fit(numbers, y, sensitive_features=people).transform(numbers)
    return Z, people, talent, y


def test_people_of_equal_talent_come_together_and_the_talent_stays() -> None:
    Z, people, talent, _ = fitted(0.9, n_components=1)
    z = Z["pfr_0"] / Z["pfr_0"].std()
    X = planted()[0]
    gap = {
        name: abs(v[people["race"] == "a"].mean() - v[people["race"] != "a"].mean())
        for name, v in (("z", z), ("test", X["test"] / X["test"].std()))
    }
    assert gap["z"] < 0.3 * gap["test"]
    assert abs(np.corrcoef(z, talent)[0, 1]) > 0.85


def test_without_the_fairness_graph_groups_and_labels_play_no_part() -> None:
    X, y, people, _ = planted(800)
    X = X.drop(columns="town")
    learner = LogisticRegression(max_iter=500)
    rng = np.random.default_rng(1)
    plain = PairwiseFairRepresentations(0.0, estimator=learner).fit(X, y, sensitive_features=people)
    shuffled = people.iloc[rng.permutation(800)].reset_index(drop=True)
    other = PairwiseFairRepresentations(0.0, estimator=learner).fit(
        X, rng.permutation(y), sensitive_features=shuffled
    )
    np.testing.assert_allclose(plain.projection_, other.projection_, atol=1e-12)


@pytest.mark.data
def test_law_students_of_equal_rank_are_closer_than_in_any_single_feature(data_dir: Any) -> None:
    rows = pd.read_csv(data_dir / "law" / "law_school_bar.csv").dropna()[:6000]
    X, y = rows[["lsat", "ugpa", "zfygpa", "zgpa", "fam_inc"]], rows["pass_bar"].to_numpy().astype(int)
    race = Groups.of(rows["race"]).codes
    learner = LogisticRegression(max_iter=2000)
    technique = PairwiseFairRepresentations(1.0, n_components=1, estimator=learner)
    z = technique.fit(X, y, sensitive_features=rows["race"]).transform(X)
    score = np.empty(len(X))
    for g in (0, 1):
        score[race == g] = learner.fit(X[race == g], y[race == g]).predict_proba(X[race == g])[:, 1]
    quantile = ranks(score, race, np.arange(len(X)), 10)
    apart = {
        name: quantile_scatter((v / v.std()).to_numpy()[:, None], quantile, race)[0, 0]
        for name, v in {**X, **z}.items()
    }
    assert apart["pfr_0"] < 0.95 * min(v for name, v in apart.items() if name != "pfr_0")


def test_what_it_refuses() -> None:
    X, y, people, _ = planted(400)
    X = X.drop(columns="town")
    technique = PairwiseFairRepresentations(estimator=LogisticRegression(), n_components=9)
    with pytest.raises(InsufficientDataError, match="n_components must be at most 3"):
        technique.fit(X, y, sensitive_features=people)
    sure = np.where(people["race"] == "a", 1, y)
    with pytest.raises(InsufficientDataError, match="of the group 'a' have the same label"):
        technique.set_params(n_components=1).fit(X, sure, sensitive_features=people["race"])
