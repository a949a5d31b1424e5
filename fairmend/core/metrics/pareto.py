"""Dominance among several objectives, and the volume that a frontier covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from fairmend.core.errors import DataError, UsageError, unknown
from fairmend.core.metrics.measurement import SCORE_STATISTICS
from fairmend.core.metrics.rates import metric
from fairmend.core.types import Floats

Direction = Literal["max", "min"]
_BESIDE = ("_low", "_high", "_replicates")
_CONTEXT = {"model", "split", "n_train", "n_test"}
_NORMAL_95 = 1.959963984540054


def non_dominated(points: Floats) -> NDArray[np.bool_]:
    """Return which points no other point dominates.

    A point dominates another if it is at least as good in every objective and better in one, so
    equal points do not dominate each other.

    Parameters
    ----------
    points : ndarray of shape (m, k)
        Larger is better in every column; no NaN.

    Returns
    -------
    ndarray of bool, shape (m,)

    Notes
    -----
    In descending lexicographic order a point can be dominated only by one before it. Two objectives
    take one sweep; more are compared with the frontier so far.

    Examples
    --------
    >>> non_dominated(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0], [1.0, 2.0]])).tolist()
    [True, True, False, True]
    """
    distinct, place = np.unique(points, axis=0, return_inverse=True)
    ordered = distinct[::-1]
    keep = np.ones(len(ordered), dtype=bool)
    if ordered.shape[1] <= 2:
        last = ordered[:, -1]
        keep[1:] = last[1:] > np.maximum.accumulate(last)[:-1]
    else:
        for i, point in enumerate(ordered):
            keep[i] = not (ordered[:i][keep[:i]] >= point).all(axis=1).any()
    return keep[::-1][place.ravel()]


def reference_point(
    directions: Mapping[str, Direction], worst: Floats, wanted: Mapping[str, float]
) -> Floats:
    """Return the point the hypervolume is measured from: the worst values, or what is wanted instead.

    Raises
    ------
    UnknownNameError
        Something wanted is no objective.
    """
    for name in wanted:
        if name not in directions:
            raise unknown("objective", name, directions)
    return np.array([wanted.get(name, low) for name, low in zip(directions, worst, strict=True)], dtype=float)


def hypervolume(points: Floats, reference: Floats) -> float:
    """Return the volume that the points dominate above a reference point.

    Parameters
    ----------
    points : ndarray of shape (m, k)
        Larger is better in every column.
    reference : ndarray of shape (k,)
        What every point is measured from; points that are not better in every objective add nothing.

    Notes
    -----
    The last objective is cut into slabs between the points, whose bases have one objective less; the
    work grows as m to the power k - 1.

    Examples
    --------
    >>> hypervolume(np.array([[2.0, 1.0], [1.0, 2.0]]), np.zeros(2))
    3.0
    """
    inside = points[(points > reference).all(axis=1)]
    if not len(inside):
        return 0.0
    front = inside[non_dominated(inside)] - reference
    if front.shape[1] == 1:
        return float(front.max())
    front = front[np.argsort(front[:, -1])[::-1]]
    heights = front[:, -1] - np.append(front[1:, -1], 0.0)
    base = np.zeros(front.shape[1] - 1)
    return float(sum(h * hypervolume(front[: i + 1, :-1], base) for i, h in enumerate(heights) if h > 0))


def dominates(points: Floats, point: Floats) -> NDArray[np.bool_]:
    """Return which of the points (m, k) dominate one point (k,); larger is better."""
    return np.asarray((points >= point).all(axis=1) & (points > point).any(axis=1))


def objective_directions(
    columns: Iterable[object], wanted: Mapping[str, str] | Sequence[str] | None = None
) -> dict[str, Direction]:
    """Return the objectives among the columns of a table of models, each with "max" or "min".

    Parameters
    ----------
    columns : iterable of str
        Names of the measures.
    wanted : mapping of str to {"max", "min"}, sequence of str, or None
        The objectives, with directions unless the measure has one by its definition; None for all
        columns that are measures: not the uncertainty of another, nor ``model``, ``split``,
        ``n_train`` and ``n_test``.

    Raises
    ------
    UnknownNameError
        An objective is no column.
    UsageError
        A direction is unknown, or neither "max" nor "min"; or there is no objective.
    """
    known = [str(column) for column in columns]
    measures = [name for name in known if not name.endswith(_BESIDE) and name not in _CONTEXT]
    names = measures if wanted is None else list(wanted)
    if not names:
        raise UsageError("there is no objective; the candidates need at least one metric")
    found: dict[str, Direction] = {}
    for name in names:
        if name not in known:
            raise unknown("measure of the candidates", name, known)
        way = wanted[name] if isinstance(wanted, Mapping) else _defined_direction(name)
        if way not in get_args(Direction):
            raise UsageError(f"the direction of {name} must be 'max' or 'min', got {way!r}")
        found[name] = "max" if way == "max" else "min"
    return found


def _defined_direction(measure: str) -> Direction:
    if measure.startswith(tuple(SCORE_STATISTICS)):
        return "min"
    try:
        found = metric(measure)
    except LookupError:
        raise UsageError(
            f"the direction of {measure!r} is unknown; set it, as in objectives={{{measure!r}: 'max'}}"
        ) from None
    if found.ideal is not None:
        return "min" if found.ideal == 0 else "max"
    return "max" if found.rates[0].high_is_good else "min"


def value_draws(
    frame: pd.DataFrame, names: Sequence[str], n: int, rng: Generator
) -> tuple[Floats | None, Literal["replicates", "intervals", "none"]]:
    """Return draws of the measures of models, shape (B, m, k), and what they are made from.

    Parameters
    ----------
    frame : DataFrame
        Models by measures. A measure may come with ``<measure>_replicates``, sequences of
        equal length, or ``<measure>_low`` and ``<measure>_high``, a 95 % interval, from which ``n``
        independent normal values are drawn.
    names : sequence of str
        The measures.
    n : int
        Draws made from intervals.
    rng : Generator
        Source of randomness.

    Raises
    ------
    DataError
        The numbers of replicates differ.
    """
    if all(f"{name}_replicates" in frame.columns for name in names):
        cells = [[np.asarray(cell, dtype=float) for cell in frame[f"{name}_replicates"]] for name in names]
        lengths = {len(cell) for column in cells for cell in column}
        if len(lengths) > 1:
            raise DataError(f"all models must have the same number of replicates, got {sorted(lengths)}")
        return np.array(cells).transpose(2, 1, 0), "replicates"
    if all(f"{name}{end}" in frame.columns for name in names for end in ("_low", "_high")):
        low, high = (frame[[f"{name}{end}" for name in names]].to_numpy(float) for end in ("_low", "_high"))
        sd = (high - low) / (2 * _NORMAL_95)
        return rng.normal(frame[list(names)].to_numpy(float), sd, (n, *sd.shape)), "intervals"
    return None, "none"
