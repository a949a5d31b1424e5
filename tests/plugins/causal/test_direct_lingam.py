"""DirectLiNGAM against causal-learn, and on linear models with known order and coefficients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from causallearn.search.FCMBased.lingam import DirectLiNGAM as Peer

from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.plugins.causal import DirectLiNGAM
from fairmend.plugins.causal._direct_lingam import adaptive_lasso, causal_order


def matrix(X: np.ndarray, order: list[int]) -> np.ndarray:
    """Return the coefficients of each column (row) on those before it in the order."""
    B = np.zeros((X.shape[1], X.shape[1]))
    for place, effect in enumerate(order[1:], 1):
        B[effect, order[:place]] = adaptive_lasso(X[:, order[:place]], X[:, effect])
    return B


def drawn(seed: int, n: int, noise: str = "uniform") -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Draw six columns of a random linear model; return them, their coefficients, and their order."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(6).tolist()
    B = np.zeros((6, 6))
    for place, effect in enumerate(order):
        for cause in order[:place]:
            if rng.random() < 0.6:
                B[effect, cause] = rng.choice([-1, 1]) * rng.uniform(0.6, 1.5)
    E = rng.uniform(-1, 1, (n, 6)) if noise == "uniform" else rng.normal(size=(n, 6))
    return E @ np.linalg.inv(np.eye(6) - B).T, B, order


@pytest.mark.parametrize("seed", range(5))
def test_order_and_coefficients_are_those_of_causal_learn_and_of_the_model(seed: int) -> None:
    X, B, _ = drawn(seed, 5000)
    order = causal_order(X)
    peer = Peer()
    peer.fit(X)
    assert order == peer.causal_order_
    np.testing.assert_allclose(matrix(X, order), peer.adjacency_matrix_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(matrix(X, order), B, atol=0.08)


@pytest.mark.data
def test_the_numbers_of_real_data_as_in_causal_learn(data_dir: Path, adult: pd.DataFrame) -> None:
    law = pd.read_csv(data_dir / "law" / "law_school_fya.csv")[["LSAT", "UGPA", "ZFYA"]]
    numbers = adult[["age", "education-num", "hours-per-week", "capital-gain"]].astype(float)
    for frame in (law.iloc[:4000], numbers.iloc[:4000]):
        X = frame.to_numpy(float)
        peer = Peer()
        peer.fit(X)
        assert causal_order(X) == peer.causal_order_
        np.testing.assert_allclose(matrix(X, causal_order(X)), peer.adjacency_matrix_, rtol=1e-6, atol=1e-9)


def made(X: np.ndarray, shift: float = 1.0) -> Dataset:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(X.shape[1])])
    frame["group"] = rng.choice(["a", "b", "c"], len(X))
    frame["sex"] = rng.choice(["f", "m"], len(X))
    frame["x0"] += shift * (frame["group"] == "a")
    frame["hired"] = (frame["x0"] + rng.normal(size=len(X)) > 0).astype(int)
    return Dataset.from_frame(frame, Roles(outcome="hired", protected=("group", "sex")))


def test_groups_come_first_and_the_outcome_last() -> None:
    X, B, _ = drawn(3, 4000)
    found = DirectLiNGAM(n_subsamples=0).analyze(made(X, 2.0))
    edges = {(one["from"], one["to"]): one for one in found.result["edges"]}
    true = {(f"x{c}", f"x{e}") for e, c in zip(*np.nonzero(B), strict=True)}
    assert true <= set(edges)
    assert {pair for pair in edges if pair[0][0] == pair[1][0] == "x"} == true
    assert ("group", "x0") in edges
    assert ("x0", "hired") in edges
    assert not [pair for pair in edges if pair[0] == "hired" or pair[1] in ("group", "sex")]
    assert not [pair for pair in edges if pair[0] == "sex"]
    assert found.graph is not None
    assert found.graph.undirected == ()
    assert found.result["gaussian"] == []
    for effect, cause in zip(*np.nonzero(B), strict=True):
        assert edges[f"x{cause}", f"x{effect}"]["coefficient"] == pytest.approx(B[effect, cause], abs=0.08)


def test_with_gaussian_noise_no_direction_is_claimed() -> None:
    X, _, _ = drawn(3, 2000, "gaussian")
    found = DirectLiNGAM(n_subsamples=0).analyze(made(X, 0.0))
    assert found.graph is not None
    between = [edge for edge in found.graph.edges if edge.cause[0] == edge.effect[0] == "x"]
    assert len(found.result["gaussian"]) >= 5
    assert len(between) <= 1 < len(found.graph.undirected)
    assert "may be Gaussian" in found.result["text"]


def test_half_samples_agree_and_the_order_of_columns_does_not_matter() -> None:
    X, _, _ = drawn(4, 3000)
    data = made(X)
    found = DirectLiNGAM(n_subsamples=4).analyze(data).result
    assert np.mean([one["same_in"] for one in found["edges"] if one["from"][0] == one["to"][0] == "x"]) > 0.9
    turned = data.frame[data.frame.columns[::-1]]
    other = DirectLiNGAM(n_subsamples=4).analyze(Dataset.from_frame(turned, data.roles)).result
    assert other["order"] == found["order"]


def test_columns_without_a_place_are_named() -> None:
    X, _, _ = drawn(5, 1000)
    frame = made(X).frame.assign(constant=1.0, twice=2 * X[:, 1], town="north")
    data = Dataset.from_frame(frame, Roles(outcome="hired", protected=("group", "sex")))
    found = DirectLiNGAM(n_subsamples=0).analyze(data).result
    assert found["notes"]["constant"] == "excluded: it does not vary"
    assert found["notes"]["twice"] == "excluded: other columns determine it"
