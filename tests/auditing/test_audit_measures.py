"""The numbers behind the findings, against other implementations and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression

from fairmend.auditing.candidate_findings import Reading, severity
from fairmend.auditing.features import MOST_BINS, area, binned, rates_by_bin
from fairmend.auditing.mediators import _cramers_v, _ks_distance, carried_gap
from fairmend.auditing.predictions import folds_of
from fairmend.auditing.severity_thresholds import Levels, thresholds


def test_the_gap_that_a_feature_carries_is_the_fall_of_the_group_coefficient() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    group = rng.integers(0, 2, n)
    bins = rng.integers(0, 5, n) * (rng.random(n) < 0.4 + 0.4 * group)
    y = (rng.random(n) < 0.1 + 0.15 * bins / 5 + 0.1 * group).astype(int)
    counts = np.zeros((2, 5, 2))
    np.add.at(counts, (group, bins, y), 1)
    dummies = pd.get_dummies(bins, drop_first=True).to_numpy(dtype=float)
    alone = LinearRegression().fit(group[:, None], y).coef_[0]
    beside = LinearRegression().fit(np.column_stack([group, dummies]), y).coef_[0]
    assert carried_gap(counts) == pytest.approx(alone - beside)


def test_without_a_bin_that_both_groups_share_nothing_is_known() -> None:
    counts = np.zeros((2, 2, 2))
    counts[0, 0], counts[1, 1] = (5, 5), (2, 8)
    assert np.isnan(carried_gap(counts))


def test_ks_distance_and_cramers_v_agree_with_scipy() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=300), rng.normal(0.5, 1.2, 400)
    distance = _ks_distance(a, b)
    assert distance.value == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert distance.interval is not None
    assert distance.interval[0] < distance.value < distance.interval[1]
    table = np.array([[30.0, 50.0, 20.0], [60.0, 30.0, 10.0]])
    phi2 = stats.contingency.association(table.astype(int), method="cramer") ** 2
    assert _cramers_v(table, table[None]).value == pytest.approx(np.sqrt(phi2 - 2 / 199))


def test_bins_hold_equal_rows_levels_and_gaps() -> None:
    number = binned(pd.Series(np.append(np.arange(2000.0), [np.nan] * 10)))
    sizes = np.bincount(number.codes)
    assert number.n_bins == MOST_BINS + 1
    assert sorted(sizes)[0] == 10
    assert np.ptp(sorted(sizes)[1:]) <= 1
    few = binned(pd.Series([1, 2, 2, 5] * 100))
    assert few.n_bins == 3
    text = binned(pd.Series(["a", "b", None, "a"]))
    assert text.n_bins == 3
    many = binned(pd.Series([f"v{i}" for i in range(300)]))
    assert many.n_bins == 51


def test_a_feature_of_noise_tells_nothing_because_it_is_cross_fitted() -> None:
    rng = np.random.default_rng(2)
    target = rng.integers(0, 2, 2000)
    names = binned(pd.Series(rng.integers(0, 40, 2000).astype(str)))
    folds = folds_of(target, 0)
    value, interval, p_value = area(target == 1, rates_by_bin(names, target, folds)[:, 1])
    assert interval[0] < 0.5 < interval[1] or value < 0.5
    assert p_value > 0.05
    telling = binned(pd.Series(target + 0.0))
    assert area(target == 1, rates_by_bin(telling, target, folds)[:, 1])[0] == 1.0


LEVELS = Levels(low=0.05, medium=0.1, high=0.2, reason="levels of a test, nothing else")
FALLING = Levels(low=0.9, medium=0.8, high=0.6, reason="levels of a test, nothing else")


@pytest.mark.parametrize(
    ("levels", "value", "interval", "significant", "expected"),
    [
        (LEVELS, 0.25, (0.21, 0.30), True, "high"),
        (LEVELS, 0.25, (0.12, 0.38), True, "medium"),
        (LEVELS, 0.25, (0.21, 0.30), False, "insufficient evidence"),
        (LEVELS, 0.08, (0.04, 0.12), True, "insufficient evidence"),
        (LEVELS, 0.02, (0.00, 0.06), False, "none"),
        (LEVELS, 0.02, (0.00, 0.25), False, "insufficient evidence"),
        (LEVELS, float("nan"), None, False, "insufficient evidence"),
        (FALLING, 0.8, (0.79, 0.81), True, "low"),
        (FALLING, 0.7, (0.65, 0.79), True, "medium"),
        (FALLING, 0.7, (0.65, 0.95), True, "insufficient evidence"),
        (FALLING, 0.95, (0.91, 1.0), False, "none"),
        (FALLING, 0.95, (0.5, 1.0), False, "insufficient evidence"),
    ],
)
def test_severity_is_what_all_of_the_interval_reaches(
    levels: Levels, value: float, interval: tuple[float, float] | None, significant: bool, expected: str
) -> None:
    assert severity(levels, Reading("any", value, interval), significant) == expected


def test_a_ceiling_lowers_and_a_fact_needs_no_interval() -> None:
    assert severity(LEVELS, Reading("any", 0.3, (0.25, 0.4), ceiling="low"), True) == "low"
    assert severity(LEVELS, Reading("any", 0.3, (0.0, 0.4), is_fact=True), False) == "high"


def test_thresholds_give_reasons_and_must_be_in_order() -> None:
    assert {"demographic_parity_ratio", "proxy_auc"} <= set(thresholds().measures)
    with pytest.raises(ValueError, match="levels must be increasing or decreasing"):
        Levels(low=0.1, medium=0.3, high=0.2, reason="levels of a test, nothing else")
