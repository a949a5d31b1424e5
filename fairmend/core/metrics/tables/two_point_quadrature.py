"""Stand for many different values by two, so that resampling needs counts and no rows.

Where rows of one cell carry different values (weights, or scores inside a bin), a replicate needs
the sum of the values drawn. Two values with the right counts have the same mean and variance, and
up to the rounding of the counts the same skewness, as the values themselves: they are the two-point
Gauss quadrature of the cell's distribution. Cells with at most two distinct values are exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fairmend.core.metrics.tables.input_validation import sums_by
from fairmend.core.types import Floats, Ints

_FLAT = 1e-10  # a variance below this share of the squared mean is rounding, not spread


def two_points(n: Ints, power_sums: Floats) -> tuple[Ints, Floats]:
    """Return two values a cell, with the counts they stand for.

    Parameters
    ----------
    n : ndarray of int, shape (...)
        Rows of each cell.
    power_sums : ndarray of shape (3, ...)
        Sums of the values, of their squares and of their cubes over the rows of each cell.

    Returns
    -------
    size : ndarray of int, shape (..., 2)
        How many rows stand at the lower and at the upper value; they add up to ``n``.
    value : ndarray of float, shape (..., 2)
        The two values.
    """
    rows = np.maximum(n, 1)
    mean, square, cube = power_sums / rows
    variance = square - mean**2
    spread = (variance > _FLAT * np.maximum(mean**2, 1e-300)) & (n > 1)
    sd = np.sqrt(np.where(spread, variance, 1.0))
    skew = np.where(spread, (cube - 3 * mean * square + 2 * mean**3) / sd**3, 0.0)
    share = (1 - skew / np.sqrt(skew**2 + 4)) / 2
    upper = np.where(spread, np.clip(np.rint(share * n), 1, rows - 1), 0).astype(np.int64)
    lower = n - upper
    odds = np.sqrt(np.where(spread, lower / np.maximum(upper, 1), 1.0))
    high = np.where(spread, mean + sd * odds, mean)
    low = np.where(spread, mean - sd / odds, mean)
    return np.stack([lower, upper], axis=-1), np.stack([low, high], axis=-1)


def power_sums(cell: NDArray[np.intp], values: Floats, n_cells: int, weights: Floats | None = None) -> Floats:
    """Return the sums of the first three powers of the values in each cell, shape (3, n_cells)."""
    sums = np.empty((3, n_cells))
    term = np.ones_like(values) if weights is None else weights
    for power in range(3):
        term = term * values
        sums[power] = sums_by(cell, term, n_cells)
    return sums
