"""What techniques share that count, weight or draw rows by group and label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fairmend.base import Floats, Groups, InsufficientDataError, Ints


def cell_codes(y: Ints, groups: Groups) -> Ints:
    """Return the cell of group and label of each row, 2 a + y."""
    return np.asarray(groups.codes * 2 + y)


def cell_counts(y: Ints, groups: Groups, sample_weight: Floats | None = None) -> Floats:
    """Return n_ay, the (weighted) number of rows of each group and label, shape (groups, 2).

    Raises
    ------
    InsufficientDataError
        A cell has no rows.
    """
    n_cells = 2 * groups.n_groups
    n_ay = np.bincount(cell_codes(y, groups), weights=sample_weight, minlength=n_cells).reshape(-1, 2)
    if (n_ay == 0).any():
        group, label = np.argwhere(n_ay == 0)[0]
        raise InsufficientDataError(
            f"no row of the group {groups.labels[group]!r} has the label {label}, so there is nothing to weight "
            "or repeat; merge groups or leave out this attribute"
        )
    return n_ay.astype(float)


def nearest(
    candidates: NDArray[np.bool_], key: Floats, hashes: NDArray[np.uint64], w: Floats, amount: float
) -> Ints:
    """Return the candidates with the smallest keys whose weights come closest to an amount.

    Equal keys are ordered by the hash of the row, so that its position does not matter.

    Examples
    --------
    >>> key, w = np.array([0.3, 0.1, 0.2, 0.0]), np.ones(4)
    >>> nearest(np.array([True, True, True, False]), key, np.arange(4, dtype=np.uint64), w, 2).tolist()
    [1, 2]
    """
    rows = np.flatnonzero(candidates)
    rows = rows[np.lexsort((hashes[rows], key[rows]))]
    return rows[np.cumsum(w[rows]) - w[rows] / 2 < amount]
