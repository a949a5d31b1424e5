"""What a run knows of its cases: how they are measured, tuned and shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fairmend.catalog.policy import GatedStage, Policy, PolicyCheck
from fairmend.catalog.policy.metrics import METRICS
from fairmend.catalog.registry import Registry
from fairmend.core.errors import FairmendError, StoreError
from fairmend.core.metrics import InferenceSettings
from fairmend.pipeline.gates.gate_context import GateContext, ModelEvaluation
from fairmend.pipeline.gates.gates import CheckResult, evaluate_check, evaluate_gate
from fairmend.pipeline.gates.utility import utility_of
from fairmend.pipeline.gates.value import CheckFunction
from fairmend.pipeline.run.aim import Aim, aimed_step, probability_of
from fairmend.pipeline.run.decisions import route
from fairmend.pipeline.run.presentation import Presentation, present
from fairmend.pipeline.run.step_plan import Active
from fairmend.pipeline.spec import Choice, PipelineSpec
from fairmend.pipeline.storage.step_cache import StepCache, StepResult, Trace, choices_of, mark

JUDGED_LAST = {"fairness", "utility", "calibration"}
"""Kinds of checks that the last gate makes of any rule; where others fail, a rule with the step is no alternative."""


class RunState:
    """The cases of a run and their measurements.

    Parameters
    ----------
    spec : PipelineSpec
        The pipeline.
    policy : Policy
        Policy that the pipeline is evaluated against.
    tracer : StepCache
        Applies steps; it starts with the baseline model.
    registry : Registry
        Where techniques come from.
    functions : mapping of str to callable
        Gate metrics by name.
    settings : InferenceSettings
        Settings of intervals and tests.

    Attributes
    ----------
    attempts : dict of trace to (StepResult, list of Choice)
        Every case that passed through a gate, with its steps.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        policy: Policy,
        tracer: StepCache,
        registry: Registry,
        functions: Mapping[str, CheckFunction],
        settings: InferenceSettings,
    ) -> None:
        self.spec = spec
        self.policy = policy
        self.registry = registry
        self.functions = functions
        self.settings = settings
        self.tracer = tracer
        self.utility = utility_of(spec.utility, tracer.root.case.fitted())
        self.baseline = tracer.evaluate(tracer.root, settings)
        self.test_rows = len(tracer.division.test)
        self._start_from(tracer)
        self._judged[()] = self.baseline

    def _start_from(self, tracer: StepCache) -> None:
        """Begin with the cases of this tracer; what was measured of others does not count."""
        self.tracer = tracer
        self.applied = tracer.root
        self.attempts: dict[Trace, tuple[StepResult, list[Choice]]] = {}
        self._judged: dict[Trace, ModelEvaluation] = {}
        self._aims: dict[Trace, Aim] = {}  # of tuned steps
        self._aimed: dict[tuple[Trace, str], tuple[Choice, Aim | None]] = {}
        self._barred: set[str] = set()  # steps that failed a gate on what the last gate does not look at
        self._blocked: dict[GatedStage, bool] = {}  # whether a gate's last pass bars everything

    def judged(self, applied: StepResult) -> ModelEvaluation:
        """Return the validation measurement of a case's model, computed once."""
        if applied.trace not in self._judged:
            self._judged[applied.trace] = self.tracer.evaluate(applied, self.settings)
        return self._judged[applied.trace]

    def probability(self, applied: StepResult) -> float | None:
        """Return the probability with which a rule meets the target in the population."""
        target, measured = self.policy.target(self.spec.notion), self.judged(applied).measurement
        return probability_of(measured, target, None, self.settings.seed, tuned=True)

    def view(
        self, applied: StepResult, before: StepResult | None = None, changed: Iterable[str] = ()
    ) -> GateContext:
        """Return the inputs of gate checks for a case."""
        target = self.policy.target(self.spec.notion)
        return GateContext(
            self.baseline,
            self.judged(applied),
            (before or self.tracer.root).case,
            applied.case,
            frozenset(changed),
            self.spec.notion,
            target.metric,
            target.upward,
            self.utility,
        )

    def act(self, applied: StepResult, active: Active) -> tuple[StepResult, Choice]:
        """Return the case after a step, and the step as it was tuned."""
        key = (applied.trace, mark(active.choice))
        if key not in self._aimed:
            self._aimed[key] = aimed_step(self, applied, active.choice)
        choice, found = self._aimed[key]
        after = self.tracer.apply(applied, choice)
        if found is not None:
            self._aims[after.trace] = found
        return after, choice

    def acted(self, applied: StepResult, planned: Iterable[Active]) -> tuple[StepResult, list[Choice]] | None:
        """Return a case after the planned steps that are due, and those; None where one of them fails."""
        steps = []
        try:
            for active in planned:
                if self.due(active, applied):
                    applied, choice = self.act(applied, active)
                    steps.append(choice)
        except StoreError:
            raise
        except FairmendError:
            return None
        return applied, steps

    def followed(self, applied: StepResult, steps: Iterable[Choice]) -> StepResult | None:
        """Return a case after steps; None where one fails, such as for want of another that is left out."""
        try:
            return self.tracer.replay(steps, applied)
        except StoreError:
            raise
        except FairmendError:
            return None

    def aim_of(self, applied: StepResult) -> Aim | None:
        """Return how the last tuned step of a case was tuned; None if none was."""
        ends = range(len(applied.trace), 0, -1)
        return next((self._aims[applied.trace[:n]] for n in ends if applied.trace[:n] in self._aims), None)

    def due(self, active: Active, applied: StepResult) -> bool:
        """Whether the condition of a step holds for a case."""
        if active.when == "always":
            return True
        view = self.view(applied)
        if active.when == "calibration poor":
            checks = [c for c in self.policy.gate("post-processing").checks if "calibration" in c.metric]
            return any(self.judge(c, view, "condition").verdict == "failed" for c in checks)
        return not self.secure(view)

    def secure(self, view: GateContext) -> bool:
        """Whether the target is met with its whole interval."""
        interval_policy = self.policy.model_copy(update={"evidence": "interval"})
        target = self.policy.target(self.spec.notion)
        found = evaluate_check(target, view, interval_policy, self.functions, gate="condition")
        return found.verdict == "passed"

    def judge(self, check: PolicyCheck, view: GateContext, gate: str) -> CheckResult:
        """Evaluate one check; ``gate`` is where, for the record."""
        return evaluate_check(check, view, self.policy, self.functions, gate=gate)

    def presented(self, applied: StepResult, *, causal_claim: bool = True) -> Presentation:
        """Return a rule as people are shown it; see :func:`fairmend.pipeline.run.presentation.present`."""
        return present(
            self.spec,
            self.policy,
            self.registry,
            choices_of(applied.trace, self.registry),
            self.tracer.root.case,
            applied.case,
            causal_claim=causal_claim,
        )

    def last_gate(self, applied: StepResult) -> list[CheckResult]:
        """Evaluate the checks of the last gate for a case, without approvals."""
        gate = self.policy.gate("post-processing")
        return evaluate_gate(gate, self.view(applied), self.policy, self.functions)

    def declared(self, choices: Iterable[Choice]) -> set[str]:
        """Return the features that these steps declare they change."""
        out: set[str] = set()
        for choice in choices:
            technique = self.registry.technique(choice.technique)
            if "features" in technique.metadata.modifies:
                named = technique.with_parameters(**choice.parameters).get_params(deep=False).get("features")
                out |= set(map(str, self.applied.case.train.X.columns)) if named is None else set(named)
        return out

    def deploys(self, applied: StepResult) -> bool:
        """Whether the last decision of the policy would deploy a case."""
        decision, view = self.policy.decision("post-processing"), self.view(applied)
        return route(decision, self.spec.findings, lambda c: self.judge(c, view, decision.id))[0] == "deploy"

    def barred(self, applied: StepResult) -> bool:
        """Whether a case cannot be deployed for what an earlier gate found."""
        return any(self._blocked.values()) or not self._barred.isdisjoint(applied.trace)

    def _remember(
        self,
        place: GatedStage,
        ran: Sequence[Choice],
        of_stage: Sequence[Choice],
        checks: Iterable[CheckResult],
    ) -> None:
        """Keep the current case as an attempt, and what bars its steps; a failed step passes no gate."""
        self.attempts[self.applied.trace] = (self.applied, list(ran))
        unmet = [c for c in checks if c.decides and c.verdict in {"failed", "insufficient evidence"}]
        self._blocked[place] = any(place == "causal" or c.measure == "failed_steps" for c in unmet)
        if any(c.measure not in METRICS or METRICS[c.measure].kind not in JUDGED_LAST for c in unmet):
            self._barred |= {mark(choice) for choice in of_stage}
