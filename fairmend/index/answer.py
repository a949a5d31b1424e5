"""The records that a search and a recommendation return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fairmend.core.constraints import Constraints
from fairmend.core.findings import Audit
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.text.display import Displayed
from fairmend.core.vocabulary import Notion, Stage


@dataclass(frozen=True)
class Result:
    """A technique that fits.

    Attributes
    ----------
    technique_id, slug, name, stage
        As in the metadata of the technique.
    score : float
        Relevance, between 0 and 1.
    why : tuple of str
        Sentences from the catalog and, in a recommendation, from the audit.
    citation : str
        Full reference.
    """

    technique_id: int | str
    slug: str
    name: str
    stage: Stage
    score: float
    why: tuple[str, ...]
    citation: str

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {
            "technique_id": self.technique_id,
            "slug": self.slug,
            "name": self.name,
            "stage": self.stage,
            "score": self.score,
            "why": list(self.why),
            "citation": self.citation,
        }


@dataclass(frozen=True)
class Ranked(Result):
    """A technique that a recommendation ranks.

    Attributes
    ----------
    findings : tuple of str
        Kinds of the findings it addresses, most severe first.
    """

    findings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {**super().to_json(), "findings": list(self.findings)}


@dataclass(frozen=True)
class Excluded:
    """A technique that a constraint excludes.

    Attributes
    ----------
    technique_id, slug
        As in the metadata of the technique.
    reason : str
        Reason for the exclusion.
    """

    technique_id: int | str
    slug: str
    reason: str

    @classmethod
    def of(cls, card: TechniqueMetadata, reason: str) -> Excluded:
        """Return the record for a technique."""
        return cls(card.technique_id, card.slug, reason)

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {"technique_id": self.technique_id, "slug": self.slug, "reason": self.reason}


@dataclass(frozen=True, repr=False)
class Answer(Displayed):
    """The answer to a question in plain text.

    Attributes
    ----------
    query : str
        The question.
    results : tuple of Result
        Matching techniques, best first; empty if the question is not about fairness.
    excluded : tuple of Excluded
        Techniques that would have been among the results without a constraint.
    """

    query: str
    results: tuple[Result, ...]
    excluded: tuple[Excluded, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {
            "schema_version": 1,
            "query": self.query,
            "results": [result.to_json() for result in self.results],
            "excluded": [left_out.to_json() for left_out in self.excluded],
        }

    def facts(self) -> dict[str, object]:
        """Return the question and the best techniques."""
        return {
            "query": self.query,
            "results": ", ".join(result.slug for result in self.results[:3]) or "none",
            "count": f"{len(self.results)} fit, {len(self.excluded)} are excluded",
        }

    def records(self) -> list[dict[str, Any]]:
        """Return the matching techniques, best first, then the excluded ones."""
        fits = [{**r.to_json(), "why": " ".join(r.why), "excluded": None} for r in self.results]
        out = [{"technique_id": e.technique_id, "slug": e.slug, "excluded": e.reason} for e in self.excluded]
        columns = ("technique_id", "slug", "stage", "score", "why", "excluded")
        return [{column: row.get(column) for column in columns} for row in (*fits, *out)]


@dataclass(frozen=True, repr=False)
class Recommendation(Answer):
    """The techniques that address the findings of an audit.

    Attributes
    ----------
    query : str
        The query as text: the findings and the fairness notion.
    results : tuple of Ranked
        All techniques that can be used, best first.
    excluded : tuple of Excluded
        The others, each with the reason.
    audit : Audit
        What was found.
    constraints : Constraints
        The hard limits.
    notion : str
        Fairness notion to target.
    """

    results: tuple[Ranked, ...]
    audit: Audit
    constraints: Constraints
    notion: Notion

    def by_stage(self, stage: Stage) -> list[Ranked]:
        """Return the techniques of a stage, best first."""
        return [result for result in self.results if result.stage == stage]
