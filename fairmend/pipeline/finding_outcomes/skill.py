"""Findings that decisions have no skill, or are the same for nearly everybody."""

from __future__ import annotations

import numpy as np

from fairmend.auditing.candidate_findings import Reading
from fairmend.core.findings import Finding
from fairmend.core.metrics import compare
from fairmend.core.metrics.auc import area_change
from fairmend.pipeline.finding_outcomes.before_after import BeforeAfter, FindingChange, NotMeasurable


def skill(finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Compare what says that decisions have no skill, or hardly differ, before and after."""
    if finding.measure == "auc":
        return _area(both)
    if finding.measure == "balanced_accuracy":
        found = both.after.against(both.before)[finding.measure]
        after = both.after.measurement.figure(finding.measure)
        left = Reading(finding.measure, after.value, after.interval)
        return FindingChange(
            finding.measure, found.before, found.after, after.support, found.change, found.interval,
            found.p_value, (left,),
        )  # fmt: skip
    return _rarer_decision(finding, both)


def _area(both: BeforeAfter) -> FindingChange:
    found = area_change(both.test.y == 1, both.before.scores, both.after.scores)
    after = both.after.measurement.figure("auc")
    change = found.after - found.before
    left = Reading("auc", after.value, after.interval)
    return FindingChange(
        "auc", found.before, found.after, after.support, change, found.interval, found.p_value, (left,)
    )


def _rarer_decision(finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Return the share of the decision that was the rarer one before, of all rows or of the finding's group."""
    rows, test = np.ones(len(both.test), dtype=bool), both.test
    if finding.group is not None:
        groups = both.views[str(finding.attribute)]
        rows = groups.codes == (groups.labels.index(finding.group) if finding.group in groups.labels else -1)
    support = int(rows.sum())
    if support < both.settings.min_support:
        return NotMeasurable(f"too few rows of {finding.group or 'any group'} in the test data", support)
    found = compare(
        test.y[rows],
        both.before.decisions[rows],
        both.after.decisions[rows],
        sensitive_features=np.full(support, "all"),
        sample_weight=None if test.weights is None else test.weights[rows],
        cluster=None if test.units is None else test.units[rows],
        metrics=("selection_rate",),
        n_permutations=both.settings.n_permutations,
        **both.settings.intervals,
    )["selection_rate"]
    before, after, change, interval = found.before, found.after, found.change, found.interval
    if before > 0.5:
        before, after, change = 1 - before, 1 - after, -change
        interval = None if interval is None else (-interval[1], -interval[0])
    share = min(after, 1 - after)
    left = (Reading(finding.measure, share, (share, share), is_fact=True),)
    return FindingChange(finding.measure, before, after, support, change, interval, found.p_value, left)
