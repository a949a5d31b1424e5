"""Final evaluation on the test part, which no step and no gate has used."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from fairmend.catalog.policy import Policy, not_deployable
from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import FairmendError
from fairmend.core.metrics import InferenceSettings
from fairmend.core.models.decision_rule import FairModel
from fairmend.pipeline.gates.gate_context import GateContext, ModelEvaluation
from fairmend.pipeline.gates.gates import CheckResult, evaluate_gate, incomplete, outcome, told
from fairmend.pipeline.run.ablation import FULL, PLAIN, POST_ALONE, Candidate
from fairmend.pipeline.run.approvals import Approval, rejections
from fairmend.pipeline.run.confirmation import ALL_HELD_OUT
from fairmend.pipeline.run.decision_zero import INTERVENE, clearly_missed, need_checks
from fairmend.pipeline.run.guards import Guard
from fairmend.pipeline.run.run_outcome import RunOutcome
from fairmend.pipeline.run.run_status import Status
from fairmend.pipeline.run.state_machine import StateMachine
from fairmend.pipeline.run.third_party import evaluated
from fairmend.pipeline.storage.step_cache import StepResult


class FinalEvaluator:
    """Evaluates models on the test data, after the state machine has ended."""

    def __init__(self, machine: StateMachine, test: Dataset, settings: InferenceSettings) -> None:
        self.machine = machine
        self.test = test
        self.settings = settings
        self._known: dict[int, ModelEvaluation] = {}
        self.baseline = self.of(machine.tracer.deployed(machine.tracer.root).fitted())

    def of(self, model: FairModel) -> ModelEvaluation:
        """Return the test measurement of a model, computed once."""
        if id(model) not in self._known:  # the evaluation holds the model, so that its id stays its own
            self._known[id(model)] = ModelEvaluation(model, self.test, self.settings)
        return self._known[id(model)]

    def view(self, case: Case) -> GateContext:
        """Return the inputs of gate checks for a rule on the test data."""
        root = self.machine.tracer.deployed(self.machine.tracer.root)
        view = self.machine.view(self.machine.tracer.root)
        return replace(view, baseline=self.baseline, current=self.of(case.fitted()), before=root, case=case)

    def together(self, applied: StepResult) -> GateContext:
        """Return the inputs of gate checks for a rule on its out-of-fold decisions and the test data."""
        view = self.view(self.machine.tracer.deployed(applied))
        return replace(
            view,
            baseline=self.machine.baseline.followed_by(view.baseline),
            current=self.machine.judged(applied).followed_by(view.current),
        )

    def gate(self, case: Case, only: Container[str] | None = None) -> list[CheckResult]:
        """Evaluate the last gate on the test data, or only its checks of these ids."""
        machine = self.machine
        gate = machine.policy.gate("post-processing").model_copy(update={"id": "final"})
        found = evaluate_gate(gate, self.view(case), machine.policy, machine.functions, data="test")
        return [j for j in found if only is None or j.check in only]

    def references(self, candidates: dict[str, Candidate]) -> dict[str, Any]:
        """Return the test metrics of the mandatory references and of the full pipeline."""
        name = self.machine.policy.target(self.machine.spec.notion).metric
        out: dict[str, Any] = {}
        for key in (PLAIN, POST_ALONE, FULL):
            if key in candidates:
                figures = self.of(self.machine.tracer.deployed(candidates[key].applied).fitted()).measurement
                out[key] = {
                    "steps": list(candidates[key].variant.steps),
                    "accuracy": figures.figure("accuracy").to_json(),
                    name: figures.figure(name).to_json(),
                }
        return out


def status_of(
    ending: RunOutcome,
    verdicts: list[CheckResult],
    approvals: list[CheckResult],
    policy: Policy,
    notion: str,
    decisions: Iterable[Approval] = (),
    tripped: Sequence[Guard] = (),
) -> tuple[Status, str, list[str]]:
    """Return the final status of a run, the reason, and the options of people.

    Parameters
    ----------
    ending : RunOutcome
        Where the machine stopped.
    verdicts : list of CheckResult
        Checks of the last gate, on the test data.
    approvals : list of CheckResult
        The approvals of the final rule; an open one keeps the run waiting.
    policy : Policy
        The rollback of its last gate has the options; it must require enough for ``deployable``.
    notion : str
        Fairness notion that the run targets.
    decisions : iterable of Approval
        Decisions of people, settled. A rejection in force always counts, even if the run did not
        pass through its gate.
    tripped : sequence of Guard
        Guards that no policy can override; their remedies come first among the options.
    """
    if ending.to == "escalate":
        return "escalated", ending.reason, ending.options
    if ending.to == "wait":
        return "waiting", ending.reason, []
    if ending.to in {"keep", "undecided"}:
        return _kept(ending, verdicts, policy, notion, tripped)
    found = outcome(verdicts)
    why = "; ".join(
        f"{j.check}: {j.reason or j.measure}" for j in verdicts if j.decides and j.verdict == found
    )
    options = [
        *(guard.remedy for guard in tripped),
        *policy.rollback(policy.gate("post-processing").on_fail).options,
    ]
    if found == "failed":
        return "failed", f"passed on validation data but failed on test data: {why}", options
    decided = [guard for guard in tripped if guard.status == "failed"]
    if decided:
        return "failed", _reasons(decided), options
    if found == "insufficient evidence":
        return "escalated", f"insufficient evidence on the test data: {why}", options
    if rejected := rejections(decisions):
        return "escalated", "; ".join(f"{a.gate} was {a}" for a in rejected), options
    if tripped:
        return "escalated", _reasons(tripped), options
    open_ = [j for j in approvals if j.verdict == "waiting" and j.decides]
    if open_:
        return "waiting", "; ".join(dict.fromkeys(f"{j.id} {j.reason}" for j in open_)), []
    if lacking := not_deployable(policy, notion):
        weak = "; ".join(lacking)
        return (
            "passed its policy",
            f"every required check passed, but the policy requires too little: {weak}",
            [],
        )
    return "deployable", _passed(verdicts), []


def _passed(verdicts: Sequence[CheckResult]) -> str:
    """Return that every check passed, and which of them the test part alone could not decide."""
    together = [j for j in verdicts if j.data == ALL_HELD_OUT]
    if not together:
        return "every required check passed, on validation and on test data"
    shown = "; ".join(f"{told(j)} ({j.reason})" for j in together)
    return f"every required check passed; by {ALL_HELD_OUT}, out-of-fold and test data together: {shown}"


def _kept(
    ending: RunOutcome, verdicts: list[CheckResult], policy: Policy, notion: str, tripped: Sequence[Guard]
) -> tuple[Status, str, list[str]]:
    """Return the status of a run that built nothing: the test data may contradict it clearly, or a guard."""
    if tripped:
        return "escalated", _reasons(tripped), [guard.remedy for guard in tripped]
    if ending.to == "undecided":
        return "undecided", ending.reason, ending.options
    target = policy.target(notion)
    asked = {c.id: target if c.metric == "target" else c for c in need_checks(policy)}
    against = [j for j in verdicts if clearly_missed(asked[j.check], j)]
    if against:
        shown = "; ".join(told(j) for j in against)
        return "undecided", f"{ending.reason}; but the test data contradict it: {shown}", [INTERVENE]
    if lacking := not_deployable(policy, notion):
        weak = "; ".join(lacking)
        return "passed its policy", f"{ending.reason}, but the policy requires too little: {weak}", []
    return "no intervention needed", ending.reason, []


def _reasons(tripped: Sequence[Guard]) -> str:
    return "; ".join(f"{guard.kind}: {guard.reason}" for guard in tripped)


def evaluate(
    machine: StateMachine,
    judge: FinalEvaluator,
    final: ModelEvaluation,
    candidates: dict[str, Candidate],
) -> tuple[dict[str, Any], list[CheckResult]]:
    """Run the accompanying evaluations on the test data.

    Returns
    -------
    results : dict
        By slug; that of a failed evaluation is its message.
    checks : list of CheckResult
        The check that failed evaluations leave, as for steps (:func:`.gates.incomplete`).
    """
    out: dict[str, Any] = {}
    failures: list[tuple[str, FairmendError]] = []
    for choice in machine.spec.evaluations:
        technique: Any = machine.registry.technique(choice.technique).with_parameters(**choice.parameters)
        given: dict[str, Any] = {
            "y_true": judge.test.y,
            "y_pred": final.decisions,
            "y_score": final.scores,
            "sensitive_features": judge.test.sensitive,
            "sample_weight": judge.test.weights,
            "baseline": judge.baseline.decisions,
            "X": judge.test.X,
        }
        if technique.reads("candidates"):
            given = {"candidates": _table(machine, candidates)}
            if len(given["candidates"]) < 2:
                continue
        try:
            out[choice.slug] = evaluated(technique, **given)
        except FairmendError as error:
            failures.append((choice.slug, error))
            out[choice.slug] = {"text": f"Failed: {error}", "failed": True}
    return out, incomplete("final", "evaluations", failures, data="test")


def _table(machine: StateMachine, candidates: dict[str, Candidate]) -> pd.DataFrame:
    """Return every attempt and variant with its accuracy and fairness on validation data."""
    name = machine.policy.target(machine.spec.notion).metric
    rows = {" + ".join(a.steps) or PLAIN: (a.accuracy, a.fairness) for a in machine.gate_measurements}
    rows |= {
        " + ".join(c.variant.steps) or PLAIN: (c.variant.accuracy, c.variant.fairness)
        for c in candidates.values()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["accuracy", name])
