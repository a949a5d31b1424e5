"""Policies: gates, decisions, rollbacks and approvals as data, with their schema and loader."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fairmend.core.errors import UsageError, unknown
from fairmend.core.validation import validated
from fairmend.core.vocabulary import Notion

Place = Literal["causal", "pre-processing", "in-processing", "post-processing"]
PLACES: tuple[Place, ...] = ("causal", "pre-processing", "in-processing", "post-processing")
Destination = Literal["causal", "pre-processing", "in-processing", "post-processing", "deploy", "escalate"]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(_Closed):
    """One condition on a measured quantity.

    ``check`` names the quantity; exactly one bound is given, ``approval`` apart. ``level`` says
    whether it decides (``require``) or is reported only (``advise``).
    """

    id: str = Field(description="name within the policy, e.g. 'utility'")
    check: str = Field(description="what is measured: a gate check by name, 'target' or 'approval'")
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    parameters: dict[str, Any] = Field(default_factory=dict, description="passed to the check")
    roles: tuple[str, ...] = Field(default=(), description="who must approve, for 'approval'")
    level: Literal["require", "advise"] = "require"
    source: str = Field(default="", description="section of the document it comes from")
    reading: str = Field(default="", description="how it is read, where its words allow several readings")

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        given = [b for b in (self.at_least, self.above, self.at_most, self.below) if b is not None]
        if self.check in {"target", "approval"}:
            if given:
                raise ValueError(f"{self.id}: '{self.check}' takes no bound of its own")
            if self.check == "approval" and not self.roles:
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
        return "approved" if self.check == "approval" else "met"


class Gate(_Closed):
    """A gate: the checks after a stage, and what is done where they fail."""

    id: str
    stage: Place
    title: str
    checks: tuple[Check, ...] = Field(min_length=1)
    on_fail: str = Field(description="id of the rollback")
    source: str = ""


class Route(_Closed):
    """One way on from a decision, taken where all its conditions hold."""

    to: Destination
    when: tuple[Check, ...] = Field(default=(), description="all must hold; none given: always")
    any_of: tuple[Check, ...] = Field(default=(), description="one must hold, if any is given")
    findings: tuple[str, ...] = Field(default=(), description="one of these findings suffices for any_of")
    reason: str


class Decision(_Closed):
    """A decision point: the ways on, in the order in which they are tried."""

    id: str
    after: Place
    question: str
    makers: tuple[str, ...] = Field(default=(), description="who decides")
    paths: tuple[Route, ...] = Field(min_length=1)
    source: str = ""


class Change(_Closed):
    """One adjustment of a rollback."""

    action: Literal["adjust", "switch", "skip", "calibrate", "withhold"] = Field(
        description="move a parameter, use the next alternative, leave the stage out, use another calibrator, "
        "or take the protected attributes out of the model"
    )
    direction: Literal["weaker", "stronger"] | None = None
    stage: Place
    note: str = ""

    @model_validator(mode="after")
    def _direction(self) -> Self:
        if (self.action == "adjust") != (self.direction is not None):
            raise ValueError("'adjust' needs a direction, the other actions take none")
        return self


class Trigger(_Closed):
    """What a rollback does for one kind of failure; the adjustments are tried in order."""

    failed: tuple[str, ...] = Field(description="ids of the checks that call for it")
    to: Place
    changes: tuple[Change, ...]


class Rollback(_Closed):
    """A rollback: triggers in the order in which they are looked at, the limit and the way out."""

    id: str
    stage: Place
    triggers: tuple[Trigger, ...] = Field(min_length=1)
    iterations: int = Field(default=3, ge=1)
    escalate_to: tuple[str, ...] = ()
    options: tuple[str, ...] = Field(default=(), description="what is laid out for them")
    source: str = ""


class Document(_Closed):
    """A document that a stage owes."""

    stage: str
    document: str
    source: str = ""


class Plan(_Closed):
    """Techniques that a pipeline holds in any case, by id or slug."""

    causal: tuple[int | str, ...] = ()
    evaluation: tuple[int | str, ...] = ()


class Policy(_Closed):
    """Everything by which a run is judged."""

    policy: str = Field(description="name")
    title: str
    source: str = ""
    extends: str | None = None
    evidence: Literal["point", "interval"] = Field(
        default="point",
        description="whether the estimate decides, or the whole interval must clear the bound",
    )
    minimum_support: int = Field(
        default=30, ge=1, description="rows that every cell behind a figure must have"
    )
    approvals: Literal["at_end", "at_gate"] = Field(
        default="at_end", description="whether a run measures on and waits at the end, or waits at each gate"
    )
    distinct_approvers: bool = Field(
        default=False,
        description="whether one person may approve in one role only; else a note names who approved in several",
    )
    plan: Plan = Field(
        default_factory=lambda: Plan(), description="techniques that a pipeline holds in any case"
    )
    targets: dict[Notion, Check]
    gates: tuple[Gate, ...]
    decisions: tuple[Decision, ...]
    rollbacks: tuple[Rollback, ...]
    documents: tuple[Document, ...] = ()

    @model_validator(mode="after")
    def _joined_up(self) -> Self:
        rollbacks = {r.id for r in self.rollbacks}
        for gate in self.gates:
            if gate.on_fail not in rollbacks:
                raise ValueError(f"gate {gate.id} fails to the rollback {gate.on_fail!r}, which is not there")
            names = [c.id for c in gate.checks]
            if len(set(names)) < len(names):
                raise ValueError(f"gate {gate.id} has two checks of the same id")
        for place in PLACES:
            if (
                sum(g.stage == place for g in self.gates) != 1
                or sum(d.after == place for d in self.decisions) != 1
            ):
                raise ValueError(f"the stage {place} must have one gate and one decision")
        for rollback in self.rollbacks:
            known = {c.id for g in self.gates if g.stage == rollback.stage for c in g.checks}
            for trigger in rollback.triggers:
                stray = set(trigger.failed) - known
                if stray:
                    raise ValueError(
                        f"rollback {rollback.id} waits for {', '.join(sorted(stray))}, which no gate checks"
                    )
        return self

    def gate(self, stage: Place) -> Gate:
        """Return the gate after a stage."""
        return next(g for g in self.gates if g.stage == stage)

    def decision(self, stage: Place) -> Decision:
        """Return the decision after a stage."""
        return next(d for d in self.decisions if d.after == stage)

    def rollback(self, name: str) -> Rollback:
        """Return a rollback by its id."""
        return next(r for r in self.rollbacks if r.id == name)

    def target(self, notion: str) -> Check:
        """Return what a notion of fairness demands.

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

    def checks(self) -> Iterator[Check]:
        """Yield every condition of the policy."""
        yield from self.targets.values()
        for gate in self.gates:
            yield from gate.checks
        for decision in self.decisions:
            for path in decision.paths:
                yield from path.when
                yield from path.any_of

    def digest(self) -> str:
        """Return a SHA-256 of what the policy says."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def policy_names() -> list[str]:
    """Return the names of the policies that come with fairmend."""
    folder = resources.files("fairmend.catalog").joinpath("policies")
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def load_policy(name: str | Path | Policy) -> Policy:
    """Return a policy by its name or from a YAML file.

    A policy with ``extends`` states what differs: mappings are merged, lists whose items have an
    ``id`` (or, for decisions and gates, the same) are merged item by item, other values replace.

    Raises
    ------
    UnknownNameError
        No such policy or file.
    UsageError
        The file breaks the schema; the message names the place.
    """
    if isinstance(name, Policy):
        return name
    return validated(Policy, _raw(str(name), ()), f"policy {name}")


def _raw(name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    if name in seen:
        raise UsageError(f"the policies extend each other in a circle: {' -> '.join((*seen, name))}")
    built_in = resources.files("fairmend.catalog").joinpath("policies", f"{name}.yaml")
    if name in policy_names():
        text = built_in.read_text(encoding="utf-8")
    elif Path(name).is_file():
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"policy {name} is not a readable text (UTF-8)") from error
    else:
        raise unknown("policy", name, policy_names())
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"policy {name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise UsageError(f"policy {name} must be a mapping")
    parent = raw.get("extends")
    return raw if parent is None else _merged(_raw(str(parent), (*seen, name)), raw)


def _merged(base: Any, change: Any) -> Any:
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        return {key: _merged(base[key], change[key]) if key in base and key in change else change.get(key, base.get(key))
                for key in (*base, *(k for k in change if k not in base))}  # fmt: skip
    if _has_ids(base) and _has_ids(change):
        by_id = {item["id"]: item for item in change}
        kept = [_merged(item, by_id.pop(item["id"])) if item["id"] in by_id else item for item in base]
        return [*kept, *by_id.values()]
    return change


def _has_ids(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) and "id" in v for v in value)
    )
