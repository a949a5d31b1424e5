"""Maps from scores to calibrated probabilities: logistic in transformed scores, never falling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, softmax
from scipy.special import logit as _logit

from fairmend.core.errors import NotFeasibleError
from fairmend.core.types import Floats

EDGE = 1e-12
MOST_STEPS = 100
PRECISION = 1e-10
PERFECT = 1e-8
ENOUGH = 50
ROUNDING = 1e-13


def inside(scores: Floats) -> Floats:
    """Return scores moved off 0 and 1 by 1e-12, so that their logarithms are finite."""
    return np.clip(scores, EDGE, 1 - EDGE)


def logit(scores: Floats) -> Floats:
    """Return ln(s / (1 - s)), at most 27.6 in size."""
    return np.asarray(_logit(inside(scores)))


def platt_targets(y: NDArray[np.int64], weights: Floats) -> Floats:
    """Return Platt's smoothed labels: (N+ + 1) / (N+ + 2) for 1 and 1 / (N- + 2) for 0.

    Examples
    --------
    >>> platt_targets(np.array([1, 0, 0]), np.ones(3)).tolist()
    [0.6666666666666666, 0.25, 0.25]
    """
    positive = float(weights @ y)
    negative = float(weights.sum()) - positive
    return np.where(y == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))


def log_loss(p: Floats, y: NDArray[np.int64], weights: Floats) -> float:
    """Return the weighted mean of -ln p for the label 1 and -ln(1 - p) for the label 0.

    With probabilities of several classes, shape (n, k), that of -ln of the label's own.
    """
    p = inside(p)
    if p.ndim == 2:
        return float(-np.average(np.log(p[np.arange(len(y)), y]), weights=weights))
    return float(-np.average(np.where(y == 1, np.log(p), np.log1p(-p)), weights=weights))


def loss_change(before: Floats, after: Floats, y: NDArray[np.int64], weights: Floats) -> dict[str, float]:
    """Return the log-loss of the scores before and after a map, for a technique's diagnostics."""
    return {"log_loss_before": log_loss(before, y, weights), "log_loss_after": log_loss(after, y, weights)}


def logistic_fit(Z: Floats, t: Floats, weights: Floats) -> Floats:
    """Return theta that minimizes the log-loss of sigma(Z theta) against t, without a penalty.

    Newton's method; a step is halved until the loss does not rise, but for rounding.

    Parameters
    ----------
    Z : ndarray of float, shape (n, k)
        Transformed scores, with a column of ones for an intercept.
    t : ndarray of float, shape (n,)
        Targets in [0, 1].
    weights : ndarray of float, shape (n,)
        Weights.

    Raises
    ------
    NotFeasibleError
        The scores separate the labels, so that there is no finite optimum.
    """
    w = weights / weights.sum()

    def loss(eta: Floats) -> float:
        return float(w @ (np.logaddexp(0.0, eta) - t * eta))

    theta = np.zeros(Z.shape[1])
    eta = np.zeros(len(Z))
    current = loss(eta)
    scale = np.maximum(w @ np.abs(Z), 1.0)
    for _ in range(MOST_STEPS):
        if current <= PERFECT:
            break
        p = expit(eta)
        gradient = Z.T @ (w * (p - t))
        if (np.abs(gradient) <= PRECISION * scale).all():
            return theta
        hessian = Z.T @ (Z * (w * p * (1 - p))[:, None])
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        while (reached := loss(eta := Z @ (theta - step))) > current + ROUNDING and np.abs(
            step
        ).max() > PRECISION:
            step /= 2
        theta, current = theta - step, reached
        if np.abs(step).max() <= PRECISION:
            return theta
    raise NotFeasibleError(
        "the scores separate the labels, so the logistic map has no finite optimum; use more held-out rows "
        "no model, or use platt-scaling, whose targets keep the map finite"
    )


def rising_fit(shapes: Floats, t: Floats, weights: Floats, *, intercept: bool = True) -> tuple[Floats, float]:
    """Return slopes of at least 0 and an intercept of the logistic map of these transformed scores.

    A slope that comes out negative is set to 0 and the rest is fitted again, the most negative
    first; with all at 0 the map is constant.

    Parameters
    ----------
    shapes : ndarray of float, shape (n, k)
        Rising functions of the score.
    t, weights : ndarray of float, shape (n,)
        Targets in [0, 1], and weights.
    intercept : bool
        Whether there is one.

    Returns
    -------
    slopes : ndarray of float, shape (k,)
    intercept : float
    """
    slopes = np.zeros(shapes.shape[1])
    kept = np.flatnonzero(np.ptp(shapes, axis=0) > 0)
    ones = np.ones((len(shapes), 1))
    while True:
        Z = np.hstack([shapes[:, kept], ones]) if intercept else shapes[:, kept]
        theta = logistic_fit(Z, t, weights)
        if not len(kept) or theta[: len(kept)].min() >= 0:
            break
        kept = np.delete(kept, int(theta[: len(kept)].argmin()))
    slopes[kept] = theta[: len(kept)]
    return slopes, float(theta[-1]) if intercept else 0.0


def margin(scores: Floats, scale: str) -> Floats:
    """Return the scores as Platt's map reads them: their ``logit``, or as they are (``probability``)."""
    return logit(scores) if scale == "logit" else scores


def platt_fit(s: Floats, y: NDArray[np.int64], weights: Floats) -> tuple[float, float]:
    """Return alpha >= 0 and beta of Platt's map sigma(alpha s + beta), fitted to his smoothed labels."""
    slopes, beta = rising_fit(s[:, None], platt_targets(y, weights), weights)
    return float(slopes[0]), beta


def group_platt_fit(
    s: Floats, codes: NDArray[np.intp], y: NDArray[np.int64], weights: Floats, minimum: float
) -> tuple[Floats, dict[int, tuple[float, float]]]:
    """Return Platt's map of each group, and which groups are too thin to have one of their own.

    Parameters
    ----------
    s : ndarray of float, shape (n,)
        Scores as :func:`margin` gives them.
    codes : ndarray of int, shape (n,)
        Groups from 0.
    y, weights : ndarray of shape (n,)
        Labels 0 and 1, and weights.
    minimum : float
        Weight of either label below which a group gets the map of all rows.

    Returns
    -------
    maps : ndarray of float, shape (n_groups + 1, 2)
        alpha and beta; the last line is the map of all rows, which the code -1 reads.
    thin : dict of int to (float, float)
        Weight of the labels 0 and 1 in each group that got the map of all rows.
    """
    pooled = platt_fit(s, y, weights)
    maps, thin = [], {}
    for code in range(int(codes.max()) + 1):
        rows = np.flatnonzero(codes == code)
        negative, positive = np.bincount(y[rows], weights=weights[rows], minlength=2)
        if min(negative, positive) < minimum:
            thin[code] = (float(negative), float(positive))
        maps.append(pooled if code in thin else platt_fit(s[rows], y[rows], weights[rows]))
    return np.array([*maps, pooled]), thin


def group_chances(scores: Floats, codes: NDArray[np.intp], y: NDArray[np.int64], weights: Floats) -> Floats:
    """Return the chance of the label 1 by Platt's map of each row's group, or of all rows if it is thin."""
    z = logit(scores)
    alpha, beta = group_platt_fit(z, codes, y, weights, ENOUGH)[0].T
    return expit(alpha[codes] * z + beta[codes])


def best_temperature(
    z: Floats, y: NDArray[np.int64], weights: Floats, bounds: tuple[float, float]
) -> tuple[float, bool]:
    """Return T within the bounds that minimizes the log-loss of sigma(z / T), and whether a bound holds it.

    With logits of several classes, shape (n, k), and their codes y it is that of softmax(z / T). The loss is
    convex in 1 / T, so its derivative, sum w (p - y) z, has at most one root.
    """
    w = weights / weights.sum()

    def slope(inverse: float) -> float:
        if z.ndim == 1:
            return float((w * (expit(inverse * z) - y)) @ z)
        return float(w @ ((softmax(inverse * z, axis=1) * z).sum(axis=1) - z[np.arange(len(y)), y]))

    low, high = 1 / bounds[1], 1 / bounds[0]
    if slope(low) >= 0:
        return bounds[1], True
    if slope(high) <= 0:
        return bounds[0], True
    return 1 / float(brentq(slope, low, high, xtol=1e-14, rtol=1e-13)), False
