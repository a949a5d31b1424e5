"""Fairness-constrained logistic regression against other solvers, and its limiting cases."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.data.roles import Roles
from fairmend.core.errors import NotFeasibleError, ParameterError
from fairmend.core.models.learners import make_learner
from fairmend.plugins.inprocessing import FairnessConstrainedLR

NUMBERS = ["age", "education-num", "hours-per-week"]


def people(
    n: int = 600, groups: int = 3, seed: int = 0
) -> tuple[pd.DataFrame, NDArray[np.int64], pd.DataFrame]:
    """Draw features that lean on the group, labels, and two protected attributes."""
    rng = np.random.default_rng(seed)
    race, sex = rng.integers(0, groups, n), rng.integers(0, 2, n)
    X = rng.normal(size=(n, 4)) + np.column_stack([race, sex, 0 * race, race - sex]) * 0.7
    y = (X @ [1.0, -0.5, 0.8, 0.3] + rng.logistic(size=n) > 0.6).astype(int)
    return pd.DataFrame(X, columns=list("abcd")), y, pd.DataFrame({"race": race.astype(str), "sex": sex})


def covariances(margin: NDArray[np.float64], sensitive: pd.DataFrame) -> NDArray[np.float64]:
    codes = Groups.of(sensitive).codes
    return np.array([np.mean(((codes == k) - np.mean(codes == k)) * margin) for k in range(codes.max() + 1)])


def margin(model: FairnessConstrainedLR, X: pd.DataFrame) -> NDArray[np.float64]:
    p = model.predict_proba(X)[:, 1]
    return np.log(p / (1 - p))


@pytest.mark.data
def test_scikit_lego_finds_the_same_coefficients(adult: pd.DataFrame) -> None:
    pytest.importorskip("cvxpy", reason="scikit-lego needs cvxpy for this classifier")
    from sklego.linear_model import DemographicParityClassifier

    rows = adult.sample(2000, random_state=1)
    data = Dataset.from_frame(rows, Roles(outcome="income", favorable=">50K", protected=("race", "sex")))
    X = pd.DataFrame(StandardScaler().fit_transform(data.X[NUMBERS]), columns=NUMBERS)
    z = pd.get_dummies(pd.Series(data.groups.codes), prefix="z").astype(float)
    c = 0.004
    theirs = DemographicParityClassifier(covariance_threshold=c, sensitive_cols=list(z), penalty=None)
    inner = theirs.fit(pd.concat([X, z], axis=1), data.y).estimators_[0]
    ours = FairnessConstrainedLR(covariance_bound=c, ridge=0).fit(
        X, data.y, sensitive_features=data.sensitive
    )
    assert np.abs(covariances(margin(ours, X), data.sensitive)).max() == pytest.approx(c, abs=1e-6)
    np.testing.assert_allclose(ours.coef_, inner.coef_.ravel(), atol=1e-3)
    assert ours.intercept_ == pytest.approx(inner.intercept_[0], abs=1e-3)


@pytest.mark.data
@pytest.mark.parametrize("weight", [0.2, 0.5, 0.9])
def test_a_general_solver_finds_no_better_point(compas: pd.DataFrame, weight: float) -> None:
    data = Dataset.from_frame(compas, Roles(outcome="two_year_recid", favorable=0, protected=("race", "sex")))
    X = data.X[["age", "priors_count", "juv_fel_count"]]
    model = FairnessConstrainedLR(constraint_weight=weight).fit(X, data.y, sensitive_features=data.sensitive)
    design = np.column_stack([np.ones(len(X)), StandardScaler().fit_transform(X)])
    codes, n = data.groups.codes, len(X)
    D = np.array([((codes == k) - np.mean(codes == k)) @ design / n for k in range(codes.max() + 1)])
    c = np.array([found["bound"] for found in model.diagnostics_["covariance"].values()])
    signs = 2 * data.y - 1

    def loss(t: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0, -signs * (design @ t)).mean() + 1e-4 / 2 * t[1:] @ t[1:])

    bounds = {"type": "ineq", "fun": lambda t: np.concatenate([c - D @ t, c + D @ t])}
    other = minimize(
        loss, np.zeros(4), method="SLSQP", constraints=bounds, options={"ftol": 1e-12, "maxiter": 500}
    )
    ours = np.concatenate([[model.intercept_], model.coef_])
    assert model.diagnostics_["converged"]
    assert (np.abs(D @ ours) <= c + 1e-9).all()
    assert loss(ours) <= other.fun + 1e-9
    np.testing.assert_allclose(ours, other.x, atol=1e-3)


def test_without_a_constraint_it_is_logistic_regression() -> None:
    X, y, a = people()
    plain = LogisticRegression(C=np.inf, tol=1e-10).fit(StandardScaler().fit_transform(X), y)
    for loose in ({"constraint_weight": 0.0}, {"covariance_bound": 1e3}):
        model = FairnessConstrainedLR(ridge=0, **loose).fit(X, y, sensitive_features=a)
        np.testing.assert_allclose(model.coef_, plain.coef_.ravel(), atol=1e-5)
        assert model.intercept_ == pytest.approx(plain.intercept_[0], abs=1e-5)


def test_the_full_constraint_leaves_no_covariance() -> None:
    X, y, a = people()
    model = FairnessConstrainedLR(constraint_weight=1.0).fit(X, y, sensitive_features=a[["race"]])
    assert np.abs(covariances(margin(model, X), a[["race"]])).max() < 1e-10
    assert not model.diagnostics_["constant"]


def test_as_many_groups_as_features_leave_the_intercept_and_the_diagnostics_say_so() -> None:
    X, y, a = people()
    model = FairnessConstrainedLR(constraint_weight=1.0).fit(X, y, sensitive_features=a)
    assert model.diagnostics_["constant"]
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], y.mean(), atol=1e-6)


def test_one_feature_is_scaled_until_its_covariance_is_the_bound() -> None:
    x = np.array([2.0, 1, 0, -1, 1, 0, -1, -2])
    X, y, a = pd.DataFrame({"x": x}), np.array([1, 1, 1, 0, 1, 0, 0, 1]), np.repeat(["p", "q"], 4)
    standard = x / x.std()
    c = 0.05
    model = FairnessConstrainedLR(covariance_bound=c, ridge=0).fit(X, y, sensitive_features=a)
    by_hand = c / abs(np.mean((np.repeat([1, 0], 4) - 0.5) * standard))
    assert model.coef_[0] == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("groups", [2, 3, 6])
def test_a_stronger_constraint_brings_each_group_within_its_bound_at_a_growing_loss(groups: int) -> None:
    X, y, a = people(1500, groups)
    losses, gaps = [], []
    for weight in (0.0, 0.3, 0.5, 0.8, 1.0):
        model = FairnessConstrainedLR(constraint_weight=weight).fit(X, y, sensitive_features=a)
        for found in model.diagnostics_["covariance"].values():
            assert abs(found["after"]) <= (1 - weight) * abs(found["before"]) + 1e-9
        p = model.predict_proba(X)[:, 1]
        rates = pd.Series(p).groupby(Groups.of(a).codes).mean()
        losses.append(model.diagnostics_["losses"][-1])
        gaps.append(rates.max() - rates.min())
    assert (np.diff(losses) >= -1e-9).all()
    assert (np.diff(gaps) < 0).all()


def test_weights_count_as_repeated_rows() -> None:
    X, y, a = people(300)
    w = np.random.default_rng(0).integers(1, 4, len(y))
    repeat = np.repeat(np.arange(len(y)), w)
    weighted = FairnessConstrainedLR(ridge=0).fit(X, y, sensitive_features=a, sample_weight=w)
    repeated = FairnessConstrainedLR(ridge=0).fit(
        X.iloc[repeat], y[repeat], sensitive_features=a.iloc[repeat]
    )
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-6)


def test_equalized_odds_is_refused_with_the_way_out() -> None:
    with pytest.raises(ParameterError, match=r"21 \(disparate-mistreatment\).*113"):
        FairnessConstrainedLR.with_parameters(fairness_constraint="equalized_odds")


def test_separable_classes_without_a_ridge_are_not_passed_over_in_silence() -> None:
    X = pd.DataFrame({"x": np.linspace(-1, 1, 200)})
    y, a = (X["x"] > 0).to_numpy().astype(int), np.tile(["p", "q"], 100)
    assert (
        FairnessConstrainedLR(constraint_weight=0).fit(X, y, sensitive_features=a).diagnostics_["converged"]
    )
    with pytest.raises(NotFeasibleError, match="ridge"):
        FairnessConstrainedLR(constraint_weight=0, ridge=0, tolerance=1e-300).fit(X, y, sensitive_features=a)


def test_too_few_steps_are_reported_as_not_converged() -> None:
    X, y, a = people()
    model = FairnessConstrainedLR(max_iter=1).fit(X, y, sensitive_features=a)
    assert not model.diagnostics_["converged"]
    assert model.diagnostics_["gradient_norm"] > 1e-6


@pytest.mark.data
def test_in_a_case_it_takes_the_place_of_the_model(adult: pd.DataFrame) -> None:
    roles = Roles(outcome="income", favorable=">50K", protected=("race", "sex"))
    parts = Dataset.from_frame(adult.sample(4000, random_state=0), roles).split(seed=0)
    case = Case(
        parts["train"], parts["calibration"], parts["validation"], make_learner("logistic_regression")
    ).retrained()
    after, effect = FairnessConstrainedLR(constraint_weight=0.8).run(case)
    assert effect.kind == "model"
    assert effect.share > 0
    assert json.loads(json.dumps(effect.to_json()))["detail"]["converged"]
    assert not after.fitted().reads_protected

    def gap(case: Case) -> float:
        data = case.validation
        rates = pd.Series(case.fitted().scores(data.X, data.sensitive)).groupby(data.attribute("sex")).mean()
        return float(rates.max() - rates.min())

    assert gap(after) < 0.6 * gap(case)


def test_in_a_pipeline_the_groups_are_routed_to_it() -> None:
    X, y, a = people()
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), FairnessConstrainedLR())
        pipeline.fit(X, y, sensitive_features=a)
        alone = FairnessConstrainedLR().fit(X, y, sensitive_features=a)
        np.testing.assert_allclose(pipeline.predict_proba(X), alone.predict_proba(X), atol=1e-8)
