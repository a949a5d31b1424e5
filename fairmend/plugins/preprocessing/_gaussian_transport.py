"""Optimal transport between normal distributions: maps and barycenter in closed form, or nearly."""

from __future__ import annotations

import numpy as np

from fairmend.base import Floats

SMALLEST = 1e-12
"""Relative variance below which a direction counts as absent."""
MOST_STEPS = 200
"""The fixed point is reached to rounding in some ten steps; only nearly singular covariances need more."""


def roots(sigma: Floats) -> tuple[Floats, Floats]:
    """Return the root of a covariance, and the pseudoinverse of the root."""
    values, V = np.linalg.eigh(sigma)
    root = np.sqrt(np.where(values > SMALLEST * max(values.max(), 1.0), values, 0.0))
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    return (V * root) @ V.T, (V * inverse) @ V.T


def optimal_map(source: Floats, target: Floats) -> Floats:
    """Return the matrix A of the optimal map between centered normal distributions, x to A x.

    A = S^{-1/2} (S^{1/2} T S^{1/2})^{1/2} S^{-1/2} with the covariances S and T.

    Examples
    --------
    >>> optimal_map(np.diag([1.0, 4.0]), np.diag([9.0, 1.0])).tolist()
    [[3.0, 0.0], [0.0, 0.5]]
    """
    root, inverse = roots(source)
    return inverse @ roots(root @ target @ root)[0] @ inverse


def gaussian_barycenter(sigmas: list[Floats], p: Floats) -> Floats:
    """Return the covariance of the Wasserstein-2 barycenter of centered normal distributions.

    It is the fixed point of S = sum_a p_a (S^{1/2} S_a S^{1/2})^{1/2}; see Alvarez-Esteban et al. (2016),
    "A fixed-point approach to barycenters in Wasserstein space", whose step is taken here.

    Examples
    --------
    >>> gaussian_barycenter([np.eye(1) * 4.0, np.eye(1) * 16.0], np.array([0.5, 0.5])).round(9).tolist()
    [[9.0]]
    """
    sigma = np.tensordot(p, np.stack(sigmas), axes=1)
    for _ in range(MOST_STEPS):
        root, inverse = roots(sigma)
        mean = sum(weight * roots(root @ s @ root)[0] for weight, s in zip(p, sigmas, strict=True))
        moved = inverse @ mean @ mean @ inverse
        if np.abs(moved - sigma).max() <= 1e-12 * np.abs(sigma).max():
            break
        sigma = moved
    return np.asarray(sigma)
