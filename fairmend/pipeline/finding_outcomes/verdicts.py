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
    """What became of one finding, on the test data.

    Attributes
    ----------
    kind, attribute, group, reference, column, severity
        The finding, as the audit made it.
    measure : str
        What was measured before and after.
    before, after : float or None
        Of baseline and final rule; None where the evidence is insufficient.
    change : float or None
        After minus before.
    interval : (float, float) or None
        95 % interval of the change; None where nothing could change.
    p_value, p_holm : float or None
        Of no change, and corrected for all findings of the run that were tested; the latter decides.
    support : int
        Rows of the smallest cell behind it.
    verdict : str
        ``fixed``, ``improved``, ``unchanged``, ``worse`` or ``insufficient evidence``.
    text : str
        Why, as one sentence.
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
        As the audit made it.
    found : FindingChange or NotMeasurable
        Its figure before and after, or why there is none.
    p_holm : float or None
        The p-value of no change, corrected for all findings.
    rules : Thresholds
        What audits go by.
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
        return "unchanged", "no change beyond chance"
    verdict, why = _beyond_chance(finding, found, rules)
    if found.interval is not None and found.interval[0] <= 0 <= found.interval[1]:
        why += "; the interval of the change holds 0, so that other rows may show none"
    return verdict, why


def _beyond_chance(finding: Finding, found: FindingChange, rules: Thresholds) -> tuple[Verdict, str]:
    """Return the verdict on a figure that changed beyond chance, by the paired test."""
    if (found.change > 0) == rules.measures[found.measure].rising:
        return "worse", "a change for the worse beyond chance"
    left = max(
        (severity(rules.measures[r.measure], r, significant=True) for r in found.left), key=ORDER.index
    )
    if left == "none" and finding.severity in RAISED:
        return "fixed", "an audit would no longer find it"
    if left in RAISED:
        return "improved", f"what is left is {left}"
    if left == "none":
        return "improved", "the audit had raised nothing here"
    seen = max((rules.measures[r.measure].grade(r.value) for r in found.left), key=ORDER.index)
    if seen == "none":
        return "improved", "that nothing is left is not sure"
    return "improved", f"what is left reaches {seen}, though its interval does not"


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
