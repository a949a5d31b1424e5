"""Leaf relabelling: by hand, every choice of leaves tried, trees in their wrappings, and the claim on Adult."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fairmend.core.case import Case
from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, ParameterError
from fairmend.core.models.learners import TabularClassifier, make_learner
from fairmend.plugins.postprocessing import FairTreeRelabelling
from fairmend.plugins.postprocessing._fair_tree_relabelling import greedy, optimal


def _leaves(seed, n_leaves=11, n_groups=2):
    """Draw counts of leaves: rates by group, effect of turning each leaf over, accuracy that it costs."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(n_leaves), n_groups).T
    favorable = rng.random(n_leaves) < 0.5
    effect = np.where(favorable, -1.0, 1.0)[:, None] * share
    return favorable @ share, effect, rng.random(n_leaves) * share.mean(axis=1)


def _all_choices(rates, effect, loss, epsilon):
    """Return the least cost of all choices of leaves within epsilon."""
    best = np.inf
    for chosen in itertools.product([False, True], repeat=len(loss)):
        turned = np.array(chosen)
        if np.ptp(rates + turned @ effect) <= epsilon + 1e-12:
            best = min(best, loss @ turned)
    return best


@pytest.mark.parametrize("epsilon", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("n_groups", [2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_optimal_is_the_best_of_all_choices_and_greedy_no_better(seed, n_groups, epsilon):
    rates, effect, loss = _leaves(seed, n_groups=n_groups)
    least = _all_choices(rates, effect, loss, epsilon)
    found = optimal(rates, effect, loss, epsilon)
    assert loss[found].sum() == pytest.approx(least, abs=1e-6)
    assert np.ptp(rates + effect[found].sum(axis=0)) <= epsilon + 1e-6
    chosen = greedy(rates, effect, loss, epsilon)
    reached = np.ptp(rates + effect[chosen].sum(axis=0))
    assert len(set(chosen)) == len(chosen)
    assert reached <= np.ptp(rates)
    if reached <= epsilon:
        assert loss[chosen].sum() >= least - 1e-9


@pytest.mark.parametrize("seed", range(8))
def test_greedy_is_that_of_the_paper_for_two_groups(seed):
    """The paper's rule written anew: of the leaves that lower disc, the best ratio first, until disc <= epsilon."""
    rates, effect, loss = _leaves(seed, n_leaves=40)
    high, low = rates.argmax(), rates.argmin()
    disc, left, expected = rates[high] - rates[low], list(range(40)), []
    change = effect[:, high] - effect[:, low]
    while disc > 0.05:
        candidates = [leaf for leaf in left if change[leaf] < 0]
        leaf = max(candidates, key=lambda leaf: change[leaf] / -loss[leaf])
        left.remove(leaf)
        expected.append(leaf)
        disc += change[leaf]
    if disc >= -0.05:  # past that the paper stops, and here another leaf answers
        assert greedy(rates, effect, loss, 0.05).tolist() == expected


def _small():
    """Four leaves by hand: one feature, a tree that splits it in four, ten rows a leaf."""
    X = pd.DataFrame({"x": np.repeat([0.0, 1.0, 2.0, 3.0], 10)})
    y = np.array([0] * 9 + [1] + [0] * 6 + [1] * 4 + [1] * 7 + [0] * 3 + [1] * 10)
    group = list("a" * 8 + "b" * 2 + "a" * 9 + "b" * 1 + "a" * 5 + "b" * 5 + "a" * 0 + "b" * 10)
    tree = DecisionTreeClassifier(max_leaf_nodes=4).fit(X, y)
    return X, y, group, tree


def test_by_hand():
    # a has 22 rows, 5 of them selected; b has 18, 15 of them: 5/22 against 15/18. Turning over the second leaf
    # gives a 9/22 more and b 1/18, at a cost of 2 rows (4 of its 10 are favorable); the third takes 5/22
    # and 5/18, at 4 rows; the first 8/22 and 2/18, at 8; the fourth takes 0 and 10/18, at 10.
    X, y, group, tree = _small()
    fitted = FairTreeRelabelling(epsilon=0.3).fit(np.zeros(40), y, sensitive_features=group, X=X, model=tree)
    told = fitted.diagnostics_
    assert told["before"]["selection_rate"] == pytest.approx({"a": 5 / 22, "b": 15 / 18})
    assert told["before"]["accuracy"] == pytest.approx(32 / 40)
    assert fitted.relabelled_.tolist() == [int(tree.apply(pd.DataFrame({"x": [1.0]}))[0])]
    assert told["after"]["selection_rate"] == pytest.approx({"a": 14 / 22, "b": 16 / 18})
    assert told["after"]["accuracy"] == pytest.approx(30 / 40)
    assert told["reached"]
    new = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    assert fitted.predict(np.zeros(4), X=new, model=tree).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("costs", "turned"),
    [({}, "a"), ({"false_negative_cost": 9.0}, "b"), ({"false_positive_cost": 9.0}, "a")],
)
def test_costs_decide_which_leaf_is_turned(costs, turned):
    """Leaf a says yes to men, three of four rightly; leaf b says no to women, four of five rightly."""
    leaf = np.repeat([0.0, 1.0], [40, 50])
    y = np.concatenate([np.tile([1, 1, 1, 0], 10), np.tile([0, 0, 0, 0, 1], 10)])
    sex = np.repeat(["M", "F"], [40, 50])
    X = pd.DataFrame({"leaf": leaf})
    tree = DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, y)
    scores = tree.predict_proba(X)[:, 1]
    fair = FairTreeRelabelling(epsilon=0.0, solver="optimal", **costs)
    fair.fit(scores, y, sensitive_features=sex, X=X, model=tree)
    [number] = fair.relabelled_
    assert {tree.apply(X)[0]: "a", tree.apply(X)[-1]: "b"}[number] == turned


def test_a_bound_that_holds_changes_nothing():
    X, y, group, tree = _small()
    for solver in ("greedy", "optimal"):
        fitted = FairTreeRelabelling(epsilon=0.61, solver=solver)
        fitted.fit(np.zeros(40), y, sensitive_features=group, X=X, model=tree)
        assert len(fitted.relabelled_) == 0
        np.testing.assert_array_equal(fitted.predict(np.zeros(40), X=X, model=tree), tree.predict(X))
        assert fitted.diagnostics_["before"] == fitted.diagnostics_["after"]


def test_a_tree_is_found_in_a_pipeline_and_a_tabular_classifier_and_nothing_else_is_taken(small_groups):
    rng = np.random.default_rng(0)
    n = 600
    X = pd.DataFrame({"u": rng.normal(size=n), "v": rng.normal(size=n)})
    group = np.where(X["u"] + rng.normal(size=n) > 0, "a", "b")
    y = (X["u"] + X["v"] + rng.normal(size=n) > 0).to_numpy().astype(int)
    known = {"sensitive_features": group, "X": X}
    learners = [
        DecisionTreeClassifier(min_samples_leaf=20, random_state=0),
        make_pipeline(StandardScaler(), DecisionTreeClassifier(min_samples_leaf=20, random_state=0)),
        TabularClassifier(DecisionTreeClassifier(min_samples_leaf=20, random_state=0), "ordinal"),
    ]
    decisions = []
    for learner in learners:
        model = learner.fit(X, y)
        fitted = FairTreeRelabelling().fit(np.zeros(n), y, model=model, **known)
        assert len(fitted.relabelled_) > 0
        decisions.append(fitted.predict(np.zeros(n), X=X, model=model))
    assert np.array_equal(decisions[0], decisions[1])
    assert np.array_equal(decisions[0], decisions[2])
    with pytest.raises(DataError, match="got HistGradientBoostingClassifier; train one"):
        FairTreeRelabelling().fit(
            np.zeros(n), y, model=HistGradientBoostingClassifier(max_iter=2).fit(X, y), **known
        )
    with pytest.raises(DataError, match="another tree"):
        fitted.predict(np.zeros(n), X=X, model=DecisionTreeClassifier(max_depth=1).fit(X, y))
    with pytest.raises(DataError, match="the fitted model"):
        FairTreeRelabelling().fit(np.zeros(n), y, **known)
    with pytest.raises(ParameterError, match="epsilon"):
        FairTreeRelabelling(epsilon=-0.1).fit(np.zeros(n), y, model=model, **known)


@pytest.fixture(scope="module")
def tree_case(adult_parts):
    return Case(
        adult_parts["train"], adult_parts["calibration"], adult_parts["test"],
        learner=make_learner("decision_tree"),
    ).retrained()  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("attributes", [["sex"], ["race"], ["sex", "race"]])
@pytest.mark.parametrize("solver", ["greedy", "optimal"])
def test_on_adult_the_bound_holds_and_accuracy_falls_by_the_leaves_turned(tree_case, attributes, solver):
    data, model = tree_case.calibration, tree_case.model.estimator
    groups = Groups.of(data.sensitive[attributes])
    large = groups.counts()[groups.codes] >= 100
    X, y, s = data.X[large], data.y[large], data.sensitive.loc[large, attributes]
    fitted = FairTreeRelabelling(epsilon=0.05, solver=solver)
    fitted.fit(np.zeros(len(y)), y, sensitive_features=s, X=X, model=model)
    decisions = fitted.predict(np.zeros(len(y)), X=X, model=model)
    plain = (model.predict_proba(X)[:, 1] >= 0.5).astype(int)
    told = fitted.diagnostics_
    own = Groups.of(s)
    rates = own.counts(decisions.astype(float)) / own.counts()
    assert told["reached"]
    assert np.ptp(rates) <= 0.05 + 1e-9
    assert told["after"]["selection_rate"] == pytest.approx(dict(zip(own.labels, rates, strict=True)))
    assert told["before"]["accuracy"] == pytest.approx(np.mean(plain == y))
    assert told["after"]["accuracy"] == pytest.approx(np.mean(decisions == y))
    leaves = model.classifier_.apply(model.encoder_.transform(X))
    changed = decisions != plain
    assert set(leaves[changed]) == set(fitted.relabelled_)
    assert np.array_equal(changed, np.isin(leaves, fitted.relabelled_))


@pytest.mark.data
def test_tighter_bounds_cost_more_and_the_optimum_costs_least(tree_case):
    data, model = tree_case.calibration, tree_case.model.estimator
    known = {"sensitive_features": data.sensitive["sex"], "X": data.X, "model": model}
    cost = {}
    for solver in ("greedy", "optimal"):
        fits = [
            FairTreeRelabelling(epsilon=e, solver=solver).fit(np.zeros(len(data)), data.y, **known)
            for e in (0.1, 0.05, 0.02)
        ]
        cost[solver] = [
            f.diagnostics_["before"]["accuracy"] - f.diagnostics_["after"]["accuracy"] for f in fits
        ]
        assert all(f.diagnostics_["reached"] for f in fits)
    assert cost["optimal"] == sorted(cost["optimal"])
    assert all(o <= g + 1e-9 for o, g in zip(cost["optimal"], cost["greedy"], strict=True))


@pytest.mark.data
def test_in_a_case_rates_of_new_rows_come_together_without_reading_the_group(tree_case):
    after, effect = FairTreeRelabelling().run(tree_case)
    assert effect.kind == "decisions"
    assert not after.model.reads_protected
    data = tree_case.validation

    def gap(model):
        groups = Groups.of(data.sensitive["sex"])
        return np.ptp(groups.counts(model.predict(data.X).astype(float)) / groups.counts())

    assert gap(after.model) < 0.6 * gap(tree_case.model)


def test_alone_from_the_command_line(cli, jobs_csv):
    asked = (
        "technique",
        "run",
        "94",
        "--data",
        jobs_csv,
        "--outcome",
        "hired",
        "--favorable",
        "yes",
        "--protected",
        "sex",
    )
    done = cli(*asked, "--learner", "decision_tree", "-p", "epsilon=0.1", "--json")
    assert done.code == 0, done.err
    told = done.json["effect"]["detail"]
    assert told["relabelled"]
    assert told["after"]["difference"] <= 0.1 < told["before"]["difference"]
    differences = [done.json[k]["demographic_parity_difference"]["value"] for k in ("baseline", "final")]
    assert differences[1] < differences[0]
    refused = cli(*asked)
    assert refused.code == 1
    assert len(refused.errors) == 1
    assert "--learner decision_tree" in refused.errors[0]
