"""Drawn problems are what they say: their tables follow the stated distribution."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import _problems
import numpy as np
import pytest
from _problems import KINDS, problem


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_follows_the_stated_distribution(kind):
    drawn = replace(problem(kind, 11), rows=40_000)
    table, sample = drawn.table(), drawn.fresh(40_000)
    assert table["outcome"].mean() == pytest.approx(float(sample.weight @ sample.probability), abs=0.02)
    shares = table["group"].value_counts(normalize=True).sort_index()
    assert shares.to_numpy() == pytest.approx(np.array(drawn.shares), abs=0.015)
    assert sample.weight.sum() == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_the_base_rate_is_the_one_asked_for(seed):
    drawn = problem("difference in labels", seed)
    sample = drawn.fresh(80_000)
    assert sample.weight @ sample.probability == pytest.approx(drawn.base_rate, abs=0.01)


def test_the_probability_is_the_rate_of_the_outcome_where_it_says_so():
    sample = problem("miscalibration", 3).fresh(60_000)
    tenth = np.digitize(sample.probability, np.quantile(sample.probability, np.linspace(0.1, 0.9, 9)))
    for part in range(10):
        mine = tenth == part
        error = 4 * np.sqrt(0.25 / mine.sum())
        assert sample.frame["outcome"][mine].mean() == pytest.approx(
            sample.probability[mine].mean(), abs=error
        )


def test_the_same_seed_draws_the_same_rows_and_another_one_others():
    one, again, other = (problem("proxies", seed).table() for seed in (4, 4, 5))
    assert one.equals(again)
    assert not one.equals(other)


def test_nothing_differs_between_groups_of_a_null_problem():
    sample = problem("null: no difference", 2).fresh(100_000)
    rates = sample.frame.assign(p=sample.probability).groupby("group")["p"]
    assert (rates.mean() - rates.mean().mean()).abs().max() < 0.01


def test_label_bias_denies_favorable_outcomes_of_the_groups_behind():
    drawn = problem("label bias", 6)
    assert max(drawn.denied) > 0.1
    fair = replace(drawn, denied=(0.0,) * len(drawn.denied), base_rate=drawn.base_rate)
    low = int(np.argmax(drawn.denied))
    group = _problems.GROUPS[low]
    means = [
        p.fresh(40_000).frame.groupby("group")["outcome"].mean()[group]
        / p.fresh(40_000).frame.groupby("group")["outcome"].mean().mean()
        for p in (drawn, fair)
    ]
    assert means[0] < means[1]


def test_a_proxy_tells_the_group_and_nothing_else():
    sample = problem("proxies", 8).fresh(20_000)
    assert sample.frame.groupby("group")["proxy"].mean().is_monotonic_increasing
    without = sample.frame[sample.frame["group"] == "A"]
    inside = sample.probability[without.index]
    assert abs(np.corrcoef(without["proxy"], inside)[0, 1]) < 0.03


def test_kinds_come_by_their_shares_and_the_first_ones_stay():
    kinds = list(_problems.mixed(200))
    assert Counter(kinds) == {kind: round(200 * share) for kind, share in KINDS.items()}
    assert list(_problems.mixed(20)) == kinds[:20]
    assert sum(KINDS.values()) == pytest.approx(1)


def test_ranges_are_kept():
    drawn = [
        problem("proxies", s, rows=(1_000, 3_000), base_rates=(0.2, 0.8), least_share=0.1) for s in range(60)
    ]
    assert all(1_000 <= p.rows <= 3_000 and 0.2 <= p.base_rate <= 0.8 for p in drawn)
    assert min(min(p.shares) for p in drawn) >= 0.1
    assert {len(p.shares) for p in drawn} == {2, 3, 4}
