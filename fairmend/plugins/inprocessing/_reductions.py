"""Fair learning as a game of weighted problems (Agarwal et al., ICML 2018 and 2019).

One player sets multipliers on a moment of the groups that must not exceed a bound, the other responds with
the best model for these multipliers. A moment computes all quantities from sums by group, so a round costs
little compared with training its models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from sklearn.base import clone
from sklearn.dummy import DummyClassifier

from fairmend.base import Floats, fit_weighted, split_learner

Train = Callable[[NDArray[Any], Floats], tuple[Any, NDArray[Any]]]
"""Takes labels and weights, shape (n,), and returns a model and its predictions of the rows."""

_PRECISION = 1e-8
_FIRST_STEP = 2.0
_LEAST_ROUNDS = 5
_PATIENCE, _ENOUGH, _SHRINK = 1.6, 0.8, 0.8
"""The step size shrinks if the gap has not fallen to this fraction while the number of rounds grew by this factor."""
_SCALES = (1.0, 2.0, 5.0, 10.0)
"""Multiples of the multipliers at which a better response is searched for."""


class Moment(Protocol):
    """The quantities that a bound limits, and the error to minimize."""

    @property
    def n_constraints(self) -> int:
        """Number of constraints, each with a multiplier."""

    def error(self, prediction: Floats) -> float:
        """Return the error to minimize."""

    def half_standard_error(self, prediction: Floats) -> float:
        """Return half the standard error of the error, the default duality gap at which to stop."""

    def violations(self, prediction: Floats) -> Floats:
        """Return the quantities to bound, shape (n_constraints,)."""

    def problem(self, prices: Floats) -> tuple[NDArray[Any], Floats]:
        """Return labels and weights, shape (n,), whose best model is the best response to these multipliers."""

    def least_prices(self, prices: Floats) -> Floats:
        """Return the smallest multipliers with the same effect."""


@dataclass(frozen=True)
class Mixture:
    """A mixture of models and how it was found.

    Attributes
    ----------
    members : list
        The models of positive weight.
    weights : ndarray of float
        Their weights, which sum to 1.
    gap : float
        Duality gap: upper bound on the distance of the mixture from the optimum.
    tolerance : float
        The gap at which to stop.
    rounds, calls : int
        Rounds played and models trained.
    """

    members: list[Any]
    weights: Floats
    gap: float
    tolerance: float
    rounds: int
    calls: int

    def diagnostics(self) -> dict[str, Any]:
        """Return how the game ended."""
        return {
            "converged": self.gap < self.tolerance,
            "best_gap": self.gap,
            "iterations": self.rounds,
            "oracle_calls": self.calls,
            "members": len(self.members),
        }


@dataclass(frozen=True)
class Oracle:
    """A learner that answers each weighted problem on the same rows, encoded once.

    Attributes
    ----------
    encoder : transformer
        What encodes the features, fitted.
    values : array of shape (n, p)
        The encoded features.
    learner : unfitted classifier or regressor
        What is trained on them.
    """

    encoder: Any
    values: Any
    learner: Any

    @classmethod
    def of(cls, learner: Any, X: Any, y: NDArray[Any], random_state: int | None) -> Oracle:
        """Return the oracle of a learner; one without a seed gets that of the technique."""
        encoder, model = split_learner(learner)
        if model.get_params().get("random_state", 0) is None:
            model.set_params(random_state=random_state or 0)
        return cls(encoder, encoder.fit_transform(X, y), model)

    def __call__(self, labels: NDArray[Any], weights: Floats) -> tuple[Any, NDArray[Any]]:
        """Return a model of labels and weights, and its predictions; a single label needs no training."""
        constant = labels.dtype.kind == "i" and len(np.unique(labels)) == 1  # classes, not numbers
        model = DummyClassifier(strategy="most_frequent") if constant else clone(self.learner)
        model = fit_weighted(model, self.values, labels, weights)
        return model, model.predict(self.values)


@dataclass
class _Game:
    """The models found so far, with their errors and violations."""

    moment: Moment
    train: Train
    bound: float
    most: float
    members: list[Any] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    violations: list[Floats] = field(default_factory=list)
    answers: dict[bytes, tuple[Any, float, Floats]] = field(default_factory=dict)
    half_standard_error: float = np.nan

    def best_response(self, prices: Floats) -> int:
        """Train a best response to these multipliers and return the index of the best model."""
        labels, weights = self.moment.problem(prices)
        problem = labels.tobytes() + weights.tobytes()
        if problem not in self.answers:
            member, predicted = self.train(labels, weights)
            prediction = np.asarray(predicted, dtype=float)
            if not self.answers:
                self.half_standard_error = self.moment.half_standard_error(prediction)
            self.answers[problem] = (
                member,
                self.moment.error(prediction),
                self.moment.violations(prediction),
            )
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
        return error + float(self.moment.least_prices(prices) @ excess), worst

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
        """Return the best mixture of the models found so far and its multipliers."""
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
    moment: Moment,
    train: Train,
    *,
    bound: float,
    eps: float,
    max_iter: int,
    max_calls: int | None = None,
    tolerance: float | None = None,
) -> Mixture:
    """Find the mixture of models with the lowest error whose violations are within a bound (algorithm 1).

    As in Fairlearn, a linear program over the models found so far replaces the average of the responses
    if it is better.

    Parameters
    ----------
    moment : Moment
        The quantities to bound.
    train : callable
        Trains a model on labels and weights.
    bound : float
        Allowed violation.
    eps : float
        One divided by the maximum sum of multipliers, B.
    max_iter : int
        Maximum number of rounds.
    max_calls : int, optional
        Number of trained models after which no new round starts.
    tolerance : float, optional
        Gap at which to stop; by default half the standard error of the first model's error.
    """
    game = _Game(moment, train, bound, 1 / eps)
    theta = np.zeros(moment.n_constraints)
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
            tolerance = game.half_standard_error
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
    return Mixture(members, weights, gap, float(tolerance or 0.0), len(found), len(game.answers))
