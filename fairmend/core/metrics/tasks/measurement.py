"""Figures of a task other than binary: of each group, of all rows, and compared, with interval and support."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fairmend.core.errors import UsageError, unknown
from fairmend.core.metrics.estimate import Estimate, GroupStatistic
from fairmend.core.metrics.group_comparison import BETWEEN, Form
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.rates import split_form
from fairmend.core.metrics.tables import input_validation
from fairmend.core.types import Floats, Ints
from fairmend.core.vocabulary import Task


@dataclass(frozen=True, eq=False)
class TaskMeasurement:
    """The figures of predictions of one task.

    Attributes
    ----------
    task : {"multiclass", "regression", "ranking"}
        What kind of outcome was predicted.
    groups : tuple of str
        Labels of the G groups.
    rows : ndarray of int, shape (G,)
        Rows of each group.
    statistics : mapping of str to GroupStatistic
        By name, the figure of each group and of all rows, with replicates.
    """

    task: Task
    groups: tuple[str, ...]
    rows: Ints
    statistics: Mapping[str, GroupStatistic]

    def figure(self, name: str, group: str | None = None, *, reference: str = BETWEEN) -> Estimate:
        """Return one figure.

        A comparison passes over the groups with too few rows, and names them, unless fewer than two are left.

        Parameters
        ----------
        name : str
            A name of ``statistics``, optionally with a form such as ``r2_difference``.
        group : str, optional
            The group; all rows together otherwise.
        reference : str
            See :meth:`.report.Measurement.figure`.

        Raises
        ------
        UnknownNameError
            When there is no such figure or group.
        UsageError
            When a comparison is requested for one group.
        """
        stem, form = (name, None) if name in self.statistics else split_form(name)
        if stem not in self.statistics:
            raise unknown("figure", name, self.statistics)
        if group is not None and group not in self.groups:
            raise unknown("group", group, self.groups)
        statistic = self.statistics[stem]
        if form is None:
            return statistic.single(None if group is None else self.groups.index(group))
        if group is not None:
            raise UsageError(f"{name} compares groups; use {stem} of one group")
        return compared(statistic, form, reference)

    def by_group(self, name: str) -> dict[str, Estimate]:
        """Return the figure of each group."""
        return {group: self.figure(name, group) for group in self.groups}

    def to_json(self) -> dict[str, Any]:
        """Return each figure of all rows, its largest difference between groups, and that of each group."""
        return {
            name: {
                **statistic.single(None).to_json(),
                "difference": compared(statistic, "difference").to_json(),
                "by_group": {group: figure.to_json() for group, figure in self.by_group(name).items()},
            }
            for name, statistic in self.statistics.items()
        }


def task_changes(before: TaskMeasurement, after: TaskMeasurement) -> dict[str, Estimate]:
    """Return by how much each figure, and its difference between groups, changed on the same rows.

    Both measurements resample the same rows (they were made with the same seed), so the interval is that of
    the paired difference.
    """
    out: dict[str, Estimate] = {}
    for name in before.statistics.keys() & after.statistics.keys():
        old, new = before.statistics[name], after.statistics[name]
        with np.errstate(
            invalid="ignore"
        ):  # a skew is minus infinity where a group is absent before and after
            values, drawn = new.values - old.values, new.drawn - old.drawn
        change = GroupStatistic(
            new.groups,
            values,
            drawn,
            new.rows,
            new.level,
            new.min_support,
            True,
        )
        out[name] = change.single(None)
        if len(new.groups) > 1:
            out[f"{name}_difference"] = _gap_change(old, new)
    return dict(sorted(out.items()))


def compared(statistic: GroupStatistic, form: Form, reference: str = BETWEEN) -> Estimate:
    """Return the comparison over the groups that have enough rows; those that have not are named as lacking."""
    found = _large(statistic).compared(form, reference)
    lacking = tuple(
        g for g, n in zip(statistic.groups, statistic.rows, strict=True) if n < statistic.min_support
    )
    return replace(found, lacking=lacking)


def _large(statistic: GroupStatistic) -> GroupStatistic:
    """Return the statistic of the groups that have enough rows, of all where fewer than two have."""
    large = np.flatnonzero(statistic.rows >= statistic.min_support)
    if len(large) in (0, 1, len(statistic.groups)):
        return statistic
    columns = np.append(large, len(statistic.groups))
    return replace(
        statistic,
        groups=tuple(statistic.groups[g] for g in large),
        values=statistic.values[columns],
        drawn=statistic.drawn[:, columns],
        rows=statistic.rows[large],
    )


def _gap_change(old: GroupStatistic, new: GroupStatistic) -> Estimate:
    """Return the change of the range over the groups that have enough rows."""
    before, after = _large(old), _large(new)
    moved = float(_range(after.values[:-1]) - _range(before.values[:-1]))
    drawn = _range(after.drawn[:, :-1]) - _range(before.drawn[:, :-1])
    interval = None if np.isnan(moved) else bootstrap.percentile_interval(drawn, new.level)
    return replace(
        compared(new, "difference"), value=moved, interval=interval, worst_group=None, best_group=None
    )


def _range(values: Floats) -> Floats:
    known = np.isfinite(values)
    high = np.where(known, values, -np.inf).max(axis=-1)
    low = np.where(known, values, np.inf).min(axis=-1)
    return np.where(known.sum(axis=-1) >= 2, high - low, np.nan)


def resampled(
    place: Ints, terms: Floats, size: int, cluster: Any, n_boot: int, seed: int
) -> tuple[Floats, Iterator[Floats]]:
    """Return sums of terms at places over all rows, and blocks of the same over resampled rows.

    Parameters
    ----------
    place : ndarray of int, shape (k, n)
        Where each row adds each of its k terms.
    terms : ndarray of float, shape (k, n)
        What it adds.
    size : int
        Number of places.
    cluster : array of shape (n,) or None
        What is resampled in place of rows.
    n_boot, seed : int
        Replicates, and the seed of their draws: the same for the same n.

    Returns
    -------
    sums : ndarray of shape (size,)
    blocks : iterator of ndarray of shape (B', size)
    """
    n = place.shape[1]
    members = input_validation.clusters(cluster)
    unit, n_units = (np.arange(n), n) if members is None else members
    amounts = input_validation.sparse_sums(
        np.tile(unit, len(terms)), place.ravel(), terms.ravel(), (n_units, size)
    )
    (rng,) = bootstrap.generators(seed, 1)
    blocks = (draw @ amounts for draw in bootstrap.unit_draws(n_units, n_boot, rng))
    return input_validation.sums_by(place.ravel(), terms.ravel(), size), blocks


def with_all(sums: Floats) -> Floats:
    """Return sums by group, shape (..., G, k), with those of all rows appended, shape (..., G + 1, k)."""
    return np.concatenate([sums, sums.sum(axis=-2, keepdims=True)], axis=-2)


def quotient(top: Floats, bottom: Floats) -> Floats:
    """Return a quotient, NaN where there is nothing to divide by."""
    return np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=np.asarray(bottom) > 0)


Statistic = Callable[[Floats], Floats]
