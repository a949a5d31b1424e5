"""Comparison of the values of groups with each other, or with a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fairmend.core.errors import UsageError, unknown
from fairmend.core.types import Floats

Form = Literal["difference", "ratio", "group_min", "group_max"]
BETWEEN, OVERALL, BEST = "between_groups", "to_overall", "to_best"


def reference_place(groups: Sequence[str], reference: str) -> int | str:
    """Return a reference in the form :meth:`Metric.of` reads: a group's label becomes its number.

    Raises
    ------
    UnknownNameError
        When it is neither one of the three words nor a group.
    """
    if reference in groups:
        return list(groups).index(reference)
    if reference in (BETWEEN, OVERALL, BEST):
        return reference
    raise unknown("group", reference, groups)


def across(
    values: Floats,
    overall: Floats | None,
    form: Form,
    reference: int | str = BETWEEN,
    high_is_good: bool = True,
) -> Floats:
    """Compare the groups' values.

    Parameters
    ----------
    values : ndarray of shape (..., G)
        The value of each group, NaN where undefined; such groups are passed over.
    overall : ndarray of shape (...) or None
        The value of all rows together; read when it is the reference.
    form : {"difference", "ratio", "group_min", "group_max"}
        The largest absolute difference, the smallest ratio (never above 1), the lowest or highest value.
    reference : "between_groups", "to_overall", "to_best" or int
        See :meth:`Metric.of`.
    high_is_good : bool
        Which group is the best off, for ``"to_best"``.

    Returns
    -------
    ndarray of shape (...)
        NaN where fewer than two groups are defined, or a ratio is 0/0.
    """
    defined = np.isfinite(values)
    if form in ("group_min", "group_max"):
        return _extreme(values, defined, form == "group_max", needed=1)
    if reference == BETWEEN:
        low = _extreme(values, defined, False, needed=2)
        high = _extreme(values, defined, True, needed=2)
        return high - low if form == "difference" else _quotient(low, high)
    gaps = contrast(
        values, overall, "difference" if form == "difference" else "ratio", reference, high_is_good
    )
    if form == "difference":
        return _extreme(np.abs(gaps), np.isfinite(gaps), True, needed=2)
    folded = np.minimum(gaps, _quotient(np.ones_like(gaps), gaps))
    folded = np.where(gaps == 0, 0.0, folded)
    return _extreme(folded, np.isfinite(folded), False, needed=2)


def contrast(
    values: Floats,
    overall: Floats | None,
    form: Literal["difference", "ratio"],
    reference: int | str,
    high_is_good: bool = True,
) -> Floats:
    """Return each group's value minus, or over, that of the reference; shape (..., G), signed.

    Raises
    ------
    UsageError
        When the reference is none of "to_overall", "to_best" and the number of a group.
    """
    if isinstance(reference, (int, np.integer)):
        to = values[..., reference]
    elif reference == OVERALL and overall is not None:
        to = overall
    elif reference == BEST:
        to = _extreme(values, np.isfinite(values), high_is_good, needed=1)
    else:
        raise UsageError(f"the reference must be {OVERALL}, {BEST} or a group, got {reference!r}")
    to = np.asarray(to)[..., None]
    return values - to if form == "difference" else _quotient(values, np.broadcast_to(to, values.shape))


def _extreme(values: Floats, defined: NDArray[np.bool_], highest: bool, needed: int) -> Floats:
    """Return the extreme of the defined values along the last axis, NaN where too few are defined."""
    if values.shape[-1] >= needed and defined.all():
        return np.asarray(values.max(axis=-1) if highest else values.min(axis=-1))
    filler = -np.inf if highest else np.inf
    filled = np.where(defined, values, filler)
    found = filled.max(axis=-1) if highest else filled.min(axis=-1)
    return np.where(defined.sum(axis=-1) >= needed, found, np.nan)


def _quotient(a: Floats, b: Floats) -> Floats:
    """Return a / b, NaN for 0 / 0 and where either is NaN, infinite for a positive number over 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(a / b)
