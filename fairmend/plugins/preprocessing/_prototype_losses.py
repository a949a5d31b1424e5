"""The losses of learning fair representations and their gradient, Zemel et al. 2013."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import softmax

from fairmend.base import Floats, Ints

EPS = float(np.finfo(float).eps)


def distances(X: Floats, V: Floats) -> Floats:
    """Return the Euclidean distance of each row to each prototype, shape (n, K)."""
    squared = (X**2).sum(axis=1)[:, None] - 2 * X @ V.T + (V**2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(squared, EPS)))


def memberships(X: Floats, V: Floats) -> Floats:
    """Return M, the softmax of the negative distances to the prototypes; rows sum to 1, shape (n, K).

    Examples
    --------
    >>> memberships(np.array([[0.0], [5.0]]), np.array([[1.0], [9.0]])).round(2).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    return np.asarray(softmax(-distances(X, V), axis=1))


@dataclass(frozen=True)
class PrototypeLosses:
    """The objective A_x L_x + A_y L_y + A_z L_z on encoded features.

    L_x = sum over two groups of the mean squared error of the reconstruction M V, L_y the mean logarithmic loss
    of M w, L_z the mean over prototypes of |mean of M in one group - mean of M in the other|. With more groups
    L_x is twice the mean over groups, and L_z the mean over pairs.

    Attributes
    ----------
    X : ndarray of shape (n, d)
        Encoded features.
    y, codes : ndarray of int, shape (n,)
        Labels, groups.
    w : ndarray of shape (n,)
        Weights of the rows.
    A_x, A_y, A_z : float
        Weights of the losses.
    """

    X: Floats
    y: Ints
    codes: Ints
    w: Floats
    A_x: float
    A_y: float
    A_z: float

    def losses(self, theta: Floats, n_prototypes: int) -> tuple[float, float, float]:
        """Return L_x, L_y and L_z at theta, which holds w and then V row by row."""
        return self._evaluated(theta, n_prototypes)[0]

    def objective(self, theta: Floats, n_prototypes: int) -> tuple[float, Floats]:
        """Return the objective and its gradient; at the kinks of L_z, a subgradient."""
        (L_x, L_y, L_z), gradient = self._evaluated(theta, n_prototypes)
        return self.A_x * L_x + self.A_y * L_y + self.A_z * L_z, gradient

    def _evaluated(self, theta: Floats, K: int) -> tuple[tuple[float, float, float], Floats]:
        X, y, w = self.X, self.y, self.w
        weights, V = theta[:K], theta[K:].reshape(K, -1)
        n_a = np.bincount(self.codes, w)
        D = distances(X, V)
        M = np.asarray(softmax(-D, axis=1))
        share = w / n_a[self.codes]  # of a row in its group

        residual = M @ V - X
        error = 2 / len(n_a) / X.shape[1] * share[:, None] * residual
        L_x = float((error * residual).sum())

        raw = M @ weights
        y_hat = np.clip(raw, EPS, 1 - EPS)
        p = w / w.sum()
        L_y = -float(p @ (y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat)))
        slope = np.where(raw == y_hat, p * (y_hat - y) / (y_hat * (1 - y_hat)), 0.0)

        mean = np.stack([np.bincount(self.codes, share * m) for m in M.T], axis=1)
        pairs, signs, L_z = list(combinations(range(len(n_a)), 2)), np.zeros_like(mean), 0.0
        for a, b in pairs:
            gap = mean[a] - mean[b]
            L_z += float(np.abs(gap).mean()) / len(pairs)
            signs[a] += np.sign(gap) / (K * len(pairs))
            signs[b] -= np.sign(gap) / (K * len(pairs))

        dL_dM = 2 * self.A_x * error @ V.T + self.A_y * np.outer(slope, weights)
        dL_dM += self.A_z * share[:, None] * signs[self.codes]
        pull = M * (dL_dM - (M * dL_dM).sum(axis=1, keepdims=True)) / D  # minus the slope in D, over D
        to_w = self.A_y * (M.T @ slope)
        to_V = 2 * self.A_x * M.T @ error + pull.T @ X - pull.sum(axis=0)[:, None] * V
        return (L_x, L_y, L_z), np.concatenate([to_w, to_V.ravel()])
