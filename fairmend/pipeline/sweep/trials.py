"""Try candidates of a sweep: train what they share once, and measure each on the validation data."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from fairmend.catalog.policy import Policy
from fairmend.core.case import Case
from fairmend.core.errors import FairmendError, MissingExtraError, PluginError
from fairmend.core.metrics import InferenceSettings
from fairmend.core.technique import Technique
from fairmend.core.text.escaping import one_line
from fairmend.core.utility import Utility
from fairmend.pipeline.cross_fitting import Division
from fairmend.pipeline.gates.gate_context import GateContext, ModelEvaluation
from fairmend.pipeline.gates.gates import evaluate_check, evaluate_gate
from fairmend.pipeline.gates.utility import value
from fairmend.pipeline.gates.value import CheckFunction
from fairmend.pipeline.storage.step_cache import StepCache, StepResult, Trace, mark
from fairmend.pipeline.sweep.alternatives.comparison import as_alternative
from fairmend.pipeline.sweep.combinations import Combination
from fairmend.pipeline.sweep.model_variants import ModelVariant
from fairmend.pipeline.sweep.sweep_record import SweepCandidate


@dataclass(frozen=True)
class Bench:
    """What all trials of a sweep share; it travels to the worker processes, so it holds no plugin manager.

    Attributes
    ----------
    division : Division
        The rows: trials use the development rows only.
    start : tuple of Case
        The case of each fold with the baseline model.
    techniques : mapping of id to class
        The techniques in use.
    policy : Policy
        By what candidates are judged.
    functions : mapping of str to callable
        Gate metrics by name.
    settings : InferenceSettings
        Settings of intervals and tests.
    utility : Utility
        What decisions are worth.
    alternatives : bool
        Whether a less discriminatory alternative is searched.
    """

    division: Division
    start: tuple[Case, ...]
    techniques: Mapping[int | str, type[Technique]]
    policy: Policy
    functions: Mapping[str, CheckFunction]
    settings: InferenceSettings
    utility: Utility = field(default_factory=Utility)
    alternatives: bool = False

    def technique(self, technique: int | str) -> type[Technique]:
        """Return the class of a technique by id."""
        return self.techniques[technique]

    @cached_property
    def baseline(self) -> ModelEvaluation:
        """The plain model on the rows that trials are compared on."""
        plain = self.tracer(None)
        return plain.evaluate(plain.root, self.settings)

    def tracer(self, variant: ModelVariant | None) -> StepCache:
        """Return a cache of steps behind the plain model, or behind a variant that is trained in its place."""
        if variant is None:
            return StepCache(self, self.division, self.start)
        return StepCache(self, self.division.without(variant.without), [*map(variant.applied, self.start)])


@dataclass(frozen=True)
class Trial:
    """A candidate with its decisions.

    Attributes
    ----------
    candidate : SweepCandidate
        What was tried, with its figures.
    decisions : ndarray of uint8, shape (n,), or None
        Decisions on the n validation rows; None where it failed.
    lasting : bool
        Whether the same call would give the same outcome; a missing package, or a fault in the code of
        a technique, may be gone the next time.
    """

    candidate: SweepCandidate
    decisions: NDArray[np.uint8] | None = None
    lasting: bool = True

    @property
    def trace(self) -> Trace:
        """Identity of what was tried."""
        return Combination(self.candidate.steps, variant=self.candidate.variant).trace

    def to_json(self) -> dict[str, Any]:
        """Return the record for the store."""
        packed = None
        if self.decisions is not None:
            packed = base64.b64encode(np.packbits(self.decisions).tobytes()).decode()
        return {"candidate": self.candidate.model_dump(mode="json"), "decisions": packed}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], rows: int) -> Trial:
        """Return what was stored, for so many validation rows."""
        decisions = None
        if raw["decisions"] is not None:
            packed = np.frombuffer(base64.b64decode(raw["decisions"]), dtype=np.uint8)
            decisions = np.unpackbits(packed, count=rows)
        return cls(SweepCandidate(**raw["candidate"]), decisions)


def try_together(bench: Bench, unit: Sequence[Combination]) -> list[Trial]:
    """Try candidates of one model one after another; steps that they share at their beginning are computed once.

    A technique that raises makes every candidate that begins with its steps a failed one, with the reason.
    Nothing inside asks joblib for workers: the units themselves occupy them.
    """
    broken: dict[Trace, Trial] = {}
    with joblib.parallel_config(backend="sequential"):
        try:
            tracer = bench.tracer(unit[0].variant)
        except (FairmendError, ValueError) as error:  # such as scikit-learn's for its settings
            return [_failed(tried, one_line(error), True) for tried in unit]
        return [_tried(bench, tracer, tried, broken) for tried in unit]


def _tried(
    bench: Bench,
    tracer: StepCache,
    tried: Combination,
    broken: dict[Trace, Trial],
) -> Trial:
    applied, seconds = tracer.root, 0.0
    for step in tried.steps:
        trace = (*applied.trace, mark(step))
        if trace not in broken:
            try:
                applied = tracer.apply(applied, step)
                seconds += applied.seconds
                continue
            except FairmendError as error:
                lasting = not isinstance(error, (MissingExtraError, PluginError))
                broken[trace] = _failed(tried, f"{step.slug}: {error}", lasting)
        first = broken[trace]
        return _failed(tried, first.candidate.reason, first.lasting)
    current = tracer.evaluate(applied, bench.settings)
    try:
        candidate = _judged(bench, applied, current, tried, seconds)
    except FairmendError as error:
        if not tried.trace:
            raise
        return _failed(tried, f"on the validation rows: {error}", True)
    return Trial(candidate, current.decisions.astype(np.uint8))


def _failed(tried: Combination, reason: str, lasting: bool) -> Trial:
    return Trial(SweepCandidate(**vars(tried), status="failed", reason=reason), None, lasting)


def _judged(
    bench: Bench,
    applied: StepResult,
    current: ModelEvaluation,
    tried: Combination,
    seconds: float,
) -> SweepCandidate:
    root, policy = bench.start[0], bench.policy
    notion = root.notion
    target = policy.target(notion)
    view = GateContext(
        bench.baseline,
        current,
        root,
        applied.case,
        frozenset(),
        notion,
        target.metric,
        target.upward,
        bench.utility,
    )
    strict = policy.model_copy(update={"evidence": "interval"})
    meets, secure = (
        evaluate_check(target, view, by, bench.functions, gate="sweep").verdict == "passed"
        for by in (policy, strict)
    )
    last = evaluate_gate(policy.gate("post-processing"), view, policy, bench.functions)
    failing = [j.check for j in last if j.decides and j.measure != "approval" and j.verdict != "passed"]
    figures, changes, model = current.measurement, view.comparison, applied.case.fitted()
    return SweepCandidate(
        **vars(tried),
        status="measured",
        accuracy=figures.figure("accuracy"),
        utility=value(bench.utility, current),
        fairness=figures.figure(target.metric),
        accuracy_change=changes["accuracy"].difference,
        fairness_change=changes[target.metric].difference,
        reads_protected=model.reads_protected,
        randomized=any(part.metadata.randomized for part in model.parts),
        meets_target=meets,
        secure=secure,
        passes=not failing,
        failing=tuple(failing),
        seconds=round(seconds, 3),
        alternative=(as_alternative(bench.baseline, current, bench.utility) if bench.alternatives else None),
    )
