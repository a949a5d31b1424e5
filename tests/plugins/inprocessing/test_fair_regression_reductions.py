"""Bounded group loss against Fairlearn, a linear program, by hand, and on real data."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from fairlearn.reductions import BoundedGroupLoss, ExponentiatedGradient, SquareLoss
from scipy.optimize import linprog
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_classifier, is_regressor
from sklearn.linear_model import LinearRegression

from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, InsufficientDataError, ParameterError
from fairmend.plugins.inprocessing import FairRegressionReductions
from fairmend.plugins.inprocessing._group_losses import GroupLossMoment


def people(n=600, groups=3, seed=0):
    """Draw groups whose outcome depends on the feature in their own way, the rarest one the other way round."""
    rng = np.random.default_rng(seed)
    a = rng.choice(groups, n, p=np.arange(1, groups + 1) / np.arange(1, groups + 1).sum())
    x = rng.normal(size=(n, 2))
    slope = np.linspace(-1.0, 1.5, groups)[a]
    y = slope * x[:, 0] + 0.5 * x[:, 1] + 0.3 * a + rng.normal(scale=0.5, size=n)
    return pd.DataFrame(x, columns=["a", "b"]), y, np.asarray(list("pqrstu"))[a]


def group_losses(y, predicted, groups):
    return pd.Series((np.asarray(y) - predicted) ** 2).groupby(np.asarray(groups)).mean()


def law(data_dir):
    frame = pd.read_csv(data_dir / "law" / "law_school_fya.csv")
    large = frame["race"].map(frame["race"].value_counts()) >= 300
    return frame[large].reset_index(drop=True)


@pytest.mark.data
@pytest.mark.parametrize("attributes", [["race"], ["sex"], ["race", "sex"]])
@pytest.mark.parametrize("share", [0.97, 0.9])
def test_fairlearn_finds_the_same_mixture_on_law_school_grades(data_dir, attributes, share):
    frame = law(data_dir).sample(3000, random_state=0)  # Fairlearn weighs row by row
    X, sensitive = frame[["LSAT", "UGPA"]].to_numpy(), frame[attributes].astype(str)
    y = (frame["ZFYA"] / frame["ZFYA"].std()).to_numpy()  # the unit in which multipliers are counted
    joined = sensitive.agg(" & ".join, axis=1)
    bound = share * group_losses(y, LinearRegression().fit(X, y).predict(X), joined).max()
    ours = FairRegressionReductions(LinearRegression(), upper_bound=bound, nu=1e-4).fit(
        X, y, sensitive_features=sensitive
    )
    theirs = ExponentiatedGradient(
        LinearRegression(), BoundedGroupLoss(SquareLoss(y.min(), y.max()), upper_bound=bound), nu=1e-4
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(X, y, sensitive_features=joined)
    weights = theirs.weights_[theirs.weights_ > 0]
    assert ours.diagnostics_["best_gap"] == pytest.approx(theirs.best_gap_, abs=1e-6)
    mean = sum(w * np.clip(theirs.predictors_[i].predict(X), y.min(), y.max()) for i, w in weights.items())
    np.testing.assert_allclose(ours.predict(X), mean, atol=1e-5)


@pytest.mark.data
def test_on_law_school_grades_the_worst_served_group_is_served_better_on_other_rows(data_dir):
    """By race, mean squared errors; the price is paid by all others together, and is small."""
    frame = law(data_dir)
    part = np.random.default_rng(0).random(len(frame)) < 0.6
    X, y, race = frame[["LSAT", "UGPA"]], frame["ZFYA"].to_numpy(), frame["race"]
    plain = LinearRegression().fit(X[part], y[part])
    fair = FairRegressionReductions(LinearRegression(), relative_bound=0.9)
    fair.fit(X[part], y[part], sensitive_features=race[part])
    before, after = (group_losses(y[~part], m.predict(X[~part]), race[~part]) for m in (plain, fair))
    worst = before.idxmax()
    assert fair.diagnostics_["bound_met"]
    assert after[worst] < 0.95 * before[worst]
    assert after.max() < before.max()
    errors = [np.mean((y[~part] - m.predict(X[~part])) ** 2) for m in (plain, fair)]
    assert errors[1] < 1.25 * errors[0]


class FiniteClass(RegressorMixin, BaseEstimator):
    """The best of a finite class of lines, by weighted squared error."""

    LINES = tuple((slope, level) for slope in np.linspace(-2, 2, 9) for level in np.linspace(-1, 1, 5))

    def fit(self, X, y, sample_weight):
        w = np.asarray(sample_weight)
        self.line_ = min(self.LINES, key=lambda line: w @ (y - self._on(X, line)) ** 2)
        return self

    @staticmethod
    def _on(X, line):
        return line[0] * np.asarray(X)[:, 0] + line[1]

    def predict(self, X):
        return self._on(X, self.line_)


def test_over_a_finite_class_it_reaches_the_optimum_of_the_linear_program():
    X, y, a = people(300)
    x, groups, eps = X.to_numpy(), Groups.of(a), 0.01
    moment = GroupLossMoment(groups, y, np.ones(len(y)))
    lines = [FiniteClass._on(x, line) for line in FiniteClass.LINES]
    errors, losses = (
        np.array([moment.error(p) for p in lines]),
        np.array([moment.violations(p) for p in lines]),
    )
    bound = 0.8 * losses[errors.argmin()].max()
    best = linprog(  # error + 1/eps times the greatest excess over the bound, over mixtures
        np.append(errors, 1 / eps),
        A_ub=np.column_stack([losses.T - bound, -np.ones(groups.n_groups)]),
        b_ub=np.zeros(groups.n_groups),
        A_eq=[np.append(np.ones(len(lines)), 0)],
        b_eq=[1],
    )
    model = FairRegressionReductions(
        FiniteClass(), upper_bound=bound * moment.scale**2, eps=eps, max_iter=200, nu=0.002
    )
    model.fit(x, y, sensitive_features=a)
    found = [
        w @ np.array([f(m.predict(x)) for m in model.members_])
        for w in [model.member_weights_]
        for f in (moment.error, lambda p: moment.violations(p)[0], lambda p: moment.violations(p)[1],
                  lambda p: moment.violations(p)[2])
    ]  # fmt: skip
    reached = found[0] + max(0, max(found[1:]) - bound) / eps
    assert model.diagnostics_["converged"]
    assert best.fun - 1e-9 <= reached <= best.fun + model.diagnostics_["best_gap"] + 1e-9


@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.parametrize("share", [0.95, 0.8])
def test_every_group_keeps_the_bound_where_the_plain_model_does_not(groups, share):
    """The claim of the paper: each group's loss is at most the bound plus a slack of the order of eps."""
    X, y, a = people(groups=groups)
    model = FairRegressionReductions(LinearRegression(), relative_bound=share).fit(X, y, sensitive_features=a)
    found = model.diagnostics_
    losses = group_losses(y, model.predict(X), a)
    assert max(found["loss_alone"].values()) > found["upper_bound"]
    assert losses.max() <= found["upper_bound"] + (found["best_gap"] + 1) * model.eps
    assert losses.to_dict() == pytest.approx(found["loss"])
    assert losses.max() < max(found["loss_alone"].values())
    assert np.mean((y - model.predict(X)) ** 2) >= np.mean((y - LinearRegression().fit(X, y).predict(X)) ** 2)


def test_a_loose_bound_gives_the_learner_itself():
    X, y, a = people()
    model = FairRegressionReductions(LinearRegression(), upper_bound=1e3).fit(X, y, sensitive_features=a)
    plain = np.clip(LinearRegression().fit(X, y).predict(X), y.min(), y.max())
    np.testing.assert_allclose(model.predict(X), plain, atol=1e-9)
    assert model.diagnostics_["bound_met"]


def test_a_bound_that_no_model_can_meet_is_reported():
    X, y, a = people()
    model = FairRegressionReductions(LinearRegression(), upper_bound=1e-3).fit(X, y, sensitive_features=a)
    losses = list(model.diagnostics_["loss"].values())
    assert not model.diagnostics_["bound_met"]
    assert max(losses) < max(model.diagnostics_["loss_alone"].values())
    assert np.ptp(losses) < np.ptp(list(model.diagnostics_["loss_alone"].values()))


def test_the_moment_by_hand():
    """Labels 0, 2, 4, 2; groups p, p, q, q; everything predicted as 2."""
    y, a = np.array([0.0, 2.0, 4.0, 2.0]), Groups.of(np.array(["p", "p", "q", "q"]))
    w = np.array([1.0, 1.0, 1.0, 3.0])
    moment = GroupLossMoment(a, y, w)
    assert moment.scale**2 == pytest.approx(np.cov(y, aweights=w))
    losses = moment.violations(np.full(4, 2.0)) * moment.scale**2
    assert losses == pytest.approx([(4 + 0) / 2, (4 + 0) / 4])
    assert moment.error(np.full(4, 2.0)) * moment.scale**2 == pytest.approx((4 + 4) / 6)
    labels, weights = moment.problem(np.array([1 / 3, 0.0]))  # p has a third of the weight: 1 + 1
    assert labels is y
    assert weights == pytest.approx(np.array([2, 2, 1, 3]) * 6 / 8)
    assert moment.violations(np.full(4, 9.0)) == pytest.approx(moment.violations(np.full(4, 4.0)))  # cut


def test_weights_count_as_repeated_rows():
    X, y, a = people(300)
    w = np.random.default_rng(0).integers(1, 4, len(y))
    rows = np.repeat(np.arange(len(y)), w)
    model = FairRegressionReductions(LinearRegression(), relative_bound=0.85, nu=1e-3)
    weighted = clone(model).fit(X, y, sensitive_features=a, sample_weight=w)
    repeated = model.fit(X.iloc[rows], y[rows], sensitive_features=a[rows])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-3)


def test_without_a_learner_it_boosts_and_is_a_regressor():
    X, y, a = people(400)
    model = FairRegressionReductions(max_iter=2).fit(X, y, sensitive_features=a)
    assert model.score(X, y) > LinearRegression().fit(X, y).score(X, y)
    assert is_regressor(model)
    assert not is_classifier(model)
    assert not hasattr(model, "classes_")
    assert not model.metadata.needs_protected_at_prediction


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": ["low"] * 300}, DataError, "y must be numbers"),
        ({"y": np.full(300, np.nan)}, DataError, "y must be finite"),
        ({"sensitive_features": ["p"] * 300}, InsufficientDataError, "all 300 rows are of the group 'p'"),
    ],
)
def test_what_it_cannot_learn_from_is_refused(change, error, message):
    X, y, a = people(300)
    with pytest.raises(error, match=message):
        FairRegressionReductions(LinearRegression()).fit(X, **{"y": y, "sensitive_features": a, **change})


def test_a_parameter_out_of_range_is_refused():
    X, y, a = people(100)
    with pytest.raises(ParameterError, match="relative_bound"):
        FairRegressionReductions(relative_bound=1.5).fit(X, y, sensitive_features=a)
