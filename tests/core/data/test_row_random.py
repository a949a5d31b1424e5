"""Draws that are the same for the same row."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from fairmend.core.data.row_random import decide, row_hash, uniform_by_row


def test_the_same_row_gets_the_same_decision_whatever_stands_beside_it():
    frame = pd.DataFrame({"a": np.arange(500), "b": list("xy") * 250})
    chance = np.full(500, 0.5)
    all_at_once = decide(chance, row_hash(frame), seed=4)
    order = np.random.default_rng(0).permutation(500)
    assert (decide(chance, row_hash(frame.iloc[order]), seed=4) == all_at_once[order]).all()
    assert (decide(chance[:3], row_hash(frame.iloc[:3]), seed=4) == all_at_once[:3]).all()
    assert (decide(chance, row_hash(frame), seed=5) != all_at_once).any()


def test_draws_are_uniform_and_independent_of_the_seed():
    hashes = row_hash(np.arange(20_000))
    first, second = uniform_by_row(hashes, 0), uniform_by_row(hashes, 1)
    assert stats.kstest(first, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


def test_certain_decisions_are_never_drawn():
    hashes = row_hash(np.arange(1000))
    assert decide(np.ones(1000), hashes, 0).all()
    assert not decide(np.zeros(1000), hashes, 0).any()
