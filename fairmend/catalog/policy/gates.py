"""The gates of a policy: the checks after a stage, and the decision where to go from there."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fairmend.catalog.policy.checks import Id, PolicyCheck, Role
from fairmend.core.text.validation import ClosedModel

GatedStage = Literal["causal", "pre-processing", "in-processing", "post-processing"]
GATED_STAGES: tuple[GatedStage, ...] = ("causal", "pre-processing", "in-processing", "post-processing")
Destination = Literal["causal", "pre-processing", "in-processing", "post-processing", "deploy", "escalate"]


class Gate(ClosedModel):
    """A gate: the checks after a stage, and what is done where they fail."""

    id: Id
    stage: GatedStage
    title: str
    checks: tuple[PolicyCheck, ...] = Field(min_length=1)
    on_fail: str = Field(description="id of the rollback")
    source: str = ""


class Route(ClosedModel):
    """One transition from a decision, taken if all its conditions hold."""

    to: Destination
    when: tuple[PolicyCheck, ...] = Field(default=(), description="all must hold; none given: always")
    any_of: tuple[PolicyCheck, ...] = Field(default=(), description="one must hold, if any is given")
    findings: tuple[str, ...] = Field(default=(), description="one of these findings suffices for any_of")
    reason: str


class Decision(ClosedModel):
    """A decision point: its transitions, in the order in which they are tried."""

    id: Id
    after: GatedStage
    question: str
    makers: tuple[Role, ...] = Field(default=(), description="who decides")
    paths: tuple[Route, ...] = Field(min_length=1)
    source: str = ""
