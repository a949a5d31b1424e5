"""A policy: its gates, decisions, rollbacks and targets, and what joins them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from fairmend.catalog.policy.checks import Name, PolicyCheck
from fairmend.catalog.policy.gates import GATED_STAGES, Decision, Gate, GatedStage
from fairmend.catalog.policy.judgment import Judgment
from fairmend.catalog.policy.rollbacks import Rollback
from fairmend.core.errors import UsageError, unknown
from fairmend.core.text.validation import ClosedModel
from fairmend.core.vocabulary import Notion


class Document(ClosedModel):
    """A document that a stage must produce."""

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
