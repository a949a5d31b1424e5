"""Regression: means, errors and fit by group, and the distance of score distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.errors import UsageError, unknown
from fairmend.core.metrics.estimate import Estimate, GroupStatistic
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.rates import BETWEEN, split_form
from fairmend.core.metrics.tables import input_validation
from fairmend.core.types import Floats, Ints

# sums over rows: weight, label, squared label, prediction, absolute error, squared error
_W, _Y, _YY, _P, _ABS, _SQ = range(6)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom > 0)


def _r2(sums: Floats) -> Floats:
    spread = sums[..., _YY] - _ratio(sums[..., _Y] ** 2, sums[..., _W])
    varies = spread > 1e-12 * sums[..., _YY]
    return 1 - _ratio(sums[..., _SQ], np.where(varies, spread, 0.0))


STATISTICS: dict[str, tuple[Callable[[Floats], Floats], bool]] = {
    "mean_prediction": (lambda s: _ratio(s[..., _P], s[..., _W]), True),
    "mean_error": (lambda s: _ratio(s[..., _P] - s[..., _Y], s[..., _W]), True),
    "mean_absolute_error": (lambda s: _ratio(s[..., _ABS], s[..., _W]), False),
    "mean_squared_error": (lambda s: _ratio(s[..., _SQ], s[..., _W]), False),
    "root_mean_squared_error": (lambda s: np.sqrt(_ratio(s[..., _SQ], s[..., _W])), False),
    "r2": (_r2, True),
}


@dataclass(frozen=True, eq=False)
class RegressionMeasurement:
    """The figures of a regression.

    Attributes
    ----------
    groups : tuple of str
        Labels of the G groups.
    sums : ndarray of shape (G + 1, 6)
        Sums over the rows of each group, then of all.
    drawn : ndarray of shape (B, G + 1, 6)
        The same of resampled rows.
    rows : ndarray of int, shape (G,)
        Rows of each group.
    level : float
        Coverage of the intervals.
    min_support : int
        Rows that a group must have.
    """

    groups: tuple[str, ...]
    sums: Floats
    drawn: Floats
    rows: Ints
    level: float
    min_support: int

    def figure(self, name: str, group: str | None = None, *, reference: str = BETWEEN) -> Estimate:
        """Return one figure.

        Parameters
        ----------
        name : str
            ``mean_prediction``, ``mean_error``, ``mean_absolute_error``, ``mean_squared_error``,
            ``root_mean_squared_error`` or ``r2``, alone or with a form such as ``r2_difference``.
        group : str, optional
            The group; all rows together otherwise.
        reference : str
            See :meth:`.report.Measurement.figure`.

        Raises
        ------
        UnknownNameError
            When there is no such figure or group.
        UsageError
            When a comparison is asked of one group.
        """
        stem, form = split_form(name)
        if stem not in STATISTICS:
            raise unknown("figure", name, STATISTICS)
        if group is not None and group not in self.groups:
            raise unknown("group", group, self.groups)
        of, high_is_good = STATISTICS[stem]
        statistic = GroupStatistic(
            self.groups, of(self.sums), of(self.drawn), self.rows, self.level, self.min_support, high_is_good
        )
        if form is None:
            return statistic.single(None if group is None else self.groups.index(group))
        if group is not None:
            raise UsageError(f"{name} compares groups; ask for {stem} of one group")
        return statistic.compared(form, reference)

    def by_group(self, name: str) -> dict[str, Estimate]:
        """Return the figure of each group."""
        return {group: self.figure(name, group) for group in self.groups}


def measure_regression(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    n_boot: int = 1000,
    level: float = 0.95,
    min_support: int = 30,
    seed: int = 0,
) -> RegressionMeasurement:
    """Measure predictions of a number: means, errors and fit by group, with intervals.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
        Labels and predictions.
    sensitive_features, sample_weight, cluster, n_boot, level, min_support, seed
        See :func:`.report.measure`. Numbers do not fit a table of counts, so rows (or clusters)
        are resampled themselves and the cost grows with their number.

    Returns
    -------
    RegressionMeasurement

    Raises
    ------
    DataError
        On missing or infinite values, lengths that differ, negative weights.
    """
    bootstrap.check_settings(n_boot, level)
    label, prediction = input_validation.numbers(y_true, "y_true"), input_validation.numbers(y_pred, "y_pred")
    weight = input_validation.weights(sample_weight)
    codes, labels = input_validation.groups(sensitive_features)
    n = input_validation.same_length(
        y_true=label, y_pred=prediction, sensitive_features=codes, sample_weight=weight, cluster=cluster
    )
    w = np.ones(n) if weight is None else weight
    center = float(np.average(label, weights=w))
    y, p = label - center, prediction - center  # r2 loses digits where labels are far from 0
    terms = np.stack([w, w * y, w * y**2, w * p, w * np.abs(p - y), w * (p - y) ** 2])
    members = input_validation.clusters(cluster)
    unit, n_units = (np.arange(n), n) if members is None else members
    place = codes * len(terms) + np.arange(len(terms))[:, None]
    size = len(labels) * len(terms)
    amounts = input_validation.sparse_sums(
        np.tile(unit, len(terms)), place.ravel(), terms.ravel(), (n_units, size)
    )
    (rng,) = bootstrap.generators(seed, 1)
    drawn = np.concatenate([draw @ amounts for draw in bootstrap.unit_draws(n_units, n_boot, rng)])
    sums = input_validation.sums_by(place.ravel(), terms.ravel(), size)
    return RegressionMeasurement(
        labels,
        _finished(sums.reshape(-1, len(terms)), center),
        _finished(drawn.reshape(n_boot, -1, len(terms)), center),
        np.bincount(codes, minlength=len(labels)).astype(np.int64),
        level,
        min_support,
    )


def _finished(sums: Floats, center: float) -> Floats:
    """Return the sums with those of all rows appended, and the mean prediction back in its place."""
    every = np.concatenate([sums, sums.sum(axis=-2, keepdims=True)], axis=-2)
    shift = np.zeros(every.shape[-1])
    shift[_P] = center
    return every + every[..., _W, None] * shift


def ks_distance(
    scores: ArrayLike, groups: Any, *, sample_weight: ArrayLike | None = None
) -> tuple[float, tuple[str, str]]:
    """Return the largest Kolmogorov-Smirnov distance of two groups' score distributions.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Scores or predictions.
    groups, sample_weight
        See :meth:`.tables.GroupTable.from_arrays`.

    Returns
    -------
    distance : float
        The largest difference of two cumulative distributions; NaN with one group only. Weighted
        where weights are given.
    pair : (str, str)
        The group with the lower scores there and the one with the higher.
    """
    values, weight = input_validation.numbers(scores, "scores"), input_validation.weights(sample_weight)
    codes, labels = input_validation.groups(groups)
    n = input_validation.same_length(scores=values, groups=codes, sample_weight=weight)
    distinct, place = np.unique(values, return_inverse=True)
    w = np.ones(n) if weight is None else weight
    mass = input_validation.sums_by(codes * len(distinct) + place, w, len(labels) * len(distinct)).reshape(
        len(labels), -1
    )
    total = mass.sum(axis=1)
    present = np.flatnonzero(total > 0)
    if len(present) < 2:
        return float("nan"), (labels[0], labels[0])
    below = np.cumsum(mass[present], axis=1) / total[present, None]
    at = int(np.argmax(below.max(axis=0) - below.min(axis=0)))
    low, high = present[below[:, at].argmax()], present[below[:, at].argmin()]
    return float(below[:, at].max() - below[:, at].min()), (labels[low], labels[high])
