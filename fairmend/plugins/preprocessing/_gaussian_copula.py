"""The dependence of features as a Gaussian copula: correlations of normal scores, and chains between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fairmend.base import Floats

RIDGE = 1e-6


def correlation(z: Floats, prior: Floats, rows_of_prior: int) -> Floats:
    """Return the correlation of normal scores (n, p), shrunk toward a prior worth some rows."""
    known = np.nan_to_num(z - np.nanmean(z, axis=0))  # a missing score counts as the middle one
    spread = known.std(axis=0)
    standard = known / np.where(spread > 0, spread, 1)
    r = standard.T @ standard / len(z)
    np.fill_diagonal(r, 1)
    return np.asarray((len(z) * r + rows_of_prior * prior) / (len(z) + rows_of_prior))


def chain(r_group: Floats, r_pooled: Floats) -> Floats:
    """Return the lower triangular M = L L_a^{-1} that maps scores from one correlation to another.

    Row j is the chain rule at feature j: subtract what the previous features explain in the group, scale the
    residual, and add what they explain among all rows.
    """
    ridge = RIDGE * np.eye(len(r_group))
    l_group, l_pooled = np.linalg.cholesky(r_group + ridge), np.linalg.cholesky(r_pooled + ridge)
    return np.asarray(l_pooled @ np.linalg.inv(l_group))


def chained(z: Floats, chains: Floats, codes: NDArray[np.intp]) -> Floats:
    """Return the scores after the chain of their group, NaN if missing, shape (n, p)."""
    w = np.empty_like(z)
    for a in np.unique(codes):
        w[codes == a] = np.nan_to_num(z[codes == a]) @ chains[a].T
    return np.where(np.isnan(z), np.nan, w.round(10))  # rounded, so that equal rows stay tied
