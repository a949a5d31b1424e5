"""Fair regression by Wasserstein barycenters: the closed form, the paper's claims, by hand, on real data."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fairmend.core.errors import DataError, InsufficientDataError, UnseenGroupError
from fairmend.core.metrics import ks_distance
from fairmend.plugins.postprocessing import WassersteinFairRegression


def fitted(scores, groups, **parameters) -> WassersteinFairRegression:
    return WassersteinFairRegression(**parameters).fit(scores, sensitive_features=groups)


def law(data_dir, attributes):
    frame = pd.read_csv(data_dir / "law" / "law_school_fya.csv")
    design = np.column_stack([np.ones(len(frame)), frame["LSAT"], frame["UGPA"]])
    coefficients, *_ = np.linalg.lstsq(design, frame["ZFYA"], rcond=None)
    return frame, design @ coefficients, frame[attributes]


def test_gaussian_groups_equal_the_closed_form():
    """Two normal distributions: g = sum_s p_s (mu_s + sigma_s z), z the standard score in the group."""
    r = np.random.default_rng(0)
    mu, sigma, p = np.array([-1.0, 2.0]), np.array([1.0, 0.5]), np.array([0.3, 0.7])
    s = (np.arange(200_000) >= 60_000).astype(int)
    z = r.normal(size=len(s))
    f = mu[s] + sigma[s] * z
    fair = fitted(f, s.astype(str)).adjust(f, sensitive_features=s.astype(str))
    closed = (p * mu).sum() + (p * sigma).sum() * z
    middle = np.abs(z) < 2
    assert np.abs(fair - closed)[middle].max() < 0.05
    assert np.abs(fair - closed).mean() < 0.01


def test_by_hand_with_two_groups_of_unequal_size():
    """Ranks (i + 1/2) / n; p = (5/15, 10/15); the middle of a is the median of both, weighted."""
    a, b = np.arange(5.0), np.arange(10.0, 30.0, 2.0)
    scores, groups = np.r_[a, b], np.array(["a"] * 5 + ["b"] * 10)
    fair = fitted(scores, groups).adjust(scores, sensitive_features=groups)
    assert fair[2] == pytest.approx(5 / 15 * 2 + 10 / 15 * 19)  # u = 1/2 in both
    # u = 0.1 of a is its lowest value; in b it lies halfway between the first row (0.05) and the second (0.15)
    assert fair[0] == pytest.approx(5 / 15 * 0 + 10 / 15 * 11)


@pytest.mark.parametrize("attributes", [["race"], ["sex"], ["race", "sex"]])
def test_the_groups_are_alike_afterwards_on_real_data(data_dir, attributes):
    """The paper's claim: the KS distance of groups is at most of the order of 1 / min n_s on the data of the fit."""
    frame, f, groups = law(data_dir, attributes)
    sizes = frame.groupby(attributes)["ZFYA"].transform("size")
    keep = (sizes >= 40).to_numpy()
    f, groups = f[keep] + np.random.default_rng(1).normal(scale=1e-6, size=keep.sum()), groups[keep]
    fair = fitted(f, groups).adjust(f, sensitive_features=groups)
    before, after = (ks_distance(values, groups)[0] for values in (f, fair))
    assert after < before / 5
    assert after <= 2 / sizes[keep].min()


def test_ranks_within_a_group_stay_and_ties_stay_together(data_dir):
    _, f, groups = law(data_dir, ["race"])
    f = np.round(f, 1)
    fair = fitted(f, groups).adjust(f, sensitive_features=groups)
    for label in groups["race"].unique():
        rows = (groups["race"] == label).to_numpy()
        order = np.argsort(f[rows], kind="stable")
        assert (np.diff(fair[rows][order]) >= -1e-12).all()
        assert pd.Series(fair[rows]).groupby(f[rows]).nunique().max() == 1


def test_no_rule_with_this_parity_costs_less_than_the_barycenter(data_dir):
    """Theorem 2.3: among transports to one distribution, the barycenter is nearest in mean square."""
    _, f, groups = law(data_dir, ["sex"])
    f = f + np.random.default_rng(2).normal(scale=1e-6, size=len(f))
    fair = fitted(f, groups).adjust(f, sensitive_features=groups)
    ranks = (
        pd.Series(f)
        .groupby(groups["sex"].to_numpy())
        .transform(lambda x: (x.rank() - 0.5) / len(x))
        .to_numpy()
    )
    cost = ((fair - f) ** 2).mean()
    targets = [
        np.quantile(f, ranks),
        *(np.quantile(f[(groups["sex"] == s).to_numpy()], ranks) for s in (1, 2)),
    ]
    for target in targets:
        assert cost <= ((target - f) ** 2).mean() + 1e-9


def test_strength_mixes_and_zero_changes_nothing():
    r = np.random.default_rng(3)
    groups = r.choice(["a", "b", "c"], 500)
    f = r.normal(size=500) + (groups == "c")
    full = fitted(f, groups).adjust(f, sensitive_features=groups)
    assert fitted(f, groups, strength=0.0).adjust(f, sensitive_features=groups) == pytest.approx(f)
    half = fitted(f, groups, strength=0.5).adjust(f, sensitive_features=groups)
    assert half == pytest.approx((f + full) / 2)
    gaps = [
        ks_distance(fitted(f, groups, strength=t).adjust(f, sensitive_features=groups), groups)[0]
        for t in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert all(later <= sooner + 0.02 for sooner, later in itertools.pairwise(gaps))


def test_one_distribution_in_all_groups_is_left_as_it_is():
    values = np.tile(np.linspace(0, 1, 200), 3)
    groups = np.repeat(["a", "b", "c"], 200)
    assert fitted(values, groups).adjust(values, sensitive_features=groups) == pytest.approx(values)


def test_it_holds_for_new_rows():
    r = np.random.default_rng(4)
    groups = r.choice(["a", "b"], 8000)
    f = r.gamma(2.0, size=8000) * np.where(groups == "a", 1.0, 1.6)
    fair = fitted(f[:4000], groups[:4000]).adjust(f[4000:], sensitive_features=groups[4000:])
    a, b = fair[groups[4000:] == "a"], fair[groups[4000:] == "b"]
    assert (
        stats.ks_2samp(a, b).statistic < 0.06 < stats.ks_2samp(f[groups == "a"], f[groups == "b"]).statistic
    )


def test_errors_are_in_words():
    f, groups = np.arange(20.0), np.array(["a"] * 16 + ["b"] * 4)
    with pytest.raises(InsufficientDataError, match="'b' has 4 rows, and its distribution needs 5"):
        fitted(f, groups)
    with pytest.raises(DataError, match="finite"):
        fitted(np.where(f == 3, np.nan, f), groups)
    ready = fitted(f, np.array(["a", "b"] * 10))
    with pytest.raises(UnseenGroupError, match="that was not seen at fit"):
        ready.adjust([1.0], sensitive_features=["c"])
