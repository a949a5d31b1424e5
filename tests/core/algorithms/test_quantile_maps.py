from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from fairmend.core.algorithms.quantile_maps import (
    EmpiricalDistribution,
    group_distributions,
    group_ranks,
    interpolate,
    numbers,
)
from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, InsufficientDataError


def test_interpolation_is_that_of_numpy() -> None:
    rng = np.random.default_rng(0)
    x, knots, heights = rng.normal(size=500), np.sort(rng.normal(size=40)), rng.normal(size=40)
    x[::7] = np.nan
    np.testing.assert_array_equal(interpolate(x, knots, heights), np.interp(x, knots, heights))


def test_ranks_are_the_mid_ranks_of_scipy() -> None:
    x = np.random.default_rng(0).integers(0, 20, 300).astype(float)
    np.testing.assert_allclose(EmpiricalDistribution.of(x).rank(x), (rankdata(x) - 0.5) / 300)


def test_ranks_and_quantiles_undo_each_other_on_the_sample() -> None:
    rng = np.random.default_rng(0)
    x = np.append(rng.integers(0, 20, 300), np.nan).astype(float)
    law = EmpiricalDistribution.of(x)
    np.testing.assert_allclose(law.quantile(law.rank(x)), x)
    np.testing.assert_allclose(law.quantile(law.rank(x, rng.random(301))), x)
    assert law.n == 300


def test_spread_ranks_are_uniform() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, 3000).astype(float)
    u = np.sort(EmpiricalDistribution.of(x).rank(x, rng.random(3000)))
    assert np.abs(u - (np.arange(3000) + 0.5) / 3000).max() < 0.03


def test_an_unseen_group_is_ranked_among_all_rows() -> None:
    X = pd.DataFrame({"x": np.arange(10.0)})
    laws, small = group_distributions(X, ["x"], Groups.of(list("aaaaabbbbb")), fallback=False)
    assert small == {}
    u = group_ranks(np.array([4.0, 4.0, 4.0]), laws["x"], np.array([0, 1, -1]))
    np.testing.assert_allclose(u, [0.9, 0.1, 0.45])


def test_a_group_with_too_few_values_is_named() -> None:
    X = pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6, 7, 8, 9, np.nan, np.nan]})
    groups = Groups.of(list("aaaaabbbbbc"))
    with pytest.raises(InsufficientDataError, match="'x' has 4 values in the group 'b'"):
        group_distributions(X, ["x"], groups, fallback=False)
    with pytest.raises(InsufficientDataError, match="two others must remain"):
        group_distributions(X, ["x"], groups, fallback=True)


def test_infinite_values_are_refused_and_nullable_numbers_are_read() -> None:
    with pytest.raises(DataError, match="'x' holds infinite values"):
        numbers(pd.Series([1.0, np.inf], name="x"))
    np.testing.assert_array_equal(numbers(pd.Series([1, None], dtype="Int64")), [1.0, np.nan])
