"""The plug-in rule: every rule on a discrete x tried, the paper's two-group form, and the claim on Adult."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, InsufficientDataError, ParameterError
from fairmend.plugins.postprocessing import PluginCostSensitive

CELLS = 9
EXACT = DecisionTreeClassifier(random_state=0)  # on cell numbers it gives the shares in each cell


def _discrete(seed, n_groups=2, rows=400):
    """Draw rows on nine values of x; eta is known by cell, pi is the share of each group in it."""
    rng = np.random.default_rng(seed)
    cell = rng.choice(CELLS, rows, p=rng.dirichlet(np.full(CELLS, 3.0)))
    cell[: CELLS * n_groups] = np.repeat(np.arange(CELLS), n_groups)
    chance = rng.dirichlet(np.ones(n_groups), CELLS)
    group = np.array([rng.choice(list("abcd")[:n_groups], p=chance[c]) for c in cell])
    group[: CELLS * n_groups] = np.tile(list("abcd")[:n_groups], CELLS)
    eta = rng.random(CELLS)[cell]
    y = (rng.random(rows) < eta).astype(int)
    y[:2] = [0, 1]
    return pd.DataFrame({"x": cell}), eta, group, y


def _fit(X, eta, group, y, **parameters):
    made = PluginCostSensitive(estimator=EXACT, **parameters)
    return made.fit(eta, y, sensitive_features=group, X=X)


def _rules(X, eta, group, h):
    """Return decisions, rates by group and expected cost (of c = 1/2) of all rules on x."""
    groups = Groups.of(group)
    for rule in itertools.product([0.0, 1.0], repeat=CELLS):
        f = np.array(rule)[X["x"]]
        yield f, groups.counts(f * h) / groups.counts(h)


@pytest.mark.parametrize("notion", ["demographic_parity", "equal_opportunity"])
@pytest.mark.parametrize("n_groups", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_no_rule_on_a_discrete_x_has_a_better_trade_off(seed, n_groups, notion):
    X, eta, group, y = _discrete(seed, n_groups)
    if notion == "equal_opportunity":
        # pi given y = 1 is that of the rows with y = 1, so eta is set to what they show.
        eta = pd.Series(y).groupby(X["x"]).transform("mean").to_numpy()
    fitted = _fit(X, eta, group, y, min_ratio=1.0, notion=notion, false_positive_cost=0.6)
    decided = fitted.decision_probability(eta, X=X)
    pi = fitted.estimator_.predict_proba(X)
    h = eta if notion == "equal_opportunity" else np.ones(len(y))
    penalty = h * (pi @ fitted.multipliers_)
    assert np.abs(fitted.multipliers_).max() > 1e-3

    def trade_off(f):
        return float(np.mean(f * (0.375 - eta)) + np.mean(f * penalty))

    best = min(trade_off(f) for f, _ in _rules(X, eta, group, h))
    assert trade_off(decided) == pytest.approx(best, abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("min_ratio", [0.7, 0.9])
def test_no_rule_that_meets_the_ratio_costs_less_than_the_program(seed, min_ratio):
    """The value of the program (by duality the trade-off of the rule) bounds the cost of all rules that comply."""
    X, eta, group, y = _discrete(seed)
    fitted = _fit(X, eta, group, y, min_ratio=min_ratio)
    decided = fitted.decision_probability(eta, X=X)
    pi = fitted.estimator_.predict_proba(X)
    dual = np.mean(decided * (0.5 - eta + pi @ fitted.multipliers_))
    met = [
        np.mean(f * (0.5 - eta))
        for f, rates in _rules(X, eta, group, np.ones(len(y)))
        if rates.min() >= min_ratio * rates.max() - 1e-12
    ]
    assert min(met) >= dual - 1e-7
    free = np.mean(np.maximum(eta - 0.5, 0))
    assert dual >= -free - 1e-9


@pytest.mark.parametrize("costs", [(1.0, 1.0), (5.0, 1.0), (1.0, 3.0)])
def test_without_a_bound_it_is_the_cost_sensitive_rule(costs):
    X, eta, group, y = _discrete(5, 3)
    fitted = _fit(X, eta, group, y, min_ratio=0.0, false_positive_cost=costs[0], false_negative_cost=costs[1])
    np.testing.assert_allclose(fitted.multipliers_, 0, atol=1e-12)
    expected = eta >= costs[0] / sum(costs)
    np.testing.assert_array_equal(fitted.predict(eta, X=X), expected)


def test_for_two_groups_it_is_the_rule_of_the_paper():
    """eta - c - lambda (pi - cbar), with cbar between the two shares that the ratio weighs."""
    X, eta, group, y = _discrete(1)
    fitted = _fit(X, eta, group, y, min_ratio=0.9)
    told = fitted.diagnostics_
    pi_b = pd.Series(group == "b").groupby(X["x"]).transform("mean").to_numpy()
    s = eta - 0.5 - told["lambda"] * (pi_b - told["cbar"])
    clear = np.abs(s) > 1e-6
    np.testing.assert_array_equal(fitted.predict(eta, X=X)[clear], (s > 0)[clear])
    q = np.mean(group == "b")
    # Where b is selected more, r_a >= 0.9 r_b: the terms of f are (1 - pi)/(1 - q) - 0.9 pi/q.
    favored_b = q / (q + 0.9 * (1 - q))
    favored_a = 0.9 * q / (0.9 * q + 1 - q)
    assert told["cbar"] == pytest.approx(favored_b if told["lambda"] > 0 else favored_a, abs=1e-6)


def test_where_x_says_nothing_of_the_group_no_rule_can_change_the_ratio():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": np.tile(np.arange(CELLS), 60)})
    group = np.repeat(list("ab"), 270)
    eta = rng.random(CELLS)[X["x"]]
    fitted = _fit(X, eta, group, (eta > 0.5).astype(int), min_ratio=1.0)
    np.testing.assert_array_equal(fitted.predict(eta, X=X), eta >= 0.5)
    assert fitted.diagnostics_["rates"]["a"] == pytest.approx(fitted.diagnostics_["rates"]["b"])


def test_stricter_ratios_cost_more_and_are_aimed_at():
    rng = np.random.default_rng(2)
    n = 3000
    u, v = rng.normal(size=n), rng.normal(size=n)
    group = np.select([u + rng.normal(size=n) > 0.8, u + rng.normal(size=n) > -0.3], ["a", "b"], "c")
    eta = 1 / (1 + np.exp(-(1.2 * u + v)))
    y = (rng.random(n) < eta).astype(int)
    X = pd.DataFrame({"u": u, "v": v})
    cost = []
    for min_ratio in (0.0, 0.5, 0.7, 0.9, 1.0):
        fitted = PluginCostSensitive(min_ratio=min_ratio).fit(eta, y, sensitive_features=group, X=X)
        aims, rates = (np.array(list(fitted.diagnostics_[k].values())) for k in ("aims", "rates"))
        assert aims.min() >= min_ratio * aims.max() - 0.005
        assert rates.min() >= min_ratio * rates.max() - 0.06
        decided = fitted.predict(eta, X=X)
        cost.append(np.mean(decided * (0.5 - eta)))
    assert all(b >= a - 1e-9 for a, b in itertools.pairwise(cost))
    assert cost[-1] > cost[0] + 0.02


def test_what_it_refuses():
    X, eta, group, y = _discrete(0)
    with pytest.raises(InsufficientDataError, match="group 'a' has no row that counts toward its equal opp"):
        _fit(X, eta, group, np.where(group == "a", 0, y), notion="equal_opportunity")
    with pytest.raises(DataError, match="the features"):
        PluginCostSensitive().fit(eta, y, sensitive_features=group)
    with pytest.raises(ParameterError, match="notion"):
        PluginCostSensitive(notion="calibration").fit(eta, y, sensitive_features=group, X=X)


@pytest.mark.data
def test_in_a_case_four_fifths_hold_on_new_rows_and_nobody_reads_the_group(adult_case):
    after, effect = PluginCostSensitive(min_ratio=0.95).run(adult_case)
    assert effect.kind == "decisions"
    assert not after.model.reads_protected
    data = adult_case.validation
    before, now = adult_case.model.predict(data.X), after.model.predict(data.X)
    groups = Groups.of(data.sensitive)
    ratio = [np.divide(*np.sort(groups.counts(d.astype(float)) / groups.counts())) for d in (before, now)]
    assert ratio[0] < 0.4
    assert ratio[1] >= 0.8
    assert 0 < np.mean(before == data.y) - np.mean(now == data.y) < 0.05


@pytest.mark.data
def test_equal_opportunity_narrows_true_positive_rates_on_adult(adult_case):
    after, _ = PluginCostSensitive(min_ratio=0.95, notion="equal_opportunity").run(adult_case)
    data = adult_case.validation
    groups = Groups.of(data.sensitive)
    gap = []
    for model in (adult_case.model, after.model):
        decided = model.predict(data.X)
        gap.append(np.ptp(groups.counts(decided * data.y * 1.0) / groups.counts(data.y * 1.0)))
    assert gap[1] < gap[0]


@pytest.mark.parametrize("scores", [False, True])
def test_alone_from_the_command_line(cli, jobs_csv, tmp_path, scores):
    data = tmp_path / "jobs.csv"
    frame = pd.read_csv(jobs_csv)
    # A feature that tells the sexes apart, so that a rule on features has something to go by.
    rng = np.random.default_rng(0)
    frame["height"] = np.where(frame["sex"] == "M", 178, 166) + rng.normal(0, 5, len(frame))
    frame.assign(p=1 / (1 + np.exp(-(frame["score"] - 52) / 4))).to_csv(data, index=False)
    done = cli(
        "technique", "run", "plugin-cost-sensitive", "--data", data, "--outcome", "hired", "--favorable", "yes",
        "--protected", "sex", *(["--scores", "p"] if scores else ["--learner", "logistic_regression"]), "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    ratios = [done.json[k]["demographic_parity_ratio"]["value"] for k in ("baseline", "final")]
    assert ratios[1] > max(ratios[0], 0.8)
