"""The plan of a run: the current technique of each step, and how a rollback changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fairmend.catalog.policy import RollbackAction
from fairmend.catalog.registry import Registry
from fairmend.core.metadata import TechniqueMetadata
from fairmend.pipeline.spec import Choice, PipelineSpec, Step, When


@dataclass
class Active:
    """The current state of a step of the plan.

    Attributes
    ----------
    step : Step
        The step as composed.
    choice : Choice
        The technique and parameters in use.
    tried : list
        Ids of the techniques used so far.
    skipped : bool
        Whether a rollback skipped it.
    when : str
        Condition under which it acts; a rollback may force it.
    """

    step: Step
    choice: Choice
    tried: list[int | str] = field(default_factory=list)
    skipped: bool = False
    when: When = "always"


class Plan:
    """The steps of a pipeline, as modified by rollbacks."""

    def __init__(self, spec: PipelineSpec, registry: Registry) -> None:
        self.registry = registry
        self.active = [
            Active(s, Choice(**s.model_dump(include=set(Choice.model_fields))), [s.technique], False, s.when)
            for s in spec.steps
        ]

    def of_stage(self, stage: str) -> list[Active]:
        """Return the steps of a stage that are not skipped."""
        return [a for a in self.active if a.step.stage == stage and not a.skipped]

    def apply(self, change: RollbackAction) -> str | None:
        """Apply the change of a rollback to the plan; None if the change is not possible."""
        steps = self.of_stage(change.stage)
        if change.action == "adjust":
            return self._adjust(steps, str(change.direction))
        if change.action == "switch":
            return next((text for a in steps if (text := self.switch(a))), None)
        if change.action == "calibrate":
            return self._calibrate(steps)
        if change.action == "skip":
            return self.skip(change.stage)
        return None

    def skip(self, stage: str) -> str | None:
        """Leave a stage out; None if it has no steps."""
        steps = self.of_stage(stage)
        for active in steps:
            active.skipped = True
        return f"skipped {', '.join(a.choice.slug for a in steps)}" if steps else None

    def switch(self, active: Active) -> str | None:
        """Use the next alternative of a step; None if there is none left."""
        for alternative in active.step.alternatives:
            if alternative.technique not in active.tried:
                former = active.choice.slug
                active.choice = alternative
                active.tried.append(alternative.technique)
                return f"switched from {former} to {alternative.slug}"
        return None

    def _calibrate(self, steps: list[Active]) -> str | None:
        for active in steps:
            if active.step.when != "calibration poor":
                continue
            if active.when != "always":
                active.when = "always"
                return f"calibrate with {active.choice.slug}"
            return self.switch(active)
        return None

    def _adjust(self, steps: list[Active], direction: str) -> str | None:
        done = []
        for active in steps:
            metadata = self._metadata(active.choice)
            for adjustment in metadata.adjustments:
                now = self._value(active.choice, adjustment.parameter)
                target = None if now is None else adjustment.moved(float(now), direction)
                if target is not None:
                    parameters = {**active.choice.parameters, adjustment.parameter: target}
                    active.choice = active.choice.model_copy(update={"parameters": parameters})
                    done.append(f"{adjustment.parameter} of {active.choice.slug} from {now:g} to {target:g}")
                    break
        return "; ".join(done) if done else None

    def _metadata(self, choice: Choice) -> TechniqueMetadata:
        return self.registry.card(choice.technique).metadata

    def _value(self, choice: Choice, parameter: str) -> Any:
        technique = self.registry.technique(choice.technique).with_parameters(**choice.parameters)
        return technique.get_params(deep=False).get(parameter)
