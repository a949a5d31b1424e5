"""ROC curves by group: against brute force, and against a program written without hulls."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from fairmend.core.data.groups import Groups
from fairmend.core.errors import InsufficientDataError
from fairmend.plugins.postprocessing._roc_thresholds import (
    SELECT_NONE,
    RateTolerance,
    best_positions,
    decision_probability,
    mixture_at,
    parity_program,
    range_maximum,
    require_labels,
    roc_curves,
    rule_diagnostics,
    rule_table,
)


def _draw(seed: int, sizes=(13, 9, 15), levels: int | None = None):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    n = len(codes)
    scores = rng.integers(1, levels + 1, n) / (levels + 1) if levels else rng.random(n)
    y = (rng.random(n) < 0.2 + 0.15 * codes + 0.3 * (scores > 0.5)).astype(np.int64)
    for code in range(len(sizes)):
        y[np.flatnonzero(codes == code)[:2]] = [0, 1]
    groups = Groups.of(np.array(list("abcdef"))[codes])
    return scores, groups, y


def test_curve_by_hand():
    scores = np.array([0.9, 0.6, 0.6, 0.2, 0.4])
    groups = Groups.of(np.array(["a", "a", "a", "a", "b"]))
    curves = roc_curves(scores, groups, np.array([1, 1, 0, 0, 1]), np.array([1.0, 2.0, 1.0, 1.0, 1.0]))
    assert len(curves) == 3
    np.testing.assert_allclose(curves[0].cuts, [SELECT_NONE, 0.75, 0.4, 0.0])
    assert curves[0].tp.tolist() == [0, 1, 3, 3]
    assert curves[0].fp.tolist() == [0, 0, 1, 2]
    assert curves[0].cost(1, 1).tolist() == [3, 2, 1, 2]
    assert curves[1].tp.tolist() == [0, 1]
    assert np.isnan(curves[1].fpr).all()
    assert curves[2].cuts[2] == pytest.approx(0.5)


def test_neighboring_floats_are_told_apart():
    low = 0.3
    scores = np.array([low, np.nextafter(low, 1)])
    curve = roc_curves(scores, Groups.of(["a", "a"]), np.array([0, 1]), np.ones(2))[0]
    assert ((scores >= curve.cuts[1]) == [False, True]).all()


def test_group_without_weight_and_label_without_rows_are_named():
    groups = Groups.of(["a", "b", "b"])
    with pytest.raises(InsufficientDataError, match="group 'a' has a positive weight"):
        roc_curves(np.array([0.1, 0.2, 0.3]), groups, np.array([0, 1, 1]), np.array([0.0, 1.0, 1.0]))
    curves = roc_curves(np.array([0.1, 0.2, 0.3]), groups, np.array([0, 1, 1]), np.ones(3))
    with pytest.raises(InsufficientDataError, match="'a' has the label 1"):
        require_labels(curves, groups, 1)
    with pytest.raises(InsufficientDataError, match="'b' has the label 0"):
        require_labels(curves, groups, 0)


@pytest.mark.parametrize("seed", range(5))
def test_hull_is_the_least_concave_majorant(seed):
    scores, groups, y = _draw(seed, sizes=(60, 50))
    curve = roc_curves(scores, groups, y, np.random.default_rng(seed).random(len(y)) + 0.1)[0]
    at = curve.hull()
    assert at[0] == 0
    assert at[-1] == len(curve.cuts) - 1
    slope = np.diff(curve.tpr[at]) / np.maximum(np.diff(curve.fpr[at]), 1e-15)
    assert (np.diff(slope) < 0).all()
    level = np.diff(curve.fpr[at]) > 1e-12
    first = at[np.append(level, True)]
    above = np.interp(curve.fpr, curve.fpr[first], curve.tpr[first])
    assert (curve.tpr <= above + 1e-9).all()


def test_range_maximum_is_that_of_slices():
    rng = np.random.default_rng(0)
    values = rng.normal(size=37)
    start, stop = (part.ravel() for part in np.meshgrid(np.arange(38), np.arange(38)))
    expected = [values[i:j].max() if j > i else -np.inf for i, j in zip(start, stop, strict=True)]
    assert range_maximum(values, start, stop).tolist() == expected


def _brute(rates, costs, window, allow_zero):
    """Try every tuple of places; return the least cost."""
    rows = [np.median(np.diff(r)[np.diff(r) > 0]) for r in rates]
    best = np.inf
    for places in itertools.product(*(range(len(r)) for r in rates)):
        chosen = [r[i] for r, i in zip(rates, places, strict=True)]
        least = min(chosen)
        if least == 0 and not allow_zero:
            continue
        top = window.factor * least + window.slack + 1e-12
        for r, row, rate in zip(rates, rows, chosen, strict=True):
            lonely = not ((r >= least - 1e-12) & (r <= top)).any()
            if rate > top and not (lonely and rate <= least + row + 1e-12):
                break
        else:
            best = min(best, sum(c[i] for c, i in zip(costs, places, strict=True)))
    return best


@pytest.mark.parametrize("rate", ["selection_rate", "tpr"])
@pytest.mark.parametrize(
    "window",
    [RateTolerance(), RateTolerance(factor=1.25), RateTolerance(slack=0.07), RateTolerance(slack=1.0)],
)
@pytest.mark.parametrize(("seed", "levels"), [(0, None), (1, None), (2, 5)])
def test_best_positions_equal_brute_force(rate, window, seed, levels):
    scores, groups, y = _draw(seed, levels=levels)
    curves = roc_curves(scores, groups, y, np.ones(len(y)))[:-1]
    rates, costs = [getattr(c, rate) for c in curves], [c.cost(1.0, 1.7) for c in curves]
    for allow_zero in (True, False):
        found = best_positions(rates, costs, window, allow_zero=allow_zero)
        cost = sum(c[int(x)] for c, x in zip(costs, found, strict=True))
        assert (found == found.round()).all()
        assert cost == pytest.approx(_brute(rates, costs, window, allow_zero))


@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_randomized_positions_beat_a_fine_grid(factor):
    scores, groups, y = _draw(3, levels=6)
    curves = roc_curves(scores, groups, y, np.ones(len(y)))[:-1]
    rates, costs = [c.selection_rate for c in curves], [c.cost() for c in curves]
    found = best_positions(rates, costs, RateTolerance(factor=factor), randomize=True)
    at = [np.interp(x, np.arange(len(r)), r) for x, r in zip(found, rates, strict=True)]
    assert max(at) <= factor * min(at) + 1e-9
    cost = sum(np.interp(x, np.arange(len(c)), c) for x, c in zip(found, costs, strict=True))
    grid = np.linspace(0, 1, 401)
    least = np.inf
    for low in grid:
        inside = (grid >= low) & (grid <= min(1.0, factor * low) + 1e-12)
        least = min(
            least, sum(np.interp(grid[inside], r, c).min() for r, c in zip(rates, costs, strict=True))
        )
    assert cost <= least + 1e-9
    assert cost >= least - 0.2


def test_blocks_change_nothing(monkeypatch):
    scores, groups, y = _draw(5, sizes=(900, 700, 1100))
    curves = roc_curves(scores, groups, y, np.ones(len(y)))[:-1]
    rates, costs = [c.selection_rate for c in curves], [c.cost() for c in curves]
    found = []
    for blocks in (1, 7, 10**9):
        monkeypatch.setattr("fairmend.plugins.postprocessing._roc_thresholds.BLOCKS", blocks)
        found.append(best_positions(rates, costs, RateTolerance(factor=1.1)).tolist())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 1.0])
def test_program_equals_one_over_all_points(tolerance):
    scores, groups, y = _draw(4, sizes=(25, 30, 20))
    curves = roc_curves(scores, groups, y, np.ones(len(y)))[:-1]
    costs = [c.cost(1.0, 2.0) for c in curves]
    mixtures = parity_program(curves, [[c.tpr for c in curves], [c.fpr for c in curves]], tolerance, costs)
    reached = [[(c.tpr[at] @ w, c.fpr[at] @ w)] for c, (at, w) in zip(curves, mixtures, strict=True)]
    assert np.ptp(np.array(reached), axis=0).max() <= tolerance + 1e-6

    sizes = [len(c.cuts) for c in curves]
    ends = np.concatenate([[0], np.cumsum(sizes)])
    rows, limits = [], []
    for a, b in itertools.permutations(range(3), 2):
        for figure in ("tpr", "fpr"):
            row = np.zeros(ends[-1])
            row[ends[a] : ends[a + 1]] = getattr(curves[a], figure)
            row[ends[b] : ends[b + 1]] = -getattr(curves[b], figure)
            rows.append(row)
            limits.append(tolerance)
    sums = np.array([np.repeat(np.eye(3)[a], sizes) for a in range(3)])
    expected = linprog(np.concatenate(costs), np.array(rows), limits, sums, np.ones(3)).fun
    cost = sum(c[at] @ w for c, (at, w) in zip(costs, mixtures, strict=True))
    assert cost == pytest.approx(expected, abs=1e-5)


def test_rule_is_what_its_diagnostics_say():
    scores, groups, y = _draw(6)
    *curves, pooled = roc_curves(scores, groups, y, np.ones(len(y)))
    mixtures = [mixture_at(x) for x in (3.25, 4, 7.5, 2)]
    table = rule_table([*curves, pooled], mixtures)
    assert table[0].shape == table[1].shape == (4, 2)
    np.testing.assert_allclose(table[1].sum(axis=1), 1)
    probability = decision_probability(scores, groups.codes, *table)
    told = rule_diagnostics(groups, curves, mixtures, [c.cost() for c in curves])
    assert told["expected_cost"] == pytest.approx(np.mean(np.where(y == 1, 1 - probability, probability)))
    for code, name in enumerate(groups.labels):
        own = groups.codes == code
        assert told["selection_rate"][name] == pytest.approx(probability[own].mean())
        assert told["true_positive_rate"][name] == pytest.approx(probability[own & (y == 1)].mean())
        assert told["false_positive_rate"][name] == pytest.approx(probability[own & (y == 0)].mean())
    assert [line["share"] for line in told["mixtures"]["a"]] == [0.75, 0.25]
    unseen = decision_probability(scores, np.full(len(y), -1), *table)
    assert unseen.tolist() == (scores >= pooled.cuts[2]).astype(float).tolist()
