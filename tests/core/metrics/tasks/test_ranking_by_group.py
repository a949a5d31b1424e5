"""Rankings by group: against the formulas without ties, a random order with them, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as skm

from fairmend.core.metrics import exposure, measure_ranking, ndkl, skew
from fairmend.core.metrics.tasks.ranking_by_group import top_places


def drawn(n: int = 400, seed: int = 0):
    r = np.random.default_rng(seed)
    g = r.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    return g, r.normal(size=n) + 0.8 * (g == "a"), r.gamma(2.0, size=n)


def test_figures_equal_the_formulas_where_no_scores_tie():
    g, s, y = drawn()
    found = measure_ranking(y, s, sensitive_features=g, n_boot=10)
    per_group = exposure(g, scores=s)
    mean = (1 / np.log2(np.arange(2, len(g) + 2))).mean()
    skews = skew(g, k=top_places(len(g)), scores=s)
    for group in "abc":
        assert found.figure("exposure", group).value == pytest.approx(per_group[group] / mean)
        assert found.figure("skew", group).value == pytest.approx(skews[group])
        assert found.figure("top_share_ratio", group).value == pytest.approx(np.exp(skews[group]))
    assert found.figure("ndkl").value == pytest.approx(ndkl(g, scores=s))
    # scikit-learn's gain is linear in the relevance, too
    assert found.figure("ndcg").value == pytest.approx(skm.ndcg_score([y], [s]))


def test_ties_count_as_the_mean_over_random_orders_among_them():
    g, s, y = drawn(60, 1)
    tied = np.round(s)
    found = measure_ranking(y, tied, sensitive_features=g, n_boot=10)
    r = np.random.default_rng(2)
    orders = [
        measure_ranking(y, tied + r.random(60) * 1e-6, sensitive_features=g, n_boot=1) for _ in range(1500)
    ]
    for name in ("exposure", "top_share_ratio"):
        for group in "abc":
            mean = np.mean([one.figure(name, group).value for one in orders])
            assert found.figure(name, group).value == pytest.approx(mean, rel=0.03)
    assert found.figure("ndcg").value == pytest.approx(skm.ndcg_score([y], [tied], ignore_ties=False))


def test_the_order_of_rows_does_not_matter():
    g, s, y = drawn(200, 3)
    tied, order = np.round(s), np.random.default_rng(4).permutation(200)
    one = measure_ranking(y, tied, sensitive_features=g, n_boot=5)
    other = measure_ranking(y[order], tied[order], sensitive_features=g[order], n_boot=5)
    for name in one.statistics:
        assert one.statistics[name].values == pytest.approx(other.statistics[name].values, nan_ok=True)
    assert ndkl(g, scores=tied) == pytest.approx(ndkl(g[order], scores=tied[order]))


def test_queries_are_ranked_apart_and_averaged():
    g, s, y = drawn(200, 5)
    query = np.repeat(np.arange(10), 20)
    found = measure_ranking(y, s, sensitive_features=g, query=query, n_boot=200)
    alone = [
        measure_ranking(y[query == q], s[query == q], sensitive_features=g[query == q], n_boot=1)
        for q in range(10)
    ]
    assert found.figure("ndkl").value == pytest.approx(np.mean([one.figure("ndkl").value for one in alone]))
    low, high = found.figure("ndkl").interval
    assert low < found.figure("ndkl").value < high


def test_all_of_one_score_is_an_equal_share_for_all():
    g, _, y = drawn(100, 6)
    found = measure_ranking(y, np.zeros(100), sensitive_features=g, n_boot=10)
    for group in "abc":
        assert found.figure("exposure", group).value == pytest.approx(1)
        assert found.figure("top_share_ratio", group).value == pytest.approx(1)
    assert found.figure("ndkl").value == pytest.approx(0, abs=1e-12)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Exposure of a group whose scores are higher by one, against that of a large draw."""

    def rows(n, seed):
        r = np.random.default_rng(seed)
        g = np.where(r.random(n) < 0.3, "a", "b")
        return g, r.normal(size=n) + (g == "a")

    g, s = rows(20_000, 99)
    truth = (
        measure_ranking(np.ones(len(g)), s, sensitive_features=g, n_boot=1)
        .figure("top_share_ratio", "a")
        .value
    )
    held = 0
    for seed in range(120):
        g, s = rows(300, seed)
        low, high = measure_ranking(
            np.ones(300), s, sensitive_features=g, n_boot=200, seed=seed
        ).figure("top_share_ratio", "a").interval  # fmt: skip
        held += low <= truth <= high
    assert 0.88 <= held / 120 <= 1
