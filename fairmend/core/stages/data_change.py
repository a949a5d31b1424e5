"""What a technique of pre-processing makes of the training data: any of features, labels, weights, rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class DataChange:
    """Training data after a change; None means unchanged.

    Attributes
    ----------
    X : DataFrame, shape (m, p), or None
        Features.
    y : ndarray, shape (m,), or None
        Labels.
    sample_weight : ndarray of float, shape (m,), or None
        Weights.
    sensitive_features : DataFrame, shape (m, k), or None
        Protected attributes, where rows were resampled.
    origin : ndarray of int, shape (m,), or None
        Where rows were drawn anew: the place of each row in the data before, -1 for a synthetic row. Then
        features, labels, weights and protected attributes are those of the new rows, all of them; protected
        attributes may be left out by a technique that was given none.
    """

    X: pd.DataFrame | None = None
    y: NDArray[Any] | None = None
    sample_weight: NDArray[np.float64] | None = None
    sensitive_features: pd.DataFrame | None = None
    origin: NDArray[np.intp] | None = None
