"""Thresholds for balanced accuracy and F1: fairlearn, brute force, limiting cases, and the law school data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn import metrics as skm
from sklearn.linear_model import LogisticRegression

from fairmend.core.data.groups import Groups
from fairmend.core.errors import ParameterError
from fairmend.core.metrics import measure
from fairmend.plugins.postprocessing import (
    EqualOpportunityThresholds,
    GroupThresholds,
    PluginCostSensitive,
    RelaxedErrorParity,
)
from fairmend.plugins.postprocessing._error_costs import error_costs
from fairmend.plugins.postprocessing._roc_thresholds import roc_curves

TECHNIQUES = (GroupThresholds, EqualOpportunityThresholds, RelaxedErrorParity, PluginCostSensitive)


def drawn(seed=0, n=3000, base=0.9):
    """People of three groups with calibrated scores, most of them favorable."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    shift = pd.Series(group).map({"a": 0.0, "b": -0.8, "c": -0.4}).to_numpy()
    logit = np.log(base / (1 - base)) + shift + rng.normal(scale=1.3, size=n)
    scores = 1 / (1 + np.exp(-logit))
    return scores, (rng.random(n) < scores).astype(int), group, pd.DataFrame({"x": logit, "shift": shift})


def fitted(technique, scores, y, group, X, **parameters):
    rule = technique(**parameters)
    more = {"X": X} if technique is PluginCostSensitive else {}
    rule.fit(scores, y, sensitive_features=group, **more)
    reads = {} if technique is PluginCostSensitive else {"sensitive_features": group}
    return rule.decision_probability(scores, **reads, **more)


def balanced(probability, y):
    return float((probability[y == 1].mean() + 1 - probability[y == 0].mean()) / 2)


@pytest.mark.data
@pytest.mark.parametrize("attribute", ["sex", "race"])
def test_balanced_accuracy_under_parity_is_that_of_fairlearn(scored_adult, attribute):
    scores, y, sensitive = scored_adult
    group = sensitive[attribute].to_numpy()

    class Given(LogisticRegression):
        def predict_proba(self, X):
            return np.column_stack([1 - X[:, 0], X[:, 0]])

    column = scores[:, None]
    theirs = ThresholdOptimizer(
        estimator=Given().fit(column, y), constraints="demographic_parity", objective="balanced_accuracy_score",
        predict_method="predict_proba", prefit=True, grid_size=2000,
    ).fit(column, y, sensitive_features=group)  # fmt: skip
    expected = balanced(theirs._pmf_predict(column, sensitive_features=group)[:, 1], y)
    ours = fitted(
        GroupThresholds, scores, y, group, None,
        min_ratio=1.0, objective="balanced_accuracy", utility="labels", tie_breaking="randomize",
    )  # fmt: skip
    assert balanced(ours, y) == pytest.approx(expected, abs=1e-3)  # which mixes any two thresholds


def test_balanced_accuracy_without_a_constraint_is_the_best_of_each_group_by_brute_force():
    scores, y, group, _ = drawn(n=300)
    ours = fitted(
        GroupThresholds,
        scores,
        y,
        group,
        None,
        min_ratio=0.0,
        objective="balanced_accuracy",
        utility="labels",
    )
    c_fp, c_fn = y.mean(), 1 - y.mean()
    best = 0.0
    for name in np.unique(group):
        here = group == name
        cuts = [*scores[here], 2.0]
        best += min(
            c_fp * ((scores >= t) & (y == 0) & here).sum() + c_fn * ((scores < t) & (y == 1) & here).sum()
            for t in cuts
        )
    costs = c_fp * ours[y == 0].sum() + c_fn * (1 - ours[y == 1]).sum()
    assert costs == pytest.approx(best)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("base", [0.05, 0.3, 0.9])
def test_f1_without_a_constraint_is_at_least_that_of_the_best_single_threshold(seed, base):
    scores, y, group, _ = drawn(seed, n=600, base=base)
    ours = fitted(GroupThresholds, scores, y, group, None, min_ratio=0.0, objective="f1", utility="labels")
    best = max(skm.f1_score(y, scores >= t) for t in np.unique(scores))
    assert skm.f1_score(y, ours >= 0.5) >= best - 1e-12


def test_f1_of_calibrated_scores_is_best_at_half_of_itself():
    scores, _, group, _ = drawn(1, n=20_000, base=0.2)
    weights = np.ones(len(scores))
    pooled = roc_curves(scores, Groups.of(np.full(len(group), "all")), scores, weights)[-1]
    c_fp, c_fn = error_costs("f1", 1.0, 1.0, pooled)
    best = pooled.cuts[pooled.cost(c_fp, c_fn).argmin()]
    f1 = (2 * pooled.tp / (pooled.tp + pooled.fp + pooled.tp[-1])).max()
    assert c_fp / (c_fp + c_fn) == pytest.approx(f1 / 2)
    assert best == pytest.approx(f1 / 2, abs=1e-3)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_every_technique_gains_balanced_accuracy_where_most_are_favorable(technique):
    scores, y, group, X = drawn()
    plain = fitted(technique, scores, y, group, X)
    aimed = fitted(technique, scores, y, group, X, objective="balanced_accuracy")
    assert balanced(aimed, y) > balanced(plain, y) + 0.05


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("ratio", [0.2, 5.0])
def test_costs_move_every_technique_the_way_they_say(technique, ratio):
    scores, y, group, X = drawn(base=0.6)
    plain, aimed = (
        fitted(technique, scores, y, group, X, false_positive_cost=c).mean() for c in (1.0, ratio)
    )
    assert (aimed < plain) == (ratio > 1)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_balanced_labels_make_balanced_accuracy_the_accuracy(technique):
    scores, y, group, X = drawn(base=0.6)
    weight = np.where(y == 1, 1 / y.mean(), 1 / (1 - y.mean()))
    more = {"X": X} if technique is PluginCostSensitive else {}
    reads = {} if technique is PluginCostSensitive else {"sensitive_features": group}
    one, other = (
        technique(objective=objective)
        .fit(scores, y, sensitive_features=group, sample_weight=weight, **more)
        .decision_probability(scores, **reads, **more)
        for objective in ("cost", "balanced_accuracy")
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_other_objectives_are_refused(technique):
    scores, y, group, X = drawn(n=400)
    with pytest.raises(ParameterError, match="objective"):
        fitted(technique, scores, y, group, X, objective="auc")


@pytest.mark.parametrize("objective", ["cost", "balanced_accuracy", "f1"])
def test_one_label_alone_has_costs_too(objective):
    scores = np.linspace(0.1, 0.9, 40)
    for y in (np.zeros(40, int), np.ones(40, int)):
        pooled = roc_curves(scores, Groups.of(np.full(40, "a")), y, np.ones(40))[-1]
        c_fp, c_fn = error_costs(objective, 1.0, 1.0, pooled)
        assert np.isfinite([c_fp, c_fn]).all()
        assert c_fp >= 0
        assert c_fn >= 0


@pytest.mark.data
def test_law_school_reaches_balanced_accuracy_under_demographic_parity(data_dir):
    law = pd.read_csv(data_dir / "law" / "law_school_bar.csv")
    X, y, race = law.drop(columns=["pass_bar", "race"]), law["pass_bar"].astype(int), law["race"]
    third = np.random.default_rng(0).integers(0, 3, size=len(law))
    model = LogisticRegression(max_iter=2000).fit((X - X.mean())[third == 0] / X.std(), y[third == 0])
    scores = model.predict_proba((X - X.mean()) / X.std())[:, 1]
    held, test = third == 1, third == 2
    rule = GroupThresholds(min_ratio=0.85, objective="balanced_accuracy")
    rule.fit(scores[held], y[held], sensitive_features=race[held])
    decided = rule.predict(scores[test], sensitive_features=race[test])
    found = measure(y[test], decided, sensitive_features=race[test], n_boot=50)
    assert found.figure("balanced_accuracy").value >= 0.75
    assert found.figure("demographic_parity_ratio").value >= 0.80
