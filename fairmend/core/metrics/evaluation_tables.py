"""What evaluators share: evidence as tables of each attribute and of their crossing, figures, JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from fairmend.core.data.groups import Groups, crossed
from fairmend.core.errors import DataError, unknown
from fairmend.core.metrics import calibration
from fairmend.core.metrics.compare import compare
from fairmend.core.metrics.estimate import Estimate
from fairmend.core.metrics.group_comparison import BEST
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.multiple_testing import holm
from fairmend.core.metrics.inference.permutation import p_value, permutation_test
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.measurement import Measurement
from fairmend.core.metrics.rates import metric
from fairmend.core.metrics.tables.contingency import GroupTable, ScoreTable
from fairmend.core.types import Floats, Ints

WHOLE = [Interval(Integral, 1, None, closed="left")]


def views(groups: Groups) -> dict[str, Groups]:
    """Return the groups of each attribute and, for several attributes, of their intersection.

    Examples
    --------
    >>> found = views(Groups.of({"sex": ["F", "M"], "race": ["B", "W"]}))
    >>> {name: part.labels for name, part in found.items()}
    {'sex': ('F', 'M'), 'race': ('B', 'W'), 'sex & race': ('F & B', 'M & W')}
    """
    columns = list(groups.frame.columns)
    if len(columns) == 1:
        return {str(columns[0]): groups}
    alone = {str(column): Groups.of(groups.frame[[column]]) for column in columns}
    return {**alone, crossed(alone): groups}


def crossing(groups: Groups, attributes: Sequence[str] | None) -> Groups:
    """Return the groups of some of the attributes crossed, or of all where none are named.

    Raises
    ------
    UnknownNameError
        There is no such attribute.
    """
    if not attributes:
        return groups
    for name in attributes:
        if name not in groups.frame.columns:
            raise unknown("protected attribute", name, groups.frame.columns)
    return Groups.of(groups.frame[list(attributes)])


def row_weights(sample_weight: Floats) -> Floats | None:
    """Return the weights, None where all rows count the same."""
    return None if (sample_weight == 1).all() else sample_weight


def repeated_rows(sample_weight: Floats) -> NDArray[np.intp]:
    """Return the places of the rows, each as often as its weight says, for figures that count rows.

    Raises
    ------
    DataError
        A weight is no whole number.
    """
    if (sample_weight % 1 != 0).any():
        raise DataError("this metric counts rows, so weights must be integers; remove or round them")
    return np.repeat(np.arange(len(sample_weight)), sample_weight.astype(int))


def labels_or_zeros(y_true: Ints | None, y_pred: Ints) -> Ints:
    """Return the labels; without any, all rows stand at label 0, where selection rates can be read."""
    return np.zeros_like(y_pred) if y_true is None else y_true


def decision_table(y_true: Ints | None, y_pred: Ints, groups: Groups, sample_weight: Floats) -> GroupTable:
    """Return the counts of group x label x decision; without labels, all rows stand at label 0."""
    labels = labels_or_zeros(y_true, y_pred)
    return GroupTable.from_arrays(labels, y_pred, groups, sample_weight=row_weights(sample_weight))


def rate_views(
    y_true: Ints | None,
    y_pred: Ints,
    groups: Groups,
    sample_weight: Floats,
    rates: Sequence[str],
    comparisons: Sequence[str],
    *,
    reference: str | Mapping[str, str],
    settings: InferenceSettings,
) -> dict[str, dict[str, Any]]:
    """Return rates and their comparisons for each attribute and the crossing.

    Parameters
    ----------
    y_true : ndarray of int, shape (n,), or None
        Labels, where the rates read them.
    y_pred : ndarray of int, shape (n,)
        Decisions.
    groups : Groups
        The groups.
    sample_weight : ndarray of float, shape (n,)
        Weights.
    rates, comparisons : sequence of str
        Names that :func:`.metrics.metric` knows; comparisons of groups are tested by permutation.
    reference : str or mapping of str to str
        What each group's rate is compared with: ``"to_best"``, ``"to_overall"``, or by attribute the
        label of a group.
    settings : InferenceSettings
        Settings of the tests and intervals.

    Returns
    -------
    dict
        Attribute to ``overall``, ``by_group`` (rate to group to figure), ``contrast`` (rate to group to
        ``difference`` and ``ratio``), ``comparisons`` (figures) and ``p_value`` and ``p_holm`` (by
        comparison, corrected over attributes and comparisons together).
    """
    found: dict[str, dict[str, Any]] = {}
    p_values: dict[tuple[str, str], float] = {}
    for attribute, view in views(groups).items():
        table = decision_table(y_true, y_pred, view, sample_weight)
        measured = Measurement.of(table, settings=settings)
        to = reference if isinstance(reference, str) else reference.get(attribute, BEST)
        found[attribute] = {
            "overall": {rate: measured.figure(rate) for rate in rates},
            "by_group": {rate: measured.by_group(rate) for rate in rates},
            "contrast": {rate: _contrasts(measured, rate, to) for rate in rates},
            "comparisons": {name: measured.figure(name) for name in comparisons},
        }
        for name in comparisons:
            p_values[attribute, name] = math.nan
            if view.n_groups > 1:
                p_values[attribute, name] = permutation_test(
                    table, name, n_permutations=settings.n_permutations, seed=settings.seed
                ).p_value
    for (key, p), adjusted in zip(p_values.items(), holm(list(p_values.values())), strict=True):
        found[key[0]].setdefault("p_value", {})[key[1]] = p
        found[key[0]].setdefault("p_holm", {})[key[1]] = adjusted
    return found


def check_labels(metrics: Sequence[str], labels: bool) -> None:
    """Refuse metrics that read labels where there are none.

    Raises
    ------
    DataError
        There are no labels, and a metric is about more than selection rates.
    UnknownNameError
        There is no such metric.
    """
    for name in metrics:
        if any(rate.name != "selection_rate" for rate in metric(name).rates) and not labels:
            raise DataError(f"{name} reads y_true, which was not given; selection rates do not need it")


def comparisons(wanted: Sequence[str] | None, labels: bool) -> list[str]:
    """Return the comparisons of groups that are wanted, or the usual ones that labels allow.

    Raises
    ------
    DataError, UnknownNameError
        See :func:`check_labels`.
    """
    usual = ["demographic_parity_difference"]
    if labels:
        usual += ["equalized_odds_difference", "predictive_parity_difference"]
    names = usual if wanted is None else list(wanted)
    check_labels(names, labels)
    return names


def bootstrap_interval(measured: Measurement, of: Callable[[Floats], Floats]) -> bootstrap.Interval | None:
    """Return the bootstrap interval of a function of the counts, by the measurement's method."""
    value, drawn = float(of(measured.table.counts)), of(measured.drawn)
    if math.isnan(value):
        return None
    if measured.method == "percentile":
        return bootstrap.percentile_interval(drawn, measured.level)
    return bootstrap.bca_interval(value, drawn, bootstrap.acceleration(measured.table, of), measured.level)


def _contrasts(measured: Measurement, rate: str, reference: str) -> dict[str, dict[str, Estimate]]:
    differences, ratios = (measured.contrast(rate, reference, form) for form in ("difference", "ratio"))
    return {group: {"difference": differences[group], "ratio": ratios[group]} for group in differences}


def group_figures(
    groups: Sequence[str], values: Floats, drawn: Floats, support: Ints, settings: InferenceSettings
) -> dict[str, Estimate]:
    """Return one figure a group from its value and its replicates.

    Parameters
    ----------
    groups : sequence of str
        Labels of the G groups.
    values, support : ndarray of shape (G,)
        The figure of each group and the rows it rests on.
    drawn : ndarray of shape (B, G)
        Replicates.
    settings : InferenceSettings
        Coverage of the intervals, and rows below which a group is insufficient evidence.
    """
    return {
        group: Estimate(
            float(values[g]),
            None if math.isnan(values[g]) else bootstrap.percentile_interval(drawn[:, g], settings.level),
            int(support[g]),
            bool(support[g] >= settings.min_support),
        )
        for g, group in enumerate(groups)
    }


def score_figures(
    table: ScoreTable,
    statistics: dict[str, Callable[[Floats], Floats]],
    rng: Generator,
    settings: InferenceSettings,
) -> dict[str, dict[str, Estimate]]:
    """Return figures of each group of a score table: group to name to figure.

    Parameters
    ----------
    table : ScoreTable
        The counts, shape (G, K, 2).
    statistics : dict of str to callable
        Functions of :mod:`.calibration`.
    rng : Generator
        Source of randomness.
    settings : InferenceSettings
        Replicates, coverage of the intervals, rows that a group must have.
    """
    drawn = bootstrap.score_replicates(table, settings.n_boot, rng, statistics)
    support = table.rows.sum(axis=(1, 2))
    found: dict[str, dict[str, Estimate]] = {group: {} for group in table.groups}
    for name, of in statistics.items():
        figures = group_figures(table.groups, of(table.sums), drawn[name], support, settings)
        for group, figure in figures.items():
            found[group][name] = figure
    return found


def chance_level(table: ScoreTable, n: int, rng: Generator) -> tuple[Floats, Floats]:
    """Return what right scores would give: mean and p-value of the calibration error of each group.

    In a bin of n_b rows with mean score p_b the number of favorable labels is drawn as
    Binomial(n_b, p_b); rows must have equal weights.

    Parameters
    ----------
    table : ScoreTable
        The counts, shape (G, K, 2).
    n : int
        Number of draws.
    rng : Generator
        Source of randomness.

    Returns
    -------
    by_chance, p_value : ndarray of shape (G,)
        The mean error of right scores, and the chance of an error as large as the one measured.
    """
    n_b = table.rows.sum(axis=-1)
    p_b = np.clip(table.scores[0].sum(axis=-1) / np.maximum(n_b, 1), 0.0, 1.0)
    gap = np.abs(rng.binomial(n_b, p_b, size=(n, *n_b.shape)) - n_b * p_b).sum(axis=-1)
    drawn = gap / np.maximum(n_b.sum(axis=-1), 1)
    measured = calibration.expected_calibration_error(table.sums)
    p = [p_value(value, drawn[:, g], two_sided=False) for g, value in enumerate(measured)]
    return drawn.mean(axis=0), np.array(p)


def changes(
    y_true: Ints | None,
    y_pred: Ints,
    baseline: Ints,
    groups: Groups,
    sample_weight: Floats,
    metrics: Sequence[str],
    **settings: Any,
) -> dict[str, Any]:
    """Return the paired change of metrics from the decisions of a baseline, ready for JSON.

    Parameters
    ----------
    y_true, y_pred, groups, sample_weight
        As in :func:`decision_table`.
    baseline : ndarray of int, shape (n,)
        Decisions to compare with.
    metrics : sequence of str
        Names of the metrics.
    **settings
        As in :func:`.compare.compare`.
    """
    return compare(
        labels_or_zeros(y_true, y_pred),
        baseline,
        y_pred,
        sensitive_features=groups,
        metrics=tuple(metrics),
        sample_weight=row_weights(sample_weight),
        **settings,
    ).to_json()
