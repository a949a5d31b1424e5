"""Effective support: worked by hand for weights and clusters, and the number of rows without either."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend.core.metrics import GroupTable, PairedTable, ScoreTable, compare, measure
from fairmend.core.metrics.inference.effective_sample_size import effective_support, group_support, kish
from fairmend.core.metrics.rates import RATES

Y = np.array([1, 1, 1, 0, 0, 1, 0, 0])
D = np.array([1, 0, 1, 0, 1, 1, 0, 0])
G = np.array(["a", "a", "a", "a", "b", "b", "b", "b"])


def pooled(counts):
    return counts.sum(axis=-3, keepdims=True)


@pytest.mark.parametrize("name", RATES)
def test_without_weights_it_is_the_number_of_rows(name):
    table = GroupTable.from_arrays(Y, D, G)
    assert effective_support(RATES[name], table).tolist() == RATES[name].support(table.rows).tolist()


@pytest.mark.parametrize("weight", [1.0, 0.1, 1 / 3, 1e6, 7.7])
@pytest.mark.parametrize("name", RATES)
def test_equal_weights_change_nothing(name, weight):
    table = GroupTable.from_arrays(Y, D, G, sample_weight=np.full(8, weight))
    assert effective_support(RATES[name], table).tolist() == RATES[name].support(table.rows).tolist()


def test_weights_by_hand():
    weight = np.array([1.0, 1, 1, 1, 97, 1, 1, 1])
    table = GroupTable.from_arrays(Y, D, G, sample_weight=weight)
    # of b: (97 + 3)^2 / (97^2 + 3) = 10000 / 9412 = 1.06
    assert effective_support(RATES["selection_rate"], table).tolist() == [4, 1]
    # of b with label 1: a single row; with label 0: 99^2 / 9411 = 1.04
    assert effective_support(RATES["true_positive_rate"], table).tolist() == [3, 1]
    assert effective_support(RATES["false_positive_rate"], table).tolist() == [1, 1]
    # all rows: 104^2 / (97^2 + 7) = 1.15
    assert effective_support(RATES["selection_rate"], table, pooled).tolist() == [1]
    assert group_support(table).tolist() == [4, 1]


def test_clusters_count_once():
    cluster = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    table = GroupTable.from_arrays(Y, D, G, cluster=cluster)
    assert effective_support(RATES["selection_rate"], table).tolist() == [2, 1]
    # labels 1 of a: two rows of one cluster, one of the other: 3^2 / (4 + 1) = 1.8
    assert effective_support(RATES["true_positive_rate"], table).tolist() == [1, 1]
    assert group_support(table).tolist() == [2, 1]
    scores = ScoreTable.from_arrays(Y, D * 0.5, G, cluster=cluster)
    assert group_support(scores).tolist() == [2, 1]


def test_the_sides_of_a_comparison_keep_their_clusters():
    cluster = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    paired = PairedTable.from_arrays(Y, D, 1 - D, G, cluster=cluster)
    for side, decisions in ((paired.before, D), (paired.after, 1 - D)):
        alone = GroupTable.from_arrays(Y, decisions, G, cluster=cluster)
        assert side.clusters is not None
        assert (side.clusters.toarray() == alone.clusters.toarray()).all()


def test_a_heavy_row_is_insufficient_evidence_everywhere():
    rng = np.random.default_rng(0)
    n = 2000
    y, d, g = rng.integers(0, 2, n), rng.integers(0, 2, n), rng.choice(["a", "b"], n)
    weight = np.where((np.arange(n) < 30) & (g == "b"), 1000.0, 1.0)
    found = measure(y, d, sensitive_features=g, y_score=rng.random(n), sample_weight=weight, n_boot=50)
    for name in ("demographic_parity_ratio", "equalized_odds_difference"):
        assert found.figure(name).lacking == ("b",)
    assert found.by_group("expected_calibration_error")["b"].enough is False
    changes = compare(y, d, 1 - d, sensitive_features=g, sample_weight=weight, n_boot=50, n_permutations=20)
    assert changes["demographic_parity_difference"].lacking == ("b",)


def test_nothing_weighs_nothing():
    assert kish(np.zeros(2), np.zeros(2)).tolist() == [0, 0]
