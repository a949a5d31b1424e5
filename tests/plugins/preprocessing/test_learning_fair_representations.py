"""Learning fair representations against AIF360's objective and optimizer, finite differences, and its claims."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from aif360.algorithms.preprocessing.lfr_helpers.helpers import LFR_optim_objective
from scipy.optimize import approx_fprime, fmin_l_bfgs_b
from sklearn.linear_model import LogisticRegression

from fairmend.plugins.preprocessing import LearningFairRepresentations
from fairmend.plugins.preprocessing._prototype_losses import PrototypeLosses


@pytest.fixture(scope="module")
def applicants(german: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Five numbers of German credit, standardized; good credit; younger or older."""
    X = german[["credit_amount", "month", "investment_as_income_percentage", "age", "residence_since"]]
    old = (german["age_group"] == "over 25").astype(int).to_numpy()
    return (X - X.mean()) / X.std(ddof=0), (german["credit"] == 1).astype(int).to_numpy(), old


def aif360_objective(theta: np.ndarray, X: np.ndarray, y: np.ndarray, old: np.ndarray, k: int, A_z: float):
    LFR_optim_objective.steps = 0
    parts = (X[old == 0], X[old == 1], y[old == 0], y[old == 1])
    return LFR_optim_objective(theta, *parts, k, 0.01, 1.0, A_z, verbose=0)


@pytest.mark.data
@pytest.mark.parametrize("seed", range(3))
def test_the_objective_is_that_of_aif360(
    applicants: tuple[pd.DataFrame, np.ndarray, np.ndarray], seed: int
) -> None:
    X, y, old = applicants
    theta = np.random.default_rng(seed).uniform(size=5 + 5 * X.shape[1])
    losses = PrototypeLosses(X.to_numpy(), y, old, np.ones(len(X)), 0.01, 1.0, 50.0)
    expected = aif360_objective(theta, X.to_numpy(), y, old, 5, 50.0)
    assert losses.objective(theta, 5)[0] == pytest.approx(expected, rel=1e-10)


def test_the_gradient_is_that_of_finite_differences_and_weights_repeat_rows() -> None:
    """With three groups and weights, away from the kinks of the parity."""
    rng = np.random.default_rng(0)
    X, y, codes = rng.normal(size=(80, 3)), rng.integers(0, 2, 80), rng.integers(0, 3, 80)
    w = rng.integers(1, 4, 80)
    theta = np.concatenate([rng.uniform(size=4), rng.normal(size=12)])
    losses = PrototypeLosses(X, y, codes, w.astype(float), 0.3, 1.0, 2.0)
    numeric = approx_fprime(theta, lambda t: losses.objective(t, 4)[0], 1e-7)
    np.testing.assert_allclose(losses.objective(theta, 4)[1], numeric, atol=1e-6)
    rows = np.repeat(np.arange(80), w)
    repeated = PrototypeLosses(X[rows], y[rows], codes[rows], np.ones(len(rows)), 0.3, 1.0, 2.0)
    np.testing.assert_allclose(losses.losses(theta, 4), repeated.losses(theta, 4))


@pytest.mark.data
@pytest.mark.parametrize("A_z", [1.0, 50.0])
def test_the_optimum_is_at_least_as_good_as_that_of_aif360(
    applicants: tuple[pd.DataFrame, np.ndarray, np.ndarray], A_z: float
) -> None:
    """AIF360's own optimizer, with its numerical gradient, from three of its random starts."""
    X, y, old = applicants
    k, found = 3, []
    for seed in range(3):
        theta = np.random.default_rng(seed).uniform(size=k + k * X.shape[1])
        bounds = [(0, 1)] * k + [(None, None)] * (len(theta) - k)
        arguments = (X.to_numpy(), y, old, k, A_z)
        found.append(fmin_l_bfgs_b(aif360_objective, theta, args=arguments, approx_grad=True, bounds=bounds, epsilon=1e-5, maxfun=1500)[1])  # fmt: skip
    learned = LearningFairRepresentations(n_prototypes=k, parity_weight=A_z, n_starts=3, random_state=0)
    learned.fit(X, y, sensitive_features=old)
    assert learned.diagnostics_["objective"] <= min(found) + 0.002


@pytest.mark.data
def test_parity_improves_with_its_weight(adult: pd.DataFrame) -> None:
    some = adult.sample(4_000, random_state=0).reset_index(drop=True)
    X = some[["age", "education-num", "hours-per-week", "marital-status"]]
    y, sex = (some["income"] == ">50K").astype(int), some["sex"]
    parities, gaps, labels = [], [], []
    for weight in (0.0, 1.0, 20.0):
        learned = LearningFairRepresentations(parity_weight=weight, n_starts=1, random_state=0)
        M = learned.fit(X[:3_000], y[:3_000], sensitive_features=sex[:3_000]).transform(X)
        np.testing.assert_allclose(M.sum(axis=1), 1)
        model = LogisticRegression(C=100, max_iter=1000).fit(M[:3_000], y[:3_000])
        chance = pd.Series(model.predict_proba(M[3_000:])[:, 1])
        gaps.append(abs(np.diff(chance.groupby(sex[3_000:].to_numpy()).mean())[0]))
        parities.append(learned.diagnostics_["parity"])
        labels.append(learned.diagnostics_["label"])
    assert parities[0] > 5 * parities[2]
    assert gaps[0] > 2 * gaps[2]
    assert labels[0] < labels[2]


def test_missing_values_new_categories_and_many_groups() -> None:
    rng = np.random.default_rng(0)
    race = rng.choice(["a", "b", "c", "d"], 600)
    x = rng.normal(size=600) + (race == "a")
    X = pd.DataFrame({"x": x, "word": rng.choice(list("pqr"), 600)})
    X = X.mask(rng.random(X.shape) < 0.1)
    y = (x + rng.normal(size=600) > 0).astype(int)
    learned = LearningFairRepresentations(n_starts=1, random_state=0).fit(X, y, sensitive_features=race)
    new = learned.transform(pd.DataFrame({"x": [np.nan, 1.0], "word": ["new", None]}))
    np.testing.assert_allclose(new.sum(axis=1), 1)
    assert learned.diagnostics_["parity"] < 0.01
