"""Apply steps to all folds, each at most once: the result of a pipeline is a function of its trace."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from fairmend.catalog.registry import Registry
from fairmend.core.case import Case, Effect, OutOfFold
from fairmend.core.metrics import InferenceSettings
from fairmend.core.stages import Inprocessor, Postprocessor
from fairmend.pipeline.cross_fitting import Division
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.pipeline.run.third_party import run_step, strangers, transform_and_score
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.checkpoints import Checkpoint

Trace = tuple[str, ...]


def mark(choice: Choice) -> str:
    """Return the identity of a step: technique and parameters."""
    return json.dumps([choice.technique, choice.parameters], sort_keys=True, default=str)


def choices_of(trace: Trace, registry: Registry) -> list[Choice]:
    """Return the steps of a trace, so that they can be applied to another case."""
    return [
        choice.model_copy(update={"slug": registry.card(choice.technique).metadata.slug})
        for choice in map(_unmarked, trace)
    ]


def _unmarked(step: str) -> Choice:
    technique, parameters = json.loads(step)
    return Choice(technique=technique, slug=str(technique), parameters=parameters)


@dataclass(frozen=True)
class StepResult:
    """The outcome of one step.

    Attributes
    ----------
    trace : tuple of str
        The steps so far, including this one.
    folds : tuple of Case
        The case of each fold after it; one with a holdout.
    effect : Effect
        What it changed, in the first fold.
    seconds : float
        Duration of its computation.
    """

    trace: Trace
    folds: tuple[Case, ...]
    effect: Effect
    seconds: float

    @property
    def case(self) -> Case:
        """The case of the first fold: for descriptions, not for measurements."""
        return self.folds[0]


class Techniques(Protocol):
    """A source of technique classes, such as a registry."""

    def technique(self, technique: int | str) -> Any:
        """Return the class of a technique."""
        ...


class StepCache:
    """Applies steps to every fold; equal sequences of steps are computed once.

    Parameters
    ----------
    registry : Registry, or another source of techniques
        Where techniques come from.
    division : Division
        The rows of the run.
    start : sequence of Case
        The case of each fold, with the baseline model.
    checkpoint : Checkpoint, optional
        Storage of results, so that an interrupted run can be resumed.
    """

    def __init__(
        self,
        registry: Techniques,
        division: Division,
        start: Sequence[Case],
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.registry = registry
        self.division = division
        self.checkpoint = checkpoint
        self.root = StepResult((), tuple(start), Effect("none", 0.0, "baseline"), 0.0)
        self._known: dict[Trace, StepResult] = {(): self.root}
        self._whole: dict[Trace, Case] = {}
        self._out_of_fold: dict[Trace, OutOfFold] = {}

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
            if trained is not None:
                done = [technique.reuse(t, case) for t, case in zip(trained, after.folds, strict=True)]
            else:
                done = [run_step(technique, case) for case in self._inputs(technique, after)]
            folds = tuple(case.replace(out_of_fold=None) for case, _ in done)
            self._known[trace] = StepResult(trace, folds, done[0][1], time.perf_counter() - began)
            if self.checkpoint:
                self.checkpoint.put(after, self._known[trace])
        return self._known[trace]

    def _inputs(self, technique: Any, after: StepResult) -> Sequence[Case]:
        """Return the case of each fold as a step gets it: a postprocessor with out-of-fold scores."""
        if not (self.division.cross_fitted and isinstance(technique, Postprocessor)):
            return after.folds
        known = self._scores(after)
        return [
            case.replace(out_of_fold=OutOfFold(known.scores[rows], known.frame.iloc[rows]))
            for case, (rows, _) in zip(after.folds, self.division.rows, strict=True)
        ]

    def _scores(self, applied: StepResult) -> OutOfFold:
        """Return the out-of-fold scores of all development rows, in the order of the held-out rows."""
        if applied.trace not in self._out_of_fold:
            frames, scores = [], []
            for case in applied.folds:
                data, model = case.validation, case.fitted()
                frame, found = transform_and_score(model, data)
                frames.append(frame)
                scores.append(found)
            self._out_of_fold[applied.trace] = OutOfFold(
                np.concatenate(scores), pd.concat(frames, ignore_index=True)
            )
        return self._out_of_fold[applied.trace]

    def _trained_alike(self, technique: Any, after: StepResult, marked: str) -> tuple[Case, ...] | None:
        """Return the cases of an earlier application that trained the same classifiers, if any."""
        if not isinstance(technique, Inprocessor) or strangers(technique, after.case.model):
            return None
        for trace, applied in self._known.items():
            before = self._known.get(trace[:-1])
            if trace and trace[-1] == marked and before and _alike(technique, before, after):
                return applied.folds
        return None

    def replay(self, choices: Iterable[Choice], after: StepResult | None = None) -> StepResult:
        """Return the outcome of these steps in this order, after others or from the baseline on."""
        applied = after or self.root
        for choice in choices:
            applied = self.apply(applied, choice)
        return applied

    def evaluate(self, applied: StepResult, settings: InferenceSettings) -> ModelEvaluation:
        """Return the measurement of a model's decisions on rows that it was not fitted on."""
        return ModelEvaluation.of_folds(applied.folds, self.division.held_out, settings)

    def deployed(self, applied: StepResult) -> Case:
        """Return the case of the rule to deploy: the same steps, fitted on all development rows.

        Postprocessors are fitted on out-of-fold scores. With a holdout it is the case that was judged.
        """
        if not self.division.cross_fitted:
            return applied.case
        if applied.trace not in self._whole:
            self._whole[applied.trace] = self._fitted_on_all(applied)
        return self._whole[applied.trace]

    def _fitted_on_all(self, applied: StepResult) -> Case:
        if not applied.trace:
            start, data = applied.case, self.division.development
            case = start.replace(train=data, calibration=data, validation=data)
            return case if self._given() else case.retrained()
        before = self._known[applied.trace[:-1]]
        choice = _unmarked(applied.trace[-1])
        technique: Any = self.registry.technique(choice.technique).with_parameters(**choice.parameters)
        case = self.deployed(before)
        if isinstance(technique, Postprocessor):
            data = self.division.held_out
            case = case.replace(calibration=data, out_of_fold=self._scores(before))
        done, _ = run_step(technique, case)
        return done.replace(calibration=self.division.development, out_of_fold=None)

    def _given(self) -> bool:
        """Whether the baseline is the user's own model, which no fold trains."""
        first, *others = (case.model for case in self.root.folds)
        return bool(others) and all(model is first for model in others)

    def without(self, features: Sequence[str]) -> StepCache:
        """Return a cache that starts from a baseline trained without some features.

        It has no checkpoint: its cases have other features than those stored.
        """
        division = self.division.without(features)
        start = [
            case.replace(**parts, model=None).retrained()
            for case, parts in zip(self.root.folds, division.parts, strict=True)
        ]
        return StepCache(self.registry, division, start)


def _alike(technique: Any, one: StepResult, other: StepResult) -> bool:
    return all(technique.trains_alike(a, b) for a, b in zip(one.folds, other.folds, strict=True))
