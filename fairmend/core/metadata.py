"""What a technique says of itself: one closed schema, filled in beside the code."""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fairmend.core.vocabulary import Arity, Level, Modifies, Notion, Stage, Task

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NAMESPACED = re.compile(rf"{SLUG.pattern}:{SLUG.pattern}")


class Adjustment(BaseModel):
    """How a rollback may change one parameter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameter: str = Field(description="name of the parameter")
    stronger: float = Field(description="step that makes the technique correct more")
    minimum: float = Field(description="least value a rollback may set")
    maximum: float = Field(description="greatest value a rollback may set")

    def moved(self, value: float, direction: str, step: float | None = None) -> float | None:
        """Return the value one step ``stronger`` or ``weaker``, or None at the end of the range.

        Examples
        --------
        >>> repair = Adjustment(parameter="repair_level", stronger=0.2, minimum=0.0, maximum=1.0)
        >>> repair.moved(0.8, "weaker"), repair.moved(1.0, "stronger")
        (0.6, None)
        """
        size = self.stronger if step is None else abs(step) * (1 if self.stronger > 0 else -1)
        target = value + (size if direction == "stronger" else -size)
        target = round(min(max(target, self.minimum), self.maximum), 10)
        return None if target == value else target


class TechniqueMetadata(BaseModel):
    """Identity, knowledge and constraints of a technique.

    A technique states what differs from the defaults. Facts that are measured (effect, accuracy
    cost, seconds) have no place here: programs write them, people do not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    technique_id: int | str = Field(
        description="number in the catalogue, or 'namespace:name' for third parties"
    )
    slug: str = Field(description="name in lower case with hyphens")
    name: str = Field(description="name as people write it")
    stage: Stage = Field(description="where in the pipeline it acts")
    family: str = Field(description="kind of method, e.g. 'reweighting'")
    summary: str = Field(description="one sentence: what it does")
    citation: str = Field(
        description="key into the bibliography, or a full reference with a year for third parties"
    )

    addresses: tuple[str, ...] = Field(default=(), description="finding kinds it is an answer to")
    targets: tuple[Notion, ...] = Field(
        default=(), description="fairness notions it works towards or measures"
    )
    tasks: tuple[Task, ...] = Field(default=("binary",), description="tasks it can serve")
    arity: tuple[Arity, ...] = Field(
        default=("binary", "many groups", "several attributes"), description="attributes it can handle"
    )

    needs_labels: bool = Field(default=True, description="reads the labels at fit")
    needs_scores: bool = Field(default=False, description="reads scores of a model")
    needs_base_estimator: bool = Field(default=False, description="trains a model that the user gives")
    needs_graph: bool = Field(default=False, description="reads a causal graph")
    needs_protected_at_fit: bool = Field(default=True, description="reads the protected attribute at fit")
    needs_protected_at_prediction: bool = Field(
        default=False, description="reads the protected attribute for every decision"
    )
    needs_retraining: bool = Field(default=False, description="a model must be trained anew")
    randomised: bool = Field(default=False, description="decisions of the deployed rule are drawn at random")
    changes: tuple[Modifies, ...] = Field(default=(), description="what it changes")
    keeps_rank_order: bool = Field(
        default=False, description="keeps the order of scores or values within a group"
    )
    minimum_rows: int = Field(default=100, ge=1, description="rows below which it should not be used")
    complexity: Level = Field(default="low", description="how hard it is to understand, run and maintain")
    duration_weeks: tuple[float, float] = Field(
        default=(1, 2), description="weeks to put it in place, from and to"
    )
    compute: Level = Field(default="low", description="how much computing it takes")
    extras: tuple[str, ...] = Field(default=(), description="extras of the installation that it needs")
    legal_notes: str = Field(default="", description="what a lawyer should hear about")

    use_when: str = Field(description="the situation it is made for")
    avoid_when: str = Field(description="the situation it is wrong for")
    questions: tuple[str, ...] = Field(default=(), description="questions of practitioners that it answers")
    settings: dict[Notion, dict[str, Any]] = Field(
        default_factory=dict, description="parameters to set for each notion of fairness a run may aim at"
    )
    bounds: dict[str, str] = Field(
        default_factory=dict,
        description="parameter that takes the bound a policy sets, for each measure that it may set one for",
    )
    adjustments: tuple[Adjustment, ...] = Field(default=(), description="parameters a rollback may change")
    alternatives: tuple[int | str, ...] = Field(
        default=(), description="ids to switch to if it does not work"
    )
    superseded_by: int | str | None = Field(default=None, description="id of the technique that replaced it")

    @field_validator("technique_id")
    @classmethod
    def _id(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError("a numeric technique_id starts at 1")
        if isinstance(value, str) and not NAMESPACED.fullmatch(value):
            raise ValueError(f"technique_id must be a catalogue number or 'namespace:name', got {value!r}")
        return value

    @field_validator("slug")
    @classmethod
    def _slug(cls, value: str) -> str:
        if not SLUG.fullmatch(value):
            raise ValueError(f"slug must be lower case words joined by hyphens, got {value!r}")
        return value

    @field_validator("summary", "use_when", "avoid_when")
    @classmethod
    def _sentence(cls, value: str) -> str:
        if len(value.strip()) < 10 or not value.strip().endswith("."):
            raise ValueError(f"must be a sentence that ends with a full stop, got {value!r}")
        return value.strip()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.stage in {"pre-processing", "in-processing"} and not self.needs_retraining:
            raise ValueError(
                f"{self.stage} changes what a model is trained on, so needs_retraining must be True"
            )
        if self.stage in {"pre-processing", "in-processing", "post-processing"} and not self.changes:
            raise ValueError(f"a technique of {self.stage} must say what it changes")
        if (
            self.needs_protected_at_prediction
            and not self.needs_protected_at_fit
            and self.stage != "evaluation"
        ):
            raise ValueError("a rule that reads the protected attribute at prediction reads it at fit, too")
        low, high = self.duration_weeks
        if not 0 <= low <= high:
            raise ValueError(f"duration_weeks must be a range of weeks, got {self.duration_weeks}")
        return self

    def passages(self) -> list[str]:
        """Return the short texts by which the technique is found."""
        return [f"{self.name}. {self.summary}", self.use_when, *self.questions]

    def summary_json(self) -> dict[str, Any]:
        """Return what a listing shows."""
        return {
            "technique_id": self.technique_id,
            "slug": self.slug,
            "stage": self.stage,
            "name": self.name,
            "citation": self.citation,
        }
