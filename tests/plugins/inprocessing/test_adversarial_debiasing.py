"""Adversarial debiasing: the paper's update and toy, independence of score and group, Fairlearn's effect."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.data.roles import Roles
from fairmend.core.errors import InsufficientDataError, NotFeasibleError
from fairmend.core.models.learners import TableEncoder, make_learner
from fairmend.plugins.inprocessing import AdversarialDebiasing
from fairmend.plugins.inprocessing._adversarial_debiasing import predictor_logit, update_direction


def people(
    n: int = 1500, groups: int = 2, seed: int = 0
) -> tuple[pd.DataFrame, NDArray[np.int64], pd.DataFrame]:
    """Draw features that lean on the group, labels, and two protected attributes."""
    rng = np.random.default_rng(seed)
    race, sex = rng.integers(0, groups, n), rng.integers(0, 2, n)
    X = rng.normal(size=(n, 4)) + np.column_stack([race, sex, 0 * race, race - sex]) * 0.7
    y = (X @ [1.0, 0.5, 0.8, 0.3] + rng.logistic(size=n) > 0.6).astype(int)
    return pd.DataFrame(X, columns=list("abcd")), y, pd.DataFrame({"race": race.astype(str), "sex": sex})


def spread(score: NDArray[np.float64], codes: NDArray[np.intp]) -> float:
    means = pd.Series(score).groupby(codes).mean()
    return float(means.max() - means.min())


def test_the_direction_never_helps_the_adversary() -> None:
    rng = np.random.default_rng(0)
    for alpha in (0.0, 0.3, 2.0):
        g_P, g_A = rng.normal(size=(2, 30))
        d = update_direction(g_P, g_A, alpha)
        assert d @ g_A == pytest.approx(-alpha * g_A @ g_A)
    np.testing.assert_array_equal(update_direction(g_P, np.zeros(30), 1.0), g_P)


@pytest.mark.parametrize("hidden_units", [0, 3])
def test_predictions_are_those_of_the_network(hidden_units: int) -> None:
    X, y, a = people(300)
    model = AdversarialDebiasing(hidden_units=hidden_units, epochs=2).fit(X, y, sensitive_features=a)
    rows, W = torch.as_tensor(StandardScaler().fit_transform(X)), torch.as_tensor(model.weights_)
    if hidden_units:
        first = rows @ W[:12].reshape(4, 3) + W[12:15]
        logit = torch.relu(first) @ W[15:18] + W[18]
    else:
        logit = rows @ W[:4] + W[4]
    np.testing.assert_allclose(predictor_logit(W, rows, hidden_units), logit)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], torch.sigmoid(logit), atol=1e-9)


def test_on_the_toy_of_the_paper_the_weight_on_the_group_cancels_its_trace() -> None:
    rng = np.random.default_rng(0)
    r = rng.integers(0, 2, 4000).astype(float)
    v = rng.normal(r, 1)
    u, w = rng.normal(v, 1), rng.normal(v, 1)
    X, y = pd.DataFrame({"r": r, "u": u}), (w > 0).astype(int)
    model = AdversarialDebiasing(epochs=20).fit(X, y, sensitive_features=r)
    on_r, on_u = model.weights_[:2] / X.std(ddof=0).to_numpy()
    assert on_u > 0.3
    assert on_r == pytest.approx(-on_u, abs=0.1)
    assert model.diagnostics_["adversary_advantage"] < 0.005
    plain = LogisticRegression().fit(X, y).coef_[0]
    assert plain.min() > 0.2


@pytest.mark.parametrize("groups", [2, 4])
def test_scores_of_all_groups_come_together_under_demographic_parity(groups: int) -> None:
    X, y, a = people(3000, groups)
    codes = Groups.of(a).codes
    plain = LogisticRegression().fit(X, y).predict_proba(X)[:, 1]
    model = AdversarialDebiasing().fit(X, y, sensitive_features=a)
    score = model.predict_proba(X)[:, 1]
    assert spread(score, codes) < 0.3 * spread(plain, codes)
    assert ((score > 0.5) == y).mean() > max(y.mean(), 1 - y.mean())


@pytest.mark.parametrize("constraint", ["equalized_odds", "equal_opportunity"])
def test_given_the_label_scores_come_together_under_error_rate_constraints(constraint: str) -> None:
    X, y, a = people(3000)
    codes = Groups.of(a).codes
    plain = LogisticRegression().fit(X, y).predict_proba(X)[:, 1]
    model = AdversarialDebiasing(constraint).fit(X, y, sensitive_features=a)
    score = model.predict_proba(X)[:, 1]
    for label in (1,) if constraint == "equal_opportunity" else (0, 1):
        rows = y == label
        assert spread(score[rows], codes[rows]) < 0.5 * spread(plain[rows], codes[rows])


def test_the_same_seed_gives_the_same_model_and_the_global_generator_is_left_alone() -> None:
    X, y, a = people(500)
    before = torch.get_rng_state()
    one, two = (
        AdversarialDebiasing(epochs=3, random_state=4, hidden_units=3).fit(X, y, sensitive_features=a)
        for _ in "ab"
    )
    other = AdversarialDebiasing(epochs=3, random_state=5, hidden_units=3).fit(X, y, sensitive_features=a)
    np.testing.assert_array_equal(one.weights_, two.weights_)
    assert not np.array_equal(one.weights_, other.weights_)
    assert torch.equal(before, torch.get_rng_state())


def test_in_one_batch_weights_count_as_repeated_rows() -> None:
    X, y, a = people(300)
    w = np.random.default_rng(0).integers(1, 4, len(y))
    rows = np.repeat(np.arange(len(y)), w)
    model = AdversarialDebiasing("equalized_odds", epochs=20, batch_size=10_000)
    twice = sklearn.clone(model)
    model._fit(X.to_numpy(), Groups.of(a), y, w.astype(float))
    twice._fit(X.to_numpy()[rows], Groups.of(a.iloc[rows]), y[rows], np.ones(len(rows)))
    np.testing.assert_allclose(model.weights_, twice.weights_, atol=1e-9)
    assert model.diagnostics_["losses"] == pytest.approx(twice.diagnostics_["losses"], abs=1e-9)


def test_a_group_without_a_label_is_named() -> None:
    X, y, a = people(400)
    y = np.where((a["race"] == "1") & (a["sex"] == 0), 0, y)
    with pytest.raises(InsufficientDataError, match="'1 & 0' has the label 1"):
        AdversarialDebiasing("equal_opportunity", epochs=1).fit(X, y, sensitive_features=a)
    AdversarialDebiasing("demographic_parity", epochs=1).fit(X, y, sensitive_features=a)


def test_divergence_is_an_error_with_advice() -> None:
    X, y, a = people(400)
    with pytest.raises(NotFeasibleError, match="smaller learning_rate"):
        AdversarialDebiasing(learning_rate=1e200, hidden_units=2).fit(X, y, sensitive_features=a)


@pytest.mark.data
def test_fairlearn_has_an_effect_of_the_same_kind(adult: pd.DataFrame) -> None:
    from fairlearn.adversarial import AdversarialFairnessClassifier

    roles = Roles(outcome="income", favorable=">50K", protected=("sex",))
    data = Dataset.from_frame(adult.sample(6000, random_state=0), roles)
    codes, matrix = data.groups.codes, TableEncoder("one-hot").fit_transform(data.X)
    plain = LogisticRegression(max_iter=500).fit(matrix, data.y).predict(matrix)
    with torch.random.fork_rng():
        theirs = AdversarialFairnessClassifier(
            backend="torch", predictor_model=[], adversary_model=[], alpha=0.3, learning_rate=0.01,
            epochs=8, batch_size=128, random_state=0,
        )  # fmt: skip
        theirs.fit(matrix.astype(np.float32), data.y, sensitive_features=data.sensitive["sex"])
        decided = np.asarray(theirs.predict(matrix.astype(np.float32))).ravel()
    model = AdversarialDebiasing(epochs=15).fit(data.X, data.y, sensitive_features=data.sensitive)
    ours = model.predict(data.X)
    assert spread(decided, codes) < 0.6 * spread(plain, codes)
    assert spread(ours, codes) < 0.3 * spread(plain, codes)
    assert (ours == data.y).mean() > (decided == data.y).mean() - 0.02


@pytest.mark.data
def test_in_a_case_it_takes_the_place_of_the_model(adult: pd.DataFrame) -> None:
    roles = Roles(outcome="income", favorable=">50K", protected=("race", "sex"))
    rows = adult[adult["race"].isin(["White", "Black"])].sample(6000, random_state=0)
    parts = Dataset.from_frame(rows, roles).split(seed=0)
    case = Case(
        parts["train"], parts["calibration"], parts["validation"], make_learner("logistic_regression")
    ).retrained()
    after, effect = AdversarialDebiasing(epochs=20).run(case)
    assert effect.kind == "model"
    assert effect.share > 0
    assert len(json.loads(json.dumps(effect.to_json()))["detail"]["losses"]) == 20
    assert not after.fitted().reads_protected

    def gap(case: Case) -> float:
        data = case.validation
        return spread(case.fitted().scores(data.X), Groups.of(data.sensitive[["sex"]]).codes)

    assert gap(after) < 0.5 * gap(case)


def test_in_a_pipeline_the_groups_are_routed_to_it() -> None:
    X, y, a = people(300)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_output(transform="pandas")
        pipeline = make_pipeline(scaler, AdversarialDebiasing(epochs=3))
        there = pipeline.fit(X, y, sensitive_features=a).predict_proba(X)
    alone = AdversarialDebiasing(epochs=3).fit(X, y, sensitive_features=a).predict_proba(X)
    np.testing.assert_allclose(there, alone, atol=1e-9)
