"""Mean losses of groups as the moment of a reduction (Agarwal, Dudík and Wu, ICML 2019)."""

from __future__ import annotations

import numpy as np

from fairmend.base import Floats, Groups


class GroupLossMoment:
    """The mean loss of each group, as the moment of a reduction.

    Labels and predictions are measured in standard deviations of the labels, and predictions are clipped to
    their range, so losses are bounded.

    Parameters
    ----------
    groups : Groups
        Groups of the rows.
    y : ndarray of float, shape (n,)
        Labels.
    weights : ndarray of float, shape (n,)
        Sample weights.
    """

    def __init__(self, groups: Groups, y: Floats, weights: Floats) -> None:
        self.y, self.weights, self.codes = y, weights, groups.codes
        self.n_constraints = groups.n_groups
        self.scale = float(np.sqrt(np.cov(y, aweights=weights))) or 1.0
        self.range = (float(y.min()), float(y.max()))
        self.p = np.bincount(self.codes, weights, minlength=groups.n_groups) / weights.sum()

    def loss(self, prediction: Floats) -> Floats:
        """Return l(y, u) = (y - u)^2 of each row, in variances of the labels."""
        return ((self.y - np.clip(prediction, *self.range)) / self.scale) ** 2

    def error(self, prediction: Floats) -> float:
        """Return E[l(Y, f(X))]."""
        return float(np.average(self.loss(prediction), weights=self.weights))

    def half_standard_error(self, prediction: Floats) -> float:
        """Return half the standard error of the mean loss; unequal weights reduce the effective sample size (Kish)."""
        loss, w = self.loss(prediction), self.weights
        n = w.sum() ** 2 / (w**2).sum()
        spread = np.average((loss - np.average(loss, weights=w)) ** 2, weights=w)
        return float(0.5 * np.sqrt(spread / n))

    def violations(self, prediction: Floats) -> Floats:
        """Return E[l(Y, f(X)) | A = a] of each group."""
        sums = np.bincount(self.codes, self.weights * self.loss(prediction), minlength=len(self.p))
        return np.asarray(sums / (self.p * self.weights.sum()))

    def problem(self, prices: Floats) -> tuple[Floats, Floats]:
        """Return the labels as they are, and the weights 1 + lambda_a / p_a of the Lagrangian."""
        w = self.weights * (1 + prices / self.p)[self.codes]
        return self.y, w * self.weights.sum() / w.sum()

    def least_prices(self, prices: Floats) -> Floats:
        """Return the multipliers; no smaller ones have the same effect."""
        return prices
