"""From evidence to findings: severity levels, correction for multiple tests, and text."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairmend.auditing.severity_thresholds import Interval, Levels, Thresholds
from fairmend.core.findings import Finding
from fairmend.core.metrics import holm
from fairmend.core.vocabulary import Severity

ORDER: tuple[Severity, ...] = ("none", "insufficient evidence", "low", "medium", "high")
"""Severities, the most severe last."""
MOST_OF_A_KIND = 10
"""Maximum number of findings about undeclared columns or groups listed per kind and attribute."""


@dataclass(frozen=True)
class Reading:
    """One measured value that may determine a severity.

    Attributes
    ----------
    measure : str
        Name of the metric, with levels in the thresholds.
    value, interval : float, (float, float) or None
        The number and its confidence interval.
    ceiling : Severity
        Highest severity it can reach.
    is_fact : bool
        Whether the value describes this data set itself rather than the population; then the
        value decides without its interval.
    """

    measure: str
    value: float
    interval: Interval | None
    ceiling: Severity = "high"
    is_fact: bool = False


@dataclass(frozen=True)
class CandidateFinding:
    """The evidence for one possible finding, before its severity is determined.

    Attributes
    ----------
    kind : str
        Kind of finding.
    text : str
        Description, as the beginning of a sentence.
    readings : tuple of Reading
        Values of which the most severe decides; empty if support is insufficient throughout.
    support : int
        Rows of the smallest group.
    p_value : float or None
        P-value of the test of no disparity; NaN if undefined, None if counts need no test.
    optional : bool
        Whether to omit it unless it is raised, or is the most severe of its kind and attribute.
    """

    kind: str
    text: str
    readings: tuple[Reading, ...]
    support: int
    p_value: float | None = None
    attribute: str | None = None
    group: str | None = None
    reference: str | None = None
    column: str | None = None
    outcome_class: str | None = None
    optional: bool = False


def lacking(
    kind: str, attribute: str, groups: Sequence[str], support: int, what: str, measure: str
) -> Finding:
    """Return the finding that some groups have too few rows."""
    named = ", ".join(groups[:5]) + (f" and {len(groups) - 5} more" if len(groups) > 5 else "")
    return Finding(
        kind=kind,
        severity="insufficient evidence",
        attribute=attribute,
        group=groups[0] if len(groups) == 1 else None,
        measure=measure,
        value=None,
        support=support,
        text=(
            f"Insufficient evidence on {kind.replace('-', ' ')} for {named} ({attribute}): "
            f"too few {what} (minimum: {support})."
        ),
    )


def conclude(
    found: Sequence[CandidateFinding | Finding], rules: Thresholds
) -> tuple[tuple[Finding, ...], list[str]]:
    """Turn evidence into findings, most severe first, and notes on omitted ones.

    The p-values of each kind are corrected together (Holm), so that the family-wise error rate
    of that kind, over all attributes, groups and columns, stays below the significance level.
    """
    evidence = [one for one in found if isinstance(one, CandidateFinding)]
    kept: list[Finding] = []
    optional: dict[tuple[str, str | None], list[Finding]] = defaultdict(list)
    for one, p in zip(evidence, _corrected(evidence), strict=True):
        finding = _finding(one, p, rules)
        if one.optional:
            optional[one.kind, one.attribute].append(finding)
        else:
            kept.append(finding)
    told = {(finding.kind, finding.attribute) for finding in kept}
    notes: list[str] = []
    for (kind, attribute), findings in optional.items():
        findings.sort(key=gravity)
        raised = [f for f in findings if ORDER.index(f.severity) >= ORDER.index("low")]
        kept += raised[:MOST_OF_A_KIND] or ([] if (kind, attribute) in told else findings[:1])
        if more := [str(f.column or f.outcome_class or f.group) for f in raised[MOST_OF_A_KIND:]]:
            notes.append(f"{len(more)} more findings of {kind} for {attribute}: {', '.join(more[:20])}.")
    kept += [one for one in found if isinstance(one, Finding)]
    return tuple(sorted(kept, key=gravity)), notes


def gravity(finding: Finding) -> tuple[int, str, str, float, str, str]:
    """Return a key that sorts the most severe finding first, then by kind, attribute and value."""
    return (
        -ORDER.index(finding.severity),
        finding.kind,
        finding.attribute or "",
        math.inf if finding.value is None else -finding.value,
        finding.column or "",
        finding.group or "",
    )


def _corrected(evidence: Sequence[CandidateFinding]) -> list[float | None]:
    out: list[float | None] = [one.p_value for one in evidence]
    for kind in {one.kind for one in evidence}:
        places = [i for i, one in enumerate(evidence) if one.kind == kind and one.p_value is not None]
        adjusted = holm(np.array([evidence[i].p_value for i in places], dtype=float))
        for i, p in zip(places, adjusted, strict=True):
            out[i] = float(p)
    return out


def _finding(one: CandidateFinding, p: float | None, rules: Thresholds) -> Finding:
    significant = p is None or p < rules.significance.value
    graded = [(severity(rules.measures[r.measure], r, significant), r) for r in one.readings]
    level, reading = max(graded, key=lambda pair: ORDER.index(pair[0]))
    levels = rules.measures[reading.measure]
    limit = levels.low if level in ("none", "insufficient evidence") else getattr(levels, level)
    known = math.isfinite(reading.value)
    return Finding(
        kind=one.kind,
        severity=level,
        attribute=one.attribute,
        group=one.group,
        reference=one.reference,
        column=one.column,
        outcome_class=one.outcome_class,
        measure=reading.measure,
        value=reading.value if known else None,
        interval=reading.interval,
        support=one.support,
        threshold=limit,
        text=f"{one.text} ({_figures(reading)}){_verdict(level, levels, reading)}.",
    )


def severity(levels: Levels, reading: Reading, significant: bool) -> Severity:
    """Return the severity of one reading: the highest level that its whole interval reaches.

    If only the value reaches a level, or the test is not significant, the evidence is insufficient. A
    value that reaches no level is ``none`` only if the interval excludes a severe disparity.
    """
    if not math.isfinite(reading.value) or reading.interval is None:
        return "insufficient evidence"
    seen = min(levels.grade(reading.value), reading.ceiling, key=ORDER.index)
    if reading.is_fact:
        return seen
    if seen == "none":
        is_open = reading.ceiling == "high" and levels.open_to(reading.interval)
        return "insufficient evidence" if is_open else "none"
    sure = levels.supported_by(reading.interval)
    if sure == "none" or not significant:
        return "insufficient evidence"
    return min(sure, reading.ceiling, key=ORDER.index)


def _figures(reading: Reading) -> str:
    name = reading.measure.replace("_", " ")
    if not math.isfinite(reading.value) or reading.interval is None:
        return f"{name} unknown"
    low, high = reading.interval
    return f"{name} {reading.value:.3f}, 95 % interval {low:.3f} to {high:.3f}"


def _verdict(level: Severity, levels: Levels, reading: Reading) -> str:
    """Return why the evidence is insufficient, as the end of a sentence."""
    if level != "insufficient evidence" or reading.interval is None:
        return ""
    if reading.ceiling == "insufficient evidence":
        return "; the difference between groups is not significant"
    if levels.supported_by(reading.interval) != "none":
        return "; not significant after correction for multiple tests"
    if levels.grade(reading.value) != "none":
        return f"; not significantly beyond {levels.low:g}"
    return "; too few rows to rule out a severe disparity"
