"""The prejudice remover against the published implementation, enumeration and finite differences."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.typing import NDArray
from scipy.optimize import approx_fprime, minimize
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.data.roles import Roles
from fairmend.core.errors import InsufficientDataError, UnseenGroupError
from fairmend.core.models.learners import make_learner
from fairmend.plugins.inprocessing import PrejudiceRemover
from fairmend.plugins.inprocessing._constrained_logistic import LogisticLoss
from fairmend.plugins.inprocessing._prejudice_remover import objective


def people(
    n: int = 600, groups: int = 3, seed: int = 0
) -> tuple[pd.DataFrame, NDArray[np.int64], pd.DataFrame]:
    """Draw features that lean on the group, labels, and two protected attributes."""
    rng = np.random.default_rng(seed)
    race, sex = rng.integers(0, groups, n), rng.integers(0, 2, n)
    X = rng.normal(size=(n, 3)) + np.column_stack([race, sex, race - sex]) * 0.7
    y = (X @ [1.0, -0.5, 0.8] + rng.logistic(size=n) > 0.6).astype(int)
    return pd.DataFrame(X, columns=list("abc")), y, pd.DataFrame({"race": race.astype(str), "sex": sex})


def published() -> Any:
    """Load the objective and optimizer of the paper's authors, which AIF360 ships as a script."""
    found = importlib.util.find_spec("aif360")
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parent / "algorithms/inprocessing/kamfadm-2012ecmlpkdd/fadm/lr/pr.py"
    spec = importlib.util.spec_from_file_location("kamishima_pr", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.LRwPRType4


@pytest.mark.data
@pytest.mark.parametrize("eta", [1.0, 10.0])
def test_the_published_objective_has_its_minimum_here(german: pd.DataFrame, eta: float) -> None:
    """The published optimizer stops early, since its gradient is not that of its loss; so its loss is minimized anew."""
    roles = Roles(outcome="credit", favorable=1, protected=("age_group", "telephone"))
    data = Dataset.from_frame(german.sample(250, random_state=0), roles)
    X, codes = data.X[["month", "credit_amount"]], data.groups.codes
    ours = PrejudiceRemover(eta=eta).fit(X, data.y, sensitive_features=data.sensitive)
    standard = StandardScaler().fit_transform(X)
    theirs = published()(eta=eta, C=1.0)
    theirs.fit(np.column_stack([standard, codes]), data.y)
    rows = np.column_stack([standard, np.ones(len(X))]), data.y, codes
    best = minimize(theirs.loss, theirs.coef_, args=rows, method="BFGS", options={"gtol": 1e-3})
    here = theirs.loss(ours.coef_.ravel(), *rows)
    assert here / len(X) == pytest.approx(ours.diagnostics_["objective"]["after"], abs=1e-9)
    assert here == pytest.approx(best.fun, abs=1e-3)
    assert here <= theirs.f_loss_ + 1e-3


def test_the_gradient_agrees_with_finite_differences() -> None:
    X, y, a = people(200)
    groups, w = Groups.of(a), np.random.default_rng(1).uniform(0.5, 2, 200)
    parts = [
        LogisticLoss(X.to_numpy()[rows], y[rows], w[rows], np.zeros(3))
        for rows in (groups.codes == k for k in range(groups.n_groups))
    ]
    theta = np.random.default_rng(2).normal(size=(groups.n_groups, 3))
    numeric = approx_fprime(
        theta.ravel(), lambda t: objective(t.reshape(theta.shape), parts, 7.0, 0.3)[0], 1e-6
    )
    np.testing.assert_allclose(objective(theta, parts, 7.0, 0.3)[1].ravel(), numeric, rtol=1e-4, atol=1e-3)


def test_the_index_is_the_mutual_information_of_prediction_and_group() -> None:
    X, y, a = people()
    model = PrejudiceRemover(eta=2).fit(X, y, sensitive_features=a)
    p, codes = model.predict_proba(X, sensitive_features=a)[:, 1], Groups.of(a).codes
    joint = np.array([[(codes == k) @ m / len(p) for m in (1 - p, p)] for k in range(codes.max() + 1)])
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    assert model.diagnostics_["prejudice_index"]["after"] == pytest.approx(
        (joint * np.log(joint / independent)).sum(), abs=1e-12
    )


def test_without_a_penalty_every_group_has_its_own_logistic_regression() -> None:
    X, y, a = people()
    model = PrejudiceRemover(eta=0, ridge=1.0).fit(X, y, sensitive_features=a)
    design = np.column_stack([StandardScaler().fit_transform(X), np.ones(len(X))])
    for k, coefficients in enumerate(model.coef_):
        rows = Groups.of(a).codes == k
        plain = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10).fit(design[rows], y[rows])
        np.testing.assert_allclose(coefficients, plain.coef_.ravel(), atol=1e-4)


@pytest.mark.parametrize("groups", [2, 4])
def test_a_greater_penalty_leaves_less_prejudice_and_closer_rates(groups: int) -> None:
    X, y, a = people(1500, groups)
    prejudice, gaps = [], []
    for eta in (0, 1, 5, 30, 200):
        model = PrejudiceRemover(eta=eta).fit(X, y, sensitive_features=a)
        assert model.diagnostics_["converged"]
        prejudice.append(model.diagnostics_["prejudice_index"]["after"])
        rates = (
            pd.Series(model.predict_proba(X, sensitive_features=a)[:, 1]).groupby(Groups.of(a).codes).mean()
        )
        gaps.append(rates.max() - rates.min())
    assert (np.diff(prejudice) < 0).all()
    assert (np.diff(gaps) < 0).all()
    assert 0 <= prejudice[-1] < 1e-4
    assert gaps[-1] < 0.02


def test_with_one_constant_feature_the_rates_meet_by_hand() -> None:
    y, a = np.repeat([1, 0, 1, 0], [80, 20, 40, 60]), np.repeat(["p", "q"], 100)
    X = pd.DataFrame({"x": np.zeros(200)})
    plain = PrejudiceRemover(eta=0, ridge=1e-9).fit(X, y, sensitive_features=a)
    rates = plain.predict_proba(X, sensitive_features=a)[[0, -1], 1]
    np.testing.assert_allclose(rates, [0.8, 0.4], atol=1e-6)
    by_hand = 0.5 * sum(p * np.log(p / 0.6) + (1 - p) * np.log((1 - p) / 0.4) for p in (0.8, 0.4))
    assert plain.diagnostics_["prejudice_index"]["before"] == pytest.approx(by_hand, abs=1e-6)
    fair = PrejudiceRemover(eta=1e4, ridge=1e-9).fit(X, y, sensitive_features=a)
    np.testing.assert_allclose(fair.predict_proba(X, sensitive_features=a)[[0, -1], 1], 0.6, atol=1e-2)


def test_weights_count_as_repeated_rows() -> None:
    X, y, a = people(400)
    w = np.random.default_rng(0).integers(1, 4, len(y))
    rows = np.repeat(np.arange(len(y)), w)
    same_scale = pd.DataFrame(StandardScaler().fit_transform(X.iloc[rows]), columns=X.columns)
    first = np.searchsorted(rows, np.arange(len(y)))
    one = same_scale.iloc[first].reset_index(drop=True)
    model = PrejudiceRemover(eta=3, ridge=1e-6)
    weighted = sklearn.clone(model).fit(one, y, sensitive_features=a, sample_weight=w)
    repeated = model.fit(same_scale, y[rows], sensitive_features=a.iloc[rows])
    np.testing.assert_allclose(
        weighted.predict_proba(one, sensitive_features=a),
        repeated.predict_proba(one, sensitive_features=a),
        atol=1e-4,
    )


def test_a_group_of_one_class_and_an_unseen_group_are_named() -> None:
    X, y, a = people()
    with pytest.raises(InsufficientDataError, match="'0 & 1' lacks rows of the label 1"):
        PrejudiceRemover().fit(X, np.where((a["race"] == "0") & (a["sex"] == 1), 0, y), sensitive_features=a)
    model = PrejudiceRemover().fit(X, y, sensitive_features=a)
    with pytest.raises(UnseenGroupError, match="7 & 0"):
        model.predict(X[:1], sensitive_features=pd.DataFrame({"race": ["7"], "sex": [0]}))


@pytest.mark.data
def test_in_a_case_it_takes_the_place_of_the_model(adult: pd.DataFrame) -> None:
    roles = Roles(outcome="income", favorable=">50K", protected=("race", "sex"))
    rows = adult[adult["race"].isin(["White", "Black", "Asian-Pac-Islander"])].sample(4000, random_state=0)
    parts = Dataset.from_frame(rows, roles).split(seed=0)
    case = Case(
        parts["train"], parts["calibration"], parts["validation"], make_learner("logistic_regression")
    ).retrained()
    after, effect = PrejudiceRemover(eta=10).run(case)
    assert effect.kind == "model"
    assert effect.share > 0
    assert json.loads(json.dumps(effect.to_json()))["detail"]["converged"]
    assert after.fitted().reads_protected

    def gap(case: Case) -> float:
        data = case.validation
        rates = pd.Series(case.fitted().scores(data.X, data.sensitive)).groupby(data.attribute("sex")).mean()
        return float(rates.max() - rates.min())

    assert gap(after) < 0.5 * gap(case)


def test_in_a_pipeline_the_groups_are_routed_to_it() -> None:
    X, y, a = people()
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), PrejudiceRemover())
        pipeline.fit(X, y, sensitive_features=a)
        there = pipeline.predict_proba(X, sensitive_features=a)
    alone = PrejudiceRemover().fit(X, y, sensitive_features=a)
    np.testing.assert_allclose(there, alone.predict_proba(X, sensitive_features=a), atol=1e-6)
