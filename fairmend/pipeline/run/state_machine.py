"""The playbook as a state machine: stages, gates, decisions, rollbacks, escalation."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fairmend.catalog.policy import GATED_STAGES, GatedStage, Policy, Rollback
from fairmend.catalog.registry import Registry
from fairmend.core.case import Case
from fairmend.core.errors import FairmendError, StoreError
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.metrics import InferenceSettings
from fairmend.pipeline.compose.slots import chooses_for_utility
from fairmend.pipeline.gates.gates import (
    CheckResult,
    evaluate_gate,
    incomplete,
    outcome,
    told,
)
from fairmend.pipeline.gates.utility import utility_of
from fairmend.pipeline.gates.value import CheckFunction
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.run.decision_zero import NeedRecord, assess_need
from fairmend.pipeline.run.decisions import route
from fairmend.pipeline.run.lookahead import shortcut
from fairmend.pipeline.run.measured import GateMeasurement
from fairmend.pipeline.run.record import StepRecord, Transition
from fairmend.pipeline.run.rollbacks import Rollbacks
from fairmend.pipeline.run.run_outcome import RunOutcome
from fairmend.pipeline.run.run_state import RunState
from fairmend.pipeline.run.step_plan import Active, Plan
from fairmend.pipeline.run.time_estimate import TimeEstimate
from fairmend.pipeline.run.undo import taken_back
from fairmend.pipeline.spec import Choice, PipelineSpec
from fairmend.pipeline.storage.step_cache import StepCache, StepResult

Observer = Callable[[dict[str, Any]], None]
MOST_RETURNS = 3  # decisions that lead back to a stage
_ENDS = {"keep": "no intervention", "undecided": "undecided", "escalate": "people"}


class StateMachine(RunState):
    """Runs a plan through the gates of a policy.

    Parameters
    ----------
    spec, policy, tracer, registry, functions, settings
        As for :class:`~fairmend.pipeline.run.run_state.RunState`.
    approvals : iterable of Approval
        Decisions of people so far, in chronological order.
    observer : callable, optional
        Called with every event as it occurs.
    training : float
        Duration of the baseline's training in seconds, for time estimates.
    intervene : bool
        Whether to go on although decision 0 finds no need.
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
        intervene: bool = False,
    ) -> None:
        super().__init__(spec, policy, tracer, registry, functions, settings)
        self.decisions = list(approvals)
        self.tell: Observer = observer or (lambda event: None)
        self.plan = Plan(spec, registry)
        self.estimate = TimeEstimate(training)
        self.intervene = intervene
        self.need: NeedRecord | None = None
        self.ran: list[Choice] = []
        self.steps: list[StepRecord] = []
        self.gates: list[CheckResult] = []
        self.standing: dict[GatedStage, list[CheckResult]] = {}  # of the last pass, without rolled-back steps
        self.transitions: list[Transition] = []
        self.gate_measurements: list[GateMeasurement] = []
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._entry: dict[GatedStage, tuple[StepResult, list[Choice]]] = {}
        self._failures: list[tuple[str, FairmendError]] = []  # of the current stage, without alternative
        self._rollbacks = Rollbacks()
        self._returns = 0

    @property
    def iteration(self) -> int:
        """Number of rollbacks so far."""
        return self._rollbacks.counts.total()

    @property
    def case(self) -> Case:
        """The current case."""
        return self.applied.case

    def run(self) -> RunOutcome:
        """Run from decision 0 to the end."""
        if (ending := self._need_for_any()) is not None:
            return ending
        place: GatedStage = "causal"
        while True:
            self._enter(place)
            self._stage(place)
            self._take_back(place)
            verdict, judgments = self._gate(place)
            if verdict == "failed":
                if self._look_ahead(place, judgments):
                    place = "post-processing"
                    continue
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

    def _need_for_any(self) -> RunOutcome | None:
        """Take decision 0, if the policy asks for it; returns how the run ends there, if it does."""
        rule = self.policy.judgment.need
        if rule is None:
            return None
        view = self.view(self.tracer.root)
        self.need = assess_need(rule, view, self.policy, self.functions, intervene=self.intervene)
        ending = self.need.ending
        reason = f"{self.need.reason}; overruled by --intervene" if self.need.overruled else self.need.reason
        if ending is not None and self._utility_calls_for_it():
            ending = None
            reason += f"; decisions are chosen by {self.utility.text} all the same, which those of the plain model do not serve"
        to = "causal" if ending is None else _ENDS[ending.to]
        self._turn("decision", rule.id, to, reason, rule.source)
        return ending

    def _utility_calls_for_it(self) -> bool:
        """Whether the pipeline chooses decisions by a utility that the threshold of the plain model does not serve."""
        own = utility_of(None, self.tracer.root.case.fitted())
        return chooses_for_utility(self.spec) and self.utility != own

    # -- stages -----------------------------------------------------------------------------------

    def _enter(self, place: GatedStage) -> None:
        """Remember the case on entry of a stage and of the skipped ones, so that a rollback can restore it."""
        for name in GATED_STAGES[: GATED_STAGES.index(place) + 1]:
            if name == place or name not in self._entry:
                self._entry[name] = (self.applied, list(self.ran))
        self.tell({"event": "stage", "stage": place, "iteration": self.iteration})

    def entry(self, place: GatedStage) -> tuple[StepResult, list[Choice]]:
        """Return the case on entry of a stage, and the steps so far."""
        return self._entry[place]

    def _stage(self, place: GatedStage) -> None:
        self._failures = []
        for active in self.plan.of_stage(place):
            if self.due(active, self.applied):
                self._step(active)
            else:
                self._note_step(
                    active, "not needed", f"the condition '{active.when}' is not met: the step is not needed"
                )

    def _take_back(self, place: GatedStage) -> None:
        """Take back the steps of the stage that undo what was reached before them."""
        entry, before = self._entry[place]
        steps = self.ran[len(before) :]
        if place == "causal" or not self.policy.judgment.undo:
            return
        found = taken_back(self, place, entry, self.applied, steps)
        if found is None:
            return
        self.applied, self.ran = found.applied, [*before, *found.kept]
        names = ", ".join(step.slug for step in found.dropped)
        for step in found.dropped:
            self._note(place, step, "taken back", found.reason)
        self._turn("undo", self.policy.gate(place).id, place, f"took back {names}: {found.reason}")

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
                applied, choice = self.act(self.applied, active)
            except StoreError:
                raise  # the technique itself did not fail; switching now would give another result than a resumed run
            except FairmendError as error:
                failed = active.choice.slug
                self._note_step(active, "failed", str(error))
                if self.plan.switch(active) is None:
                    self._failures.append((failed, error))
                    return
                continue
            self.applied, active.choice = applied, choice
            self.ran.append(choice)
            self.seconds[active.step.stage] += time.perf_counter() - began  # cached results take no time
            self.estimate.note(self.registry.card(active.choice.technique).metadata, applied.seconds)
            found = self._aims.get(applied.trace)
            text = applied.effect.text if found is None else f"{applied.effect.text}; {found.text}"
            self._note_step(active, "ran", text, applied)
            return

    def _ahead(self, active: Active) -> list[TechniqueMetadata]:
        """Return the remaining steps if no gate triggers a rollback: this one and those after it."""
        steps = [a for a in self.plan.active if not a.skipped]
        return [self.registry.card(a.choice.technique).metadata for a in steps[steps.index(active) :]]

    def _note_step(self, active: Active, status: Any, text: str, applied: StepResult | None = None) -> None:
        self._note(active.step.stage, active.choice, status, text, applied)

    def _note(
        self, stage: str, choice: Choice, status: Any, text: str, applied: StepResult | None = None
    ) -> None:
        record = StepRecord(
            stage,
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
        self._remember(place, self.ran, of_stage, judgments)
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

    def _decide(self, place: GatedStage) -> tuple[Any, str]:
        decision = self.policy.decision(place)
        view = self.view(self.applied)
        to, reason = route(decision, self.spec.findings, lambda c: self.judge(c, view, decision.id))
        self._turn("decision", decision.id, to, reason, decision.source)
        return to, reason

    def _turn(self, kind: Any, name: str, to: str, reason: str, source: str = "") -> None:
        turn = Transition(kind, name, to, reason, self.iteration, source)
        self.transitions.append(turn)
        self.tell({"event": kind, **turn.to_json()})

    # -- rollbacks and escalation ------------------------------------------------------------------------

    def _roll_back(self, place: GatedStage, judgments: list[CheckResult]) -> GatedStage | RunOutcome:
        rollback = self.policy.rollback(self.policy.gate(place).on_fail)
        why = self._why(judgments)
        if self._rollbacks.exhausted(rollback):
            return self._escalate(rollback, f"iteration limit ({rollback.iterations}) reached: {why}")
        failed = {j.check for j in judgments if j.decides and j.verdict == "failed"}
        found = self._rollbacks.next(
            rollback, failed, lambda c: self._withhold() if c.action == "withhold" else self.plan.apply(c)
        )
        if found is None:
            return self._escalate(rollback, f"no untried adjustment left: {why}")
        to, done = found
        self._turn("rollback", rollback.id, to, f"{why}; {done}", rollback.source)
        self._restore(to, GATED_STAGES[GATED_STAGES.index(to) :])
        return to

    def _look_ahead(self, place: GatedStage, judgments: list[CheckResult]) -> bool:
        """Leave out stages that post-processing alone makes up for, if the policy says so."""
        found = shortcut(self, place, judgments) if self.policy.judgment.lookahead else None
        if found is None:
            return False
        for stage in found.left_out:
            self.plan.skip(stage)
        self._turn(
            "lookahead",
            self.policy.gate(place).id,
            "post-processing",
            f"{self._why(judgments)}; post-processing without {' and '.join(found.left_out)} passes the last gate "
            f"({found.reason}), so no alternative is trained",
        )
        self._restore(found.left_out[0], found.left_out)
        return True

    def _restore(self, place: GatedStage, undone: Iterable[GatedStage]) -> None:
        """Go back to the case on entry of a stage; the verdicts of what is undone no longer stand."""
        for stage in undone:
            self.standing.pop(stage, None)
        self.applied, ran = self._entry[place]
        self.ran = list(ran)

    def _withhold(self) -> str | None:
        """Remove the protected attributes from the features and restart, if the model can be retrained."""
        start = self.tracer.root.case
        names = [c for c in start.train.sensitive.columns if c in start.train.X.columns]
        if not names or start.learner is None:
            return None
        self._start_from(self.tracer.without(names))
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
        options = [*more, *rollback.options]
        people = ", ".join(rollback.escalate_to)
        reason = f"escalated to {people}: {why}"
        self._turn("escalation", rollback.id, "people", reason, rollback.source)
        return RunOutcome("escalate", reason, options)

    @staticmethod
    def _why(judgments: list[CheckResult]) -> str:
        return "; ".join(told(j) for j in judgments if j.decides and j.verdict == "failed")
