"""Findings about the data itself, which no decision rule changes."""

from __future__ import annotations

import math

import numpy as np

from fairmend.core.findings import Finding
from fairmend.core.types import Floats, Ints
from fairmend.pipeline.finding_outcomes.before_after import (
    BeforeAfter,
    FindingChange,
    NotMeasurable,
    unchanged,
)

REWEIGHTED = "reweights or resamples the training rows"
FACT = "a property of the data, which the pipeline does not change"


def base_rate_difference(finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Return the greatest difference of recorded outcomes between groups with enough test rows."""
    groups, minimum = both.views[str(finding.attribute)], both.settings.min_support
    size, weight = groups.counts(), groups.counts(both.weights)
    keep = (size >= minimum) & (weight > 0)
    short = both.short_of(finding, [groups.labels[g] for g in np.flatnonzero(keep)])
    if short:
        return NotMeasurable(f"too few rows of {short} in the test data", int(size.min()))
    rates = groups.counts(both.weights * both.test.y)[keep] / weight[keep]
    reason = _fact(both.changing("labels"), "changes training labels")
    return unchanged("base_rate_difference", float(np.ptp(rates)), int(size[keep].min()), reason)


def representation(finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Return the rows of the finding's group over those of the group it was compared with."""
    groups = both.views[str(finding.attribute)]
    rows = dict(zip(groups.labels, groups.counts(), strict=True))
    few, many = rows.get(str(finding.group), 0.0), rows.get(str(finding.reference), 0.0)
    if not few or not many:
        absent = finding.reference if few else finding.group
        return NotMeasurable(f"no rows of {absent} in the test data")
    reason = _fact(both.changing("rows", "weights"), REWEIGHTED)
    return unchanged("ratio_to_largest_group", few / many, int(few), reason)


def class_imbalance(finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Return the share of the rarer outcome, of all test rows or of the finding's group."""
    rows = np.ones(len(both.test), dtype=bool)
    if finding.group is not None:
        groups = both.views[str(finding.attribute)]
        rows = groups.codes == (groups.labels.index(finding.group) if finding.group in groups.labels else -1)
    support = int(rows.sum())
    if support < both.settings.min_support:
        return NotMeasurable(f"too few rows of {finding.group or 'any group'} in the test data", support)
    share = _share(both.test.y[rows], both.weights[rows])
    reason = _fact(both.changing("rows", "weights"), REWEIGHTED)
    return unchanged("minority_class_share", min(share, 1 - share), support, reason)


def _share(y: Ints, weights: Floats) -> float:
    return float(np.average(y, weights=weights)) if weights.any() else math.nan


def _fact(answers: list[str], how: str) -> str:
    """Return the explanation, and which steps address it in training."""
    return FACT + (f"; {', '.join(answers)} {how}" if answers else "")
