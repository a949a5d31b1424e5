"""The draws of marked rows against the exact law and against numpy's own generator."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from fairmend.core.metrics.inference.hypergeometric import multivariate_hypergeometric

DRAWS = 100_000


@pytest.mark.parametrize("marked", [3, 9, 20])
def test_the_joint_law_of_small_groups_is_exact(marked):
    sizes = np.array([2, 3, 1, 18])
    drawn = multivariate_hypergeometric(sizes, marked, DRAWS, np.random.default_rng(0))
    cells = [
        c for c in itertools.product(*(range(m + 1) for m in sizes[:-1])) if 0 <= marked - sum(c) <= sizes[-1]
    ]
    full = np.array([[*c, marked - sum(c)] for c in cells])
    expected = DRAWS * stats.multivariate_hypergeom(sizes, marked).pmf(full)
    place = {c: i for i, c in enumerate(cells)}
    seen = np.bincount([place[tuple(line)] for line in drawn[:, :-1].tolist()], minlength=len(cells))
    common = expected >= 5
    rest = expected[~common].sum()
    observed = np.append(seen[common], seen[~common].sum()) if rest > 0 else seen
    wanted = np.append(expected[common], rest) if rest > 0 else expected
    assert stats.chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue > 1e-3


def test_large_and_tiny_groups_have_the_moments_of_the_law():
    sizes = np.array([26_000, 11_000, 2_300, 2_200, 1_000, 450, 270, 165, 40, 3])
    marked = 10_700
    drawn = multivariate_hypergeometric(sizes, marked, DRAWS, np.random.default_rng(1))
    law = stats.multivariate_hypergeom(sizes, marked)
    spread = np.sqrt(np.diag(law.cov()))
    assert np.abs((drawn.mean(axis=0) - law.mean()) / (spread / np.sqrt(DRAWS))).max() < 4.5
    np.testing.assert_allclose(drawn.std(axis=0), spread, rtol=0.02)
    np.testing.assert_allclose(np.corrcoef(drawn[:, :3].T)[0, 1:], _correlation(sizes, [1, 2]), atol=0.015)
    theirs = np.random.default_rng(2).multivariate_hypergeometric(
        sizes, marked, size=DRAWS, method="marginals"
    )
    for g in range(len(sizes)):
        assert stats.ks_2samp(drawn[:, g], theirs[:, g]).pvalue > 1e-4


def _correlation(sizes, others):
    share = sizes / sizes.sum()
    return [-np.sqrt(share[0] * share[g] / ((1 - share[0]) * (1 - share[g]))) for g in others]


@pytest.mark.parametrize(
    ("sizes", "marked"),
    [([5, 5], 4), ([4] * 60, 100), ([10, 20, 30, 40], 0), ([10, 20, 30, 40], 100), ([0, 5, 9, 100, 0], 7)],
)
def test_every_draw_has_the_margins(sizes, marked):
    drawn = multivariate_hypergeometric(np.array(sizes), marked, 500, np.random.default_rng(0))
    assert (drawn.sum(axis=1) == marked).all()
    assert ((drawn >= 0) & (drawn <= sizes)).all()


def test_many_rows_take_small_tables_and_the_seed_decides():
    sizes = np.array([10**8, 3 * 10**7, 10**6, 12])
    one, same = (
        multivariate_hypergeometric(sizes, 4 * 10**7, 2000, np.random.default_rng(3)) for _ in range(2)
    )
    np.testing.assert_array_equal(one, same)
    share = sizes / sizes.sum()
    mean = 4e7 * share
    spread = np.sqrt(mean * (1 - share) * (1 - 4e7 / sizes.sum()))
    assert np.abs((one.mean(axis=0) - mean) / (spread / np.sqrt(2000))).max() < 4.5
    np.testing.assert_allclose(one.std(axis=0), spread, rtol=0.08)
