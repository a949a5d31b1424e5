"""Rates of decisions by group as the moment of a reduction (Agarwal et al., ICML 2018)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fairmend.base import Floats, Groups, InsufficientDataError

Constraint = Literal[
    "demographic_parity", "equalized_odds", "true_positive_rate_parity", "false_positive_rate_parity"
]

_EVENTS = {
    "demographic_parity": (0, 0),
    "equalized_odds": (0, 1),
    "true_positive_rate_parity": (-1, 0),
    "false_positive_rate_parity": (0, -1),
}
"""The event of a row with label 0 and of one with label 1; groups are compared within events."""


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

    @property
    def n_constraints(self) -> int:
        """Number of constraints: two per cell, above and below the overall rate."""
        return 2 * self.n_cells

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

    def problem(self, prices: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Return labels and weights whose best classifier is the best response to these multipliers."""
        gains = self.gains(prices)
        size = np.abs(gains)
        return (gains > 0).astype(np.int64), size * self.total / size.sum()

    def half_standard_error(self, chance: Floats) -> float:
        """Return half the standard error of the error rate; unequal weights reduce the effective sample size (Kish)."""
        error = self.error(chance)
        n = self.weights.sum() ** 2 / (self.weights**2).sum()
        return float(0.5 * np.sqrt(error * (1 - error) / (n - 1)))

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
