"""Distances of distributions by group against SciPy, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fairmend.core.metrics import ks_distance, measure_regression, task_changes


def drawn(n: int = 600, seed: int = 0, decimals: int = 6):
    r = np.random.default_rng(seed)
    g = r.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    return g, np.round(r.normal(size=n) + 0.7 * (g == "c"), decimals)


@pytest.mark.parametrize("decimals", [0, 6])
def test_distances_equal_scipy(decimals):
    g, p = drawn(decimals=decimals)
    found = measure_regression(p, p, sensitive_features=g, n_boot=50)
    parts = {group: p[g == group] for group in "abc"}
    for group, part in parts.items():
        assert found.figure("ks_distance", group).value == pytest.approx(stats.ks_2samp(part, p).statistic)
        assert found.figure("wasserstein_distance", group).value == pytest.approx(
            stats.wasserstein_distance(part, p)
        )
    pairs = [(parts[a], parts[b]) for a, b in ("ab", "ac", "bc")]
    assert found.figure("ks_distance").value == pytest.approx(
        max(stats.ks_2samp(*pair).statistic for pair in pairs)
    )
    assert found.figure("ks_distance").value == pytest.approx(ks_distance(p, g)[0])
    assert found.figure("wasserstein_distance").value == pytest.approx(
        max(stats.wasserstein_distance(*pair) for pair in pairs)
    )


def test_weights_count_as_repeated_rows():
    g, p = drawn()
    w = np.random.default_rng(1).integers(1, 4, len(p))
    weighted = measure_regression(p, p, sensitive_features=g, sample_weight=w, n_boot=5)
    repeated = measure_regression(
        np.repeat(p, w), np.repeat(p, w), sensitive_features=np.repeat(g, w), n_boot=5
    )
    for name in ("ks_distance", "wasserstein_distance", "mean_prediction"):
        assert weighted.statistics[name].values == pytest.approx(repeated.statistics[name].values)


def test_replicates_scatter_around_the_value_beyond_512_distinct_values():
    g, p = drawn(5000, 2)
    found = measure_regression(p, p, sensitive_features=g, n_boot=200)
    for name in ("ks_distance", "wasserstein_distance"):
        figure = found.figure(name)
        low, high = figure.interval
        assert low < figure.value < high
    moved = measure_regression(p, np.where(g == "c", p - 0.7, p), sensitive_features=g, n_boot=200)
    change = task_changes(found, moved)["ks_distance"]
    assert change.interval is not None
    assert change.interval[1] < 0
