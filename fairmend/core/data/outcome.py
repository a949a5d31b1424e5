"""The outcome of a data set: what kind of task it makes, and its labels for that task.

Without ``--task`` it is detected, by rules that a note repeats:

- a query column makes a ranking;
- a favorable value or expression, or two values, make a binary outcome;
- texts with more than two values, and whole numbers with at most 20, make a multiclass outcome;
- other numbers make a regression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.data.favorable import favorable_rows, ordered, proposals
from fairmend.core.data.group_names import as_numbers, check_values, spelling_notes
from fairmend.core.data.groups import MISSING, label_of
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, InsufficientDataError, UsageError
from fairmend.core.vocabulary import Task

MOST_CLASSES_OF_A_NUMBER = 20
MOST_CLASSES = 100
LARGEST_NUMBER = 1e100
"""The sum of squares of larger values overflows."""
DIRECTIONS = ("high", "low")
"""Values of ``favorable`` for a regression or a ranking: the desirable end."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of each row.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression", "ranking"}
        What kind of outcome it is.
    y : ndarray, shape (n,)
        1 where the outcome is favorable, else 0; codes of the classes; or real values.
    favorable : str or None
        The favorable value or expression; of a regression or a ranking, which end people want.
    classes : tuple of str
        The classes of a multiclass outcome.
    notes : tuple of str
        What was decided.
    """

    task: Task
    y: NDArray[Any]
    favorable: str | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_outcome(column: pd.Series[Any], roles: Roles) -> Outcome:
    """Return the outcome of each row, for the task that the roles name or that is detected.

    Parameters
    ----------
    column : Series, shape (n,)
        The outcome, without gaps.
    roles : Roles
        Task, favorable value and query, where declared.

    Raises
    ------
    DataError
        The values are missing, or are not of the kind that the task needs.
    InsufficientDataError
        There is one value only.
    UsageError
        The favorable value is missing, unknown, or ambiguous.
    """
    check_values(column)
    labels = column.map({v: label_of(v) for v in column.dropna().unique()}).where(column.notna(), MISSING)
    gaps = int((labels == MISSING).sum())
    if gaps:
        raise DataError(
            f"the outcome {roles.outcome!r} is missing in {gaps} of {len(column)} rows; remove these rows or label them"
        )
    texts = labels.to_numpy(dtype=object)
    values = ordered(set(texts.tolist()))
    if len(values) < 2:
        raise InsufficientDataError(
            f"the outcome {roles.outcome!r} has only one value ({values[0]!r}); at least two are required"
        )
    found = as_numbers(column)
    numbers = None if found is None else found.to_numpy(dtype=float)
    task, notes = (roles.task, ()) if roles.task is not None else _detected(values, numbers, roles)
    if task in ("binary", "multiclass"):
        spelling = spelling_notes(column, f"the outcome {roles.outcome!r}")
        notes = (*notes, *spelling)
    if task == "binary":
        y, favorable = _binary(texts, numbers, values, roles)
        return Outcome("binary", y, favorable, (), notes)
    if task == "multiclass":
        return _multiclass(texts, values, roles, notes)
    if numbers is None:
        raise DataError(
            f"the outcome {roles.outcome!r} holds text such as {values[0][:40]!r}; a {task} needs numbers: give a numeric "
            "column, or --task multiclass"
        )
    if not np.isfinite(numbers).all():
        raise DataError(
            f"the outcome {roles.outcome!r} holds infinite or missing values; replace or remove them"
        )
    if np.abs(numbers).max() > LARGEST_NUMBER:
        raise DataError(
            f"the outcome {roles.outcome!r} holds a value of size {np.abs(numbers).max():g}, at most {LARGEST_NUMBER:g} "
            "can be computed with; correct it, or change the unit of the column"
        )
    return Outcome(task, numbers, _direction(roles, task), (), notes)


def _detected(
    values: list[str], numbers: NDArray[np.float64] | None, roles: Roles
) -> tuple[Task, tuple[str, ...]]:
    """Return the task by the rules above, and the note that says so where it is not binary."""
    if roles.query is not None:
        return "ranking", ()
    if len(values) == 2 or (roles.favorable is not None and roles.favorable not in DIRECTIONS):
        return "binary", ()
    whole = numbers is None or bool(np.all(numbers == np.round(numbers)))
    if whole and (numbers is None or len(values) <= MOST_CLASSES_OF_A_NUMBER):
        task: Task = "multiclass"
    else:
        task = "regression"
    held = "text" if numbers is None else "numbers"
    note = (
        f"{roles.outcome} holds {held} with {len(values):,} values and was read as a {task} outcome; to read it "
        f"otherwise give {proposals(values, numbers is not None, task=task)}."
    )
    return task, (note,)


def _binary(
    texts: NDArray[Any], numbers: NDArray[np.float64] | None, values: list[str], roles: Roles
) -> tuple[NDArray[np.int64], str]:
    if roles.favorable is not None:
        rows = favorable_rows(texts, numbers, roles.favorable, roles.outcome)
        return rows.astype(np.int64), label_of(roles.favorable)
    wanted = next((v for v in ("1", "True") if v in values), None) if len(values) == 2 else None
    if wanted is None:
        raise UsageError(
            f"say which value of {roles.outcome!r} is the favorable one (--favorable): {', '.join(values[:8])}"
        )
    return (texts == wanted).astype(np.int64), wanted


def _multiclass(texts: NDArray[Any], values: list[str], roles: Roles, notes: tuple[str, ...]) -> Outcome:
    if roles.favorable is not None:
        raise UsageError(
            "--favorable makes two outcomes of many, which a multiclass task keeps apart; leave out one of "
            "--favorable and --task multiclass"
        )
    if len(values) > MOST_CLASSES:
        raise DataError(
            f"the outcome {roles.outcome!r} has {len(values):,} classes, at most {MOST_CLASSES} can be compared; merge "
            "classes, or say which are favorable (--favorable '==a,b')"
        )
    place = {value: code for code, value in enumerate(values)}
    codes = np.fromiter((place[text] for text in texts), dtype=np.int64, count=len(texts))
    return Outcome("multiclass", codes, None, tuple(values), notes)


def _direction(roles: Roles, task: Task) -> str:
    if roles.favorable is None:
        return "high"
    wanted = label_of(roles.favorable)
    if wanted not in DIRECTIONS:
        raise UsageError(
            f"for a {task} --favorable must be high or low (the desirable end), got {wanted!r}; for two outcomes "
            "leave out --task"
        )
    return wanted
