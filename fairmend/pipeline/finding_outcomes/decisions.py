"""Findings about decisions: gaps between groups, and intersectional disparities."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairmend.auditing.candidate_findings import Reading
from fairmend.auditing.group_gaps import ERROR_RATE, OUTCOME
from fairmend.auditing.intersectional import CELLS, members_of, parent_rates
from fairmend.core.data.groups import Groups
from fairmend.core.findings import Finding
from fairmend.core.metrics import PairedTable, compare, measure, metric
from fairmend.core.metrics.compare import swaps
from fairmend.core.metrics.inference.bootstrap import generators, percentile_interval, replicates
from fairmend.core.metrics.inference.effective_sample_size import effective_support
from fairmend.core.metrics.inference.permutation import p_value
from fairmend.core.metrics.rates import Rate
from fairmend.core.types import Floats
from fairmend.pipeline.finding_outcomes.before_after import BeforeAfter, FindingChange, NotMeasurable

GAPS = {gap.kind: gap for gap in (OUTCOME, ERROR_RATE)}
DEFICIT = "_deficit"


def group_gap(finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Compare the groups of the finding's attribute that have enough test rows, before and after.

    The interval is that of a paired bootstrap and the p-value that of a paired permutation test.
    """
    gap = GAPS[finding.kind]
    if finding.measure not in gap.measures:
        return NotMeasurable(f"{finding.measure} is not a metric for findings of this kind")
    groups, test, settings = both.views[str(finding.attribute)], both.test, both.settings
    cells = np.stack([groups.counts((test.y == label).astype(np.float64)) for label in (0, 1)])
    support = cells.min(axis=0) if gap is ERROR_RATE else cells.sum(axis=0)
    keep = np.flatnonzero(support >= settings.min_support)
    short = both.short_of(finding, [groups.labels[g] for g in keep])
    if short:
        return NotMeasurable(f"too few {gap.cells} of {short} in the test data", int(support.min()))
    rows = np.isin(groups.codes, keep)
    known: dict[str, Any] = {
        "sensitive_features": groups.frame[rows],
        "sample_weight": None if test.weights is None else test.weights[rows],
        **settings.intervals,
    }
    y, after = test.y[rows], both.after.decisions[rows]
    changed = compare(
        y,
        both.before.decisions[rows],
        after,
        metrics=(finding.measure,),
        n_permutations=settings.n_permutations,
        **known,
    )[finding.measure]
    left = measure(y, after, **known)
    figures = [(name, left.figure(name)) for name in gap.measures]
    return FindingChange(
        finding.measure,
        changed.before,
        changed.after,
        int(support[keep].min()),
        changed.change,
        changed.interval,
        changed.p_value,
        tuple(Reading(name, f.value, f.interval) for name, f in figures if np.isfinite(f.value)),
    )


def crossing_deficit(finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Compare an intersectional group with the worst off of the groups it belongs to, before and after."""
    rate_name = finding.measure.removesuffix(DEFICIT)
    if rate_name not in CELLS or not finding.measure.endswith(DEFICIT):
        return NotMeasurable(f"{finding.measure} is not a metric for findings of this kind")
    groups, test, settings = both.views[str(finding.attribute)], both.test, both.settings
    if groups.frame.shape[1] < 2 or finding.group not in groups.labels:
        return NotMeasurable(f"no rows of {finding.group} in the test data")
    (rate,), cell = metric(rate_name).rates, groups.labels.index(str(finding.group))
    table = PairedTable.from_arrays(
        test.y, both.before.decisions, both.after.decisions, groups, sample_weight=test.weights
    )
    support = int(effective_support(rate, table.before)[cell])
    if support < settings.min_support:
        return NotMeasurable(f"too few {CELLS[rate_name]} of {finding.group} in the test data", support)
    members = members_of(groups)
    boot_rng, swap_rng = generators(settings.seed, 2)
    drawn = replicates(table, settings.n_boot, boot_rng)
    swapped = swaps(table, settings.n_permutations, swap_rng)

    before, after = _deficits(rate, table.counts, members, cell)
    drawn_before, drawn_after = _deficits(rate, drawn, members, cell)
    swapped_before, swapped_after = _deficits(rate, swapped, members, cell)
    change = float(after - before)
    return FindingChange(
        finding.measure,
        float(before),
        float(after),
        support,
        change,
        percentile_interval(drawn_after - drawn_before),
        p_value(change, swapped_after - swapped_before),
        (Reading(finding.measure, float(after), percentile_interval(drawn_after)),),
    )


def _deficits(rate: Rate, paired: Floats, members: list[Groups], cell: int) -> Floats:
    """Return how far the rate of an intersection is below the lowest rate of the groups it belongs to.

    Parameters
    ----------
    paired : ndarray of shape (..., G, 2, 2, 2)
        Counts of group x label x decision before x decision after.

    Returns
    -------
    ndarray of shape (2, ...)
        Before and after.
    """
    return np.stack(
        [
            parent_rates(rate, counts, members)[..., cell].min(axis=0) - rate.of(counts)[..., cell]
            for counts in (paired.sum(axis=-1), paired.sum(axis=-2))
        ]
    )
