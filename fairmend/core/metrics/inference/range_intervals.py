"""Where the interval of a range over groups begins.

The replicates of a largest difference choose their own extreme groups, so they lie above it and
their percentiles would never let it be 0. The end nearer to fairness is therefore taken from the
contrasts of fixed pairs of groups, with a band that holds for all of them at once (as in Hothorn,
Bretz & Westfall 2008). Only the pairs that are extreme in some replicates compete, so a gap that is
clearly one pair's pays nothing for the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fairmend.core.metrics.group_comparison import Form
from fairmend.core.metrics.inference.bootstrap import Interval
from fairmend.core.metrics.inference.effective_sample_size import effective_size
from fairmend.core.metrics.inference.intervals import newcombe, wilson
from fairmend.core.metrics.rates import Metric, Rate
from fairmend.core.metrics.tables.contingency import GroupTable
from fairmend.core.types import Floats

_COMPETES = 0.01  # share of the replicates in which a pair must be the extreme one


def fair_end(found: Metric, counts: Floats, drawn: Floats, level: float) -> float | None:
    """Return the end of the interval nearer to 0 (differences) or 1 (ratios).

    Parameters
    ----------
    found : Metric
        A difference or a ratio.
    counts : ndarray of shape (G, 2, 2)
        The table.
    drawn : ndarray of shape (B, G, 2, 2)
        Its replicates.
    level : float
        Coverage aimed at.

    Returns
    -------
    float or None
        None where no pair of groups has rates that vary.
    """
    estimates = [_scaled(found, rate.of(counts)) for rate in found.rates]
    replicates = [_scaled(found, rate.of(drawn)) for rate in found.rates]
    gaps, errors, away, of_rate = [], [], [], []
    for r, low, high in _competing(replicates, found.mean):
        gap = estimates[r][high] - estimates[r][low]
        deviation = (replicates[r][:, high] - replicates[r][:, low]) - gap
        known = np.isfinite(deviation)
        if not np.isfinite(gap) or known.mean() < level or deviation[known].std() == 0:
            continue
        error = float(deviation[known].std())
        gaps.append(abs(float(gap)))
        errors.append(error)
        away.append(np.where(known, np.abs(deviation) / error, 0.0))
        of_rate.append(r)
    if not gaps:
        return None
    q = float(np.quantile(np.max(away, axis=0), level))
    bounds = [max(gap - q * error, 0.0) for gap, error in zip(gaps, errors, strict=True)]
    if found.mean:
        each = [
            max((b for b, of in zip(bounds, of_rate, strict=True) if of == r), default=0.0)
            for r in set(of_rate)
        ]
        bound = sum(each) / len(found.rates)
    else:
        bound = max(bounds)
    return bound if found.form == "difference" else float(np.exp(-bound))


def _scaled(found: Metric, values: Floats) -> Floats:
    """Return the rates on the scale where the comparison is a difference."""
    if found.form == "difference":
        return values
    return np.log(values, out=np.full_like(values, np.nan), where=values > 0)


def _competing(replicates: list[Floats], every_rate: bool) -> list[tuple[int, int, int]]:
    """Return (rate, group, group) of the pairs that are the extreme one in some replicates."""
    n_groups = replicates[0].shape[1]
    ranges, pairs = [], []
    for values in replicates:
        known = np.isfinite(values)
        low = np.where(known, values, np.inf).argmin(axis=1)
        high = np.where(known, values, -np.inf).argmax(axis=1)
        rows = np.arange(len(values))
        ranges.append(np.where(low != high, values[rows, high] - values[rows, low], -np.inf))
        pairs.append(np.minimum(low, high) * n_groups + np.maximum(low, high))
    decisive: NDArray[np.intp] = np.argmax(ranges, axis=0)
    found = []
    for r, pair in enumerate(pairs):
        chosen = np.isfinite(ranges[r]) & (every_rate | (decisive == r))
        times = np.bincount(pair[chosen], minlength=n_groups**2)
        often = np.flatnonzero(times >= max(_COMPETES * len(pair), 1))
        found += [(r, int(cell) // n_groups, int(cell) % n_groups) for cell in often]
    return found


def with_fair_end(
    found: Metric, table: GroupTable, drawn: Floats, interval: Interval, level: float
) -> Interval:
    """Return the interval with its fair end set right.

    Groups with a rate of 0 or 1 do not vary in replicates; they vary as Newcombe's and Wilson's
    intervals say.
    """
    low, high = interval
    bound = fair_end(found, table.counts, drawn, level)
    if bound is not None and found.form == "difference":
        low = min(low, bound)
    elif bound is not None:
        high = max(high, bound)
    for rate in found.rates:
        if rate.is_proportion and table.clusters is None:
            low, high = _widened(rate, found.form, table, low, high, level)
    return low, high


def _widened(
    rate: Rate, form: Form | None, table: GroupTable, low: float, high: float, level: float
) -> Interval:
    """Return the interval widened by what groups with a rate of exactly 0 or 1 may hide."""
    counts = table.counts
    value = rate.of(counts)
    known = np.flatnonzero(np.isfinite(value))
    value = value[known]
    edge = (value == 0) | (value == 1)
    if not edge.any():
        return low, high
    n = effective_size(rate, counts, table.square_weights)[known]
    i, j = np.nonzero((edge[:, None] | edge[None, :]) & ~np.eye(len(known), dtype=bool))
    if form == "difference":
        _, above = newcombe(value[i] * n[i], n[i], value[j] * n[j], n[j], level)
        return low, max(high, float(above.max()))
    least, most = wilson(value * n, n, level)
    i, j = i[value[j] > 0], j[value[j] > 0]
    if not len(i):
        return 0.0, 1.0
    return min(low, float((least[i] / most[j]).min())), max(
        high, float(np.minimum(most[i] / value[j], 1).min())
    )
