"""Figures of abstentions, sets and intervals: by hand, weighted as repeated, and by the normal approximation."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend.core.errors import DataError, FairmendError
from fairmend.core.metrics import compare_uncertainty, measure_abstention, measure_intervals, measure_sets

GROUP = list("aaaabb")
Y = np.array([1, 1, 0, 0, 1, 0])
DECIDED = np.array([1, 0, 0, 1, 0, 0])


def test_abstention_by_hand():
    abstained = [False, True, False, False, True, True]
    found = measure_abstention(Y, DECIDED, abstained, sensitive_features=GROUP, n_boot=50, min_support=1)
    assert found.figure("coverage").value == pytest.approx(3 / 6)
    assert found.figure("coverage", "a").value == pytest.approx(3 / 4)
    assert found.figure("selective_error").value == pytest.approx(1 / 3)
    assert found.figure("selective_error", "a").support == 3
    empty = found.figure("selective_error", "b")
    assert np.isnan(empty.value)
    assert not empty.enough
    assert found.to_json()["selective_error"]["by_group"]["b"]["value"] is None
    assert found.difference("coverage").value == pytest.approx(3 / 4)
    with pytest.raises(FairmendError, match="coverag"):
        found.figure("coverag")
    with pytest.raises(FairmendError, match="group"):
        found.figure("coverage", "c")


def test_sets_by_hand():
    sets = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1]], dtype=bool)
    found = measure_sets(Y, sets, sensitive_features=GROUP, n_boot=20)
    assert found.figure("coverage").value == pytest.approx(4 / 6)
    assert {g: e.value for g, e in found.by_group("coverage").items()} == {"a": 0.75, "b": 0.5}
    assert {g: e.value for g, e in found.by_group("mean_size").items()} == {"a": 1.5, "b": 1.5}
    with pytest.raises(DataError, match="5 sets for 6 rows"):
        measure_sets(Y, sets[:5], sensitive_features=GROUP)


def test_intervals_by_hand_unbounded_ones_apart():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    bounds = [[0, 2], [3, 4], [-np.inf, np.inf], [4, 4]]
    found = measure_intervals(y, bounds, sensitive_features=list("aabb"), n_boot=20)
    assert found.figure("coverage").value == pytest.approx(3 / 4)
    assert found.figure("mean_width", "a").value == pytest.approx(1.5)
    assert found.figure("mean_width", "b").value == 0
    assert found.figure("unbounded", "b").value == 0.5


def test_integer_weights_are_repeated_rows():
    rng = np.random.default_rng(0)
    n = 200
    y, decided, abstained = (rng.integers(0, 2, n) for _ in range(3))
    group, weight = rng.choice(list("abc"), n), rng.integers(1, 4, n)
    again = np.repeat(np.arange(n), weight)
    a = measure_abstention(y, decided, abstained, sensitive_features=group, sample_weight=weight, n_boot=5)
    b = measure_abstention(
        y[again], decided[again], abstained[again], sensitive_features=group[again], n_boot=5
    )
    for name in ("coverage", "selective_error"):
        assert a.figure(name).value == pytest.approx(b.figure(name).value)
        assert a.difference(name).value == pytest.approx(b.difference(name).value)


def test_interval_is_that_of_a_proportion():
    rng = np.random.default_rng(1)
    sets = np.column_stack([rng.random(4000) < 0.9, np.zeros(4000, dtype=bool)])
    found = measure_sets(np.zeros(4000), sets, sensitive_features=rng.choice(list("ab"), 4000))
    overall = found.figure("coverage")
    half = 1.96 * np.sqrt(overall.value * (1 - overall.value) / 4000)
    assert overall.interval == pytest.approx((overall.value - half, overall.value + half), abs=0.002)


def test_what_decisions_alone_say():
    said = {
        "abstention": np.array([True] * 3 + [False] * 3),
        "prediction sets": np.ones((6, 2), dtype=bool),
        "intervals": np.column_stack([Y - 1.0, Y + 1.0]),
    }
    found = compare_uncertainty(Y, DECIDED, said, y_score=Y * 1.0, sensitive_features=GROUP, n_boot=5)
    before, after = found["abstention"]
    assert (before.figure("coverage").value, after.figure("coverage").value) == (1.0, 0.5)
    assert before.figure("selective_error").value == pytest.approx(np.mean(Y != DECIDED))
    before, after = found["prediction sets"]
    assert (before.figure("mean_size").value, after.figure("mean_size").value) == (1.0, 2.0)
    assert before.figure("coverage").value == pytest.approx(np.mean(Y == DECIDED))
    before, after = found["intervals"]
    assert (before.figure("mean_width").value, after.figure("mean_width").value) == (0.0, 2.0)
    assert (before.figure("coverage").value, after.figure("coverage").value) == (1.0, 1.0)
