"""The record of a sweep: candidates, their figures, the frontier and the choice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from fairmend.catalog.policy import PolicyCheck
from fairmend.core.constraints import Constraints
from fairmend.core.data.roles import Roles
from fairmend.core.findings import Audit
from fairmend.core.metrics import Estimate
from fairmend.core.text.display import Displayed
from fairmend.core.text.documents import load_document
from fairmend.core.text.validation import ClosedModel
from fairmend.core.utility import Utility
from fairmend.core.vocabulary import Notion
from fairmend.pipeline.spec import Step
from fairmend.pipeline.sweep.alternatives.record import Alternative, LdaSearch
from fairmend.pipeline.sweep.model_variants import ModelVariant

PLAIN = "plain model"


class SweepCandidate(ClosedModel):
    """A combination of techniques with its figures on the validation data."""

    steps: tuple[Step, ...] = Field(description="the techniques, in order; none for the plain model")
    settings: tuple[str, ...] = Field(
        default=(), description="their parameters that differ from those that target and findings set"
    )
    variant: ModelVariant | None = Field(
        default=None, description="in a search for alternatives, what takes the place of the plain model"
    )
    status: Literal["measured", "failed"]
    reason: str = Field(default="", description="why it failed")
    accuracy: Estimate | None = None
    utility: Estimate | None = Field(default=None, description="what its decisions are worth")
    fairness: Estimate | None = Field(default=None, description="the figure of the target")
    accuracy_change: Estimate | None = Field(default=None, description="against the plain model, paired")
    fairness_change: Estimate | None = Field(default=None, description="against the plain model, paired")
    reads_protected: bool = Field(
        default=False, description="whether a decision needs the protected attributes"
    )
    randomized: bool = Field(default=False, description="whether decisions are drawn at random in part")
    meets_target: bool = Field(
        default=False, description="whether the target is met, by the policy's rule of evidence"
    )
    secure: bool = Field(default=False, description="whether the target is met with the whole interval")
    passes: bool = Field(
        default=False, description="whether every required check of the last gate passes, approvals apart"
    )
    failing: tuple[str, ...] = Field(default=(), description="the required checks that do not pass")
    seconds: float = Field(default=0.0, description="time of its steps when they were computed")
    on_frontier: bool = Field(
        default=False,
        description="whether no other candidate is at least as good in both and better in one, or equal and shorter or tried first",
    )
    share_on_frontier: float | None = Field(
        default=None, description="share of resamples of the rows in which no other beats it"
    )
    alternative: Alternative | None = Field(
        default=None, description="in a search for alternatives, how it compares with the plain model"
    )

    @model_validator(mode="before")
    @classmethod
    def _without_name(cls, raw: Any) -> Any:
        """Leave out what :meth:`to_json` derives from the steps."""
        return {k: v for k, v in raw.items() if k != "name"} if isinstance(raw, dict) else raw

    @property
    def worth(self) -> Estimate | None:
        """What its decisions are worth: their utility, which is accuracy unless another was named."""
        return self.utility or self.accuracy

    @property
    def name(self) -> str:
        """What to call it: its model, unless it is the plain one, and its techniques."""
        start = () if self.variant is None else (self.variant.name,)
        told = " + ".join((*start, *(step.slug for step in self.steps))) or PLAIN
        return f"{told} ({', '.join(self.settings)})" if self.settings else told

    @property
    def changes(self) -> int:
        """Number of things done otherwise than in the plain model."""
        return len(self.steps) + (0 if self.variant is None else self.variant.changes)

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        steps = [
            step.model_dump(mode="json", include={"stage", "technique", "slug", "parameters"})
            for step in self.steps
        ]
        return {"name": self.name, **self.model_dump(mode="json"), "steps": steps}


class Target(ClosedModel):
    """The target set by the policy."""

    measure: str = Field(description="name of the figure")
    bound: str = Field(description="as people write it")
    threshold: float
    upward: bool = Field(description="whether greater values are better")

    @classmethod
    def of(cls, check: PolicyCheck) -> Self:
        """Return the target that a policy sets."""
        return cls(
            measure=check.metric,
            bound=check.bound_text(),
            threshold=float(check.threshold or 0.0),
            upward=check.upward,
        )


class ExcludedTechnique(ClosedModel):
    """A technique that was not tried, and why."""

    technique_id: int | str
    slug: str
    reason: str


class Sweep(Displayed, ClosedModel):
    """Everything that a sweep found; figures come from validation data, never from the test part."""

    schema_version: Literal[1] = Field(default=1, description="version of this format")
    sweep_id: str = Field(description="hash of all that the figures depend on, the candidates apart")
    roles: Roles = Field(description="what each column is for")
    audit: Audit = Field(description="what settled the parameters")
    data: dict[str, Any] = Field(description="rows, parts and SHA-256 of the data")
    notion: Notion
    target: Target
    policy: dict[str, str] = Field(description="name, evidence and SHA-256 of the policy")
    constraints: Constraints
    learner: str
    seed: int
    utility: Utility | None = Field(default=None, description="what decisions are worth; accuracy by default")
    depth: int
    candidates: tuple[SweepCandidate, ...]
    excluded: tuple[ExcludedTechnique, ...] = ()
    selected: str | None = Field(default=None, description="name of the candidate to begin with")
    reason: str = Field(description="why that one, or why none")
    notes: tuple[str, ...] = ()
    lda: LdaSearch | None = Field(
        default=None, description="the search for a less discriminatory alternative, if this was one"
    )
    computed: int = Field(default=0, description="candidates computed in this call; the others were stored")
    seconds: float = Field(default=0.0, description="duration of this call")
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _without_frontier(cls, raw: Any) -> Any:
        """Leave out what :meth:`to_json` derives from the candidates."""
        return {k: v for k, v in raw.items() if k != "frontier"} if isinstance(raw, dict) else raw

    def facts(self) -> dict[str, object]:
        """Return what was tried, and what was selected and why."""
        return {
            "target": f"{self.target.measure} {self.target.bound}",
            "candidates": f"{len(self.measured)} measured of {len(self.candidates)}",
            "frontier": ", ".join(c.name for c in self.frontier) or "none",
            "selected": self.selected or "none",
            "reason": self.reason,
        }

    def records(self) -> list[dict[str, Any]]:
        """Return the candidates in the order to read them."""
        return [
            {
                "name": c.name,
                "status": c.status,
                **_figures("accuracy", c.accuracy),
                **_figures("fairness", c.fairness),
                "meets_target": c.meets_target,
                "passes": c.passes,
                "on_frontier": c.on_frontier,
                "reads_protected": c.reads_protected,
                "randomized": c.randomized,
                "reason": c.reason,
            }
            for c in ranked(self.candidates)
        ]

    @property
    def worth(self) -> str:
        """Name of what decisions are worth, for people."""
        return (self.utility or Utility()).text

    @property
    def measured(self) -> list[SweepCandidate]:
        """The candidates that did not fail."""
        return [c for c in self.candidates if c.status == "measured"]

    @property
    def frontier(self) -> list[SweepCandidate]:
        """The candidates that no other beats, the one of greatest utility first."""
        return [c for c in ranked(self.candidates) if c.on_frontier]

    @property
    def pick(self) -> SweepCandidate | None:
        """The candidate to begin with, None where none meets the target."""
        return next((c for c in self.candidates if c.name == self.selected), None)

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0 where some candidate meets the target, else 4.

        Of a search for alternatives: 0 where one was found and confirmed.
        """
        if self.lda is not None:
            return 0 if self.lda.outcome == "found" else 4
        return 0 if any(c.meets_target for c in self.candidates) else 4

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        raw = self.model_dump(mode="json", exclude={"candidates"})
        raw["frontier"] = [c.name for c in self.frontier]
        return {**raw, "candidates": [c.to_json() for c in self.candidates]}


def _figures(name: str, figure: Estimate | None) -> dict[str, float | None]:
    raw = {} if figure is None else figure.to_json()
    lower, upper = raw.get("interval") or (None, None)
    return {name: raw.get("value"), f"{name}_lower": lower, f"{name}_upper": upper}


def ranked(candidates: tuple[SweepCandidate, ...]) -> list[SweepCandidate]:
    """Return candidates in the order to read them: frontier, then others by utility, then failed ones."""

    def place(c: SweepCandidate) -> tuple[bool, bool, float, int]:
        worth = c.worth.value if c.worth is not None and c.worth.defined else 0.0
        return c.status == "failed", not c.on_frontier, -worth, len(c.steps)

    return sorted(candidates, key=place)


def load_sweep(source: str | Path | Mapping[str, Any] | Sweep) -> Sweep:
    """Return a sweep from the JSON file (or mapping) that a sweep wrote.

    Raises
    ------
    UsageError
        The file is missing or is not a sweep.
    """
    return load_document(Sweep, source, "sweep", "fairmend sweep ... -o FILE")
