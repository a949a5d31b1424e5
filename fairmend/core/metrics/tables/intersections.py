"""Every cell of a crossing of attributes against all rows together, and against a baseline.

A cell with too few rows is insufficient evidence: its value is shown, but it is neither the worst cell,
nor tested, nor counted in the range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fairmend.core.data.groups import Groups, crossed
from fairmend.core.errors import DataError
from fairmend.core.metrics.compare import swaps
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.effective_sample_size import effective_support
from fairmend.core.metrics.inference.multiple_testing import holm
from fairmend.core.metrics.inference.permutation import p_value, permuted
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.measurement import SCORE_STATISTICS, Measurement
from fairmend.core.metrics.rates import Metric, metric
from fairmend.core.metrics.tables.contingency import GroupTable, PairedTable
from fairmend.core.types import Floats

WITH_LABELS = ("true_positive_rate", "false_positive_rate", "positive_predictive_value", "accuracy")


def cell_report(
    measured: Measurement, name: str, *, tolerance: float, n_permutations: int, rng: Generator
) -> dict[str, Any]:
    """Return one metric of every cell with its deviation from the value of all rows together.

    Parameters
    ----------
    measured : Measurement
        Its groups are the cells.
    name : str
        A rate, or a calibration figure where scores were measured.
    tolerance : float
        Deviation from the overall value up to which a cell counts as alike.
    n_permutations : int
        Permutations of the test of each cell; calibration figures are not tested.
    rng : Generator
        Source of randomness.

    Returns
    -------
    dict
        ``overall``, ``by_cell``, ``mean_of_cells`` (each cell counts alike), ``range``, ``ratio``,
        ``worst_cell``, ``best_cell``, ``worst_deviation``, ``outside_tolerance``,
        ``insufficient_evidence``, and ``p_any``: the chance of so large a deviation of some cell if
        all were alike.

    Raises
    ------
    UnknownNameError, UsageError
        As :meth:`Measurement.figure`.
    """
    figures, overall = measured.by_group(name), measured.figure(name)
    enough = np.array([figure.enough for figure in figures.values()])
    values, drawn, high_is_good = _values(measured, name)
    deviation, drawn_deviation = values[:-1] - values[-1], drawn[:, :-1] - drawn[:, -1:]
    usable = enough & np.isfinite(deviation)
    p, p_any = np.full(len(figures), np.nan), np.nan
    if name not in SCORE_STATISTICS:
        p, p_any = cell_tests(measured.table, metric(name), usable, n_permutations, rng)
    adjusted = holm(p)
    by_cell = {
        cell: {
            **figure.to_json(),
            "deviation": deviation[g],
            "deviation_interval": bootstrap.percentile_interval(drawn_deviation[:, g], measured.level),
            "p_value": p[g],
            "p_holm": adjusted[g],
            "status": "measured" if usable[g] else "insufficient evidence",
        }
        for g, (cell, figure) in enumerate(figures.items())
    }
    cells = np.array(measured.groups, dtype=object)
    report = {
        "overall": overall,
        "by_cell": by_cell,
        "insufficient_evidence": cells[~usable],
        "outside_tolerance": cells[usable & (np.abs(np.nan_to_num(deviation)) > tolerance)],
        "p_any": p_any,
    }
    if usable.sum() < 2:
        return report | dict.fromkeys(
            ("mean_of_cells", "range", "ratio", "worst_cell", "best_cell", "worst_deviation")
        )
    left = np.where(usable, values[:-1] if high_is_good else -values[:-1], np.nan)
    known = values[:-1][usable]
    far = int(np.nanargmax(np.where(usable, np.abs(deviation), np.nan)))
    return report | {
        "mean_of_cells": known.mean(),
        "range": np.ptp(known),
        "ratio": known.min() / known.max() if known.max() > 0 else None,
        "worst_cell": cells[int(np.nanargmin(left))],
        "best_cell": cells[int(np.nanargmax(left))],
        "worst_deviation": {"cell": cells[far], "value": deviation[far],
                            "interval": by_cell[cells[far]]["deviation_interval"]},
    }  # fmt: skip


def report_metrics(wanted: Sequence[str] | None, labels: bool, scores: bool) -> list[str]:
    """Return the metrics to report: those wanted, or all that labels and scores allow.

    Raises
    ------
    DataError
        A wanted metric reads labels, and there are none.
    """
    if wanted is None:
        calibration = ["expected_calibration_error"] if labels and scores else []
        return ["selection_rate", *(WITH_LABELS if labels else ()), *calibration]
    for name in wanted:
        if name != "selection_rate" and not labels:
            raise DataError(f"{name} reads y_true, which was not given; without labels use selection_rate")
    return list(wanted)


def empty_cells(groups: Groups, most: int = 100) -> dict[str, Any]:
    """Return how many combinations of the attributes' values no row has, and the first of them."""
    columns = [Groups.of(groups.frame[[column]]).labels for column in groups.frame.columns]
    occurring = set(groups.labels)
    combinations = (crossed(values) for values in product(*columns))
    return {
        "count": math.prod(map(len, columns)) - groups.n_groups,
        "first": list(islice((cell for cell in combinations if cell not in occurring), most)),
    }


def cell_tests(
    table: GroupTable, found: Metric, usable: NDArray[np.bool_], n: int, rng: Generator
) -> tuple[Floats, float]:
    """Test whether a rate of each usable cell differs from all rows, by permuting the cells of rows.

    Returns
    -------
    p : ndarray of shape (G,)
        Of each cell, two-sided; NaN where not usable.
    p_any : float
        Of the largest deviation of all usable cells; NaN with fewer than two of them.
    """
    p = np.full(len(usable), np.nan)
    if usable.sum() < 2:
        return p, float("nan")
    rate = found.rates[0]
    counts, _ = permuted(table, found, n, rng)
    null = rate.of(counts) - rate.of(counts.sum(axis=-3))[:, None]
    observed = rate.of(table.counts) - rate.of(table.counts.sum(axis=-3))
    for g in np.flatnonzero(usable):
        p[g] = p_value(float(observed[g]), null[:, g])
    largest = np.abs(observed[usable]).max()
    return p, p_value(float(largest), np.abs(null[:, usable]).max(axis=1), two_sided=False)


def cell_changes(
    table: PairedTable,
    name: str,
    *,
    tolerance: float,
    settings: InferenceSettings,
    rng: Generator,
) -> dict[str, Any]:
    """Return the change of a rate of every intersection between two sets of decisions on the same rows.

    Parameters
    ----------
    table : PairedTable
        Counts of cell x label x decision before x decision after.
    name : str
        A rate.
    tolerance, rng
        See :func:`cell_report`.
    settings : InferenceSettings
        Each permutation swaps before and after at random within rows.

    Returns
    -------
    dict
        ``by_cell`` with value before, after, change, interval and p-value, and ``new_disparities``:
        cells within the tolerance of the overall value before, and outside it after.
    """
    rate = metric(name).rates[0]
    before, after = (rate.of(side.counts) for side in (table.before, table.after))
    support = np.minimum(*(effective_support(rate, side) for side in (table.before, table.after)))
    usable = (support >= settings.min_support) & np.isfinite(after - before)
    drawn, null = (
        rate.of(counts.sum(axis=-2)) - rate.of(counts.sum(axis=-1))
        for counts in (
            bootstrap.replicates(table, settings.n_boot, rng),
            swaps(table, settings.n_permutations, rng),
        )
    )
    change = after - before
    p = np.array([p_value(float(change[g]), null[:, g]) if usable[g] else np.nan for g in range(len(change))])
    adjusted = holm(p)
    far = [
        np.abs(rates - rate.of(side.counts.sum(axis=0))) > tolerance
        for rates, side in ((before, table.before), (after, table.after))
    ]
    return {
        "by_cell": {
            cell: {
                "before": before[g],
                "after": after[g],
                "change": change[g],
                "interval": bootstrap.percentile_interval(drawn[:, g], settings.level) if usable[g] else None,
                "p_value": p[g],
                "p_holm": adjusted[g],
                "support": support[g],
                "status": "measured" if usable[g] else "insufficient evidence",
            }
            for g, cell in enumerate(table.groups)
        },
        "new_disparities": np.array(table.groups, dtype=object)[usable & ~far[0] & far[1]],
    }


def _values(measured: Measurement, name: str) -> tuple[Floats, Floats, bool]:
    """Return the values (G + 1,) and replicates (B, G + 1) of cells and all rows, and what is good."""
    if name in SCORE_STATISTICS:
        of = SCORE_STATISTICS[name]
        drawn = measured.drawn_scores[name]
        sums = measured.scores.sums if measured.scores is not None else np.empty(0)
        return np.append(of(sums), of(sums.sum(axis=-3, keepdims=True))), drawn, False
    rate = metric(name).rates[0]
    values, drawn = (
        np.concatenate([rate.of(counts), rate.of(counts.sum(axis=-3))[..., None]], axis=-1)
        for counts in (measured.table.counts, measured.drawn)
    )
    return values, drawn, rate.high_is_good
