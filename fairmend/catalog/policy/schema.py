"""The schema of policies: gates, decisions, rollbacks and approvals, and what joins them."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fairmend.core.errors import UsageError, unknown
from fairmend.core.text.validation import ClosedModel
from fairmend.core.vocabulary import Notion

GatedStage = Literal["causal", "pre-processing", "in-processing", "post-processing"]
GATED_STAGES: tuple[GatedStage, ...] = ("causal", "pre-processing", "in-processing", "post-processing")
Destination = Literal["causal", "pre-processing", "in-processing", "post-processing", "deploy", "escalate"]


RESERVED = {"final", "condition", "escalation"}  # where a run is judged beside the gates
MOST_ITERATIONS = 100


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

    ``check`` names the quantity; exactly one bound is given, ``approval`` apart. ``level`` says
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
        description="probability with which the bound is to hold on new data of the size of the test part",
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
    undo: bool = Field(
        default=True,
        strict=True,
        description="whether steps after which a check of the last gate fails that passed before are taken back",
    )
    choice: Literal["frontier", "path"] = Field(
        default="frontier",
        description="whether the best of all measured alternatives is deployed, or where the gates' path ends",
    )


class Document(ClosedModel):
    """A document that a stage owes."""

    stage: str
    document: str
    source: str = ""


class Plan(ClosedModel):
    """Techniques that a pipeline holds in any case, by id or slug."""

    causal: tuple[int | str, ...] = ()
    evaluation: tuple[int | str, ...] = ()


class Policy(ClosedModel):
    """Everything by which a run is judged."""

    policy: Name = Field(description="name")
    title: str
    source: str = ""
    extends: str | None = None
    file: str | None = Field(default=None, description="the file it was read from; set by the reader")
    evidence: Literal["point", "interval"] = Field(
        default="point",
        description="whether the estimate decides, or the whole interval must clear the bound",
    )
    minimum_support: int = Field(
        default=30, ge=1, strict=True, description="rows that every cell behind a figure must have"
    )
    approvals: Literal["at_end", "at_gate"] = Field(
        default="at_end", description="whether a run measures on and waits at the end, or waits at each gate"
    )
    distinct_approvers: bool = Field(
        default=False,
        strict=True,
        description="whether one person may approve in one role only; else a note names who approved in several",
    )
    plan: Plan = Field(
        default_factory=lambda: Plan(), description="techniques that a pipeline holds in any case"
    )
    judgment: Judgment = Field(
        default_factory=lambda: Judgment(), description="how a run judges beyond the letter of the gates"
    )
    targets: dict[Notion, PolicyCheck]
    gates: tuple[Gate, ...]
    decisions: tuple[Decision, ...]
    rollbacks: tuple[Rollback, ...]
    documents: tuple[Document, ...] = ()

    @model_validator(mode="after")
    def _joined_up(self) -> Self:
        fault = next(self._faults(), None)
        if fault is not None:
            raise ValueError(fault)
        return self

    def _faults(self) -> Iterator[str]:
        """Yield where parts of the policy do not fit together."""
        for what, items in (
            ("gates", self.gates),
            ("decisions", self.decisions),
            ("rollbacks", self.rollbacks),
        ):
            for name, count in Counter(item.id for item in items).items():
                if count > 1:
                    yield f"two {what} have the id {name!r}"
        rollbacks = {r.id: r for r in self.rollbacks}
        for gate in self.gates:
            for name, count in Counter(c.id for c in gate.checks).items():
                if count > 1:
                    yield f"gate {gate.id} has two checks of the same id, {name!r}"
            if gate.on_fail not in rollbacks:
                yield f"gate {gate.id} names the rollback {gate.on_fail!r}, which does not exist"
            elif (stage := rollbacks[gate.on_fail].stage) != gate.stage:
                yield f"gate {gate.id} of {gate.stage} names the rollback {gate.on_fail!r} of {stage}"
        for place in GATED_STAGES:
            if (
                sum(g.stage == place for g in self.gates) != 1
                or sum(d.after == place for d in self.decisions) != 1
            ):
                yield f"the stage {place} must have one gate and one decision"
        for rollback in self.rollbacks:
            yield from self._faults_of(rollback)

    def _faults_of(self, rollback: Rollback) -> Iterator[str]:
        known = [c.id for g in self.gates if g.stage == rollback.stage for c in g.checks]
        for trigger in rollback.triggers:
            for name in trigger.failed:
                if name not in known:
                    yield (
                        f"rollback {rollback.id} waits for {name}, which no gate of {rollback.stage} checks: "
                        f"{unknown('check', name, known)}"
                    )
            if GATED_STAGES.index(trigger.to) > GATED_STAGES.index(rollback.stage):
                yield f"rollback {rollback.id} of {rollback.stage} goes forward to {trigger.to}; it must go back"
            if trigger.to != "causal" and any(c.action == "withhold" for c in trigger.changes):
                yield f"rollback {rollback.id} withholds attributes and goes to {trigger.to}; it must go to causal"

    def gate(self, stage: GatedStage) -> Gate:
        """Return the gate after a stage."""
        return next(g for g in self.gates if g.stage == stage)

    def decision(self, stage: GatedStage) -> Decision:
        """Return the decision after a stage."""
        return next(d for d in self.decisions if d.after == stage)

    def rollback(self, name: str) -> Rollback:
        """Return a rollback by its id."""
        return next(r for r in self.rollbacks if r.id == name)

    def target(self, notion: str) -> PolicyCheck:
        """Return the target of a fairness notion.

        Raises
        ------
        UsageError
            The policy sets no target for the notion.
        """
        for name, check in self.targets.items():
            if name == notion:
                return check
        raise UsageError(
            f"the policy {self.policy} sets no target for {notion}; it has targets for {', '.join(self.targets)}"
        )

    def checks(self) -> Iterator[PolicyCheck]:
        """Yield every condition of the policy."""
        yield from self.targets.values()
        for gate in self.gates:
            yield from gate.checks
        for decision in self.decisions:
            for path in decision.paths:
                yield from path.when
                yield from path.any_of

    def digest(self) -> str:
        """Return a SHA-256 of what the policy says, wherever it was read from."""
        said = self.model_dump(mode="json", exclude={"file"})
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
