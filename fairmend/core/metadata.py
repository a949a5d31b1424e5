"""The metadata of a technique: one closed schema, declared in its class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self, cast

from pydantic import Field, field_validator

from fairmend.core.text.validation import ClosedModel
from fairmend.core.vocabulary import Arity, Level, Modifies, Notion, Stage, Task

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NAMESPACED = re.compile(rf"{SLUG.pattern}:{SLUG.pattern}")


class Adjustment(ClosedModel):
    """How a rollback may change one parameter."""

    parameter: str = Field(description="name of the parameter")
    stronger: float = Field(description="step that makes the correction stronger")
    minimum: float = Field(description="lowest value a rollback may set")
    maximum: float = Field(description="highest value a rollback may set")

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


class TechniqueMetadata(ClosedModel):
    """Identity, purpose and requirements of a technique.

    A technique states only what differs from the defaults. The base class derives the stage and the
    requirements from the parameters of the private methods. Measured facts (effect, accuracy cost, seconds)
    do not belong here; programs write them to other files.
    """

    technique_id: int | str = Field(
        description="number in the catalog, or 'namespace:name' for third parties"
    )
    slug: str = Field(description="name in lower case with hyphens")
    name: str = Field(description="title for people")
    family: str = Field(description="kind of method, e.g. 'reweighting'")
    summary: str = Field(description="one sentence: what it does")
    citation: str = Field(
        description="key into the bibliography, or a full reference with a year for third parties"
    )

    addresses: tuple[str, ...] = Field(default=(), description="finding kinds it addresses")
    targets: tuple[Notion, ...] = Field(default=(), description="fairness notions it targets or measures")
    tasks: tuple[Task, ...] = Field(default=("binary",), description="tasks it supports")
    arity: tuple[Arity, ...] = Field(
        default=("binary", "many groups", "several attributes"),
        description="protected attributes it supports",
    )

    stage: Stage = Field(default=cast(Stage, ""), description="where in the pipeline it acts; derived")
    needs_labels: bool = Field(default=False, description="uses the labels at fit; derived")
    needs_scores: bool = Field(default=False, description="uses scores of a model; derived")
    needs_features: bool = Field(default=False, description="uses the features; derived")
    needs_learner: bool = Field(default=False, description="trains a learner given by the user; derived")
    needs_model: bool = Field(default=False, description="uses the fitted model itself; derived")
    needs_graph: bool = Field(default=False, description="uses a causal graph; derived")
    needs_protected_at_fit: bool = Field(
        default=False, description="uses the protected attribute at fit; derived"
    )
    needs_protected_at_prediction: bool = Field(
        default=False, description="uses the protected attribute for every decision; derived"
    )
    needs_retraining: bool = Field(default=False, description="a model must be retrained; derived")
    randomized: bool = Field(default=False, description="decisions of the deployed rule are randomized")
    modifies: tuple[Modifies, ...] = Field(
        default=(), description="what it modifies; derived, except for changes of the training data"
    )
    keeps_rank_order: bool = Field(
        default=False, description="preserves ranks of scores or values within a group"
    )
    minimum_rows: int = Field(default=100, ge=1, description="minimum rows for its use")
    complexity: Level = Field(
        default="low", description="difficulty of understanding, running and maintaining it"
    )
    duration_weeks: tuple[float, float] = Field(
        default=(1, 2), description="weeks of implementation, from and to"
    )
    compute: Level = Field(default="low", description="computational cost")
    extras: tuple[str, ...] = Field(default=(), description="optional dependencies (extras) it needs")
    legal_notes: str = Field(default="", description="points for legal review")

    use_when: str = Field(description="situations it is suited for")
    avoid_when: str = Field(description="situations it is not suited for")
    questions: tuple[str, ...] = Field(default=(), description="practitioners' questions that it answers")
    notion_parameters: dict[Notion, dict[str, Any]] = Field(
        default_factory=dict, description="parameters to set for each fairness notion that a run may target"
    )
    required_parameters: tuple[str, ...] = Field(
        default=(), description="parameters that only a person can give, and without which it changes nothing"
    )
    target_parameters: dict[str, str] = Field(
        default_factory=dict,
        description="parameter that takes the bound of a policy, by metric",
    )
    adjustments: tuple[Adjustment, ...] = Field(default=(), description="parameters a rollback may change")
    alternatives: tuple[int | str, ...] = Field(
        default=(), description="ids of techniques to switch to if it fails"
    )
    superseded_by: int | str | None = Field(default=None, description="id of the technique that replaces it")

    @field_validator("technique_id")
    @classmethod
    def _id(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError("a numeric technique_id starts at 1")
        if isinstance(value, str) and not NAMESPACED.fullmatch(value):
            raise ValueError(f"technique_id must be a catalog number or 'namespace:name', got {value!r}")
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

    @field_validator("duration_weeks")
    @classmethod
    def _weeks(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1]:
            raise ValueError(f"duration_weeks must be a range of weeks, got {value}")
        return value

    def derived(self, facts: Mapping[str, Any]) -> Self:
        """Return the metadata with the facts derived from the base class and the signatures.

        Raises
        ------
        ValueError
            A declared value contradicts a derived one, or a technique that acts does not declare what it
            modifies.
        """
        wrong = [f for f in facts if f in self.model_fields_set and getattr(self, f) != facts[f]]
        if wrong:
            told = "; ".join(f"{f} is {facts[f]!r}, not {getattr(self, f)!r}" for f in wrong)
            raise ValueError(
                f"{told}: this is derived from the base class and the parameters of the methods; leave it out"
            )
        bound = self.model_copy(update=dict(facts))
        # What was filled in counts as not written down, so that a subclass may copy and change the rest.
        bound.model_fields_set.difference_update(set(facts) - self.model_fields_set)
        if bound.stage in {"pre-processing", "in-processing", "post-processing"} and not bound.modifies:
            raise ValueError(
                "modifies must say what the change is: weights, labels, rows or features"
                if bound.stage == "pre-processing"
                else f"a technique of {bound.stage} must define a method that acts"
            )
        return bound

    def passages(self) -> list[str]:
        """Return the short texts by which the search finds the technique."""
        return [f"{self.name}. {self.summary}", self.use_when, *self.questions]

    def summary_json(self) -> dict[str, Any]:
        """Return the fields shown in a listing."""
        return {
            "technique_id": self.technique_id,
            "slug": self.slug,
            "stage": self.stage,
            "name": self.name,
            "citation": self.citation,
        }
