from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fairmend.core.errors import UsageError
from fairmend.core.metrics import (
    benjamini_hochberg,
    holm,
    minimum_detectable_difference,
    newcombe,
    wilson,
)


@pytest.mark.parametrize(("k", "n"), [(0, 20), (3, 20), (20, 20), (431, 1000)])
def test_wilson_equals_scipy(k, n):
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    low, high = wilson(k, n)
    assert float(low) == pytest.approx(theirs.low, abs=1e-12)
    assert float(high) == pytest.approx(theirs.high, abs=1e-12)


def test_nothing_is_known_of_no_rows():
    assert [float(end) for end in wilson(0, 0)] == [0, 1]
    assert [float(end) for end in newcombe(1, 2, 0, 0)] == [-1, 1]
    with pytest.raises(UsageError, match="between 0 and n"):
        wilson(3, 2)


@pytest.mark.parametrize(("k1", "n1", "k2", "n2"), [(56, 70, 48, 80), (9, 10, 3, 10), (10, 10, 0, 10)])
def test_newcombe_equals_statsmodels(k1, n1, k2, n2):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    theirs = proportion.confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", compare="diff")
    assert [float(end) for end in newcombe(k1, n1, k2, n2)] == pytest.approx(list(theirs), abs=1e-12)


def test_newcombes_published_example():
    """Newcombe 1998, table II, example (a), method 10: 56/70 - 48/80."""
    assert [round(float(end), 4) for end in newcombe(56, 70, 48, 80)] == [0.0524, 0.3339]


def test_minimum_detectable_difference_has_its_power():
    n1, n2, rate = 500, 300, 0.4
    gap = minimum_detectable_difference(n1, n2, rate)
    r, powers = np.random.default_rng(0), []
    for sign in (1, -1):
        a, b = r.binomial(n1, rate, 40_000), r.binomial(n2, rate + sign * gap, 40_000)
        pooled = (a + b) / (n1 + n2)
        z = (b / n2 - a / n1) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
        powers.append((np.abs(z) > 1.959964).mean())
    assert min(powers) == pytest.approx(0.8, abs=0.015)
    assert np.isnan(minimum_detectable_difference(2, 2, 0.5))
    assert minimum_detectable_difference(10**6, 10**6) < 0.002
    with pytest.raises(UsageError, match="at least 1 row"):
        minimum_detectable_difference(0, 10)


def test_corrections_equal_statsmodels_and_scipy():
    p = np.random.default_rng(1).beta(0.5, 3, size=40)
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1], abs=1e-15)
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p), abs=1e-15)


def test_undefined_tests_are_not_counted():
    assert holm([0.01, np.nan, 0.04]).tolist() == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        holm([1.2])
