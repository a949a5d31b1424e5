"""ROC curves by group, and how thresholds are chosen on them.

A decision rule is a mixture of thresholds in each group: with probability ``w_k`` the score is compared with
the threshold ``t_k``. A single threshold is a mixture of one. Every such rule favors the higher score within
a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from sklearn.isotonic import isotonic_regression

from fairmend.base import Floats, Groups, InsufficientDataError, NotFeasibleError

SELECT_NONE = float(np.nextafter(1.0, 2.0))
ROUNDING = 1e-12
LEAST_SHARE = 1e-9
BLOCKS = 1024

Mixture = tuple[NDArray[np.intp], Floats]


@dataclass(frozen=True)
class RocCurve:
    """What each threshold selects in one group, from no row to all rows.

    Attributes
    ----------
    cuts : ndarray of float, shape (k,)
        Thresholds, descending; a row is selected if its score is at least the threshold. They lie halfway
        between neighboring scores; the first one is above 1, the last one is 0.
    tp, fp : ndarray of float, shape (k,)
        Weight of the selected rows with label 1 and with label 0.
    """

    cuts: Floats
    tp: Floats
    fp: Floats

    @property
    def tpr(self) -> Floats:
        """Share of rows with label 1 that is selected; NaN without that label."""
        return _share(self.tp)

    @property
    def fpr(self) -> Floats:
        """Share of rows with label 0 that is selected; NaN without that label."""
        return _share(self.fp)

    @property
    def selection_rate(self) -> Floats:
        """Share of the rows that is selected."""
        return _share(self.tp + self.fp)

    def cost(self, c_fp: float = 1.0, c_fn: float = 1.0) -> Floats:
        """Return ``c_fp`` times the false positives plus ``c_fn`` times the false negatives."""
        return c_fp * self.fp + c_fn * (self.tp[-1] - self.tp)

    def hull(self) -> NDArray[np.intp]:
        """Return the indices of the vertices of the concave hull, ends included.

        The slopes of the hull are the isotonic fit of the labels on the descending scores, so its vertices
        are where the blocks of pool-adjacent-violators meet.
        """
        rows = np.diff(self.tp + self.fp)
        slope = isotonic_regression(np.diff(self.tp) / rows, sample_weight=rows, increasing=False)
        corners = np.flatnonzero(np.diff(slope)) + 1
        return np.concatenate([[0], corners, [len(self.cuts) - 1]])


def _share(selected: Floats) -> Floats:
    return selected / selected[-1] if selected[-1] > 0 else np.full(len(selected), np.nan)


def roc_curves(
    scores: Floats, groups: Groups, y: NDArray[np.int64] | Floats, weights: Floats
) -> list[RocCurve]:
    """Return the curve of each group; the last one is that of all rows.

    Instead of labels, ``y`` may hold probabilities of label 1; the curves are then expectations.

    Raises
    ------
    InsufficientDataError
        No row of a group has a positive weight.
    """
    counted = weights > 0
    s, a, y, w = scores[counted], groups.codes[counted], y[counted], weights[counted]
    falling = np.argsort(-s, kind="stable")
    s, a, y, w = s[falling], a[falling], y[falling], w[falling]
    size = np.bincount(a, minlength=groups.n_groups)
    if (size == 0).any():
        raise InsufficientDataError(
            f"no row of the group {groups.labels[int(size.argmin())]!r} has a positive weight; leave the group out"
        )
    by_group = np.split(np.argsort(a.astype(np.int32), kind="stable"), np.cumsum(size)[:-1])
    return [*(_curve(s[rows], y[rows], w[rows]) for rows in by_group), _curve(s, y, w)]


def _curve(s: Floats, y: NDArray[np.int64] | Floats, w: Floats) -> RocCurve:
    last = np.flatnonzero(np.append(s[:-1] != s[1:], True))
    above, below = s[last[:-1]], s[last[1:]]
    middle = (above + below) / 2
    cuts = np.concatenate([[SELECT_NONE], np.where(middle > below, middle, above), [0.0]])
    tp, fp = (np.append(0.0, np.cumsum(w * share)[last]) for share in (y, 1 - y))
    return RocCurve(cuts, tp, fp)


def require_labels(curves: Sequence[RocCurve], groups: Groups, *labels: int) -> None:
    """Raise if a group lacks one of these labels.

    Raises
    ------
    InsufficientDataError
        Names the group and the label.
    """
    for name, curve in zip(groups.labels, curves, strict=False):
        for label in labels:
            if (curve.tp if label == 1 else curve.fp)[-1] == 0:
                raise InsufficientDataError(
                    f"no row of the group {name!r} has the label {label}, so its rate is undefined; merge groups or leave it out"
                )


def range_maximum(values: Floats, start: NDArray[np.intp], stop: NDArray[np.intp]) -> Floats:
    """Return the maximum of ``values[start:stop]`` for each pair; minus infinity if there is nothing.

    Two overlapping blocks whose length is a power of two cover each range, so n ranges cost
    O(n + k log k) for k values.

    Examples
    --------
    >>> range_maximum(np.array([3.0, 1.0, 2.0]), np.array([0, 1, 2]), np.array([3, 3, 2])).tolist()
    [3.0, 2.0, -inf]
    """
    out = np.full(len(start), -np.inf)
    level = np.frexp(np.maximum(stop - start, 0))[1] - 1
    blocks, length = values, 1
    for power in range(int(level.max(initial=-1)) + 1):
        here = np.flatnonzero(level == power)
        out[here] = np.maximum(blocks[start[here]], blocks[stop[here] - length])
        blocks, length = np.maximum(blocks[:-length], blocks[length:]), 2 * length
    return out


@dataclass(frozen=True)
class RateTolerance:
    """Maximum spread of the groups' rates: the highest is at most ``factor`` * lowest + ``slack``."""

    factor: float = 1.0
    slack: float = 0.0

    def top(self, least: Floats) -> Floats:
        """Return the highest rate allowed for a given lowest rate."""
        return self.factor * least + self.slack


def best_positions(
    rates: Sequence[Floats],
    costs: Sequence[Floats],
    window: RateTolerance,
    *,
    randomize: bool = False,
    allow_zero: bool = True,
) -> Floats:
    """Return the position on each group's curve that minimizes the total cost with all rates within the tolerance.

    Every value that the lowest rate can take at the optimum is tried, except those that a bound rules out, so
    the result is exact.

    Parameters
    ----------
    rates : sequence of ndarray, shapes (k_a,)
        The rate to equalize, along each curve: increasing from 0 to 1.
    costs : sequence of ndarray, shapes (k_a,)
        Cost along each curve.
    window : RateTolerance
        Maximum spread of the rates.
    randomize : bool
        Whether to mix neighboring thresholds, so that any rate can be reached. If not, a group without a rate
        within the tolerance may exceed the lowest rate by one of its rows (the median step of its rates).
    allow_zero : bool
        Whether all rates may be 0.

    Returns
    -------
    ndarray of float, shape (n_groups,)
        Positions; 3.25 means position 3 with probability 0.75 and position 4 with probability 0.25.
    """
    least = np.unique(np.concatenate(rates))
    if randomize:
        lowest = (least - window.slack) / window.factor
        least = np.unique(np.concatenate([least, lowest[lowest >= 0]]))
    if not allow_zero:
        least = least[least > 0]
    rows = [0.0 if randomize else float(np.median(np.diff(r)[np.diff(r) > 0])) for r in rates]
    parts = list(zip(rates, costs, rows, strict=True))

    def total(least: Floats, top: Floats) -> Floats:
        return np.sum([_least_cost(*part, least, top, randomize) for part in parts], axis=0)

    # A block of least rates is kept if its widest window could beat the best narrow one.
    first = np.arange(0, len(least), max(1, len(least) // BLOCKS))
    size = np.diff(np.append(first, len(least)))
    found = total(least[first], window.top(least[first])).min()
    bound = total(least[first], window.top(least[first + size - 1]) + max(rows))
    least = least[np.repeat(bound <= found * (1 + ROUNDING), size)]
    chosen = least[[total(least, window.top(least)).argmin()]]
    return np.array([_place(*part, chosen, window.top(chosen), randomize) for part in parts])


def _reach(r: Floats, row: float, least: Floats, top: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the range of positions with a rate in each window, or within one row of its lower end if there is none."""
    start = np.searchsorted(r, least - ROUNDING)
    stop = np.searchsorted(r, top + ROUNDING, side="right")
    empty = np.flatnonzero(stop <= start)
    stop[empty] = np.searchsorted(r, least[empty] + row + ROUNDING, side="right")
    return start, stop


def _between(r: Floats, rate: Floats) -> Floats:
    """Return the position, with its fraction, at which the curve has each rate."""
    right = np.clip(np.searchsorted(r, np.minimum(rate, 1.0)), 1, len(r) - 1)
    run = r[right] - r[right - 1]
    part = np.divide(rate - r[right - 1], run, out=np.zeros(len(rate)), where=run > 0)
    return right - 1 + np.clip(part, 0.0, 1.0)


def _least_cost(r: Floats, cost: Floats, row: float, least: Floats, top: Floats, randomize: bool) -> Floats:
    """Return the minimum cost of one group in each window; infinity if no position is in it."""
    best = -range_maximum(-cost, *_reach(r, row, least, top))
    if randomize:
        for rate in (least, top):
            best = np.minimum(best, np.interp(_between(r, rate), np.arange(len(r)), cost))
    return best


def _place(r: Floats, cost: Floats, row: float, least: Floats, top: Floats, randomize: bool) -> float:
    """Return the position of the minimum cost of one group in one window."""
    (start,), (stop,) = _reach(r, row, least, top)
    places = np.arange(start, stop, dtype=float)
    if randomize:
        places = np.concatenate([places, _between(r, least), _between(r, top)])
    return float(places[np.interp(places, np.arange(len(r)), cost).argmin()])


def mixture_at(position: float) -> Mixture:
    """Return the indices and probabilities that a position stands for.

    Examples
    --------
    >>> mixture_at(3.25)
    (array([3, 4]), array([0.75, 0.25]))
    """
    place = int(position)
    part = position - place
    if min(part, 1 - part) < LEAST_SHARE:
        return np.array([round(position)], dtype=np.intp), np.ones(1)
    return np.array([place, place + 1], dtype=np.intp), np.array([1 - part, part])


def parity_program(
    curves: Sequence[RocCurve],
    parities: Sequence[Sequence[Floats]],
    tolerance: float,
    costs: Sequence[Floats],
) -> list[Mixture]:
    """Return the mixtures of hull vertices at the minimum total cost with all parities within a tolerance.

    The variables are the weights of the vertices of each group's hull. A parity is linear in them: its
    highest value over the groups exceeds its lowest by at most the tolerance.

    Parameters
    ----------
    curves : sequence of RocCurve
        One per group.
    parities : sequence of sequence of ndarray
        For each parity and group, the rate to equalize, along the curve.
    tolerance : float
        Maximum difference between two groups.
    costs : sequence of ndarray
        Cost along each curve.

    Raises
    ------
    NotFeasibleError
        The solver finds no optimum.
    """
    corners = [curve.hull() for curve in curves]
    sizes = [len(at) for at in corners]
    n_groups, n_shares, n_parities = len(curves), sum(sizes), len(parities)
    group, share = np.repeat(np.arange(n_groups), sizes), np.arange(n_shares)
    blocks = [(np.ones(n_shares), n_parities * n_groups + group, share)]
    for m, parity in enumerate(parities):
        figures = np.concatenate([f[at] for f, at in zip(parity, corners, strict=True)])
        row = m * n_groups + np.arange(n_groups)
        blocks += [
            (figures, m * n_groups + group, share),
            (-np.ones(n_groups), row, np.full(n_groups, n_shares + m)),
        ]
    data, rows, columns = (np.concatenate(part) for part in zip(*blocks, strict=True))
    ends = n_parities * n_groups
    constraint = LinearConstraint(
        csr_array((data, (rows, columns)), shape=(ends + n_groups, n_shares + n_parities)),
        np.repeat([0.0, 1.0], [ends, n_groups]),
        np.repeat([tolerance, 1.0], [ends, n_groups]),
    )
    objective = np.concatenate([c[at] for c, at in zip(costs, corners, strict=True)])
    solution = milp(
        np.append(objective / objective.max(), np.zeros(n_parities)),
        constraints=constraint,
        bounds=Bounds(np.repeat([0.0, -np.inf], [n_shares, n_parities]), np.inf),
    )
    if solution.x is None:
        raise NotFeasibleError(
            f"the linear program of the thresholds has no solution ({' '.join(solution.message.split())}); raise the tolerance"
        )
    out: list[Mixture] = []
    for at, shares in zip(corners, np.split(solution.x[:n_shares], np.cumsum(sizes)[:-1]), strict=True):
        kept = shares > LEAST_SHARE
        out.append((at[kept], shares[kept] / shares[kept].sum()))
    return out


def rule_table(curves: Sequence[RocCurve], mixtures: Sequence[Mixture]) -> tuple[Floats, Floats]:
    """Return thresholds and probabilities as arrays of shape (n_groups, max thresholds), padded with probability 0."""
    most = max(len(places) for places, _ in mixtures)
    thresholds, shares = np.full((len(mixtures), most), SELECT_NONE), np.zeros((len(mixtures), most))
    for a, (curve, (places, part)) in enumerate(zip(curves, mixtures, strict=True)):
        thresholds[a, : len(places)] = curve.cuts[places]
        shares[a, : len(places)] = part
    return thresholds, shares


def decision_probability(
    scores: Floats, codes: NDArray[np.intp], thresholds: Floats, shares: Floats
) -> Floats:
    """Return the probability that each row is selected.

    The code -1 of an unseen group selects the last row of the table, which is the pooled rule.

    Examples
    --------
    >>> table = np.array([[0.4, 0.8], [0.5, 1.0]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    >>> decision_probability(np.array([0.6, 0.6, 0.2]), np.array([0, 1, -1]), *table).tolist()
    [0.5, 1.0, 0.0]
    """
    probability = np.zeros(len(scores))
    for t, w in zip(thresholds.T, shares.T, strict=True):
        probability += w[codes] * (scores >= t[codes])
    return np.minimum(probability, 1.0)


def rule_diagnostics(
    groups: Groups, curves: Sequence[RocCurve], mixtures: Sequence[Mixture], costs: Sequence[Floats]
) -> dict[str, Any]:
    """Return thresholds, expected rates and cost per row on the fitting data, ready for JSON.

    ``thresholds`` holds the most probable one; ``mixtures`` is present if a group has several.
    """
    named = list(zip(groups.labels, curves, mixtures, strict=False))
    out: dict[str, Any] = {"thresholds": {name: float(c.cuts[at[w.argmax()]]) for name, c, (at, w) in named}}
    if any(len(at) > 1 for _, _, (at, _) in named):
        out["mixtures"] = {
            name: [
                {"threshold": float(t), "share": float(part)} for t, part in zip(c.cuts[at], w, strict=True)
            ]
            for name, c, (at, w) in named
        }
    for figure, attribute in (
        ("selection_rate", "selection_rate"),
        ("true_positive_rate", "tpr"),
        ("false_positive_rate", "fpr"),
    ):
        values = {name: float(getattr(c, attribute)[at] @ w) for name, c, (at, w) in named}
        out[figure] = {name: None if np.isnan(value) else value for name, value in values.items()}
    rows = sum(float(c.tp[-1] + c.fp[-1]) for _, c, _ in named)
    cost = sum(float(cost[at] @ w) for (_, _, (at, w)), cost in zip(named, costs, strict=False))
    return {**out, "expected_cost": cost / rows}
