"""Apply steps to cases, each at most once: the result of a pipeline is a function of its trace."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fairmend.catalog.registry import Registry
from fairmend.core.case import Case, Effect
from fairmend.core.stages import Inprocessor
from fairmend.pipeline.run.third_party import run_step, strangers
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.checkpoints import Checkpoint

Trace = tuple[str, ...]


def mark(choice: Choice) -> str:
    """Return the identity of a step: technique and parameters."""
    return json.dumps([choice.technique, choice.parameters], sort_keys=True, default=str)


def choices_of(trace: Trace, registry: Registry) -> list[Choice]:
    """Return the steps of a trace, so that they can be applied to another case."""
    found = [json.loads(step) for step in trace]
    return [
        Choice(technique=name, slug=registry.card(name).metadata.slug, parameters=parameters)
        for name, parameters in found
    ]


@dataclass(frozen=True)
class StepResult:
    """The outcome of one step.

    Attributes
    ----------
    trace : tuple of str
        The steps so far, including this one.
    case : Case
        The case after it.
    effect : Effect
        What it changed.
    seconds : float
        Duration of its computation.
    """

    trace: Trace
    case: Case
    effect: Effect
    seconds: float


class Techniques(Protocol):
    """A source of technique classes, such as a registry."""

    def technique(self, technique: int | str) -> Any:
        """Return the class of a technique."""
        ...


class StepCache:
    """Applies steps; equal sequences of steps are computed once.

    Parameters
    ----------
    registry : Registry, or another source of techniques
        Where techniques come from.
    start : Case
        The case with the baseline model.
    checkpoint : Checkpoint, optional
        Storage of results, so that an interrupted run can be resumed.
    """

    def __init__(self, registry: Techniques, start: Case, checkpoint: Checkpoint | None = None) -> None:
        self.registry = registry
        self.checkpoint = checkpoint
        self.root = StepResult((), start, Effect("none", 0.0, "baseline"), 0.0)
        self._known: dict[Trace, StepResult] = {(): self.root}

    def apply(self, after: StepResult, choice: Choice) -> StepResult:
        """Return the outcome of one more step.

        Raises
        ------
        FairmendError
            Raised by the technique for its parameters or data. Any other exception in it becomes
            a :class:`~fairmend.core.errors.PluginError`.
        """
        trace = (*after.trace, mark(choice))
        if trace in self._known:
            return self._known[trace]
        stored = self.checkpoint.get(after, trace) if self.checkpoint else None
        if stored is not None:
            self._known[trace] = StepResult(trace, *stored)
        else:
            technique: Any = self.registry.technique(choice.technique).with_parameters(**choice.parameters)
            began = time.perf_counter()
            trained = self._trained_alike(technique, after, trace[-1])
            case, effect = (
                technique.reuse(trained, after.case) if trained else run_step(technique, after.case)
            )
            self._known[trace] = StepResult(trace, case, effect, time.perf_counter() - began)
            if self.checkpoint:
                self.checkpoint.put(after, self._known[trace])
        return self._known[trace]

    def _trained_alike(self, technique: Any, after: StepResult, marked: str) -> Case | None:
        """Return the case of an earlier application that trained the same classifier, if any."""
        if not isinstance(technique, Inprocessor) or strangers(technique, after.case.model):
            return None
        for trace, applied in self._known.items():
            before = self._known.get(trace[:-1])
            if trace and trace[-1] == marked and before and technique.trains_alike(before.case, after.case):
                return applied.case
        return None

    def replay(self, choices: Sequence[Choice]) -> StepResult:
        """Return the outcome of these steps in this order, from the baseline on."""
        applied = self.root
        for choice in choices:
            applied = self.apply(applied, choice)
        return applied
