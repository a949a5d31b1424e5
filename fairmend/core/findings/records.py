"""A finding, and the record of an audit."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from fairmend.core.causal.graph_content import GraphContent
from fairmend.core.data.roles import Roles
from fairmend.core.text.display import Displayed
from fairmend.core.text.validation import ClosedModel
from fairmend.core.vocabulary import Severity


class Finding(ClosedModel):
    """A finding of an audit, with its evidence."""

    kind: str = Field(description="finding kind")
    severity: Severity = Field(description="severity; 'insufficient evidence' if support is too low")
    attribute: str | None = Field(default=None, description="protected attribute concerned")
    group: str | None = Field(default=None, description="group with the worst value")
    reference: str | None = Field(default=None, description="group with the best value")
    outcome_class: str | None = Field(default=None, description="class of the outcome concerned")
    column: str | None = Field(default=None, description="feature concerned")
    column_is: Literal["number", "text"] | None = Field(default=None, description="type of that feature")
    measure: str = Field(description="metric")
    value: float | None = Field(description="its value")
    interval: tuple[float, float] | None = Field(default=None, description="its confidence interval")
    support: int = Field(ge=0, description="rows of the smallest cell")
    threshold: float | None = Field(default=None, description="reference value")
    text: str = Field(description="one sentence for people")


class Audit(Displayed, ClosedModel):
    """The record of an audit: data, roles, metrics and findings."""

    schema_version: Literal[1] = Field(default=1, description="version of this format")
    rows: int = Field(description="number of rows")
    roles: Roles = Field(description="role of each column")
    groups: dict[str, int] = Field(description="rows of each group")
    subject: str = Field(
        description="what was audited: labels, given predictions, or a trained reference model"
    )
    fingerprint: str = Field(description="SHA-256 of the data")
    seed: int = Field(description="seed of everything random")
    measures: dict[str, Any] = Field(description="metrics of the audited subject by name")
    findings: tuple[Finding, ...] = Field(description="findings, most severe first")
    graph: GraphContent = Field(
        default=None, description="an expert's causal graph: nodes, edges, hidden_common_causes, undirected"
    )
    notes: tuple[str, ...] = Field(default=(), description="notes on decisions made during the audit")

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return self.model_dump(mode="json")

    def facts(self) -> dict[str, object]:
        """Return a summary of what was audited and found."""
        return {
            "subject": self.subject,
            "rows": f"{self.rows:,}",
            "protected": ", ".join(self.roles.protected),
            "found": ", ".join(self.kinds()) or "no findings at these thresholds",
        }

    def records(self) -> list[dict[str, Any]]:
        """Return the findings, most severe first."""
        shown = {"kind", "severity", "attribute", "group", "reference", "column", "measure", "value"}
        return [
            {
                **finding.model_dump(include=shown),
                **dict(zip(("lower", "upper"), finding.interval or (None, None), strict=True)),
                "support": finding.support,
                "text": finding.text,
            }
            for finding in self.findings
        ]

    def kinds(self) -> list[str]:
        """Return the kinds found at any severity, most severe first, without duplicates."""
        seen = [f.kind for f in self.findings if f.severity not in {"none", "insufficient evidence"}]
        return list(dict.fromkeys(seen))
