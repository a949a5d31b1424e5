"""Corrections for several tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.errors import UsageError
from fairmend.core.types import Floats


def holm(p_values: ArrayLike) -> Floats:
    """Return Holm's adjusted p-values, which keep the family-wise error (Holm 1979).

    Parameters
    ----------
    p_values : array-like of shape (m,)
        NaN for a test that could not be made; it is not counted.

    Returns
    -------
    ndarray of shape (m,)

    Raises
    ------
    UsageError
        When a p-value is outside [0, 1].

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p, order = _sorted(p_values)
    factors = np.arange(len(order), 0, -1)
    return _placed(p, order, np.minimum(np.maximum.accumulate(p[order] * factors), 1.0))


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Return adjusted p-values that keep the false discovery rate (Benjamini & Hochberg 1995).

    Parameters and errors are those of :func:`holm`.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.04, 0.04]
    """
    p, order = _sorted(p_values)
    m = len(order)
    scaled = p[order] * m / np.arange(1, m + 1)
    return _placed(p, order, np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0))


def _sorted(p_values: ArrayLike) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    p = np.atleast_1d(np.asarray(p_values, dtype=np.float64))
    known = np.flatnonzero(~np.isnan(p))
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise UsageError("p-values must lie in [0, 1]")
    return p, known[np.argsort(p[known], kind="stable")]


def _placed(p: Floats, order: np.ndarray[tuple[int], np.dtype[np.intp]], adjusted: Floats) -> Floats:
    result = np.full_like(p, np.nan)
    result[order] = adjusted
    return result
