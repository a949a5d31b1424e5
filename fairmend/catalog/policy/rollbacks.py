"""The rollbacks of a policy: what is done where a gate fails."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from fairmend.catalog.policy.checks import Id
from fairmend.catalog.policy.gates import GatedStage
from fairmend.core.text.validation import ClosedModel

MOST_ITERATIONS = 100


class RollbackAction(ClosedModel):
    """One adjustment of a rollback."""

    action: Literal["adjust", "switch", "skip", "calibrate", "withhold"] = Field(
        description="move a parameter, use the next alternative, leave the stage out, use another calibrator, "
        "or take the protected attributes out of the model"
    )
    direction: Literal["weaker", "stronger"] | None = None
    stage: GatedStage
    note: str = ""

    @model_validator(mode="after")
    def _direction(self) -> Self:
        if (self.action == "adjust") != (self.direction is not None):
            raise ValueError("'adjust' needs a direction, the other actions take none")
        return self


class Trigger(ClosedModel):
    """What a rollback does for one kind of failure; the adjustments are tried in order."""

    failed: tuple[str, ...] = Field(description="ids of the checks that call for it")
    to: GatedStage
    changes: tuple[RollbackAction, ...]


class Rollback(ClosedModel):
    """A rollback: triggers in the order in which they are looked at, the limit and the way out."""

    id: Id
    stage: GatedStage
    triggers: tuple[Trigger, ...] = Field(min_length=1)
    iterations: int = Field(default=3, ge=1, le=MOST_ITERATIONS, strict=True)
    escalate_to: tuple[str, ...] = ()
    options: tuple[str, ...] = Field(default=(), description="what is laid out for them")
    source: str = ""
