"""iFair: its objective and gradient, its limits, and individual fairness on real data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression

from fairmend.core.errors import InsufficientDataError, UnknownNameError
from fairmend.plugins.evaluation import IndividualConsistency
from fairmend.plugins.preprocessing import IFair
from fairmend.plugins.preprocessing._ifair import memberships, objective


def drawn(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(15, 4))
    pairs = np.stack([np.arange(15), (np.arange(15) + rng.integers(1, 15, 15)) % 15])
    free = np.array([0, 1, 2])
    apart = ((X[pairs[0]][:, free] - X[pairs[1]][:, free]) ** 2).sum(axis=1)
    return {"theta": rng.normal(size=3 + 3 * 4), "X": X, "pairs": pairs, "apart": apart, "free": free}


def by_loops(theta: Any, X: Any, pairs: Any, apart: Any, free: Any, utility: float, fairness: float) -> float:
    """Return the loss as the paper writes it, one sum after the other."""
    alpha = [theta[n] ** 2 if n in free else 0.0 for n in range(X.shape[1])]
    V = theta[len(free) :].reshape(-1, X.shape[1])
    mapped = []
    for x in X:
        near = [np.exp(-sum(a * (x[n] - v[n]) ** 2 for n, a in enumerate(alpha))) for v in V]
        mapped.append(sum(u / sum(near) * v for u, v in zip(near, V, strict=True)))
    lost = np.mean([((x - m) ** 2).sum() for x, m in zip(X, mapped, strict=True)])
    told = [(((mapped[i] - mapped[j]) ** 2).sum() - d) ** 2 for i, j, d in zip(*pairs, apart, strict=True)]
    return float(utility * lost + fairness * np.mean(told))


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.7, 2.0)])
def test_objective_and_gradient_are_those_of_the_paper(weights: tuple[float, float]) -> None:
    known = drawn()
    theta = known.pop("theta")
    loss, gradient = objective(theta, *known.values(), *weights)
    assert loss == pytest.approx(by_loops(theta, *known.values(), *weights))
    numeric = approx_fprime(theta, lambda t: objective(t, *known.values(), *weights)[0], 1e-7)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-5)


def test_memberships_sum_to_one_and_the_nearest_prototype_has_the_largest() -> None:
    rng = np.random.default_rng(1)
    X, V, alpha = rng.normal(size=(50, 3)), rng.normal(size=(4, 3)), np.array([1.0, 0.5, 0.0])
    U = memberships(X, V, alpha)
    np.testing.assert_allclose(U.sum(axis=1), 1)
    distance = ((X[:, None] - V) ** 2 * alpha).sum(axis=2)
    assert (U.argmax(axis=1) == distance.argmin(axis=1)).all()


def clusters(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    at = rng.integers(0, 3, n)
    X = np.array([[4.0, 0.0], [0.0, 4.0], [-4.0, -4.0]])[at] + 0.2 * rng.normal(size=(n, 2))
    return pd.DataFrame({"grade": X[:, 0], "test": X[:, 1], "club": rng.choice(["x", "y", "z"], n)})


def test_without_fairness_the_prototypes_reconstruct_clusters() -> None:
    technique = IFair(3, fairness=0.0, random_state=1).fit(clusters()[["grade", "test"]])
    assert technique.diagnostics_["reconstruction"] < 0.01


def test_changing_a_protected_feature_changes_nothing() -> None:
    X = clusters()
    technique = IFair(5, max_iter=30).fit(X, proxies=["club"])
    other = X.assign(club=X["club"].to_numpy()[::-1], grade=X["grade"])
    pd.testing.assert_frame_equal(technique.transform(X), technique.transform(other))
    assert (technique.alpha_[2:] == 0).all()
    seen = IFair(5, max_iter=30, protected=[]).fit(X, proxies=["club"])
    assert not seen.transform(X).equals(seen.transform(other))


def test_fairness_trades_reconstruction_for_the_distances_of_what_is_not_protected() -> None:
    X = pd.DataFrame(np.random.default_rng(2).normal(size=(150, 3)), columns=list("abc"))
    plain, fair = (
        IFair(12, fairness=mu, protected=["c"], max_iter=150).fit(X).diagnostics_ for mu in (0.0, 1.0)
    )
    assert fair["distortion"] < 0.1 * plain["distortion"]
    assert fair["reconstruction"] > plain["reconstruction"]


@pytest.mark.data
def test_similar_people_of_compas_are_decided_more_alike(compas: pd.DataFrame) -> None:
    rows = compas[:2500]
    X = rows[["age", "priors_count", "juv_fel_count", "c_charge_degree", "sex", "race"]]
    y = (rows["two_year_recid"] == 0).to_numpy().astype(int)
    found = []
    technique = IFair(
        10, fairness=1.0, protected=["sex", "race"], max_iter=60, max_rows=1000, n_pairs=10
    ).fit(X)
    one_hot = pd.get_dummies(X, dtype=float)
    for Z in (one_hot, technique.transform(X)):
        decisions = LogisticRegression(max_iter=2000).fit(Z, y).predict(Z)
        alike = IndividualConsistency(features=["age", "priors_count", "juv_fel_count", "c_charge_degree"])
        found.append(
            (
                alike.evaluate(y_pred=decisions, X=X)["predictions"]["consistency"]["value"],
                (decisions == y).mean(),
            )
        )
    assert found[1][0] > found[0][0] + 0.02
    assert found[1][1] > found[0][1] - 0.05


def test_what_it_refuses() -> None:
    X = clusters(50)
    with pytest.raises(UnknownNameError, match="no feature is called 'clubs'"):
        IFair(protected=["clubs"]).fit(X)
    with pytest.raises(InsufficientDataError, match="all features are protected"):
        IFair(protected=list(X.columns)).fit(X)
    with pytest.raises(InsufficientDataError, match="n_prototypes must be below the 50 rows"):
        IFair(50).fit(X)
