"""The checks of a policy: one condition on a measured quantity, and the names that a policy may use."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fairmend.core.text.validation import ClosedModel

RESERVED = {"final", "condition", "escalation"}  # where a run is judged beside the gates


def _as_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", text) or text in RESERVED:
        raise ValueError(
            f"{text!r} is not a valid id; expected letters, digits, hyphens and underscores"
            + (", and that word is reserved" if text in RESERVED else "")
        )
    return text


def _as_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}", text):
        raise ValueError(
            f"{text[:60]!r} is not a valid policy name; expected up to 60 letters, digits, spaces, dots, hyphens "
            "and underscores"
        )
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("the name of a role is blank")
    return text


Id = Annotated[str, AfterValidator(_as_id)]
Name = Annotated[str, AfterValidator(_as_name)]
Role = Annotated[str, AfterValidator(_not_blank)]
Bound = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class PolicyCheck(ClosedModel):
    """One condition on a measured quantity.

    ``check`` names the quantity; exactly one bound is set, except for ``approval``. ``level`` says
    whether it decides (``require``) or is reported only (``advise``).
    """

    id: Id = Field(description="name within the policy, e.g. 'utility'")
    metric: str = Field(description="what is measured: a gate check by name, 'target' or 'approval'")
    at_least: Bound | None = None
    above: Bound | None = None
    at_most: Bound | None = None
    below: Bound | None = None
    parameters: dict[str, Any] = Field(default_factory=dict, description="passed to the check")
    roles: tuple[Role, ...] = Field(default=(), description="who must approve, for 'approval'")
    level: Literal["require", "advise"] = "require"
    unsupported: Literal["escalate", "note"] = Field(
        default="escalate",
        description="what a required check does where groups have too few rows for a verdict: escalate the run, or "
        "note it and let the measured groups decide",
    )
    source: str = Field(default="", description="section of the document it comes from")
    reading: str = Field(default="", description="how it is read, where its words allow several readings")

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        given = [b for b in (self.at_least, self.above, self.at_most, self.below) if b is not None]
        if self.roles and self.metric != "approval":
            raise ValueError(f"{self.id}: roles are for the check 'approval', not for {self.metric!r}")
        if self.metric in {"target", "approval"}:
            if self.parameters:
                raise ValueError(f"{self.id}: '{self.metric}' takes no parameters")
            if self.unsupported != "escalate":
                raise ValueError(f"{self.id}: '{self.metric}' cannot be noted where evidence is lacking")
            if given:
                raise ValueError(f"{self.id}: '{self.metric}' takes no bound of its own")
            if self.metric == "approval" and not self.roles:
                raise ValueError(f"{self.id}: an approval must name the roles that give it")
        elif len(given) != 1:
            raise ValueError(f"{self.id}: give exactly one of at_least, above, at_most, below")
        return self

    @property
    def threshold(self) -> float | None:
        """The bound."""
        for bound in (self.at_least, self.above, self.at_most, self.below):
            if bound is not None:
                return bound
        return None

    def holds(self, value: float) -> bool:
        """Whether a value meets the bound."""
        if self.at_least is not None:
            return value >= self.at_least
        if self.above is not None:
            return value > self.above
        if self.at_most is not None:
            return value <= self.at_most
        return self.below is not None and value < self.below

    @property
    def upward(self) -> bool:
        """Whether greater values are better."""
        return self.at_least is not None or self.above is not None

    def bound_text(self) -> str:
        """Return the bound as people write it."""
        for sign, bound in (
            (">=", self.at_least),
            (">", self.above),
            ("<=", self.at_most),
            ("<", self.below),
        ):
            if bound is not None:
                return f"{sign} {bound:g}"
        return "approved" if self.metric == "approval" else "met"
