"""Logistic regression under linear bounds: Newton steps, each an exact quadratic program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, null_space, qr, solve_triangular
from scipy.optimize import nnls
from scipy.special import expit

from fairmend.base import Floats, NotFeasibleError

_SUFFICIENT = 1e-4
"""Share of the decrease predicted by the slope that a step must reach (Armijo)."""
_SHORTEST = 2.0**-40


@dataclass(frozen=True)
class LogisticLoss:
    """Weighted mean of the logistic loss, with a ridge.

    Attributes
    ----------
    design : ndarray of float, shape (n, p)
        Features, including a constant column if an intercept is wanted.
    y : ndarray, shape (n,)
        Labels 0 and 1.
    weights : ndarray of float, shape (n,)
        Sample weights; only their ratios matter.
    ridge : ndarray of float, shape (p,)
        Factor of half the square of each coefficient.
    """

    design: Floats
    y: NDArray[np.int64]
    weights: Floats
    ridge: Floats

    def at(self, theta: Floats) -> tuple[float, Floats]:
        """Return value and gradient."""
        margin = self.design @ theta
        share = self.weights / self.weights.sum()
        shrunk = self.ridge * theta
        value = share @ (np.logaddexp(0, margin) - self.y * margin) + shrunk @ theta / 2
        return float(value), self.design.T @ (share * (expit(margin) - self.y)) + shrunk

    def hessian(self, theta: Floats) -> Floats:
        """Return the Hessian, shape (p, p)."""
        p = expit(self.design @ theta)
        curvature = self.weights / self.weights.sum() * p * (1 - p)
        return (self.design * curvature[:, None]).T @ self.design + np.diag(self.ridge)


@dataclass(frozen=True)
class BoundedFit:
    """The result of the minimization.

    Attributes
    ----------
    theta : ndarray, shape (p,)
        Coefficients.
    losses : tuple of float
        The loss at the start and after each step; it never rises.
    gradient_norm : float
        Greatest absolute component of the gradient of the Lagrangian.
    converged : bool
        Whether ``gradient_norm`` reached the tolerance.
    """

    theta: Floats
    losses: tuple[float, ...]
    gradient_norm: float
    converged: bool


def newton_within_bounds(
    loss: LogisticLoss, D: Floats, c: Floats, start: Floats, *, tolerance: float, max_iter: int
) -> BoundedFit:
    """Minimize a logistic loss subject to |D theta| <= c, row by row.

    Every iterate is feasible: a step minimizes the Newton model of the loss under the bounds, and the bounds
    are convex, so a shortened step is feasible too.

    Parameters
    ----------
    loss : LogisticLoss
        What to minimize.
    D : ndarray, shape (k, p)
        Rows of the bounds; they may be linearly dependent.
    c : ndarray, shape (k,)
        Nonnegative bounds; infinity means no bound, and 0 restricts theta to the null space of the row.
    start : ndarray, shape (p,)
        A feasible point.
    tolerance : float
        Gradient norm at which to stop.
    max_iter : int
        Maximum number of Newton steps.

    Raises
    ------
    NotFeasibleError
        The Hessian is singular: collinear features or linearly separable classes, without a ridge.
    """
    N = _null_space(D[c == 0], len(start))
    theta, D, c = N @ (N.T @ start), D[c > 0], c[c > 0]
    value, gradient = loss.at(theta)
    losses = [value]
    for step in range(max_iter + 1):
        g, H = N.T @ gradient, N.T @ loss.hessian(theta) @ N
        direction, multipliers = _newton_step(g, H, D @ N, c, D @ theta)
        residual = float(np.abs(g - N.T @ D.T @ multipliers).max())
        if residual <= tolerance or step == max_iter:
            break
        moved = _descend(loss, theta, value, gradient, N @ direction)
        if moved is None:
            break
        theta, value, gradient = moved
        losses.append(value)
    return BoundedFit(theta, tuple(losses), residual, residual <= tolerance)


def _null_space(D: Floats, width: int) -> Floats:
    """Return an orthonormal basis of {theta: D theta = 0} as columns."""
    return null_space(D) if len(D) else np.eye(width)


def _newton_step(g: Floats, H: Floats, D: Floats, c: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Return the step d of least g'd + d'Hd / 2 with |at + D d| <= c, and the multipliers of the bounds.

    In u = L'd + inv(L) g with H = LL' this is a least-distance problem: the smallest u with G u >= h.
    Non-negative least squares solves it exactly, even if rows of G are linearly dependent (C. Lawson & R.
    Hanson, *Solving Least Squares Problems*, chapter 23, algorithm LDP).
    """
    try:
        L = cholesky(H, lower=True)
    except LinAlgError as error:
        raise NotFeasibleError(
            "the logistic loss has no unique minimum (collinear features or linearly separable classes); set a ridge above 0"
        ) from error
    newton = solve_triangular(L, g, lower=True)
    E = solve_triangular(L, D.T, lower=True).T
    reached = at - E @ newton
    h = np.concatenate([-c - reached, reached - c])
    u = np.zeros_like(g)
    multipliers = np.zeros(len(c))
    if (h > 0).any():
        finite = np.flatnonzero(np.isfinite(h))
        Q, R = qr(E.T, mode="economic")
        G = np.concatenate([R.T, -R.T])
        A = np.column_stack([G, h])[finite].T
        target = np.zeros(len(A))
        target[-1] = 1.0
        z = np.zeros(len(h))
        z[finite] = nnls(A, target, maxiter=100 * A.shape[1])[0]
        z /= 1 - h[finite] @ z[finite]
        multipliers = z[: len(c)] - z[len(c) :]
        u = Q @ (R @ multipliers)
    return solve_triangular(L, u - newton, lower=True, trans="T"), multipliers


def _descend(
    loss: LogisticLoss, theta: Floats, value: float, gradient: Floats, direction: Floats
) -> tuple[Floats, float, Floats] | None:
    """Return the first point of a backtracking line search that decreases the loss enough, or None if there is none."""
    slope = float(gradient @ direction)
    length = 1.0
    while length > _SHORTEST:
        point = theta + length * direction
        there, slopes = loss.at(point)
        if there <= value + _SUFFICIENT * length * slope:
            return point, there, slopes
        length /= 2
    return None
