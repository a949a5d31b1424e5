"""Abstentions, prediction sets and intervals: how often they hold, and how large they are, by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.errors import DataError, unknown
from fairmend.core.metrics.estimate import Estimate, GroupStatistic
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.tables import input_validation
from fairmend.core.types import Floats

Ratio = tuple[ArrayLike, ArrayLike, bool]
"""What is summed above and below the line, per row, and whether a high ratio is good for a group."""


@dataclass(frozen=True, eq=False)
class UncertaintyMeasurement:
    """Figures of abstentions, prediction sets or intervals.

    Attributes
    ----------
    statistics : mapping of str to GroupStatistic
        Each figure by its name.
    """

    statistics: Mapping[str, GroupStatistic]

    def figure(self, name: str, group: str | None = None) -> Estimate:
        """Return one figure of all rows, or of one group.

        Raises
        ------
        UnknownNameError
            There is no such figure or group.
        """
        statistic = self._statistic(name)
        if group is not None and group not in statistic.groups:
            raise unknown("group", group, statistic.groups)
        return statistic.single(None if group is None else statistic.groups.index(group))

    def by_group(self, name: str) -> dict[str, Estimate]:
        """Return a figure of each group."""
        return {group: self.figure(name, group) for group in self._statistic(name).groups}

    def difference(self, name: str) -> Estimate:
        """Return the largest difference of a figure between two groups."""
        return self._statistic(name).compared("difference")

    def to_json(self) -> dict[str, Any]:
        """Return every figure with ``by_group``, and its largest difference, as plain JSON types."""
        written: dict[str, Any] = {}
        for name in self.statistics:
            by_group = {group: figure.to_json() for group, figure in self.by_group(name).items()}
            written[name] = self.figure(name).to_json() | {"by_group": by_group}
            written[f"{name}_difference"] = self.difference(name).to_json()
        return written

    def _statistic(self, name: str) -> GroupStatistic:
        if name not in self.statistics:
            raise unknown("figure", name, self.statistics)
        return self.statistics[name]


def measure_abstention(
    y_true: ArrayLike, y_pred: ArrayLike, abstained: ArrayLike, *, sensitive_features: Any, **settings: Any
) -> UncertaintyMeasurement:
    """Measure decisions some of which are left to a person.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
        Labels, and decisions as they would be if all were made.
    abstained : array-like of bool, shape (n,)
        Where no decision is made.
    sensitive_features : Groups, Series, DataFrame or array
        Protected attributes.
    **settings
        ``sample_weight``, ``n_boot``, ``level``, ``min_support`` and ``seed`` as in :func:`.report.measure`.

    Returns
    -------
    UncertaintyMeasurement
        ``coverage``, the share of rows decided; ``selective_error``, the share of errors among them.
    """
    decided = ~np.asarray(abstained, dtype=bool)
    wrong = np.asarray(y_true) != np.asarray(y_pred)
    return _measured(
        {
            "coverage": (decided, np.ones(len(decided)), True),
            "selective_error": (wrong & decided, decided, False),
        },
        sensitive_features,
        **settings,
    )


def measure_sets(
    y_true: ArrayLike, sets: ArrayLike, *, sensitive_features: Any, **settings: Any
) -> UncertaintyMeasurement:
    """Measure prediction sets.

    Parameters
    ----------
    y_true : array-like of int, shape (n,)
        Labels as places of the classes.
    sets : array-like of bool, shape (n, k)
        The classes that each set holds.
    sensitive_features, **settings
        See :func:`measure_abstention`.

    Returns
    -------
    UncertaintyMeasurement
        ``coverage``, the share of sets that hold the label; ``mean_size``, classes in a set.
    """
    held, label = np.asarray(sets, dtype=bool), np.asarray(y_true, dtype=np.int64)
    if len(held) != len(label):
        raise DataError(f"there are {len(held)} sets for {len(label)} rows; one set per row is needed")
    covered, ones = held[np.arange(len(label)), label], np.ones(len(label))
    return _measured(
        {"coverage": (covered, ones, True), "mean_size": (held.sum(axis=1), ones, False)},
        sensitive_features,
        **settings,
    )


def measure_intervals(
    y_true: ArrayLike, bounds: ArrayLike, *, sensitive_features: Any, **settings: Any
) -> UncertaintyMeasurement:
    """Measure prediction intervals.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Labels.
    bounds : array-like of shape (n, 2)
        Lower and upper bound; infinite where nothing is known.
    sensitive_features, **settings
        See :func:`measure_abstention`.

    Returns
    -------
    UncertaintyMeasurement
        ``coverage``, the share of intervals that hold the label; ``mean_width`` of the bounded ones;
        ``unbounded``, the share of the others.
    """
    label = np.asarray(y_true, dtype=float)
    low, high = np.asarray(bounds, dtype=float).T
    width, ones = high - low, np.ones(len(label))
    bounded = np.isfinite(width)
    return _measured(
        {
            "coverage": ((low <= label) & (label <= high), ones, True),
            "mean_width": (np.where(bounded, width, 0.0), bounded, False),
            "unbounded": (~bounded, ones, False),
        },
        sensitive_features,
        **settings,
    )


def compare_uncertainty(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    said: Mapping[Any, ArrayLike],
    *,
    y_score: ArrayLike,
    sensitive_features: Any,
    **settings: Any,
) -> dict[str, tuple[UncertaintyMeasurement, UncertaintyMeasurement]]:
    """Measure the uncertainty that a model states, and its decisions without it.

    Without an abstention every row is decided; without sets and intervals a set holds the class decided
    on, and an interval the predicted value.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
        Labels and decisions.
    said : mapping
        Arrays of ``abstention``, ``prediction sets`` and ``intervals``, those that there are.
    y_score : array-like of shape (n,)
        Predicted values, for intervals.
    sensitive_features, **settings
        See :func:`measure_abstention`.

    Returns
    -------
    dict
        Before and after, by the names in ``said``.
    """
    known = {"sensitive_features": sensitive_features, **settings}
    out = {}
    for what, after in said.items():
        if what == "abstention":
            nowhere = np.zeros(np.shape(after), dtype=bool)
            out[what] = tuple(measure_abstention(y_true, y_pred, each, **known) for each in (nowhere, after))
        elif what == "prediction sets":
            alone = np.asarray(y_pred)[:, None] == np.arange(np.shape(after)[1])
            out[what] = tuple(measure_sets(y_true, each, **known) for each in (alone, after))
        else:
            point = np.column_stack([y_score, y_score])
            out[what] = tuple(measure_intervals(y_true, each, **known) for each in (point, after))
    return {what: (before, after) for what, (before, after) in out.items()}


def uncertainty_columns(said: Mapping[Any, Any], classes: Sequence[Any] = (0, 1)) -> dict[str, Any]:
    """Return abstentions, prediction sets (a column a class) and intervals as columns of a table."""
    columns: dict[str, Any] = {}
    for what, values in said.items():
        if what == "abstention":
            columns["abstains"] = values
        elif what == "prediction sets":
            columns |= {f"in_set[{c}]": held for c, held in zip(classes, np.transpose(values), strict=True)}
        else:
            columns |= dict(zip(("low", "high"), np.transpose(values), strict=True))
    return columns


def _measured(
    ratios: Mapping[str, Ratio],
    sensitive_features: Any,
    *,
    sample_weight: ArrayLike | None = None,
    n_boot: int = 1000,
    level: float = 0.95,
    min_support: int = 30,
    seed: int = 0,
) -> UncertaintyMeasurement:
    """Return ratios of weighted sums by group, with the bootstrap of rows."""
    InferenceSettings(n_boot, level)  # checks them
    codes, labels = input_validation.groups(sensitive_features)
    weight = input_validation.weights(sample_weight)
    tops, bottoms = (np.array([np.asarray(r[side], dtype=float) for r in ratios.values()]) for side in (0, 1))
    n = input_validation.same_length(rows=tops[0], sensitive_features=codes, sample_weight=weight)
    terms = np.concatenate([tops, bottoms]) * (np.ones(n) if weight is None else weight)
    place = codes * len(terms) + np.arange(len(terms))[:, None]
    size = len(labels) * len(terms)
    amounts = input_validation.sparse_sums(
        np.tile(np.arange(n), len(terms)), place.ravel(), terms.ravel(), (n, size)
    )
    (rng,) = bootstrap.generators(seed, 1)
    drawn = np.concatenate([draw @ amounts for draw in bootstrap.unit_draws(n, n_boot, rng)])
    sums = input_validation.sums_by(place.ravel(), terms.ravel(), size)
    found, resampled = (
        _ratios(each.reshape(*each.shape[:-1], len(labels), 2, len(ratios))) for each in (sums, drawn)
    )
    return UncertaintyMeasurement(
        {
            name: GroupStatistic(
                labels,
                found[..., i],
                resampled[..., i],
                np.bincount(codes[bottoms[i] > 0], minlength=len(labels)).astype(np.int64),
                level,
                min_support,
                high_is_good,
            )
            for i, (name, (_, _, high_is_good)) in enumerate(ratios.items())
        }
    )


def _ratios(sums: Floats) -> Floats:
    """Return the ratios of each group and of all rows, from sums of shape (..., G, 2, figures)."""
    every = np.concatenate([sums, sums.sum(axis=-3, keepdims=True)], axis=-3)
    top, bottom = every[..., 0, :], every[..., 1, :]
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
