"""Utility agrees with scikit-learn and with examples by hand, and retained skill with what it says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as skm

from fairmend.core.errors import UsageError
from fairmend.core.metrics import InferenceSettings
from fairmend.core.metrics.rates import RATES
from fairmend.core.metrics.tables.contingency import GroupTable
from fairmend.core.metrics.utility import best_constant, compare_utility, rate_of
from fairmend.core.utility import UTILITIES, Utility

QUICK = InferenceSettings(n_boot=400)
DECIDED = [Utility(metric=name) for name in ("accuracy", "balanced_accuracy", "f1")] + [
    Utility(cost_fn=4.0),
    Utility(cost_fp=3.0),
]


def compared(utility, y, before, after, scores=None, settings=QUICK, **more):
    scores = (before, after) if scores is None else scores
    one = np.full(len(y), "all")
    return compare_utility(
        utility, y, (before, after), scores, sensitive_features=one, settings=settings, **more
    )


def drawn(seed, n=600, base=0.5, noise=1.0):
    """Labels, and scores of a good and a worse model."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < base).astype(int)
    good = y + noise * rng.normal(size=n)
    return y, good, good + noise * rng.normal(size=n)


@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_scikit_learn_and_of_costs_by_hand(seed):
    y, good, worse = drawn(seed, base=0.7)
    weight = np.random.default_rng(seed).integers(1, 4, size=len(y)).astype(float)
    before, after = (good >= 0.5).astype(int), (worse >= 0.5).astype(int)
    for name, of in (
        ("accuracy", skm.accuracy_score),
        ("balanced_accuracy", skm.balanced_accuracy_score),
        ("f1", skm.f1_score),
    ):
        found = compared(Utility(metric=name), y, before, after, sample_weight=weight)
        theirs = [of(y, d, sample_weight=weight) for d in (before, after)]
        assert [found.before, found.after] == pytest.approx(theirs)
        constant = [of(y, np.full(len(y), d), sample_weight=weight) for d in (0, 1)]
        assert found.constant == pytest.approx(max(constant))
    found = compared(Utility(metric="auc"), y, before, after, (good, worse), sample_weight=weight)
    theirs = [skm.roc_auc_score(y, s, sample_weight=weight) for s in (good, worse)]
    assert [found.constant, found.before, found.after] == pytest.approx([0.5, *theirs])
    false_positive, false_negative = (((y == k) & (before != k)).mean() for k in (0, 1))
    costly = compared(Utility(cost_fp=1.0, cost_fn=4.0), y, before, after)
    assert costly.before == pytest.approx(1 - (false_positive + 4 * false_negative) / 2.5)


def test_retained_skill_by_hand():
    # 100 rows, 80 favorable: 0.8 is free. The baseline makes 5 mistakes, the other rule 10: 0.1 of 0.15.
    y = np.repeat([1, 0], [80, 20])
    before, after = y.copy(), y.copy()
    before[:5], after[:10] = 0, 0
    value, interval = compared(Utility(), y, before, after).retained_skill
    assert value == pytest.approx((0.90 - 0.80) / (0.95 - 0.80))
    assert interval[0] < value < interval[1]
    # by balanced accuracy: (70/80 + 1) / 2 - 1/2 over (75/80 + 1) / 2 - 1/2
    balanced = compared(Utility(metric="balanced_accuracy"), y, before, after).retained_skill[0]
    assert balanced == pytest.approx((70 / 80) / (75 / 80))


@pytest.mark.parametrize("utility", [*DECIDED, Utility(metric="auc")], ids=lambda u: u.text)
@pytest.mark.parametrize("seed", range(4))
def test_retained_skill_of_the_same_rule_is_one_and_of_the_best_constant_rule_none(utility, seed):
    y, good, _ = drawn(seed, base=0.4, noise=0.3)
    before = (good >= 0.5).astype(int)
    same = compared(utility, y, before, before, (good, good))
    assert same.retained_skill == (1.0, (1.0, 1.0))
    assert same.change == (0.0, (0.0, 0.0))
    assert same.relative_loss[0] == 0.0
    shares = []
    for constant in (0, 1):
        flat = np.full(len(y), constant)
        shares.append(compared(utility, y, before, flat, (good, np.zeros(len(y)))).retained_skill[0])
    assert max(shares) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("utility", DECIDED, ids=lambda u: u.text)
@pytest.mark.parametrize("seed", range(3))
def test_retained_skill_does_not_depend_on_the_order_of_rows_or_on_names_of_groups(utility, seed):
    y, good, worse = drawn(seed, base=0.4, noise=0.3)
    before, after = (good >= 0.5).astype(int), (worse >= 0.5).astype(int)
    rows = np.random.default_rng(seed).permutation(len(y))
    one, other = (
        compare_utility(utility, y[r], (before[r], after[r]), (good[r], worse[r]), sensitive_features=g, settings=QUICK)
        for r, g in ((np.arange(len(y)), ["a"] * len(y)), (rows, ["b"] * len(y)))
    )  # fmt: skip
    assert one.retained_skill == other.retained_skill


def test_costs_matter_by_their_ratio_only():
    y, good, worse = drawn(5, noise=0.3)
    before, after = (good >= 0.5).astype(int), (worse >= 0.5).astype(int)
    one = compared(Utility(cost_fp=1.0, cost_fn=5.0), y, before, after)
    other = compared(Utility(cost_fp=20.0, cost_fn=100.0), y, before, after)
    assert one.before == pytest.approx(other.before)
    assert one.retained_skill[0] == pytest.approx(other.retained_skill[0])
    assert Utility(cost_fp=7.0, cost_fn=7.0).name == "accuracy"


@pytest.mark.parametrize("seed", range(3))
def test_interval_of_the_area_is_as_wide_as_that_of_resampled_rows(seed):
    y, good, worse = drawn(seed, n=500)
    found = compared(Utility(metric="auc"), y, y, y, (good, worse), InferenceSettings(n_boot=4000))
    rng, shares = np.random.default_rng(seed), []
    for _ in range(300):
        r = rng.integers(len(y), size=len(y))
        a, b = (skm.roc_auc_score(y[r], s[r]) - 0.5 for s in (good, worse))
        shares.append(b / a)
    low, high = found.retained_skill[1]
    assert high - low == pytest.approx(np.quantile(shares, 0.975) - np.quantile(shares, 0.025), rel=0.25)


@pytest.mark.parametrize("metric", ["accuracy", "auc"])
def test_intervals_are_wider_where_rows_come_in_clusters(metric):
    y, good, worse = (np.tile(v, 4) for v in drawn(2, n=200, noise=0.7))
    before, after = (good >= 0.5).astype(int), (worse >= 0.5).astype(int)
    person = np.tile(np.arange(200), 4)
    one = compared(Utility(metric=metric), y, before, after, (good, worse)).change[1]
    other = compared(Utility(metric=metric), y, before, after, (good, worse), cluster=person).change[1]
    assert other[1] - other[0] > 1.6 * (one[1] - one[0])


def test_a_baseline_that_hardly_beats_a_constant_rule_gives_no_share():
    # As in the law school data: 89 % favorable, the baseline finds few of the others, and errs about as often.
    y = np.repeat([1, 0], [8900, 1100])
    before = y.copy()
    before[8900 + 60 :] = 1  # 60 of 1,100 found
    before[:20] = 0  # 20 of 8,900 lost: accuracy 0.894 where 0.89 is free
    found = compared(Utility(), y, before, np.ones(len(y), int))
    assert found.before == pytest.approx(0.894)
    assert found.change[1] is not None
    assert not found.baseline_has_skill
    assert np.isnan(found.retained_skill[0])
    assert found.retained_skill[1] is None


@pytest.mark.parametrize("seed", range(5))
def test_a_baseline_of_chance_gives_no_share_however_it_looks(seed):
    rng = np.random.default_rng(seed)
    y, before, after = (rng.integers(0, 2, size=60) for _ in range(3))
    found = compared(Utility(), y, before, after)
    share, interval = found.retained_skill
    assert np.isnan(share) == (not found.baseline_has_skill)
    assert (interval is None) == (not found.baseline_has_skill)


def test_false_claims_of_skill_are_rare():
    rng = np.random.default_rng(0)
    claims = [
        compared(Utility(metric="balanced_accuracy"), *rng.integers(0, 2, size=(3, 200))).baseline_has_skill
        for _ in range(200)
    ]
    assert np.mean(claims) < 0.06


def test_a_loss_relative_to_nothing_is_not_defined():
    y = np.repeat([1, 0], [10, 90])
    wrong = 1 - y
    assert np.isnan(compared(Utility(), y, wrong, y).relative_loss[0])


def test_support_of_skill_is_that_of_the_rarer_label_where_both_count():
    y = np.repeat([1, 0], [200, 12])
    one, both = (compared(Utility(metric=m), y, y, y) for m in ("accuracy", "balanced_accuracy"))
    assert (one.support, one.enough) == (212, True)
    assert (both.support, both.enough) == (12, False)
    assert compared(Utility(metric="auc"), y, y, y, (y, y)).support == 12


@pytest.mark.parametrize("utility", DECIDED, ids=lambda u: u.text)
def test_the_best_constant_rule_is_never_beaten_by_another_constant(utility):
    rng = np.random.default_rng(1)
    rate = rate_of(utility)
    for _ in range(20):
        y = (rng.random(50) < rng.random()).astype(int)
        y[:2] = 0, 1
        tables = [GroupTable.from_arrays(y, np.full(50, d), ["a"] * 50).counts.sum(axis=0) for d in (0, 1)]
        assert best_constant(rate, tables[0]) == pytest.approx(max(float(rate.of(t)) for t in tables))


def test_perfect_decisions_have_utility_one():
    y = np.array([0, 1, 1, 0, 1])
    for utility in DECIDED:
        table = GroupTable.from_arrays(y, y, ["a"] * 5)
        assert float(rate_of(utility).of(table.counts.sum(axis=0))) == pytest.approx(1.0)
    assert rate_of(Utility()) is RATES["accuracy"]


@pytest.mark.parametrize("threshold", [0.1, 0.25, 0.5, 0.8])
def test_a_threshold_is_optimal_for_the_costs_that_it_stands_for(threshold):
    scores = np.linspace(0.005, 0.995, 199)
    grid = np.linspace(0.0025, 0.9975, 200)
    utility = Utility.at_threshold(threshold)
    costs = [
        (utility.cost_fp * (1 - scores) * (scores >= t) + utility.cost_fn * scores * (scores < t)).sum()
        for t in grid
    ]
    assert grid[int(np.argmin(costs))] == pytest.approx(threshold, abs=0.006)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_at_the_ends_says_nothing_of_costs(threshold):
    assert Utility.at_threshold(threshold).name == "accuracy"


@pytest.mark.parametrize(
    ("given", "costs", "expected"),
    [
        (None, {}, None),
        ("f1", {}, Utility(metric="f1")),
        (None, {"cost_fn": 5}, Utility(cost_fn=5.0)),
        ("cost", {"cost_fp": 2, "cost_fn": 5}, Utility(cost_fp=2.0, cost_fn=5.0)),
        (Utility(metric="auc"), {}, Utility(metric="auc")),
    ],
)
def test_utilities_are_read(given, costs, expected):
    assert Utility.parse(given, **costs) == expected


@pytest.mark.parametrize(
    ("given", "costs", "match"),
    [
        ("acuracy", {}, "accuracy"),
        ("cost", {}, "needs cost_fp, cost_fn or both"),
        ("f1", {"cost_fn": 2}, "cost_fn belong to the utility 'cost', got the utility 'f1'"),
        ("accuracy", {"cost_fp": 1, "cost_fn": 2}, "cost_fp and cost_fn belong"),
        (None, {"cost_fp": 0}, "cost_fp must be a positive number, got 0"),
        ("cost", {"cost_fn": -1}, "cost_fn must be a positive number, got -1"),
        ("cost", {"cost_fn": float("nan")}, "positive number, got nan"),
        ("cost", {"cost_fn": float("inf")}, "positive number, got inf"),
    ],
)
def test_utilities_that_say_nothing_clear_are_refused(given, costs, match):
    with pytest.raises(UsageError, match=match):
        Utility.parse(given, **costs)


def test_every_name_is_a_utility():
    for name in UTILITIES:
        assert Utility(metric=name).text
