"""The reductions approach against Fairlearn and against a linear program over a finite class."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import sklearn
from fairlearn.reductions import (
    DemographicParity,
    EqualizedOdds,
    ExponentiatedGradient,
    FalsePositiveRateParity,
    TruePositiveRateParity,
)
from numpy.typing import NDArray
from scipy.optimize import linprog
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, InsufficientDataError, ParameterError
from fairmend.core.models.learners import TableEncoder, TabularClassifier, make_learner
from fairmend.plugins.inprocessing import ReductionsExponentiatedGradient

THEIRS = {
    "demographic_parity": DemographicParity,
    "equalized_odds": EqualizedOdds,
    "true_positive_rate_parity": TruePositiveRateParity,
    "false_positive_rate_parity": FalsePositiveRateParity,
}
TREE = TabularClassifier(DecisionTreeClassifier(max_depth=4, random_state=0))


def people(
    n: int = 900, groups: int = 3, seed: int = 0
) -> tuple[pd.DataFrame, NDArray[np.int64], pd.DataFrame]:
    """Draw features that lean on the group, text among them, labels, and two protected attributes."""
    rng = np.random.default_rng(seed)
    race, sex = rng.integers(0, groups, n), rng.integers(0, 2, n)
    x = rng.normal(size=(n, 3)) + np.column_stack([race, sex, race - sex]) * 0.7
    y = (x @ [1.0, -0.5, 0.8] + rng.logistic(size=n) > 0.6).astype(int)
    X = pd.DataFrame(x, columns=list("abc")).assign(d=np.where(x[:, 0] > 0.5, "high", "low"))
    return X, y, pd.DataFrame({"race": race.astype(str), "sex": sex})


def violation(
    chance: NDArray[np.float64], y: NDArray[np.int64], sensitive: pd.DataFrame, constraint: str
) -> float:
    """Greatest distance of a group's rate from the rate of all, within the events of the constraint."""
    labels = {"demographic_parity": [None], "equalized_odds": [0, 1], "true_positive_rate_parity": [1]}
    codes, worst = Groups.of(sensitive).codes, 0.0
    for label in labels.get(constraint, [0]):
        rows = np.ones(len(y), dtype=bool) if label is None else y == label
        rates = pd.Series(chance[rows]).groupby(codes[rows]).mean()
        worst = max(worst, float((rates - chance[rows].mean()).abs().max()))
    return worst


@pytest.mark.data
@pytest.mark.parametrize("constraint", THEIRS)
def test_fairlearn_finds_the_same_mixture(compas: pd.DataFrame, constraint: str) -> None:
    roles = Roles(outcome="two_year_recid", favorable=0, protected=("race", "sex"))
    known = compas[compas["race"].isin(["African-American", "Caucasian", "Hispanic"])]
    data = Dataset.from_frame(known, roles)
    X = data.X[["age", "priors_count", "juv_fel_count", "juv_misd_count", "c_charge_degree"]]
    smooth = LogisticRegression(tol=1e-8, max_iter=1000)  # the ties of a tree fall with the last bit
    ours = ReductionsExponentiatedGradient(TabularClassifier(smooth, "one-hot"), constraint)
    ours.fit(X, data.y, sensitive_features=data.sensitive)
    theirs = ExponentiatedGradient(smooth, THEIRS[constraint](difference_bound=0.01))
    matrix = TableEncoder("one-hot").fit_transform(X)
    theirs.fit(matrix, data.y, sensitive_features=data.sensitive)
    assert ours.diagnostics_["best_gap"] == pytest.approx(theirs.best_gap_, abs=1e-9)
    assert ours.diagnostics_["oracle_calls"] <= theirs.n_oracle_calls_
    np.testing.assert_allclose(ours.diagnostics_["weights"], theirs.weights_[theirs.weights_ > 0], atol=1e-9)
    np.testing.assert_allclose(ours.decision_probability(X), theirs._pmf_predict(matrix)[:, 1], atol=1e-9)


class FiniteClass(ClassifierMixin, BaseEstimator):
    """The best rule, by weighted error, of a finite class of thresholds on two features."""

    RULES = tuple((j, t, s) for j in (0, 1) for t in np.linspace(-2, 3, 26) for s in (0, 1))

    @staticmethod
    def decide(X: NDArray[np.float64], rule: tuple[int, float, int]) -> NDArray[np.int64]:
        j, threshold, sign = rule
        return ((np.asarray(X)[:, j] > threshold) == sign).astype(int)

    def fit(self, X: NDArray[np.float64], y: pd.Series, sample_weight: pd.Series) -> FiniteClass:
        w, y = np.asarray(sample_weight), np.asarray(y)
        self.rule_ = min(self.RULES, key=lambda rule: w @ (self.decide(X, rule) != y))
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        return self.decide(X, self.rule_)

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.eye(2)[self.predict(X)]


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"])
def test_over_a_finite_class_it_reaches_the_optimum_of_the_linear_programme(constraint: str) -> None:
    X, y, a = people(400)
    x, codes = X[["a", "b"]].to_numpy(), Groups.of(a).codes
    bound, eps = 0.02, 0.01
    H = np.array([FiniteClass.decide(x, rule) for rule in FiniteClass.RULES])
    H = np.vstack([H, np.zeros(len(y)), np.ones(len(y))])
    events = [np.ones(len(y), dtype=bool)] if constraint == "demographic_parity" else [y == 0, y == 1]
    rows = np.array(
        [
            H[:, e & (codes == g)].mean(axis=1) - H[:, e].mean(axis=1)
            for e in events
            for g in range(codes.max() + 1)
        ]
    )
    signed = np.vstack([rows, -rows])
    best = linprog(  # error + 1/eps times the greatest excess over the bound, over mixtures
        np.append((y != H).mean(axis=1), 1 / eps),
        A_ub=np.column_stack([signed - bound, -np.ones(len(signed))]),
        b_ub=np.zeros(len(signed)),
        A_eq=[np.append(np.ones(len(H)), 0)],
        b_eq=[1],
    )
    model = ReductionsExponentiatedGradient(FiniteClass(), constraint, bound, eps, max_iter=200, nu=0.002)
    model.fit(x, y, sensitive_features=a)
    found = model.diagnostics_
    reached = found["training_error"] + max(0, found["training_violation"] - bound) / eps
    assert found["converged"]
    assert best.fun - 1e-9 <= reached <= best.fun + found["best_gap"] + 1e-9


@pytest.mark.parametrize("groups", [2, 5])
@pytest.mark.parametrize("constraint", THEIRS)
def test_the_expected_violation_keeps_the_bound_where_the_plain_model_does_not(
    constraint: str, groups: int
) -> None:
    X, y, a = people(900, groups)
    plain = TREE.fit(X, y).predict(X).astype(float)
    for bound in (0.01, 0.05):
        model = ReductionsExponentiatedGradient(TREE, constraint, bound).fit(X, y, sensitive_features=a)
        chance = model.decision_probability(X)
        reached = violation(chance, y, a, constraint)
        assert violation(plain, y, a, constraint) > bound
        assert reached <= bound + 2 * (model.diagnostics_["best_gap"] + 0.5) * model.eps
        assert reached == pytest.approx(model.diagnostics_["training_violation"], abs=1e-9)


def test_a_loose_bound_gives_the_plain_model() -> None:
    X, y, a = people()
    model = ReductionsExponentiatedGradient(TREE, difference_bound=1.0).fit(X, y, sensitive_features=a)
    np.testing.assert_allclose(model.decision_probability(X), TREE.fit(X, y).predict(X), atol=1e-9)


def test_weights_count_as_repeated_rows() -> None:
    X, y, a = people(300)
    w = np.random.default_rng(0).integers(1, 4, len(y))
    rows = np.repeat(np.arange(len(y)), w)
    learner = make_pipeline(FunctionTransformer(lambda f: f[["a", "b", "c"]]), LogisticRegression(tol=1e-10))
    model = ReductionsExponentiatedGradient(learner, "equalized_odds", nu=0.005)
    weighted = sklearn.clone(model).fit(X, y, sensitive_features=a, sample_weight=w)
    repeated = model.fit(X.iloc[rows], y[rows], sensitive_features=a.iloc[rows])
    assert weighted.diagnostics_["best_gap"] == pytest.approx(repeated.diagnostics_["best_gap"], abs=1e-6)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)


def test_a_mixture_of_two_models_by_hand() -> None:
    X, y, a = people(200)
    model = ReductionsExponentiatedGradient(TREE).fit(X, y, sensitive_features=a)
    low, high = FiniteClass(), FiniteClass()
    low.rule_, high.rule_ = (1, 0.0, 1), (1, 1.0, 1)  # the text is encoded before the numbers
    low.classes_ = high.classes_ = np.array([0, 1])
    model.members_, model.member_weights_ = [low, high], np.array([0.25, 0.75])
    three = X.iloc[:3].assign(a=[-1.0, 0.5, 2.0], d="high")
    assert model.decision_probability(three).tolist() == [0.0, 0.25, 1.0]
    assert model.predict_proba(three)[:, 1].tolist() == [0.0, 0.25, 1.0]


def test_a_row_always_gets_the_same_decision() -> None:
    X, y, a = people()
    model = ReductionsExponentiatedGradient(TREE, random_state=3).fit(X, y, sensitive_features=a)
    chance, first = model.decision_probability(X), model.predict(X)
    mixed = (chance > 0) & (chance < 1)
    assert mixed.any()
    np.testing.assert_array_equal(model.predict(X.iloc[::-1])[::-1], first)
    assert first[mixed].mean() == pytest.approx(chance[mixed].mean(), abs=0.1)
    again = ReductionsExponentiatedGradient(TREE, random_state=3).fit(X, y, sensitive_features=a)
    np.testing.assert_array_equal(again.predict(X), first)


def test_the_number_of_trainings_can_be_capped() -> None:
    X, y, a = people()
    model = ReductionsExponentiatedGradient(TREE, difference_bound=0.0, max_oracle_calls=5)
    found = model.fit(X, y, sensitive_features=a).diagnostics_
    assert 5 <= found["oracle_calls"] <= 13
    assert not found["converged"]


def test_a_group_without_a_label_is_named() -> None:
    X, y, a = people()
    y = np.where((a["race"] == "2") & (a["sex"] == 1), 0, y)
    with pytest.raises(InsufficientDataError, match="'2 & 1' has the label 1"):
        ReductionsExponentiatedGradient(TREE, "equalized_odds").fit(X, y, sensitive_features=a)
    ReductionsExponentiatedGradient(TREE, "false_positive_rate_parity").fit(X, y, sensitive_features=a)


def test_a_learner_without_weights_or_probabilities_is_refused() -> None:
    X, y, a = people(200)
    with pytest.raises(ParameterError, match="estimator"):
        ReductionsExponentiatedGradient("boosting").fit(X, y, sensitive_features=a)
    from sklearn.neighbors import KNeighborsClassifier

    with pytest.raises(DataError, match="KNeighborsClassifier takes no sample weights"):
        ReductionsExponentiatedGradient(TabularClassifier(KNeighborsClassifier())).fit(
            X, y, sensitive_features=a
        )


@pytest.mark.data
def test_in_a_case_it_trains_the_learner_of_the_case(adult: pd.DataFrame) -> None:
    roles = Roles(outcome="income", favorable=">50K", protected=("race", "sex"))
    rows = adult[adult["race"].isin(["White", "Black"])].sample(3000, random_state=0)
    parts = Dataset.from_frame(rows, roles).split(seed=0)
    case = Case(
        parts["train"], parts["calibration"], parts["validation"], make_learner("logistic_regression"), seed=5
    ).retrained()
    after, effect = ReductionsExponentiatedGradient(max_iter=10).run(case)
    model = after.fitted()
    assert effect.kind == "model"
    assert effect.share > 0
    assert json.loads(json.dumps(effect.to_json()))["detail"]["oracle_calls"] > 5
    assert isinstance(model.estimator.members_[0], LogisticRegression)
    assert not model.reads_protected

    def gap(case: Case) -> float:
        data = case.validation
        chance = case.fitted().decision_probability(data.X)
        rates = pd.Series(chance).groupby(data.attribute("sex")).mean()
        return float(rates.max() - rates.min())

    assert gap(after) < 0.5 * gap(case)


@pytest.mark.data
def test_after_reweighing_it_holds_the_rates_of_the_people_who_are_there(adult: pd.DataFrame) -> None:
    roles = Roles(outcome="income", favorable=">50K", protected=("sex",), ignored=("fnlwgt",))
    parts = Dataset.from_frame(adult.sample(6000, random_state=0), roles).split(seed=0)
    parts.pop("test")
    case = Case(**parts, learner=make_learner("logistic_regression")).retrained()
    uneven = 0.2 + 1.6 * (case.train.y == (case.train.attribute("sex") == "Male"))
    reweighted = case.replace(train=case.train.reweighted(uneven)).retrained()
    alone, after = (ReductionsExponentiatedGradient(max_iter=10).run(c)[0] for c in (case, reweighted))
    data = case.validation
    chance = [c.fitted().decision_probability(data.X) for c in (alone, after, reweighted)]
    np.testing.assert_allclose(chance[0], chance[1])
    assert np.ptp([chance[1][data.attribute("sex") == sex].mean() for sex in ("Female", "Male")]) < 0.05
    assert not np.allclose(chance[1], chance[2])
    np.testing.assert_array_equal(reweighted.train.take(np.arange(5)).population_weights, np.ones(5))
    technique = ReductionsExponentiatedGradient(max_iter=10)
    assert technique.trains_alike(case, reweighted)
    again, effect = technique.reuse(alone, reweighted)
    assert again.fitted().estimator is alone.fitted().estimator
    assert effect.share == ReductionsExponentiatedGradient(max_iter=10).run(reweighted)[1].share
    fewer = reweighted.replace(train=reweighted.train.take(np.arange(2000)))
    assert not technique.trains_alike(case, fewer)


def test_in_a_pipeline_the_groups_are_routed_to_it() -> None:
    X, y, a = people(300)
    X = X[["a", "b", "c"]]
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_output(transform="pandas")
        pipeline = make_pipeline(scaler, ReductionsExponentiatedGradient(TREE))
        pipeline.fit(X, y, sensitive_features=a)
    alone = ReductionsExponentiatedGradient(TREE).fit(X, y, sensitive_features=a)
    np.testing.assert_allclose(
        pipeline[-1].decision_probability(scaler.fit_transform(X)), alone.decision_probability(X), atol=1e-9
    )
