"""Resampling many sets of decisions together."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend.core.errors import DataError
from fairmend.core.metrics import measure, metric
from fairmend.core.metrics.inference.joint_bootstrap import joint_replicates

RNG = np.random.default_rng(1)
N = 600
GROUP = RNG.choice(["a", "b", "c"], N)
Y = RNG.integers(0, 2, N)
DECISIONS = np.column_stack([Y, 1 - Y, RNG.integers(0, 2, N), Y])
DECISIONS[0, 3] = 1 - DECISIONS[0, 3]
NAMES = ("accuracy", "demographic_parity_ratio", "equalized_odds_difference")


def drawn(weight=None, decisions=DECISIONS, n_boot=4000):
    return joint_replicates(
        Y, decisions, GROUP, NAMES, n_boot=n_boot, rng=np.random.default_rng(0), sample_weight=weight
    )


def test_each_set_is_distributed_as_if_it_were_resampled_alone():
    found = drawn()
    assert found.shape == (4000, 4, 3)
    alone = measure(Y, DECISIONS[:, 2], sensitive_features=GROUP, n_boot=4000, seed=5)
    for place, name in enumerate(NAMES):
        together, apart = found[:, 2, place], metric(name).of(alone.drawn)
        at = [0.025, 0.25, 0.5, 0.75, 0.975]
        assert np.quantile(together, at) == pytest.approx(np.quantile(apart, at), abs=0.012)


def test_sets_share_each_resample():
    found = drawn()[..., 0]
    assert np.allclose(found[:, 0], 1)
    assert np.allclose(found[:, 1], 0)
    gap = found[:, 0] - found[:, 3]
    # One row differs, so the gap is the number of times that row was drawn, over n.
    assert gap.mean() * N == pytest.approx(1, abs=0.06)
    assert np.allclose(gap * N, np.round(gap * N))


def test_weights_count_as_in_a_measurement():
    weight = RNG.uniform(0.5, 3, N)
    found = drawn(weight)[:, 2, 0]
    right = (DECISIONS[:, 2] == Y) * weight
    share = right.sum() / weight.sum()
    sd = np.sqrt((weight**2 * ((DECISIONS[:, 2] == Y) - share) ** 2).sum()) / weight.sum()
    assert found.mean() == pytest.approx(share, abs=0.002)
    assert found.std() == pytest.approx(sd, rel=0.06)


def test_undefined_is_nan_and_lengths_must_agree():
    never = np.zeros((N, 1), dtype=int)
    assert np.isnan(drawn(decisions=never, n_boot=5)[:, 0, 1]).all()
    with pytest.raises(DataError):
        joint_replicates(Y[:-1], DECISIONS, GROUP, NAMES, n_boot=5, rng=np.random.default_rng(0))
