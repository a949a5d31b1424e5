"""Which technique fits which slot of a pipeline, and with which parameters; used by composer and sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fairmend.catalog.policy import PolicyCheck
from fairmend.catalog.registry import Registry
from fairmend.core.findings import Finding
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.utility import Utility
from fairmend.core.vocabulary import Notion, Stage
from fairmend.pipeline.spec import Choice, PipelineSpec, When

# A technique with this parameter receives the columns that the audit found biased.
REPAIRS = "features"
HELD = "always included by the policy"


@dataclass(frozen=True)
class Slot:
    """A position in a pipeline for at most one technique.

    Attributes
    ----------
    stage : str
        The stage.
    when : str
        Condition under which a composed step acts.
    takes : callable
        Whether a technique of the stage fits, given the notion of the target.
    """

    stage: Stage
    when: When
    takes: Callable[[TechniqueMetadata, Notion], bool]

    def fits(self, metadata: TechniqueMetadata, notion: Notion) -> bool:
        """Whether a technique fits here."""
        return metadata.stage == self.stage and self.takes(metadata, notion)


# Changing the training data affects every metric; constraints and decision rules must aim at the target.
BEFORE = Slot("pre-processing", "always", lambda m, notion: True)
IN = Slot("in-processing", "always", lambda m, notion: notion in m.targets)
CALIBRATION = Slot(
    "post-processing",
    "calibration poor",
    lambda m, notion: "scores" in m.modifies and "calibration" in m.targets,
)
DECISION = Slot(
    "post-processing",
    "target not secure",
    # What reads the inside of a model serves one kind of model; a person names it.
    lambda m, notion: "decisions" in m.modifies and notion in m.targets and not m.needs_model,
)
SLOTS = (BEFORE, IN, CALIBRATION, DECISION)
ACTING: tuple[Stage, ...] = tuple(dict.fromkeys(slot.stage for slot in SLOTS))


def slot_of(metadata: TechniqueMetadata, notion: Notion) -> Slot | None:
    """Return the slot of a technique, None if it targets another notion or stage."""
    return next((slot for slot in SLOTS if slot.fits(metadata, notion)), None)


def biased_numbers(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the numeric columns that an audit found to be biased mediators, without duplicates."""
    return tuple(
        dict.fromkeys(
            f.column
            for f in findings
            if f.kind == "biased-mediator"
            and f.severity in {"medium", "high"}
            and f.column
            and f.column_is == "number"
        )
    )


@dataclass(frozen=True)
class Chooser:
    """Chooses the parameters of techniques.

    Attributes
    ----------
    registry : Registry
        Where techniques come from.
    notion : str
        Notion of fairness of the target.
    target : PolicyCheck
        The target set by the policy.
    features : tuple of str
        Columns to repair; if empty, techniques use their defaults.
    why : mapping of id to str
        Reasons by technique.
    utility : Utility, optional
        What decisions are worth; None leaves it to the techniques, which minimize errors.
    """

    registry: Registry
    notion: Notion
    target: PolicyCheck
    features: tuple[str, ...] = ()
    why: Mapping[int | str, str] = field(default_factory=dict)
    utility: Utility | None = None

    def choice(self, metadata: TechniqueMetadata) -> Choice:
        """Return a technique with the parameters that follow from the notion, the policy and the findings.

        A rule with a bound parameter starts at the policy's bound: stricter values cost more, and if the
        bound is missed on validation data the state machine tightens it.
        """
        parameters = dict(metadata.notion_parameters.get(self.notion, {}))
        if self.target.metric in metadata.target_parameters:
            parameters[metadata.target_parameters[self.target.metric]] = self.target.threshold
        names = self._parameters(metadata)
        if self.features and "features" in metadata.modifies and REPAIRS in names:
            parameters[REPAIRS] = list(self.features)
        parameters |= {name: value for name, value in _objective(self.utility).items() if name in names}
        return Choice(
            technique=metadata.technique_id,
            slug=metadata.slug,
            parameters=parameters,
            reason=self.why.get(metadata.technique_id, HELD),
        )

    def when(self, metadata: TechniqueMetadata, slot: Slot) -> When:
        """Return when a technique acts: always, where decisions at a threshold of one half do not maximize the utility."""
        serves = slot is DECISION and not self._parameters(metadata).keys().isdisjoint(
            _objective(self.utility)
        )
        return "always" if serves else slot.when

    def default(self, metadata: TechniqueMetadata, name: str) -> Any:
        """Return the default of a parameter, None if it has none."""
        return self._parameters(metadata).get(name)

    def _parameters(self, metadata: TechniqueMetadata) -> dict[str, Any]:
        card = self.registry.card(metadata.technique_id)
        return {parameter["name"]: parameter["default"] for parameter in card.parameters}


def _objective(utility: Utility | None) -> dict[str, str | float]:
    """Return the parameters by which techniques that choose decisions take a utility; accuracy is their default.

    The area under the ROC curve is a figure of scores, which no choice of decisions changes.
    """
    if utility is None or utility.name in {"accuracy", "auc"}:
        return {}
    if utility.name == "cost":
        return {"false_positive_cost": utility.cost_fp, "false_negative_cost": utility.cost_fn}
    return {"objective": utility.name}


def chooses_for_utility(spec: PipelineSpec) -> bool:
    """Whether a pipeline always chooses decisions, since a threshold of one half does not maximize its utility."""
    wanted = _objective(spec.utility)
    return any(step.when == "always" and not wanted.keys().isdisjoint(step.parameters) for step in spec.steps)
