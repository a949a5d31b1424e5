"""LEACE against the authors' package, as the solution of its own optimization problem, and at its limits."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
import torch
from concept_erasure import LeaceFitter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from fairmend.core.data.groups import Groups
from fairmend.plugins.preprocessing import Leace
from fairmend.plugins.preprocessing._leace import erasure


@pytest.fixture(scope="module")
def people(adult: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Numbers and indicators of Adult, and sex and race: ten groups."""
    some = adult.sample(6_000, random_state=0).reset_index(drop=True)
    words = pd.get_dummies(some[["marital-status", "occupation"]], dtype=float)
    return some.select_dtypes("number").astype(float).join(words), some[["sex", "race"]]


@pytest.fixture(scope="module")
def drawn() -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(0)
    group = pd.Series(rng.choice(["a", "b", "c"], 900, p=[0.5, 0.3, 0.2]))
    shift = group.map({"a": 0.0, "b": 1.0, "c": -0.5}).to_numpy()[:, None]
    Z = rng.normal(size=(900, 4)) @ rng.normal(size=(4, 4)) + shift * [1.0, 0.5, 0.0, -1.0]
    return pd.DataFrame(Z, columns=list("wxyz")), group


def one_hot(who: pd.DataFrame | pd.Series) -> np.ndarray:
    groups = Groups.of(who)
    return np.eye(groups.n_groups)[groups.codes]


@pytest.mark.data
def test_equal_to_the_authors_package_on_new_rows(people: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, who = people
    scale = X[:4_000].std().replace(0, 1)
    options = {"shrinkage": False, "constrain_cov_trace": False, "svd_tol": 1e-8}
    x, z = torch.tensor((X[:4_000] / scale).to_numpy()), torch.tensor(one_hot(who)[:4_000])
    eraser = LeaceFitter.fit(x, z, **options).eraser
    expected = eraser(torch.tensor((X[4_000:] / scale).to_numpy())).numpy()
    ours = Leace().fit(X[:4_000], sensitive_features=who[:4_000]).transform(X[4_000:])
    np.testing.assert_allclose(ours / scale, expected, atol=1e-6)
    assert np.abs(expected - X[4_000:] / scale).to_numpy().max() > 1


@pytest.mark.data
def test_no_linear_probe_is_better_than_a_constant(people: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, who = people
    eraser = Leace().fit(X, sensitive_features=who)
    erased = eraser.transform(X)
    scale = X.std().replace(0, 1)
    z = one_hot(who)
    covariance = ((erased - erased.mean()) / scale).T.to_numpy() @ z / len(z)
    np.testing.assert_allclose(covariance, 0, atol=1e-10)
    np.testing.assert_allclose(erased.mean() / scale, X.mean() / scale, atol=1e-9)
    np.testing.assert_allclose(eraser.transform(erased) / scale, erased / scale, atol=1e-9)
    sex = who["sex"] == "Male"
    probe = LogisticRegression(C=1e3, max_iter=2000)
    assert log_loss(sex, probe.fit(X / scale, sex).predict_proba(X / scale)) < 0.5
    p = float(sex.mean())
    left = log_loss(sex, probe.fit(erased / scale, sex).predict_proba(erased / scale))
    assert left == pytest.approx(-p * np.log(p) - (1 - p) * np.log(1 - p), abs=1e-4)


def test_it_reports_the_fit_of_a_linear_probe_before(drawn: tuple[pd.DataFrame, pd.Series]) -> None:
    X, group = drawn
    found = Leace().fit(X, sensitive_features=group).diagnostics_["linear_r2"]
    design, z = np.column_stack([np.ones(len(X)), X]), one_hot(group)
    residual = z - design @ np.linalg.lstsq(design, z, rcond=None)[0]
    np.testing.assert_allclose(list(found.values()), 1 - residual.var(axis=0) / z.var(axis=0))
    again = Leace().fit(Leace().fit_transform(X, sensitive_features=group), sensitive_features=group)
    assert max(again.diagnostics_["linear_r2"].values()) < 1e-20


@pytest.mark.parametrize("norm", ["identity", "another"])
def test_no_affine_map_without_covariance_changes_less(
    drawn: tuple[pd.DataFrame, pd.Series], norm: str
) -> None:
    """One map is best in every norm: a convex program in two of them finds the same."""
    X, group = drawn
    D, z = (X - X.mean()).to_numpy(), one_hot(group)
    sigma_xx, sigma_xz = D.T @ D / len(D), D.T @ z / len(D)
    B = np.eye(4) if norm == "identity" else np.random.default_rng(1).normal(size=(4, 4))
    A = cp.Variable((4, 4))
    change = cp.sum_squares(B @ A @ np.linalg.cholesky(sigma_xx))
    cp.Problem(cp.Minimize(change), [(np.eye(4) - A) @ sigma_xz == 0]).solve(solver="CLARABEL")
    np.testing.assert_allclose(erasure(sigma_xx, sigma_xz), A.value, atol=1e-5)


def test_integer_weights_act_as_repeated_rows(drawn: tuple[pd.DataFrame, pd.Series]) -> None:
    X, group = drawn
    X = X.mask(np.random.default_rng(2).random(X.shape) < 0.05)
    weight = np.random.default_rng(1).integers(0, 4, len(X))
    rows = np.repeat(np.arange(len(X)), weight)
    one = Leace().fit(X, sensitive_features=group, sample_weight=weight)
    other = Leace().fit(X.iloc[rows], sensitive_features=group.iloc[rows])
    np.testing.assert_allclose(one.erasure_, other.erasure_, atol=1e-10)
    np.testing.assert_allclose(one.mean_, other.mean_)


def test_strength_missing_values_and_other_columns(drawn: tuple[pd.DataFrame, pd.Series]) -> None:
    X, group = drawn
    full = Leace().fit_transform(X, sensitive_features=group)
    half = Leace(strength=0.5).fit_transform(X, sensitive_features=group)
    np.testing.assert_allclose(half, (X + full) / 2)
    holed = X.assign(x=X["x"].mask(X.index % 10 == 3), text="t")
    out = Leace().fit_transform(holed, sensitive_features=group)
    assert (out["text"] == "t").all()
    assert out["x"].isna().tolist() == holed["x"].isna().tolist()
    assert out[["w", "y", "z"]].notna().all(axis=None)
    means = out[["w", "y", "z"]].groupby(group).mean()
    assert (means.max() - means.min()).max() < 1e-9


def test_a_repeated_column_changes_nothing_and_few_columns_become_constant(
    drawn: tuple[pd.DataFrame, pd.Series],
) -> None:
    X, group = drawn
    one = Leace().fit_transform(X, sensitive_features=group)
    other = Leace().fit_transform(X.assign(twin=X["w"] * 3, constant=7.0), sensitive_features=group)
    np.testing.assert_allclose(other[list("wxyz")], one, atol=1e-8)
    np.testing.assert_allclose(other["twin"], 3 * one["w"], atol=1e-8)
    np.testing.assert_allclose(other["constant"], 7)
    few = Leace(features=["w", "x"]).fit_transform(X, sensitive_features=group)
    np.testing.assert_allclose(few.std()[["w", "x"]], 0, atol=1e-9)
