"""Fair classification as a game of weighted classification problems (Agarwal et al., ICML 2018).

One player sets multipliers on the differences of the groups' rates from the overall rate, the other responds
with the best classifier for these multipliers. All quantities come from one table of events by groups, so a
round costs little compared with training its classifiers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from fairmend.base import Groups, InsufficientDataError
from fairmend.core.types import Floats

Constraint = Literal[
    "demographic_parity", "equalized_odds", "true_positive_rate_parity", "false_positive_rate_parity"
]
Train = Callable[[NDArray[np.int64], Floats], tuple[Any, NDArray[Any]]]

_EVENTS = {
    "demographic_parity": (0, 0),
    "equalized_odds": (0, 1),
    "true_positive_rate_parity": (-1, 0),
    "false_positive_rate_parity": (0, -1),
}
"""The event of a row with label 0 and of one with label 1; groups are compared within events."""
_PRECISION = 1e-8
_FIRST_STEP = 2.0
_LEAST_ROUNDS = 5
_PATIENCE, _ENOUGH, _SHRINK = 1.6, 0.8, 0.8
"""The step size shrinks if the gap has not fallen to this fraction while the number of rounds grew by this factor."""
_SCALES = (1.0, 2.0, 5.0, 10.0)
"""Multiples of the multipliers at which a better response is searched for."""


class GroupRateMoment:
    """Differences between the groups' rates of positive decisions and the overall rate, within events.

    Parameters
    ----------
    constraint : str
        The events: all rows, each label, the label 1 or the label 0.
    sensitive : Groups
        Groups of the rows.
    y : ndarray of int, shape (n,)
        Labels 0 and 1.
    weights : ndarray of float, shape (n,)
        Sample weights.

    Raises
    ------
    InsufficientDataError
        A group has no row of a label on which its rate is conditional.
    """

    def __init__(
        self, constraint: Constraint, sensitive: Groups, y: NDArray[np.int64], weights: Floats
    ) -> None:
        event = np.asarray(_EVENTS[constraint], dtype=np.intp)[y]
        self.y, self.weights, self.total = y, weights, float(weights.sum())
        self._rows = np.flatnonzero(event >= 0)
        self._cell = (event * sensitive.n_groups + sensitive.codes)[self._rows]
        self._shape = (int(event.max()) + 1, sensitive.n_groups)
        self._size = self._sums(np.ones(len(y)))
        if (self._size == 0).any():
            found, group = np.argwhere(self._size == 0)[0]
            raise InsufficientDataError(
                f"no row of the group {sensitive.labels[group]!r} has the label "
                f"{_EVENTS[constraint].index(int(found))}, so {constraint} is undefined for it; merge "
                "groups, leave out this attribute, or use demographic_parity"
            )

    @property
    def n_cells(self) -> int:
        """Number of cells of event and group."""
        return self._shape[0] * self._shape[1]

    def _sums(self, values: Floats) -> Floats:
        mass = (self.weights * values)[self._rows]
        return np.bincount(self._cell, mass, minlength=self.n_cells).astype(float).reshape(self._shape)

    def rates(self, chance: Floats) -> Floats:
        """Return the rate of each event and group, shape (events, groups)."""
        return self._sums(chance) / self._size

    def error(self, chance: Floats) -> float:
        """Return the weighted error rate."""
        return float(self.weights @ np.abs(self.y - chance)) / self.total

    def violations(self, chance: Floats) -> Floats:
        """Return each group's rate minus the overall rate, and its negative, shape (2 * n_cells,)."""
        pooled = self._sums(chance).sum(axis=1, keepdims=True) / self._size.sum(axis=1, keepdims=True)
        v = (self.rates(chance) - pooled).ravel()
        return np.concatenate([v, -v])

    def gains(self, prices: Floats) -> Floats:
        """Return by how much the decision 1 lowers the Lagrangian, per row (above Theorem 1)."""
        net = (prices[: self.n_cells] - prices[self.n_cells :]).reshape(self._shape)
        relief = net.sum(axis=1, keepdims=True) / self._size.sum(axis=1, keepdims=True) - net / self._size
        out = 2.0 * self.y - 1
        out[self._rows] += self.total * relief.ravel()[self._cell]
        return self.weights * out

    def least_prices(self, prices: Floats) -> Floats:
        """Return the smallest multipliers with the same effect.

        Within an event the violations, weighted by the size of the group, sum to zero, so the multipliers may
        be shifted in proportion to the sizes; a weighted median is the best shift.
        """
        net = (prices[: self.n_cells] - prices[self.n_cells :]).reshape(self._shape)
        share = self._size / self._size.sum(axis=1, keepdims=True)
        ratio = net / share
        order = np.argsort(ratio, axis=1, kind="stable")
        reached = np.cumsum(np.take_along_axis(share, order, axis=1), axis=1)
        middle = (reached < reached[:, -1:] / 2).sum(axis=1, keepdims=True)
        shift = np.take_along_axis(ratio, np.take_along_axis(order, middle, axis=1), axis=1)
        net = (net - share * shift).ravel()
        return np.concatenate([net.clip(min=0), (-net).clip(min=0)])


@dataclass(frozen=True)
class RandomizedClassifier:
    """A randomized classifier and how it was found.

    Attributes
    ----------
    members : list
        The classifiers of positive weight.
    weights : ndarray of float
        Their weights, which sum to 1.
    gap : float
        Duality gap: upper bound on the distance of the mixture from the optimum.
    tolerance : float
        The gap at which to stop.
    rounds, calls : int
        Rounds played and classifiers trained.
    """

    members: list[Any]
    weights: Floats
    gap: float
    tolerance: float
    rounds: int
    calls: int


@dataclass
class _Game:
    """The classifiers found so far, with their errors and violations."""

    parity: GroupRateMoment
    train: Train
    bound: float
    most: float
    members: list[Any] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    violations: list[Floats] = field(default_factory=list)
    answers: dict[bytes, tuple[Any, float, Floats]] = field(default_factory=dict)

    def best_response(self, prices: Floats) -> int:
        """Train a best response to these multipliers and return the index of the best classifier."""
        gains = self.parity.gains(prices)
        problem = gains.tobytes()
        if problem not in self.answers:
            weights = np.abs(gains) * self.parity.total / np.abs(gains).sum()
            member, decisions = self.train((gains > 0).astype(np.int64), weights)
            chance = np.asarray(decisions, dtype=float)
            self.answers[problem] = member, self.parity.error(chance), self.parity.violations(chance)
        member, error, violation = self.answers[problem]
        values = [e + prices @ v for e, v in zip(self.errors, self.violations, strict=True)]
        if values and error + prices @ violation >= min(values) - _PRECISION:
            return int(np.argmin(values))
        self.members.append(member)
        self.errors.append(error)
        self.violations.append(violation)
        return len(self.members) - 1

    def value(self, Q: Floats, prices: Floats) -> tuple[float, float]:
        """Return the Lagrangian of a mixture at the multipliers, and at its worst-case multipliers."""
        used = len(Q)
        error = float(Q @ self.errors[:used])
        excess = Q @ np.array(self.violations[:used]) - self.bound
        worst = error + self.most * max(0.0, float(excess.max()))
        return error + float(self.parity.least_prices(prices) @ excess), worst

    def gap(self, Q: Floats, prices: Floats, tolerance: float) -> float:
        """Return how much either player could still gain; stop early once that exceeds the tolerance."""
        value, worst = self.value(Q, prices)
        least = value
        for scale in _SCALES:
            answer = self.best_response(scale * prices)
            least = min(least, self.value(np.eye(len(self.members))[answer], prices)[0])
            if max(value - least, worst - value) > tolerance + _PRECISION:
                break
        return max(value - least, worst - value)

    def program(self) -> tuple[Floats, Floats]:
        """Return the best mixture of the classifiers found so far and its multipliers."""
        excess = np.array(self.violations).T - self.bound
        A = np.column_stack([excess, -np.ones(len(excess))])
        c = np.append(self.errors, self.most)
        total = np.append(np.ones(len(self.errors)), 0.0)[None]
        b = np.zeros(len(A))
        primal = linprog(c, A_ub=A, b_ub=b, A_eq=total, b_eq=[1.0], method="highs-ds")
        free = [(0, None)] * len(A) + [(None, None)]
        dual = linprog(np.append(b, -1.0), A_ub=np.column_stack([-A.T, total.T]), b_ub=c, bounds=free, method="highs-ds")  # fmt: skip
        return np.asarray(primal.x)[:-1], np.asarray(dual.x)[:-1]


def exponentiated_gradient(
    parity: GroupRateMoment,
    train: Train,
    *,
    bound: float,
    eps: float,
    max_iter: int,
    max_calls: int | None = None,
    tolerance: float | None = None,
) -> RandomizedClassifier:
    """Find the mixture of classifiers with the lowest error whose violations are within a bound (algorithm 1).

    As in Fairlearn, a linear program over the classifiers found so far replaces the average of the responses
    if it is better.

    Parameters
    ----------
    parity : GroupRateMoment
        The rates to equalize.
    train : callable
        Takes labels and weights, shape (n,), and returns a classifier and its decisions on the rows.
    bound : float
        Allowed violation.
    eps : float
        One divided by the maximum sum of multipliers, B.
    max_iter : int
        Maximum number of rounds.
    max_calls : int, optional
        Number of trained classifiers after which no new round starts.
    tolerance : float, optional
        Gap at which to stop; by default half the standard error of the first classifier's error.
    """
    game = _Game(parity, train, bound, 1 / eps)
    theta = np.zeros(2 * parity.n_cells)
    paid, answers = np.zeros_like(theta), np.zeros(0)
    step, checked, former = _FIRST_STEP * eps, _LEAST_ROUNDS, np.inf
    average_gaps: list[float] = []
    found: list[tuple[float, Floats]] = []
    program: tuple[int, float, Floats] = (1, np.inf, np.zeros(0))
    for t in range(max_iter):
        prices = game.most * np.exp(theta) / (1 + np.exp(theta).sum())
        paid += prices
        h = game.best_response(prices)
        if tolerance is None:
            tolerance = _half_standard_error(game.errors[h], parity.weights)
        answers = np.pad(answers, (0, max(0, h + 1 - len(answers))))
        answers[h] += 1
        Q = answers / answers.sum()
        average_gaps.append(game.gap(Q, paid / (t + 1), tolerance))
        if t > 0 and program[0] != len(game.members):
            size = len(game.members)
            best, supporting = game.program()
            program = (size, game.gap(best, supporting, tolerance), best)
        found.append((average_gaps[-1], Q) if average_gaps[-1] < program[1] else program[1:])
        if (found[-1][0] < tolerance and t >= _LEAST_ROUNDS) or len(game.answers) >= (max_calls or np.inf):
            break
        if t >= checked * _PATIENCE:
            if min(average_gaps) > former * _ENOUGH:
                step *= _SHRINK
            checked, former = t, min(average_gaps)
        theta = theta + step * (game.violations[h] - bound)
    least = min(gap for gap, _ in found)
    gap, Q = [entry for entry in found if entry[0] <= least + _PRECISION][-1]
    chosen = np.flatnonzero(Q > 0)
    weights = Q[chosen] / Q[chosen].sum()
    members = [game.members[i] for i in chosen]
    return RandomizedClassifier(members, weights, gap, float(tolerance or 0.0), len(found), len(game.answers))


def _half_standard_error(error: float, weights: Floats) -> float:
    """Return half the standard error of an error rate; unequal weights reduce the effective sample size (Kish)."""
    n = weights.sum() ** 2 / (weights**2).sum()
    return float(0.5 * np.sqrt(error * (1 - error) / (n - 1)))
