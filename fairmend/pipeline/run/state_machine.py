"""The playbook as a state machine: stages, gates, decisions, rollbacks, escalation."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fairmend.catalog.policy import GATED_STAGES, GatedStage, Policy, PolicyCheck, Rollback, RollbackAction
from fairmend.catalog.registry import Registry
from fairmend.core.case import Case
from fairmend.core.errors import FairmendError, StoreError
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.metrics import InferenceSettings
from fairmend.pipeline.gates.gate_context import GateContext, ModelEvaluation
from fairmend.pipeline.gates.gates import CheckResult, evaluate_check, evaluate_gate, incomplete, outcome
from fairmend.pipeline.gates.utility import utility_of
from fairmend.pipeline.gates.value import CheckFunction
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.run.presentation import Presentation, present
from fairmend.pipeline.run.record import GateMeasurement, StepRecord, Transition
from fairmend.pipeline.run.step_plan import Active, Plan
from fairmend.pipeline.run.time_estimate import TimeEstimate
from fairmend.pipeline.spec import Choice, PipelineSpec
from fairmend.pipeline.storage.step_cache import StepCache, StepResult, choices_of

Observer = Callable[[dict[str, Any]], None]
MOST_RETURNS = 3  # decisions that lead back to a stage


@dataclass
class RunOutcome:
    """The end state of the state machine.

    Attributes
    ----------
    to : str
        ``deploy``, ``escalate`` or ``wait``.
    reason : str
        Why.
    options : list of str
        On escalation, the options.
    """

    to: str
    reason: str
    options: list[str] = field(default_factory=list)


class StateMachine:
    """Runs a plan through the gates of a policy.

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
    approvals : iterable of Approval
        Decisions of people so far, in chronological order.
    observer : callable, optional
        Called with every event as it occurs.
    training : float
        Duration of the baseline's training in seconds, for time estimates.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        policy: Policy,
        tracer: StepCache,
        registry: Registry,
        functions: Mapping[str, CheckFunction],
        settings: InferenceSettings,
        approvals: Iterable[Approval] = (),
        observer: Observer | None = None,
        training: float = 0.0,
    ) -> None:
        self.spec = spec
        self.policy = policy
        self.registry = registry
        self.functions = functions
        self.settings = settings
        self.decisions = list(approvals)
        self.tell: Observer = observer or (lambda event: None)
        self.tracer = tracer
        self.plan = Plan(spec, registry)
        self.estimate = TimeEstimate(training)
        self.utility = utility_of(spec.utility, tracer.root.case.fitted())
        self.baseline = tracer.evaluate(tracer.root, settings)
        self.applied = self.tracer.root
        self.ran: list[Choice] = []
        self.steps: list[StepRecord] = []
        self.gates: list[CheckResult] = []
        self.standing: dict[GatedStage, list[CheckResult]] = {}  # of the last pass, without rolled-back steps
        self.transitions: list[Transition] = []
        self.gate_measurements: list[GateMeasurement] = []
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._entry: dict[GatedStage, tuple[StepResult, list[Choice]]] = {}
        self._failures: list[tuple[str, FairmendError]] = []  # of the current stage, without alternative
        self._rollbacks: Counter[str] = Counter()
        self._returns = 0
        self._changes: Counter[tuple[str, int]] = Counter()
        self._judged: dict[tuple[str, ...], ModelEvaluation] = {(): self.baseline}

    @property
    def iteration(self) -> int:
        """Number of rollbacks so far."""
        return self._rollbacks.total()

    @property
    def case(self) -> Case:
        """The current case."""
        return self.applied.case

    def judged(self, applied: StepResult) -> ModelEvaluation:
        """Return the validation measurement of a case's model, computed once."""
        if applied.trace not in self._judged:
            self._judged[applied.trace] = self.tracer.evaluate(applied, self.settings)
        return self._judged[applied.trace]

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

    def run(self) -> RunOutcome:
        """Run from the causal stage to the end."""
        place: GatedStage = "causal"
        while True:
            self._enter(place)
            self._stage(place)
            verdict, judgments = self._gate(place)
            if verdict == "failed":
                back = self._roll_back(place, judgments)
                if isinstance(back, RunOutcome):
                    return back
                place = back
                continue
            if verdict == "waiting" and self.policy.approvals == "at_gate":
                return RunOutcome("wait", f"{self.policy.gate(place).title}: an approval is open")
            to, reason = self._decide(place)
            if to in {"deploy", "escalate"} and (lacking := self._lacking()):
                return lacking
            if to == "deploy":
                return RunOutcome("deploy", reason)
            if to == "escalate":
                return self._escalate(
                    self.policy.rollback(self.policy.gate(place).on_fail), self._why(judgments) or reason
                )
            # The policy limits rollbacks but not decisions that lead back: without this limit, a policy
            # whose decisions form a cycle would run forever.
            if GATED_STAGES.index(to) <= GATED_STAGES.index(place):
                if self._returns == MOST_RETURNS:
                    return self._escalate(
                        self.policy.rollback(self.policy.gate(place).on_fail),
                        f"iteration limit ({MOST_RETURNS}) reached: {self.policy.decision(place).id} returns to {to}",
                    )
                self._returns += 1
            place = to

    # -- stages -----------------------------------------------------------------------------------

    def _enter(self, place: GatedStage) -> None:
        """Remember the case on entry of a stage and of the skipped ones, so that a rollback can restore it."""
        for name in GATED_STAGES[: GATED_STAGES.index(place) + 1]:
            if name == place or name not in self._entry:
                self._entry[name] = (self.applied, list(self.ran))
        self.tell({"event": "stage", "stage": place, "iteration": self.iteration})

    def _stage(self, place: GatedStage) -> None:
        self._failures = []
        for active in self.plan.of_stage(place):
            if self._due(active):
                self._step(active)
            else:
                self._note_step(
                    active, "not needed", f"the condition '{active.when}' is not met: the step is not needed"
                )

    def _step(self, active: Active) -> None:
        """Run a step; if its technique fails on the data, run the next alternative."""
        while True:
            self.tell(
                {
                    "event": "step-start",
                    "stage": active.step.stage,
                    "slug": active.choice.slug,
                    "rest": round(self.estimate.of(self._ahead(active)), 1),
                }
            )
            began = time.perf_counter()
            try:
                applied = self.tracer.apply(self.applied, active.choice)
            except StoreError:
                raise  # the technique itself did not fail; switching now would give another result than a resumed run
            except FairmendError as error:
                failed = active.choice.slug
                self._note_step(active, "failed", str(error))
                if self.plan.switch(active) is None:
                    self._failures.append((failed, error))
                    return
                continue
            self.applied = applied
            self.ran.append(active.choice)
            self.seconds[active.step.stage] += time.perf_counter() - began  # cached results take no time
            self.estimate.note(self.registry.card(active.choice.technique).metadata, applied.seconds)
            self._note_step(active, "ran", applied.effect.text, applied)
            return

    def _ahead(self, active: Active) -> list[TechniqueMetadata]:
        """Return the remaining steps if no gate triggers a rollback: this one and those after it."""
        steps = [a for a in self.plan.active if not a.skipped]
        return [self.registry.card(a.choice.technique).metadata for a in steps[steps.index(active) :]]

    def _note_step(self, active: Active, status: Any, text: str, applied: StepResult | None = None) -> None:
        choice = active.choice
        record = StepRecord(
            active.step.stage,
            choice.technique,
            choice.slug,
            choice.parameters,
            self.iteration,
            status,
            text,
            applied.effect if applied else None,
            applied.seconds if applied else 0.0,
        )
        self.steps.append(record)
        self.tell({"event": "step", **record.to_json()})

    def _due(self, active: Active) -> bool:
        if active.when == "always":
            return True
        view = self.view(self.applied)
        if active.when == "calibration poor":
            checks = [c for c in self.policy.gate("post-processing").checks if "calibration" in c.metric]
            return any(self._judge(c, view, "condition").verdict == "failed" for c in checks)
        return not self.secure(view)

    def secure(self, view: GateContext) -> bool:
        """Whether the target is met with its whole interval."""
        interval_policy = self.policy.model_copy(update={"evidence": "interval"})
        target = self.policy.target(self.spec.notion)
        found = evaluate_check(target, view, interval_policy, self.functions, gate="condition")
        return found.verdict == "passed"

    def _judge(self, check: PolicyCheck, view: GateContext, gate: str) -> CheckResult:
        return evaluate_check(check, view, self.policy, self.functions, gate=gate)

    # -- gates and decisions ----------------------------------------------------------------------

    def _gate(self, place: GatedStage) -> tuple[str, list[CheckResult]]:
        began = time.perf_counter()
        gate = self.policy.gate(place)
        entry, ran_before = self._entry[place]
        of_stage = self.ran[len(ran_before) :]
        view = self.view(self.applied, entry, self.declared(of_stage))
        judgments = evaluate_gate(gate, view, self.policy, self.functions)
        if place in {"pre-processing", "in-processing"} and not of_stage:
            # A stage without effect must not fail its gate for an improvement it never attempted.
            judgments = []
        judgments += incomplete(gate.id, "steps", self._failures)
        if self.policy.approvals == "at_gate":
            shown = self.presented(self.applied)
            judgments += shown.approvals(gate, shown.decisions(self.decisions, self.policy))
        verdict = outcome(judgments)
        self.gates += judgments
        self.standing[place] = judgments
        figures = view.current.measurement
        of_accuracy = figures.figure("accuracy")
        of_fairness = figures.figure(view.measure_of_target)
        accuracy, fairness = of_accuracy.value, of_fairness.value
        slugs = tuple(c.slug for c in self.ran)
        self.gate_measurements.append(
            GateMeasurement(
                place,
                self.iteration,
                slugs,
                accuracy,
                fairness,
                of_accuracy.interval,
                of_fairness.interval,
                verdict,
            )
        )
        self.seconds["gates"] += time.perf_counter() - began
        self.tell(
            {
                "event": "gate",
                "gate": gate.id,
                "title": gate.title,
                "verdict": verdict,
                "accuracy": accuracy,
                "fairness": fairness,
                "measure": view.measure_of_target,
                "checks": [j.to_json() for j in judgments],
            }
        )
        return verdict, judgments

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

    def declared(self, choices: Iterable[Choice]) -> set[str]:
        """Return the features that these steps declare they change."""
        out: set[str] = set()
        for choice in choices:
            technique = self.registry.technique(choice.technique)
            if "features" in technique.metadata.modifies:
                named = technique.with_parameters(**choice.parameters).get_params(deep=False).get("features")
                out |= set(map(str, self.case.train.X.columns)) if named is None else set(named)
        return out

    def _decide(self, place: GatedStage) -> tuple[Any, str]:
        decision = self.policy.decision(place)
        view = self.view(self.applied)
        for path in decision.paths:
            holds = [self._judge(c, view, decision.id) for c in path.when]
            any_of = [self._judge(c, view, decision.id) for c in path.any_of]
            found = {f.kind for f in self.spec.findings if f.severity in {"medium", "high"}} & set(
                path.findings
            )
            any_needed = bool(path.any_of or path.findings)
            if all(j.verdict == "passed" for j in holds) and (
                not any_needed or found or any(j.verdict == "passed" for j in any_of)
            ):
                figures = "; ".join(_said(j) for j in (*holds, *any_of))
                reason = path.reason + (f" ({figures})" if figures else "")
                self._turn("decision", decision.id, path.to, reason, decision.source)
                return path.to, reason
        reason = "no transition has its conditions met"
        self._turn("decision", decision.id, "escalate", reason, decision.source)
        return "escalate", reason

    def _turn(self, kind: Any, name: str, to: str, reason: str, source: str = "") -> None:
        turn = Transition(kind, name, to, reason, self.iteration, source)
        self.transitions.append(turn)
        self.tell({"event": kind, **turn.to_json()})

    # -- rollbacks and escalation ------------------------------------------------------------------------

    def _roll_back(self, place: GatedStage, judgments: list[CheckResult]) -> GatedStage | RunOutcome:
        rollback = self.policy.rollback(self.policy.gate(place).on_fail)
        why = self._why(judgments)
        if self._rollbacks[rollback.id] >= rollback.iterations:
            return self._escalate(rollback, f"iteration limit ({rollback.iterations}) reached: {why}")
        failed = {j.check for j in judgments if j.decides and j.verdict == "failed"}
        for number, trigger in enumerate(rollback.triggers):
            if not failed & set(trigger.failed):
                continue
            for change in self._remaining(rollback, number):
                done = self._withhold() if change.action == "withhold" else self.plan.apply(change)
                if done:
                    self._rollbacks[rollback.id] += 1
                    self._turn("rollback", rollback.id, trigger.to, f"{why}; {done}", rollback.source)
                    for later in GATED_STAGES[GATED_STAGES.index(trigger.to) :]:
                        self.standing.pop(later, None)
                    self.applied, ran = self._entry[trigger.to]
                    self.ran = list(ran)
                    return trigger.to
        return self._escalate(rollback, f"no untried adjustment left: {why}")

    def _remaining(self, rollback: Rollback, number: int) -> Iterator[RollbackAction]:
        """Yield the untried changes of a trigger, in order.

        In the last iteration, skipping the stage comes first if the policy offers it, so that the run
        is not escalated before the later stages had a chance to reach the target.
        """
        changes = rollback.triggers[number].changes
        key = (rollback.id, number)
        last = self._rollbacks[rollback.id] == rollback.iterations - 1
        if last and changes[-1].action == "skip":
            self._changes[key] = max(self._changes[key], len(changes) - 1)
        while self._changes[key] < len(changes):
            self._changes[key] += 1
            yield changes[self._changes[key] - 1]

    def _withhold(self) -> str | None:
        """Remove the protected attributes from the features and restart, if the model can be retrained."""
        start = self.tracer.root.case
        names = [c for c in start.train.sensitive.columns if c in start.train.X.columns]
        if not names or start.learner is None:
            return None
        self.tracer = self.tracer.without(names)
        self._judged = {(): self.tracer.evaluate(self.tracer.root, self.settings)}
        self._entry["causal"] = (self.tracer.root, [])
        return f"removed {', '.join(map(str, names))} from the model"

    def _lacking(self) -> RunOutcome | None:
        """Escalate if a required check of any gate had too little support: missing data is never a pass."""
        lacking = [j for j in self.gates if j.verdict == "insufficient evidence" and j.decides]
        if not lacking:
            return None
        texts = "; ".join(dict.fromkeys(f"{j.id}: {j.reason}" for j in lacking))
        return self._escalate(
            self.policy.rollback(self.policy.gate("post-processing").on_fail),
            f"insufficient evidence: {texts}",
            ["Collect more rows of these groups, or merge groups if that makes sense"],
        )

    def _escalate(self, rollback: Rollback, why: str, more: Iterable[str] = ()) -> RunOutcome:
        options = [*more, *rollback.options, *self._measured_options()]
        people = ", ".join(rollback.escalate_to)
        reason = f"escalated to {people}: {why}"
        self._turn("escalation", rollback.id, "people", reason, rollback.source)
        return RunOutcome("escalate", reason, options)

    def _measured_options(self) -> list[str]:
        """Return the attempts with their measured costs, as options for those who decide."""
        base = self.baseline.measurement.figure("accuracy").value
        name = self.policy.target(self.spec.notion).metric
        causal = {c.slug for step in self.spec.of_stage("causal") for c in (step, *step.alternatives)}
        lines: dict[str, None] = {}
        for attempt in self.gate_measurements:
            acting = [slug for slug in attempt.steps if slug not in causal]
            if not acting:
                continue
            lines[
                f"Accept {' + '.join(acting)} (iteration {attempt.iteration}): {name} {attempt.fairness:.3f} at accuracy {attempt.accuracy:.4f} "
                f"({(attempt.accuracy - base) * 100:+.2f} points), measured on validation"
            ] = None
        return list(lines)

    @staticmethod
    def _why(judgments: list[CheckResult]) -> str:
        return "; ".join(_said(j) for j in judgments if j.decides and j.verdict == "failed")


def _said(j: CheckResult) -> str:
    if j.value is None:
        return f"{j.check}: {j.reason or j.verdict}"
    return f"{j.measure} {j.value:.3f} ({j.bound}: {j.verdict})"
