"""Fair PCA against scikit-learn's PCA, as the solution of a semidefinite program, and at its limits."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from fairmend.core.data.groups import Groups
from fairmend.core.errors import InsufficientDataError
from fairmend.plugins.preprocessing import FairPCA
from fairmend.plugins.preprocessing._fair_pca import fair_directions, principal


@pytest.fixture(scope="module")
def people(adult: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Numbers and categories of Adult, some missing, and sex and race: ten groups."""
    some = adult.sample(5_000, random_state=0).reset_index(drop=True)
    return some.drop(columns=["sex", "race", "income", "native-country"]), some[["sex", "race"]]


def indicators(who: pd.DataFrame | pd.Series) -> np.ndarray:
    groups = Groups.of(who)
    Z = np.eye(groups.n_groups)[groups.codes]
    return Z - Z.mean(axis=0)


@pytest.mark.data
def test_components_are_orthonormal_and_uncorrelated_with_ten_groups(
    people: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    X, who = people
    pca = FairPCA(n_components=12).fit(X, sensitive_features=who)
    np.testing.assert_allclose(pca.components_.T @ pca.components_, np.eye(12), atol=1e-10)
    T = pca.transform(X)
    np.testing.assert_allclose(T.T.to_numpy() @ indicators(who) / len(T), 0, atol=1e-10)
    covariance = np.cov(T.T)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-9)
    assert (np.diff(np.diag(covariance)) < 0).all()


@pytest.mark.data
@pytest.mark.parametrize("k", [3, 12])
def test_the_variance_is_that_of_pca_on_the_projected_data(
    people: tuple[pd.DataFrame, pd.DataFrame], k: int
) -> None:
    X, who = people
    pca = FairPCA(n_components=k).fit(X, sensitive_features=who)
    encoded = pca.encoder_.transform(X[sorted(X.columns)])
    M = indicators(who).T @ encoded
    projected = encoded - encoded @ np.linalg.pinv(M) @ M
    expected = PCA(k).fit(projected).explained_variance_.sum() / encoded.var(axis=0, ddof=1).sum()
    assert pca.diagnostics_["variance_kept"] == pytest.approx(expected, rel=1e-9)
    ordinary = PCA(k).fit(encoded).explained_variance_ratio_.sum()
    assert pca.diagnostics_["variance_kept_by_pca"] == pytest.approx(ordinary, rel=1e-9)


@pytest.mark.data
def test_a_linear_probe_finds_no_sex_in_new_rows(people: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, sex = people[0], people[1]["sex"] == "Male"
    pca, ordinary = FairPCA().fit(X[:3_500], sensitive_features=sex[:3_500]), PCA(20)
    T = pca.transform(X)
    probe = LogisticRegression(max_iter=2000)
    p = float(sex[:3_500].mean())
    chance = -p * np.log(p) - (1 - p) * np.log(1 - p)
    fitted = probe.fit(T[:3_500], sex[:3_500])
    assert log_loss(sex[:3_500], fitted.predict_proba(T[:3_500])) == pytest.approx(chance, abs=1e-4)
    assert roc_auc_score(sex[3_500:], T[3_500:] @ fitted.coef_[0]) < 0.6
    C = ordinary.fit_transform(pca.encoder_.transform(X[sorted(X.columns)]))
    assert roc_auc_score(sex[3_500:], C[3_500:] @ probe.fit(C[:3_500], sex[:3_500]).coef_[0]) > 0.85


def test_no_projection_that_meets_the_constraint_keeps_more_variance() -> None:
    """The convex hull of projections is known, so that a semidefinite program gives the maximum."""
    rng = np.random.default_rng(0)
    group = pd.Series(rng.choice(["a", "b", "c"], 300))
    X = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)) + indicators(group) @ rng.normal(size=(3, 5)) * 2
    X -= X.mean(axis=0)
    U, _ = principal(X, fair_directions(X, indicators(group)))
    assert U.shape == (5, 3)
    P = cp.Variable((5, 5), PSD=True)
    fair = [np.eye(5) - P >> 0, cp.trace(P) == 2, indicators(group).T @ X @ P == 0]
    best = cp.Problem(cp.Maximize(cp.trace(P @ X.T @ X)), fair).solve(solver="CLARABEL")
    assert ((X @ U[:, :2]) ** 2).sum() == pytest.approx(best, rel=1e-5)


def test_with_equal_group_means_it_is_pca() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(200, 4)) * [4, 3, 2, 1]
    X = pd.DataFrame(np.vstack([half, -half + 2 * half.mean(axis=0)]), columns=list("abcd"))
    T = FairPCA().fit_transform(X, sensitive_features=["one"] * 200 + ["two"] * 200)
    expected = PCA().fit_transform((X - X.mean()) / X.std(ddof=0))
    np.testing.assert_allclose(T.abs(), np.abs(expected), atol=1e-8)


def test_integer_weights_act_as_repeated_rows_on_categories() -> None:
    rng = np.random.default_rng(1)
    group = pd.Series(rng.choice(["a", "b"], 400))
    X = pd.DataFrame({"one": rng.choice(list("pqr"), 400), "two": group + rng.choice(list("xy"), 400)})
    weight = rng.integers(1, 4, 400)
    rows = np.repeat(np.arange(400), weight)
    one = FairPCA().fit(X, sensitive_features=group, sample_weight=weight)
    other = FairPCA().fit(X.iloc[rows], sensitive_features=group.iloc[rows])
    np.testing.assert_allclose(one.components_, other.components_, atol=1e-8)
    np.testing.assert_allclose(one.mean_, other.mean_)


@pytest.mark.data
def test_missing_values_new_categories_and_too_many_components(
    people: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    X, who = people
    pca = FairPCA().fit(X, sensitive_features=who["sex"])
    new = X[:3].assign(age=np.nan, workclass="never seen")
    assert np.isfinite(pca.transform(new)).all(axis=None)
    with pytest.raises(InsufficientDataError, match=r"at least 90 directions .* 2 groups agree, got \d+"):
        FairPCA(n_components=90).fit(X, sensitive_features=who["sex"])
    with pytest.raises(InsufficientDataError, match="got 0; give more features"):
        FairPCA().fit(X[["age"]], sensitive_features=who["sex"])
