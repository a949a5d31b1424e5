"""Logistic regressions of several groups, fitted together by a smooth objective of all their coefficients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

from fairmend.base import Floats, Groups, InsufficientDataError
from fairmend.plugins.inprocessing._constrained_logistic import LogisticLoss


def group_losses(
    X: Floats, groups: Groups, y: NDArray[np.int64], sample_weight: Floats, ridge: float
) -> list[LogisticLoss]:
    """Return the logistic loss of each group, with an intercept.

    Raises
    ------
    InsufficientDataError
        A group has rows of one label only.
    """
    design = np.column_stack([X, np.ones(len(X))])
    parts = []
    for a, group in enumerate(groups.labels):
        rows = np.flatnonzero((groups.codes == a) & (sample_weight > 0))
        if len(np.unique(y[rows])) < 2:
            raise InsufficientDataError(
                f"the group {group!r} lacks rows of the label {0 if y[rows].all() else 1}, so it cannot "
                "be fitted separately; merge groups or leave out this attribute"
            )
        w = sample_weight[rows]
        parts.append(LogisticLoss(design[rows], y[rows], w, np.full(design.shape[1], ridge / w.sum())))
    return parts


def minimize_from(
    at: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    curvature: Sequence[Floats],
    *,
    tolerance: float,
    max_iter: int,
) -> tuple[Floats, int]:
    """Minimize an objective by L-BFGS, in coordinates in which it is about round at the start.

    Parameters
    ----------
    at : callable
        Takes coefficients, shape (groups, p); returns the value and the gradient.
    start : ndarray of shape (groups, p)
        First coefficients.
    curvature : sequence of ndarray of shape (p, p)
        Positive definite second derivatives there, of each group.
    tolerance, max_iter : float, int
        Gradient at which to stop, and maximum number of iterations.

    Returns
    -------
    theta : ndarray of shape (groups, p)
        The coefficients.
    iterations : int
        Number of iterations.
    """
    L = [cholesky(H, lower=True) for H in curvature]

    def theta(phi: Floats) -> Floats:
        rows = zip(L, phi.reshape(start.shape), strict=True)
        return start + np.array([solve_triangular(low, row, lower=True, trans="T") for low, row in rows])

    def rounded(phi: Floats) -> tuple[float, Floats]:
        value, gradient = at(theta(phi))
        rows = zip(L, gradient, strict=True)
        return value, np.concatenate([solve_triangular(low, row, lower=True) for low, row in rows])

    fit = minimize(
        rounded,
        np.zeros(start.size),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iter, "gtol": tolerance / 10, "ftol": 0.0},
    )
    return theta(fit.x), int(fit.nit)
