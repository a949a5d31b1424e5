"""From evidence to findings: levels, correction for several tests, and plain words."""

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
"""Severities, the gravest last."""
MOST_OF_A_KIND = 10
"""Findings about undeclared columns or cells that are listed for one kind and attribute."""


@dataclass(frozen=True)
class Reading:
    """One measured number that may decide a severity.

    Attributes
    ----------
    measure : str
        Name of the measure, with levels in the thresholds.
    value, interval : float, (float, float) or None
        The number and its confidence interval.
    ceiling : Severity
        The severity it can reach at most.
    is_fact : bool
        Whether the number describes this data, and not a population of which it is a sample; then
        the value decides alone.
    """

    measure: str
    value: float
    interval: Interval | None
    ceiling: Severity = "high"
    is_fact: bool = False


@dataclass(frozen=True)
class CandidateFinding:
    """What was measured about one possible finding, before it is judged.

    Attributes
    ----------
    kind : str
        Kind of finding.
    text : str
        What was seen, as the beginning of a sentence.
    readings : tuple of Reading
        Numbers of which the gravest decides; none where support is lacking throughout.
    support : int
        Rows of the smallest cell.
    p_value : float or None
        Of the test against no disparity; NaN if undefined, None where counts need no test.
    optional : bool
        Whether to leave it out unless it is raised, or is the gravest of its kind and attribute.
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
    """Return the finding that some groups have too few rows to say anything about them."""
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
            f"Nothing can be said on {kind.replace('-', ' ')} for {named} ({attribute}): "
            f"too few {what} (the fewest: {support})."
        ),
    )


def conclude(
    found: Sequence[CandidateFinding | Finding], rules: Thresholds
) -> tuple[tuple[Finding, ...], list[str]]:
    """Judge evidence: the findings, the gravest first, and notes on what was left out.

    The p-values of each kind are corrected together (Holm), so that the chance of any false alarm
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
    """Return a key that sorts the gravest finding first, then by kind, attribute and value."""
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
    """Return the severity of one reading: the gravest level that all of its interval reaches.

    Where only the value reaches one, or the test is not significant, the evidence is insufficient. A
    value that reaches none is ``none`` only if the interval leaves out a grave disparity.
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
        return "; that the groups differ in it is not sure"
    if levels.supported_by(reading.interval) != "none":
        return "; among so many tests this may be chance"
    if levels.grade(reading.value) != "none":
        return f"; that it is beyond {levels.low:g} is not sure"
    return "; too few rows to rule out a grave disparity"
