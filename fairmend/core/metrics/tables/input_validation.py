"""Checks of the columns that measurement reads: labels, decisions, scores, weights, clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fairmend.core.data.groups import encode_groups
from fairmend.core.errors import DataError, InsufficientDataError
from fairmend.core.types import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array


UNSEEN = "unseen"


def _flat(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return one column as an array of shape (n,), numbers or booleans."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            f"{name} must be one column, got an array of shape {array.shape}; pass one value per row"
        )
    if array.dtype.kind not in "biuf":
        if pd.isna(array).any():
            raise DataError(f"{name} has missing values; drop these rows or fill them before measuring")
        try:
            array = array.astype(float)
        except (TypeError, ValueError):
            raise DataError(
                f"{name} must be numbers, got {array[:1].tolist()} of type {array.dtype}; "
                "encode the favorable outcome as 1 and the other as 0"
            ) from None
    return array


def binary(values: ArrayLike, name: str) -> NDArray[np.int8]:
    """Return a column of zeros and ones as int8.

    Parameters
    ----------
    values : array-like of shape (n,)
        Booleans or the numbers 0 and 1.
    name : str
        What to call the column in an error.

    Raises
    ------
    DataError
        On any other value, a missing one included.
    """
    array = _flat(values, name)
    if array.dtype.kind == "b":
        return array.view(np.int8)
    if array.dtype.kind == "f":
        off = array[~((array == 0) | (array == 1))]
    else:
        off = (
            array[:0]
            if array.size and 0 <= array.min() <= array.max() <= 1
            else array[(array < 0) | (array > 1)]
        )
    if off.size:
        got = "a missing value" if np.isnan(off[0]) else f"{off[0]:g}"
        raise DataError(
            f"{name} must hold 0 and 1 only, got {got}; encode the favorable outcome as 1, "
            "and pass probabilities as y_score"
        )
    return array.astype(np.int8, copy=False)


def numbers(values: ArrayLike, name: str) -> Floats:
    """Return a column of finite numbers as float64.

    Raises
    ------
    DataError
        When a value is missing or infinite.
    """
    array = _flat(values, name).astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise DataError(f"{name} has {bad} values that are NaN or infinite; drop these rows or fix the model")
    return array


def probabilities(values: ArrayLike, name: str) -> Floats:
    """Return a column of probabilities as float64.

    Raises
    ------
    DataError
        When a value is missing or outside [0, 1].
    """
    array = numbers(values, name)
    if array.size and not 0 <= array.min() <= array.max() <= 1:
        off = array[(array < 0) | (array > 1)][0]
        raise DataError(
            f"{name} must be probabilities in [0, 1], got {off:g}; map margins through a calibrator first"
        )
    return array


def weights(values: ArrayLike | None, name: str = "sample_weight") -> Floats | None:
    """Return row weights as float64, None where all rows count the same.

    Raises
    ------
    DataError
        When a weight is missing, infinite or negative, or all are 0.
    """
    if values is None:
        return None
    array = numbers(values, name)
    if array.size and array.min() < 0:
        raise DataError(f"{name} must not be negative, got {array.min():g}; leave a row out by weight 0")
    if array.size and not array.any():
        raise DataError(f"{name} is 0 in every row; at least one row must count")
    return array


def clusters(values: ArrayLike | None) -> tuple[Ints, int] | None:
    """Return a code a row for the clusters and how many there are; missing is an error.

    Raises
    ------
    DataError
        When a row has no cluster, or there is only one.
    """
    if values is None:
        return None
    codes, found = pd.factorize(np.asarray(values))
    if (codes < 0).any():
        raise DataError(f"cluster is missing in {int((codes < 0).sum())} rows; assign a cluster to every row")
    if len(found) < 2:
        raise DataError("cluster has one value only; resampling clusters needs at least two of them")
    return codes.astype(np.int64), len(found)


def groups(values: Any) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return codes and labels of the groups.

    Parameters
    ----------
    values : Groups, Series, DataFrame, mapping or array
        A :class:`fairmend.core.data.groups.Groups` is used unchanged, so that a group without rows
        stays in view, and rows of a group that was not there at fit form the group ``unseen``.
        Anything else goes through :func:`fairmend.core.data.groups.encode_groups`.
    """
    if not (hasattr(values, "codes") and hasattr(values, "labels")):
        return encode_groups(values)
    codes = np.asarray(values.codes, dtype=np.intp)
    labels = tuple(str(label) for label in values.labels)
    if codes.size and codes.min() < 0:
        return np.where(codes < 0, len(labels), codes), (*labels, UNSEEN)
    return codes, labels


def same_length(**columns: Any) -> int:
    """Return the number of rows that all columns share; None is ignored.

    Raises
    ------
    DataError
        When two columns differ in length.
    InsufficientDataError
        When there is no row.
    """
    lengths = {name: len(column) for name, column in columns.items() if column is not None}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"all columns must have the same number of rows, got {found}")
    (n,) = set(lengths.values())
    if n == 0:
        raise InsufficientDataError("there are no rows to measure; pass at least one")
    return n


def sums_by(place: NDArray[np.integer[Any]], values: Floats, n_places: int) -> Floats:
    """Return the sum of the values at each place, shape (n_places,)."""
    return np.bincount(place, weights=values, minlength=n_places).astype(np.float64, copy=False)


def sparse_sums(row: NDArray[Any], column: NDArray[Any], values: Floats, shape: tuple[int, int]) -> csr_array:
    """Return a sparse array holding the sum of the values at each (row, column)."""
    from scipy.sparse import coo_array

    return coo_array((values, (row, column)), shape=shape).tocsr()
