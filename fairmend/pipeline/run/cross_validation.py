"""Repeated cross-validation of the final pipeline: whether its target is met on other splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from fairmend.catalog.registry import Registry
from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import FairmendError, StoreError
from fairmend.core.metrics import Estimate
from fairmend.core.models.decision_rule import FairModel
from fairmend.pipeline.cross_fitting import Division, divide_development, undivided
from fairmend.pipeline.gates.gate_context import GateContext, ModelEvaluation
from fairmend.pipeline.gates.gates import evaluate_check
from fairmend.pipeline.run.cv_results import CrossValidation, Fold, Repeats
from fairmend.pipeline.run.state_machine import StateMachine
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.checkpoints import Checkpoint
from fairmend.pipeline.storage.step_cache import StepCache, StepResult, choices_of


def cross_validate(
    machine: StateMachine,
    applied: StepResult,
    data: Dataset,
    repeats: Repeats,
    *,
    given: FairModel | None = None,
    checkpoint: Checkpoint | None = None,
) -> CrossValidation:
    """Refit the final pipeline of a run on each fold, and measure it on the held-out rows.

    Parameters
    ----------
    machine : StateMachine
        After its run; its policy defines the target.
    applied : StepResult
        The steps that would be deployed, with their final parameters.
    data : Dataset
        All rows of the run.
    repeats : Repeats
        Repetitions and folds; folds are stratified by group and label.
    given : FairModel, optional
        The user's own fitted model, if it is the baseline. It is not refitted, only the steps are.
    checkpoint : Checkpoint, optional
        Storage of completed folds.

    Notes
    -----
    Everything fitted is refitted: the baseline and each step, in order, with cross-fitting inside the
    training folds where there is post-processing, and causal analyses if a later step
    reads the causal graph. The selection of the steps and their parameters, by rollbacks and
    simplification, is not repeated; it used rows that are held out here. So the metrics describe this
    pipeline trained on other rows, and are somewhat optimistic for the whole procedure.

    A fold fails if a technique cannot handle its rows, or if it lacks a group of the data.
    """
    choices = _refitted(choices_of(applied.trace, machine.registry), machine.registry)
    refit = _Refit(machine, choices, data, given)
    strata = data.groups.codes * 2 + data.y
    total = repeats.repetitions * repeats.folds
    done: list[Fold] = []
    for repetition, fold, held_out in repeats.deal(strata, machine.spec.seed, data.units):
        key = ("cross-validation", str(repeats), str(repetition), str(fold), *applied.trace)
        stored = checkpoint.get_fold(key) if checkpoint else None
        found = Fold(**stored) if stored else refit.fold(repetition, fold, held_out)
        if checkpoint and stored is None:
            checkpoint.put_fold(key, asdict(found))
        done.append(found)
        machine.tell({"event": "fold", "place": len(done), "of": total, **asdict(found)})
    return CrossValidation(
        repeats,
        tuple(c.slug for c in choices),
        given is None,
        refit.target.metric,
        refit.target.bound_text(),
        tuple(done),
    )


def _refitted(choices: Sequence[Choice], registry: Registry) -> list[Choice]:
    """Return the steps on which decisions depend."""
    metadata = [registry.card(choice.technique).metadata for choice in choices]
    if any(m.needs_graph for m in metadata if m.stage != "causal"):
        return list(choices)
    return [choice for choice, m in zip(choices, metadata, strict=True) if m.stage != "causal"]


class _Refit:
    """Fits baseline and steps on some rows, and measures both on others."""

    def __init__(
        self, machine: StateMachine, choices: Sequence[Choice], data: Dataset, given: FairModel | None
    ) -> None:
        self.machine = machine
        self.choices = choices
        self.data = data
        self.given = given
        self.target = machine.policy.target(machine.spec.notion)
        root = machine.tracer.root.case
        self.learner = root.learner
        self.withheld = [c for c in data.X.columns if c not in root.train.X.columns]
        stages = {machine.registry.card(c.technique).metadata.stage for c in choices}
        self.calibrates = "post-processing" in stages

    def fold(self, repetition: int, fold: int, held_out: NDArray[np.bool_]) -> Fold:
        """Return one fold; failures of techniques are part of the result."""
        training = self.data.take(np.flatnonzero(~held_out))
        test = self.data.take(np.flatnonzero(held_out))
        blank = Fold(repetition, fold, len(training), len(test), {}, {})
        absent = sorted(set(self.data.groups.labels) - set(test.groups.labels))
        if absent:
            return replace(blank, failed=True, reason=f"no rows of {', '.join(absent[:4])} are held out")
        try:
            return self._measured(blank, training, test)
        except StoreError:
            raise
        except FairmendError as error:
            return replace(blank, failed=True, reason=str(error))

    def _measured(self, blank: Fold, training: Dataset, test: Dataset) -> Fold:
        division = (
            divide_development(training, test, seed=self.machine.spec.seed)
            if self.calibrates
            else undivided(training, test)
        )
        baseline = StepCache(self.machine.registry, division, self._start(division))
        start = baseline.deployed(baseline.root)
        tracer = baseline.without(self.withheld) if self.withheld else baseline
        root, final = tracer.deployed(tracer.root), tracer.deployed(tracer.replay(self.choices))
        models = (
            ModelEvaluation(start.fitted(), test, self.machine.settings),
            ModelEvaluation(final.fitted(), test, self.machine.settings),
        )
        held, reasons = [], []
        for judged in models:
            verdict, reason = self._holds(GateContext(
                models[0], judged, root, final, frozenset(), self.machine.spec.notion, self.target.metric,
                self.target.upward,
            ))  # fmt: skip
            held.append(verdict)
            reasons.append(reason)
        names = ("accuracy", self.target.metric)
        before, after = (
            {name: _value(judged.measurement.figure(name)) for name in names} for judged in models
        )
        return replace(
            blank, before=before, after=after, held_before=held[0], held=held[1], reason=reasons[1]
        )

    def _start(self, division: Division) -> tuple[Case, ...]:
        """Return the case of each inner fold with the baseline."""
        spec = self.machine.spec
        start = division.cases(
            learner=self.learner, findings=spec.findings, notion=spec.notion, seed=spec.seed, model=self.given
        )
        return tuple(case if case.model is not None else case.retrained() for case in start)

    def _holds(self, view: GateContext) -> tuple[bool | None, str]:
        machine = self.machine
        found = evaluate_check(
            self.target,
            view,
            machine.policy,
            machine.functions,
            gate="cross-validation",
            data="held-out fold",
        )
        if found.verdict == "insufficient evidence":
            return None, found.reason
        return found.verdict == "passed", ""


def _value(figure: Estimate) -> float | None:
    return float(figure.value) if figure.enough and np.isfinite(figure.value) else None
