"""How a policy judges beyond the letter of its gates: decision 0, the margin, and which alternative is deployed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fairmend.catalog.policy.checks import Id
from fairmend.core.text.validation import ClosedModel


class Need(ClosedModel):
    """Decision 0: whether the plain model calls for an intervention at all."""

    id: Id = "decision-0"
    significance: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        strict=True,
        description="p-value below which the groups' rates are taken to differ; else a missed target is within chance",
    )
    source: str = ""
    reading: str = ""


class Margin(ClosedModel):
    """How far beyond the target's bound a rule is tuned, so that the bound holds on new data."""

    probability: float = Field(
        default=0.9,
        gt=0.5,
        lt=1,
        strict=True,
        description="probability with which the bound is to hold in the population, and then on as many new rows as the test part has",
    )
    at_most: float = Field(
        default=0.01,
        ge=0,
        le=1,
        strict=True,
        description="utility that the margin may cost, against the same rule without one",
    )
    source: str = ""
    reading: str = ""


class Confirmation(ClosedModel):
    """What decides where the test part alone is too small to: all rows held out."""

    probability: float = Field(
        default=0.9,
        gt=0.5,
        lt=1,
        strict=True,
        description="probability with which the target must hold in the population, by all rows held out",
    )
    source: str = ""
    reading: str = ""


class Judgment(ClosedModel):
    """How a run judges beyond the letter of its gates; each part can be switched off."""

    need: Need | None = Field(
        default_factory=lambda: Need(), description="decision 0; null: every run intervenes"
    )
    lookahead: bool = Field(
        default=True,
        strict=True,
        description="whether a stage that fails on fairness alone is left out where post-processing alone passes "
        "the last gate, instead of training alternatives",
    )
    improvement: Literal["required", "or target met"] = Field(
        default="or target met", description="whether a target that is met counts as an improvement"
    )
    margin: Margin | None = Field(
        default_factory=lambda: Margin(),
        description="the margin of rules; null: they aim at the bound itself",
    )
    confirmation: Confirmation | None = Field(
        default_factory=lambda: Confirmation(),
        description="whether a figure that misses its bound on the test part by no more than chance is decided by "
        "all rows held out; null: by the test part alone",
    )
    undo: bool = Field(
        default=True,
        strict=True,
        description="whether steps after which a check of the last gate fails that passed before are taken back",
    )
    choice: Literal["frontier", "path"] = Field(
        default="frontier",
        description="whether the best of all measured alternatives is deployed, or where the gates' path ends",
    )
