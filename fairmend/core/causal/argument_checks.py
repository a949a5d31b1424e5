"""Checks of numbers that formulas take, one or many at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairmend.core.errors import ParameterError
from fairmend.core.types import Floats


def as_floats(value: ArrayLike) -> Floats:
    """Return a number or numbers as an array of floats."""
    return np.asarray(value, dtype=np.float64)


def require(holds: NDArray[np.bool_], name: str, range_: str, value: object) -> None:
    """Raise a ParameterError that says the range, unless a condition holds everywhere."""
    if not np.all(holds):
        raise ParameterError(f"{name} must be {range_}; got {str(value)[:80]}")
