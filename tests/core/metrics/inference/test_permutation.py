"""Exact on small data, uniform where nothing differs, powerful where something does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from fairmend.core.errors import InsufficientDataError, UsageError
from fairmend.core.metrics import GroupTable, compare, evaluate, metric, permutation_test
from fairmend.core.metrics.inference.permutation import permuted, redistributed


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_p_value_equals_complete_enumeration():
    y = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0])
    d = np.array([1, 1, 0, 1, 0, 1, 0, 0, 0])
    g = np.array([0, 0, 1, 0, 1, 0, 1, 1, 0])
    table = GroupTable.from_arrays(y, d, g)
    observed = evaluate(table, "demographic_parity_difference")
    every = [np.isin(np.arange(9), chosen).astype(int) for chosen in itertools.combinations(range(9), 4)]
    values = np.array(
        [evaluate(GroupTable.from_arrays(y, d, a), "demographic_parity_difference") for a in every]
    )
    exact = (values >= observed - 1e-12).mean()
    found = permutation_test(table, n_permutations=100_000)
    assert found.statistic == observed
    assert found.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 100_000))


def test_agrees_with_scipy_within_labels():
    r = rng(0)
    y, g = r.integers(0, 2, 200), r.integers(0, 2, 200)
    d = (r.random(200) < 0.4 + 0.15 * g).astype(int)
    ones = y == 1
    theirs = stats.permutation_test(
        (d[ones & (g == 0)], d[ones & (g == 1)]),
        lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis)),
        alternative="greater", n_resamples=20_000, vectorized=True, rng=rng(1),
    )  # fmt: skip
    ours = permutation_test(
        GroupTable.from_arrays(y, d, g), "equal_opportunity_difference", n_permutations=20_000
    )
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.015)


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("accuracy_difference", None),
        ("true_positive_rate_difference", "label"),
        ("predictive_parity_ratio", "decision"),
    ],
)
def test_permuted_tables_have_the_law_of_shuffled_groups(name, fixed):
    r = rng(3)
    n = 150
    y, d, g = r.integers(0, 2, n), r.integers(0, 2, n), r.choice(3, n, p=[0.5, 0.3, 0.2])
    stratum = {None: np.zeros(n, int), "label": y, "decision": d}[fixed]
    shuffled = []
    for _ in range(800):
        a = g.copy()
        for s in np.unique(stratum):
            a[stratum == s] = r.permutation(a[stratum == s])
        shuffled.append(evaluate(GroupTable.from_arrays(y, d, a), name))
    counts, _ = permuted(GroupTable.from_arrays(y, d, g), metric(name), 800, rng(4))
    assert stats.ks_2samp(shuffled, metric(name).of(counts)).pvalue > 0.01


def test_weighted_permutations_have_the_law_of_shuffled_groups():
    r = rng(5)
    n = 150
    y, d, g, w = r.integers(0, 2, n), r.integers(0, 2, n), r.integers(0, 2, n), r.gamma(2.0, size=n)
    found = metric("demographic_parity_difference")
    shuffled = [
        evaluate(GroupTable.from_arrays(y, d, r.permutation(g), sample_weight=w), "selection_rate_difference")
        for _ in range(800)
    ]
    counts, squares = permuted(GroupTable.from_arrays(y, d, g, sample_weight=w), found, 800, rng(4))
    assert stats.ks_2samp(shuffled, found.of(counts)).pvalue > 0.01
    assert squares.sum(axis=(1, 2, 3)) == pytest.approx((w**2).sum(), rel=1e-9)


def test_random_tables_keep_their_margins():
    drawn = redistributed(np.array([5, 9, 0, 6]), np.array([4, 7, 9]), 500, rng(0))
    assert (drawn.sum(axis=2) == [5, 9, 0, 6]).all()
    assert (drawn.sum(axis=1) == [4, 7, 9]).all()
    assert drawn.min() >= 0
    assert drawn[:, 0, 0].mean() == pytest.approx(5 * 4 / 20, abs=0.15)


@pytest.mark.parametrize("studentized", [False, True])
@pytest.mark.parametrize("name", ["demographic_parity_difference", "equalized_odds_difference"])
def test_p_values_are_uniform_when_groups_are_exchangeable(name, studentized):
    same = np.array([0.3, 0.15, 0.2, 0.35])
    probabilities = (np.array([0.5, 0.3, 0.2])[:, None] * same).ravel()
    tables = rng(6).multinomial(6000, probabilities, size=400).reshape(-1, 3, 2, 2)
    p = [
        permutation_test(
            GroupTable(("a", "b", "c"), t), name, n_permutations=400, studentized=studentized, seed=s
        ).p_value
        for s, t in enumerate(tables)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_only_the_studentized_test_holds_for_equal_rates_of_unlike_groups():
    """F1 = 2 TP / (2 TP + FP + FN) is 5/7 in both groups, but errors and sizes differ."""
    equal = np.stack([0.12 * np.array([0.1, 0.2, 0.2, 0.5]), 0.88 * np.array([0.55, 0.1, 0.1, 0.25])])
    assert metric("f1_difference").of(equal.reshape(2, 2, 2)) == pytest.approx(0, abs=1e-12)
    tables = rng(8).multinomial(3000, equal.ravel(), size=400).reshape(-1, 2, 2, 2)
    size = {}
    for studentized in (False, True):
        settings = {"n_permutations": 200, "studentized": studentized}
        p = [
            permutation_test(GroupTable(("a", "b"), t), "f1_difference", **settings, seed=s).p_value
            for s, t in enumerate(tables)
        ]
        size[studentized] = float(np.mean(np.array(p) <= 0.05))
    assert abs(size[True] - 0.05) < 0.035
    assert abs(size[False] - 0.05) > abs(size[True] - 0.05)


def test_power_on_planted_gaps():
    gap = np.stack([0.5 * np.array([0.35, 0.15, 0.2, 0.3]), 0.5 * np.array([0.3, 0.2, 0.15, 0.35])])
    tables = rng(9).multinomial(2000, gap.ravel(), size=100).reshape(-1, 2, 2, 2)
    for name in ("demographic_parity_difference", "equalized_odds_difference", "demographic_parity_ratio"):
        p = [permutation_test(GroupTable(("a", "b"), t), name, n_permutations=300).p_value for t in tables]
        assert np.mean(np.array(p) <= 0.05) > 0.9, name


def test_p_is_never_zero_and_same_seed_same_p():
    table = GroupTable(("a", "b"), np.array([[[900, 0], [100, 0]], [[0, 900], [0, 100]]]))
    found = permutation_test(table, n_permutations=99)
    assert found.p_value == 0.01
    assert permutation_test(table, n_permutations=99) == found


def test_undefined_and_senseless_requests():
    empty = GroupTable(("a", "b"), np.array([[[5, 5], [0, 0]], [[5, 5], [5, 5]]]))
    assert np.isnan(permutation_test(empty, "equal_opportunity_difference", n_permutations=50).p_value)
    with pytest.raises(UsageError, match="accuracy does not compare groups"):
        permutation_test(empty, "accuracy")
    with pytest.raises(UsageError, match="only differences can be studentized"):
        permutation_test(empty, "demographic_parity_ratio", studentized=True)
    with pytest.raises(InsufficientDataError, match="at least two groups with rows"):
        permutation_test(GroupTable(("a",), np.ones((1, 2, 2), int)))


def test_paired_p_values_are_uniform_when_before_and_after_are_exchangeable():
    r = rng(10)
    p = []
    for s in range(300):
        g = r.integers(0, 2, 1500)
        y = (r.random(1500) < 0.3 + 0.4 * g).astype(int)  # a gap: without one its size has many ties
        before, after = (np.where(r.random(1500) < 0.2, 1 - y, y) for _ in range(2))
        found = compare(
            y, before, after, sensitive_features=g, metrics=("demographic_parity_difference",), n_boot=1,
            n_permutations=400, seed=s,
        )  # fmt: skip
        p.append(found["demographic_parity_difference"].p_value)
    assert stats.kstest(p, "uniform").pvalue > 0.01
