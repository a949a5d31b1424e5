"""Which values of an outcome are the favorable ones: a value, an expression such as ``>=10``, or a list."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.core.data.groups import label_of
from fairmend.core.errors import DataError, UsageError

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
MEMBERSHIP = ("==", "!=")
_SHOWN = 8


def favorable_rows(
    labels: NDArray[Any], numbers: NDArray[np.float64] | None, favorable: Any, outcome: str
) -> NDArray[np.bool_]:
    """Return where the outcome is a favorable one.

    A value of the outcome is taken as it stands, also where it begins like an expression (``>50K``). An
    expression is ``>=``, ``<=``, ``>`` or ``<`` with a number, or ``==`` or ``!=`` with a value or with
    several, separated by commas.

    Parameters
    ----------
    labels : ndarray of str, shape (n,)
        Values of the outcome as text.
    numbers : ndarray of float, shape (n,), or None
        The same as numbers, where they are numbers.
    favorable : str, int, float or bool
        The value or the expression.
    outcome : str
        Name of the column, for messages.

    Raises
    ------
    DataError
        A single value is named for an outcome with more than two.
    UsageError
        It is neither a value of the outcome nor an expression that can be read, or all rows or none would be
        favorable.
    """
    wanted = label_of(favorable)
    values = ordered(set(labels.tolist()))
    if wanted in values:
        if len(values) > 2:
            raise DataError(
                f"the outcome {outcome!r} has {len(values)} values, two are needed: {_counted(labels)}; use one spelling for equal values, or give {proposals(values, numbers is not None, wanted)}"
            )
        return np.asarray(labels == wanted)
    sign = next((s for s in (*MEMBERSHIP, *COMPARISONS) if wanted.startswith(s)), None)
    if sign is None:
        more = ", or an expression such as --favorable '>=10'" if len(values) > 2 else ""
        raise UsageError(
            f"{wanted!r} is not a value of the outcome {outcome!r}: {_shown(values)}; give one{more}"
        )
    operand = wanted.removeprefix(sign).strip()
    rows = (
        _compared(sign, operand, numbers, wanted, outcome)
        if sign in COMPARISONS
        else _listed(sign, operand, labels, values, outcome)
    )
    if rows.all() or not rows.any():
        which = "every" if rows.all() else "no"
        raise UsageError(
            f"with --favorable '{wanted}' {which} row of {outcome!r} is favorable ({_shown(values)}); "
            "give an expression that tells rows apart"
        )
    return rows


def _compared(
    sign: str, operand: str, numbers: NDArray[np.float64] | None, wanted: str, outcome: str
) -> NDArray[np.bool_]:
    try:
        bound = float(operand)
    except ValueError:
        bound = float("nan")
    if not np.isfinite(bound):
        raise UsageError(
            f"--favorable '{wanted}' compares with a number, got {operand!r}; give one, as in '>=10'"
        )
    if numbers is None:
        raise UsageError(
            f"--favorable '{wanted}' compares numbers, but the outcome {outcome!r} holds text; list its values, "
            "as in '==a,b'"
        )
    return np.asarray(COMPARISONS[sign](numbers, bound))


def _listed(
    sign: str, operand: str, labels: NDArray[Any], values: Sequence[str], outcome: str
) -> NDArray[np.bool_]:
    named = [operand] if operand in values else [part.strip() for part in operand.split(",")]
    strange = next((name for name in named if name not in values), None)
    if strange is not None:
        raise UsageError(
            f"{strange!r} is not a value of the outcome {outcome!r}: {_shown(values)}; give one of them"
        )
    return np.asarray(np.isin(labels, named) == (sign == "=="))


def proposals(
    values: Sequence[str], are_numbers: bool, wanted: str | None = None, task: str | None = None
) -> str:
    """Return the options that would say what an outcome with more than two values is, but for the task named."""
    one = wanted if wanted is not None else values[len(values) // 2]
    options = [f"--favorable '>={one}'"] if are_numbers else []
    if not are_numbers or task != "regression":
        options.append(f"--favorable '=={one}' (this value against all others)")
    tasks = ("regression", "multiclass", "ranking") if are_numbers else ("multiclass",)
    left = [other for other in tasks if other != task]
    if left:
        options.append(
            f"--task {' (or '.join([left[0], ', '.join(left[1:])])})" if left[1:] else f"--task {left[0]}"
        )
    return " or ".join([", ".join(options[:-1]), options[-1]]) if options[1:] else options[0]


def _counted(labels: NDArray[Any]) -> str:
    values, rows = np.unique(labels.astype(str), return_counts=True)
    most = np.argsort(-rows, kind="stable")[:_SHOWN]
    more = " and more" if len(values) > _SHOWN else ""
    return ", ".join(f"{values[i][:40]!r} ({rows[i]:,} rows)" for i in most) + more


def ordered(values: set[str]) -> list[str]:
    """Return values in order: numbers by size, anything else by the alphabet.

    Examples
    --------
    >>> ordered({"10", "9", "-1"}), ordered({"b", "10", "9"})
    (['-1', '9', '10'], ['10', '9', 'b'])
    """
    try:
        return sorted(values, key=lambda value: (float(value), value))
    except ValueError:
        return sorted(values)


def _shown(values: Sequence[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(value[:40] for value in values[:_SHOWN]) + more
