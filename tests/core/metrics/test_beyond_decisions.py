"""Inequality of benefit, regression, rankings and repeated splits."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fairmend.core.errors import DataError, InsufficientDataError, UsageError
from fairmend.core.metrics import (
    GroupTable,
    consistency,
    corrected_resampled_ttest,
    exposure,
    inequality,
    ks_distance,
    measure_regression,
    ndkl,
    ranked_group_fairness,
    skew,
)
from fairmend.core.metrics.tasks.ranking import adjusted_alpha, failure_probability, minimum_protected


def rows(n: int = 800, seed: int = 0):
    r = np.random.default_rng(seed)
    return r.integers(0, 2, n), r.integers(0, 2, n), r.choice(["a", "b", "c"], n), r.gamma(2.0, size=n)


@pytest.mark.parametrize("alpha", [2.0, 1.0, 3.0, -1.0])
def test_entropy_equals_aif360(alpha):
    aif = pytest.importorskip("aif360.sklearn.metrics")
    y, d, g, _ = rows()
    if alpha <= 0:
        y, d = y * 0, d  # no benefit of 0
    counts = GroupTable.from_arrays(y, d, g).counts
    theirs = aif.generalized_entropy_index(d - y + 1, alpha=alpha)
    assert inequality.generalized_entropy_index(counts, alpha) == pytest.approx(theirs, abs=1e-12)


def test_entropy_between_groups_equals_aif360():
    aif = pytest.importorskip("aif360.sklearn.metrics")
    y, d, g, _ = rows()
    index = pd.MultiIndex.from_arrays([np.arange(len(y)), g], names=["row", "g"])
    theirs = aif.between_group_generalized_entropy_error(
        pd.Series(y, index=index), pd.Series(d, index=index), prot_attr="g"
    )
    counts = GroupTable.from_arrays(y, d, g).counts
    assert inequality.between_group_entropy(counts) == pytest.approx(theirs, abs=1e-12)


def test_entropy_adds_up_and_is_zero_for_equal_benefit():
    y, d, g, w = rows()
    table = GroupTable.from_arrays(y, d, g, sample_weight=w)
    benefit = d - y + 1.0
    mean = np.average(benefit, weights=w)
    assert inequality.generalized_entropy_index(table.counts) == pytest.approx(
        np.average((benefit / mean) ** 2 - 1, weights=w) / 2
    )
    parts = inequality.between_group_entropy(table.counts) + inequality.within_group_entropy(table.counts)
    assert parts == pytest.approx(inequality.generalized_entropy_index(table.counts))
    perfect = GroupTable.from_arrays(y, y, g).counts
    assert [float(of(perfect)) for of in (inequality.generalized_entropy_index, inequality.theil_index)] == [
        0,
        0,
    ]
    assert inequality.generalized_entropy_index(table.counts, 0.0) == math.inf
    stacked = inequality.theil_index(np.stack([table.counts, perfect]))
    assert stacked == pytest.approx([float(inequality.theil_index(table.counts)), 0])


def test_consistency_equals_aif360():
    aif = pytest.importorskip("aif360.sklearn.metrics")
    r = np.random.default_rng(1)
    X = r.normal(size=(300, 3))
    d = (X[:, 0] + r.normal(size=300) > 0).astype(int)
    assert consistency(X, d) == pytest.approx(aif.consistency_score(X, d), abs=1e-12)
    assert consistency(X, np.ones(300)) == 1
    with pytest.raises(InsufficientDataError, match="at most the number of rows, got 5 and 2 rows"):
        consistency(X[:2], d[:2])


@pytest.mark.parametrize("weighted", [False, True])
def test_regression_equals_fairlearn(weighted):
    import fairlearn.metrics as fl
    import sklearn.metrics as skm

    r = np.random.default_rng(2)
    g, w = r.choice(["a", "b", "c"], 500), r.gamma(2.0, size=500) if weighted else None
    y = 1000 + r.normal(size=500) + (g == "a")
    p = y + r.normal(size=500) * 0.5 + 0.2 * (g == "b")
    metrics = {
        "mean_prediction": fl.mean_prediction,
        "mean_absolute_error": skm.mean_absolute_error,
        "mean_squared_error": skm.mean_squared_error,
        "root_mean_squared_error": skm.root_mean_squared_error,
        "r2": skm.r2_score,
    }
    frame = fl.MetricFrame(
        metrics=metrics, y_true=y, y_pred=p, sensitive_features=g,
        sample_params={name: {"sample_weight": w} for name in metrics},
    )  # fmt: skip
    ours = measure_regression(y, p, sensitive_features=g, sample_weight=w, n_boot=20)
    for name in metrics:
        for group in "abc":
            assert ours.figure(name, group).value == pytest.approx(
                frame.by_group.loc[group, name], rel=1e-10
            ), name
        assert ours.figure(name).value == pytest.approx(frame.overall[name], rel=1e-10)
        difference = ours.figure(f"{name}_difference").value
        assert difference == pytest.approx(frame.difference()[name], rel=1e-8)
        assert ours.figure(f"{name}_ratio").value == pytest.approx(frame.ratio()[name], rel=1e-8)
        assert ours.figure(f"{name}_group_max").value == pytest.approx(frame.group_max()[name], rel=1e-10)


def test_regression_intervals_cover():
    r = np.random.default_rng(3)
    held = {"mean_absolute_error": 0, "r2": 0, "mean_prediction_difference": 0}
    truth = {
        "mean_absolute_error": math.sqrt(2 / math.pi),
        "r2": 1 - 1 / 2.09,
        "mean_prediction_difference": 0.6,
    }
    for s in range(300):
        g = r.integers(0, 2, 300)
        p = r.normal(size=300) + 0.6 * g
        found = measure_regression(p + r.normal(size=300), p, sensitive_features=g, n_boot=300, seed=s)
        for name in held:
            low, high = found.figure(name).interval
            held[name] += low <= truth[name] <= high
    for name, times in held.items():
        assert 0.91 <= times / 300 <= 0.985, (name, times / 300)


def test_regression_errors():
    with pytest.raises(DataError, match="y_pred has 1 values that are NaN"):
        measure_regression([1.0, 2.0], [1.0, np.nan], sensitive_features=["a", "b"])
    found = measure_regression(
        [1.0, 2.0, 2.0], [1.0, 2.0, 3.0], sensitive_features=["a", "b", "b"], n_boot=10
    )
    assert np.isnan(found.figure("r2", "b").value)
    with pytest.raises(LookupError, match="no figure is called 'rmse'"):
        found.figure("rmse")
    with pytest.raises(UsageError, match="r2_difference compares groups"):
        found.figure("r2_difference", "a")


def test_ks_distance_equals_scipy_over_pairs():
    r = np.random.default_rng(4)
    g = r.choice(["a", "b", "c"], 400)
    s = r.normal(size=400).round(1) + 0.5 * (g == "c")
    distance, pair = ks_distance(s, g)
    theirs = {(i, j): stats.ks_2samp(s[g == i], s[g == j]).statistic for i in "abc" for j in "abc" if i < j}
    assert distance == pytest.approx(max(theirs.values()), abs=1e-12)
    assert pair[1] == "c"
    doubled = ks_distance(s, g, sample_weight=np.full(400, 2.0))
    assert doubled[0] == pytest.approx(distance)


def test_exposure_by_hand():
    ranked = ["m", "f", "m", "f"]
    at = 1 / np.log2([2, 3, 4, 5])
    assert exposure(ranked) == pytest.approx({"f": (at[1] + at[3]) / 2, "m": (at[0] + at[2]) / 2})
    assert exposure(["f", "m", "f", "m"], scores=[0.3, 0.9, 0.1, 0.2]) == pytest.approx(
        {"f": (at[1] + at[3]) / 2, "m": (at[0] + at[2]) / 2}
    )
    assert exposure(ranked, k=1) == pytest.approx({"f": 0, "m": 0.5})
    merit = exposure(ranked, relevance=[1, 0.5, 1, 0.5])
    assert merit == pytest.approx({"f": at[1] + at[3], "m": (at[0] + at[2]) / 2})


def test_skew_and_divergence_by_hand():
    ranked = ["m", "m", "f", "f"]
    assert skew(ranked, k=3) == pytest.approx({"f": math.log((1 / 3) / 0.5), "m": math.log((2 / 3) / 0.5)})
    assert skew(ranked, k=2)["f"] == -math.inf
    kl = [math.log(2), math.log(2), 2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3), 0]
    weight = 1 / np.log2([2, 3, 4, 5])
    assert ndkl(ranked) == pytest.approx(np.dot(kl, weight) / weight.sum())
    with pytest.raises(UsageError, match="sum to 1"):
        ndkl(ranked, desired={"f": 0.5, "m": 0.6})
    with pytest.raises(UsageError, match="k must lie between 1 and the 4"):
        skew(ranked, k=5)


def test_required_protected_equal_the_published_table():
    """Zehlike et al. 2017, table 2: p = 0.5, alpha = 0.1."""
    assert minimum_protected(12, 0.5, 0.1).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4]


def test_fair_rankings_fail_as_often_as_they_may():
    level = adjusted_alpha(100, 0.4, 0.1)
    assert level < 0.1
    chance = failure_probability(100, 0.4, level)
    assert 0.06 < chance <= 0.1
    fair = np.random.default_rng(5).random((3000, 100)) < 0.4
    required = minimum_protected(100, 0.4, level)
    failed = (np.cumsum(fair, axis=1) < required).any(axis=1).mean()
    assert failed == pytest.approx(chance, abs=0.02)
    assert failure_probability(100, 0.4, 0.1) > 0.2
    found = ranked_group_fairness(np.r_[np.zeros(30), np.ones(30)], 0.5)
    assert not found.fair
    assert found.required[found.fails_at - 1] == 1
    assert ranked_group_fairness([1, 0] * 20, 0.5).fair
    with pytest.raises(UsageError, match="p in"):
        ranked_group_fairness([1, 0], 1.5)


def test_corrected_t_by_hand_and_its_limit():
    d = [0.02, -0.01, 0.03, 0.02, 0.01]
    found = corrected_resampled_ttest(d, 900, 100)
    by_hand = np.mean(d) / math.sqrt((1 / 5 + 100 / 900) * np.var(d, ddof=1))
    assert found.statistic == pytest.approx(by_hand)
    assert found.p_value == pytest.approx(2 * stats.t.sf(by_hand, 4))
    plain = corrected_resampled_ttest(d, 900, 0)
    theirs = stats.ttest_1samp(d, 0)
    assert (plain.statistic, plain.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert plain.interval == pytest.approx(tuple(theirs.confidence_interval()))
    assert corrected_resampled_ttest([0.0, 0.0], 9, 1).p_value == 1
    assert corrected_resampled_ttest([0.5, 0.5], 9, 1).p_value == 0
    with pytest.raises(InsufficientDataError, match="at least 2"):
        corrected_resampled_ttest([0.1], 9, 1)


def test_corrected_t_keeps_its_size_where_the_plain_one_does_not():
    """Two equal learners (slopes on unrelated features) over random splits of one sample."""
    r = np.random.default_rng(6)
    rejected = np.zeros(2)
    for _ in range(300):
        a, b, y = r.normal(size=(3, 60))
        differences = []
        for _ in range(25):
            order = r.permutation(60)
            train, test = order[:42], order[42:]
            slope = [x[train] @ y[train] / (x[train] @ x[train]) for x in (a, b)]
            errors = [((y[test] - k * x[test]) ** 2).mean() for k, x in zip(slope, (a, b), strict=True)]
            differences.append(errors[0] - errors[1])
        for i, n_test in enumerate((18, 0)):
            rejected[i] += corrected_resampled_ttest(differences, 42, n_test).p_value <= 0.05
    assert rejected[0] / 300 <= 0.10
    assert rejected[1] / 300 > 0.2
