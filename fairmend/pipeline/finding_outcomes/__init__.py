"""Audit findings re-measured on the test data: the same metric before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fairmend.auditing.contributed_kinds import ContributedKind, thresholds_with
from fairmend.core.findings import Finding
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.metrics import holm
from fairmend.pipeline.finding_outcomes.before_after import BeforeAfter, FindingChange, NotMeasurable
from fairmend.pipeline.finding_outcomes.contributed import contributed
from fairmend.pipeline.finding_outcomes.decisions import crossing_deficit, group_gap
from fairmend.pipeline.finding_outcomes.facts import base_rate_difference, class_imbalance, representation
from fairmend.pipeline.finding_outcomes.features import biased_mediator, proxy_variable
from fairmend.pipeline.finding_outcomes.scores import group_miscalibration
from fairmend.pipeline.finding_outcomes.skill import skill
from fairmend.pipeline.finding_outcomes.verdicts import FindingOutcome, concluded
from fairmend.pipeline.gates.gate_context import ModelEvaluation

__all__ = ["FindingOutcome", "resolve"]

MEASURES: dict[str, Callable[[Finding, BeforeAfter], FindingChange | NotMeasurable]] = {
    "outcome-disparity": group_gap,
    "error-rate-disparity": group_gap,
    "intersectional-disparity": crossing_deficit,
    "group-miscalibration": group_miscalibration,
    "biased-mediator": biased_mediator,
    "proxy-variable": proxy_variable,
    "base-rate-difference": base_rate_difference,
    "representation-imbalance": representation,
    "class-imbalance": class_imbalance,
    "no-skill": skill,
    "degenerate-decisions": skill,
}
"""How each built-in kind is measured before and after.

They have no ``detect`` and ``measure`` of their own, as kinds of plugins have: those see rows and are resampled row
by row, while built-in kinds are measured together, from one table of counts whose resamples cost the same for any
number of rows.
"""
OF_ALL_ROWS = {"class-imbalance", "no-skill", "degenerate-decisions"}
"""Kinds whose findings may be about all rows, whatever the protected attributes."""


def resolve(
    findings: Sequence[Finding],
    before: ModelEvaluation,
    after: ModelEvaluation,
    steps: Sequence[TechniqueMetadata] = (),
    kinds: Sequence[ContributedKind] = (),
) -> list[FindingOutcome]:
    """Classify each finding as fixed, improved, unchanged, worse or insufficient evidence.

    Parameters
    ----------
    findings : sequence of Finding
        Findings of an audit.
    before, after : ModelEvaluation
        Baseline and final rule on the same held-out rows.
    steps : sequence of TechniqueMetadata
        The techniques of the final pipeline.
    kinds : sequence of ContributedKind
        Finding kinds that bring their own measure.

    Returns
    -------
    list of FindingOutcome
        One per finding, in the same order.

    Notes
    -----
    A finding is ``fixed`` if an audit of the final rule would no longer raise it and the change is
    significant; ``improved`` or ``worse`` if it changed significantly; ``unchanged`` if it did not,
    or could not. All p-values of a run are corrected together (Holm).
    """
    both = BeforeAfter(before, after, tuple(steps), thresholds_with(kinds))
    theirs = {one.kind.kind: one for one in kinds}
    found = [_measured(finding, both, theirs.get(finding.kind)) for finding in findings]
    tested = [np.nan if isinstance(m, NotMeasurable) or m.p_value is None else m.p_value for m in found]
    adjusted = [None if np.isnan(p) else float(p) for p in holm(tested)]
    return [
        concluded(finding, m, p, both.rules) for finding, m, p in zip(findings, found, adjusted, strict=True)
    ]


def _measured(
    finding: Finding, both: BeforeAfter, theirs: ContributedKind | None
) -> FindingChange | NotMeasurable:
    if finding.kind not in MEASURES and theirs is None:
        return NotMeasurable(f"no plugin measures findings of kind {finding.kind}")
    if finding.value is None and finding.severity == "insufficient evidence":
        return NotMeasurable(
            "the audit could not measure it, and the test data are a subset of the audited data"
        )
    if finding.attribute is not None and finding.attribute not in both.views:
        return NotMeasurable(f"the data has no protected attribute {finding.attribute}")
    if finding.attribute is None and finding.kind not in OF_ALL_ROWS:
        return NotMeasurable("the finding names no protected attribute")
    if theirs is not None and finding.kind not in MEASURES:
        return contributed(theirs, finding, both)
    return MEASURES[finding.kind](finding, both)
