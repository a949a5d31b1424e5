"""The verdict on each finding: fixed, improved, unchanged, worse, or insufficient evidence."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fairmend.auditing.candidate_findings import ORDER, severity
from fairmend.auditing.severity_thresholds import Thresholds
from fairmend.core.findings import Finding
from fairmend.core.metrics.inference.bootstrap import Interval
from fairmend.core.vocabulary import Severity
from fairmend.pipeline.finding_outcomes.before_after import FindingChange, NotMeasurable

Verdict = Literal["fixed", "improved", "unchanged", "worse", "insufficient evidence"]
RAISED = ("low", "medium", "high")


@dataclass(frozen=True)
class FindingOutcome:
    """The outcome of one finding, on the test data.

    Attributes
    ----------
    kind, attribute, group, reference, column, severity
        The finding of the audit.
    measure : str
        Name of the metric.
    before, after : float or None
        Values for the baseline and the final rule; None if the evidence is insufficient.
    change : float or None
        After minus before.
    interval : (float, float) or None
        95 % interval of the change; None if no change was possible.
    p_value, p_holm : float or None
        P-value of no change, and corrected for all tested findings of the run; the latter decides.
    support : int
        Rows of the smallest group involved.
    verdict : str
        ``fixed``, ``improved``, ``unchanged``, ``worse`` or ``insufficient evidence``.
    text : str
        Reason, as one sentence.
    """

    kind: str
    attribute: str | None
    group: str | None
    reference: str | None
    column: str | None
    severity: Severity
    measure: str
    before: float | None
    after: float | None
    change: float | None
    interval: Interval | None
    p_value: float | None
    p_holm: float | None
    support: int
    verdict: Verdict
    text: str

    @property
    def matters(self) -> bool:
        """Whether the audit raised it, or it changed."""
        return self.severity in RAISED or self.verdict in ("fixed", "improved", "worse")

    def to_json(self) -> dict[str, Any]:
        """Return the verdict for JSON."""
        raw = asdict(self)
        raw["interval"] = None if self.interval is None else list(self.interval)
        return raw


def concluded(
    finding: Finding, found: FindingChange | NotMeasurable, p_holm: float | None, rules: Thresholds
) -> FindingOutcome:
    """Return the verdict on a finding.

    Parameters
    ----------
    finding : Finding
        Finding of the audit.
    found : FindingChange or NotMeasurable
        Its metric before and after, or why it is not measurable.
    p_holm : float or None
        P-value of no change, corrected for all findings.
    rules : Thresholds
        Audit thresholds.
    """
    if isinstance(found, FindingChange) and not (math.isfinite(found.before) and math.isfinite(found.after)):
        found = NotMeasurable(f"{_words(found.measure)} is not defined on the test data", found.support)
    about = (
        finding.kind,
        finding.attribute,
        finding.group,
        finding.reference,
        finding.column,
        finding.severity,
    )
    if isinstance(found, NotMeasurable):
        text = f"{found.reason[:1].upper()}{found.reason[1:]}."
        return FindingOutcome(
            *about, finding.measure, None, None, None, None, None, None, found.support,
            "insufficient evidence", text,
        )  # fmt: skip
    verdict, why = _verdict(finding, found, p_holm, rules)
    known_p = None if found.p_value is None or math.isnan(found.p_value) else found.p_value
    return FindingOutcome(
        *about,
        found.measure,
        found.before,
        found.after,
        found.change,
        found.interval,
        known_p,
        None if known_p is None else p_holm,
        found.support,
        verdict,
        f"{_figures(found)}: {why}.",
    )


def _verdict(
    finding: Finding, found: FindingChange, p_holm: float | None, rules: Thresholds
) -> tuple[Verdict, str]:
    if found.reason:
        return "unchanged", found.reason
    if p_holm is None or not p_holm < rules.significance.value:
        return "unchanged", "no significant change"
    verdict, why = _beyond_chance(finding, found, rules)
    if found.interval is not None and found.interval[0] <= 0 <= found.interval[1]:
        why += "; the interval of the change contains 0"
    return verdict, why


def _beyond_chance(finding: Finding, found: FindingChange, rules: Thresholds) -> tuple[Verdict, str]:
    """Return the verdict on a metric that changed significantly, by the paired test."""
    if (found.change > 0) == rules.measures[found.measure].rising:
        return "worse", "significantly worse"
    left = max(
        (severity(rules.measures[r.measure], r, significant=True) for r in found.left), key=ORDER.index
    )
    if left == "none" and finding.severity in RAISED:
        return "fixed", "an audit would no longer raise it"
    if left in RAISED:
        return "improved", f"the remaining disparity is {left}"
    if left == "none":
        return "improved", "the audit had not raised it"
    seen = max((rules.measures[r.measure].grade(r.value) for r in found.left), key=ORDER.index)
    if seen == "none":
        return "improved", "a remaining disparity cannot be ruled out"
    return "improved", f"the remaining value reaches {seen}, but its interval does not"


def _figures(found: FindingChange) -> str:
    name = _words(found.measure)
    if found.interval is None:
        return f"{name[:1].upper()}{name[1:]} {found.after:.3f}"
    low, high = found.interval
    return (
        f"{name[:1].upper()}{name[1:]} {found.before:.3f} to {found.after:.3f}, change {found.change:+.3f} "
        f"[{low:+.3f}, {high:+.3f}]"
    )


def _words(measure: str) -> str:
    return measure.replace("_", " ")
