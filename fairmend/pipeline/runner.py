"""Run a pipeline on data: baseline, machine, ablation, and the final figures on untouched data."""

from __future__ import annotations

import platform
import secrets
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata as distributions
from typing import Any

import pandas as pd

from fairmend.catalog.policy import Policy, load_policy
from fairmend.core.case import Case
from fairmend.core.dataset import Dataset
from fairmend.core.given import GivenModel, GivenScores
from fairmend.core.learner import make_learner
from fairmend.core.model import FairModel
from fairmend.core.registry import Registry
from fairmend.pipeline.ablation import FULL, PLAIN, POST_ALONE, Candidate, ablate, simplest
from fairmend.pipeline.checkpoint import Checkpoint
from fairmend.pipeline.checks import CHECKS, CheckFunction
from fairmend.pipeline.crossval import cross_validate
from fairmend.pipeline.folds import Repeats
from fairmend.pipeline.gates import Approval, Judgement, judge_gate, outcome
from fairmend.pipeline.given import given_model
from fairmend.pipeline.machine import Ending, Machine, Observer
from fairmend.pipeline.record import RunRecord, Status, Turn
from fairmend.pipeline.resolution import resolve
from fairmend.pipeline.soundness import check_spec
from fairmend.pipeline.spec import PipelineSpec
from fairmend.pipeline.trace import choices_of
from fairmend.pipeline.view import Judged, Settings, View

LIBRARIES = ("fairmend", "numpy", "pandas", "scikit-learn", "scipy", "fairlearn")


def run(
    spec: PipelineSpec,
    data: Dataset,
    *,
    registry: Registry,
    policy: str | Policy | None = None,
    approvals: Iterable[Approval] = (),
    assume_approved: bool = False,
    model: Any = None,
    cv: str | None = None,
    observer: Observer | None = None,
    n_boot: int = 2000,
    n_permutations: int = 10_000,
    run_id: str | None = None,
    checkpoint: Checkpoint | None = None,
) -> RunRecord:
    """Run a pipeline.

    Parameters
    ----------
    spec : PipelineSpec
        The pipeline.
    data : Dataset
        The data, with the roles that the pipeline names.
    registry : Registry
        Where techniques come from.
    policy : str or Policy, optional
        By what it is judged, instead of the policy that the pipeline names.
    approvals : iterable of Approval
        Decisions of people so far.
    assume_approved : bool
        Take every approval as given and mark the record so; for demonstrations.
    model : fitted classifier, optional
        The user's own model, as the baseline; techniques that retrain train the pipeline's learner
        instead, unless the pipeline's constraints forbid them with ``retraining=false``.
    cv : str, optional
        Repetitions and folds of a cross-validation of the whole pipeline, such as ``"5x2"``; see
        :func:`fairmend.pipeline.crossval.cross_validate`.
    observer : callable, optional
        Told of every event, as it happens.
    n_boot, n_permutations : int
        Replicates of intervals and tests.
    run_id : str, optional
        Name of the run; a new one if nothing is given.
    checkpoint : Checkpoint, optional
        Where the outcomes of steps are kept and looked up.

    Returns
    -------
    RunRecord
        Baseline and final figures are those of the test part, which no step and no gate has seen
        before the end.

    Raises
    ------
    FairmendError
        The pipeline is not sound, or the data cannot serve it.
    """
    began = time.perf_counter()
    repeats = None if cv is None else Repeats.parse(cv)
    judged_by = load_policy(policy or spec.policy)
    check_spec(spec, registry, judged_by)
    tell: Observer = observer or (lambda event: None)
    settings = Settings(judged_by.minimum_support, n_boot, n_permutations, spec.seed, data.groups.labels)
    approvals = _assumed(judged_by) if assume_approved else list(approvals)

    parts = data.split(spec.split, seed=spec.seed)
    test = parts.pop("test")
    start = _baseline(spec, parts, model)
    divided = time.perf_counter()
    start = (
        checkpoint.baseline(start)
        if checkpoint
        else (start if start.model is not None else start.retrained())
    )
    tell({"event": "baseline", "rows": {**{k: len(v) for k, v in parts.items()}, "test": len(test)}})
    fitted = time.perf_counter()

    functions: dict[str, CheckFunction] = {**CHECKS, **registry.named("fairmend_gates")}
    machine = Machine(
        spec,
        judged_by,
        start,
        registry,
        functions,
        settings,
        approvals,
        observer,
        checkpoint,
        training=fitted - divided,
    )
    ending = machine.run()
    machine_done = time.perf_counter()

    candidates = ablate(machine, machine.ran) if ending.to == "deploy" else {}
    chosen = _choose(machine, candidates) if spec.simplify and candidates else FULL
    applied = candidates[chosen].applied if candidates else machine.applied
    ablated = time.perf_counter()

    judge = _TestJudge(machine, test, settings)
    final = judge.of(applied.case.fitted())
    verdicts = judge.gate(applied.case) if ending.to == "deploy" else []
    status, reason, options = _status(ending, verdicts, machine.gates, judged_by)
    evaluations = _evaluate(machine, judge, final, candidates)
    techniques = [registry.card(c.technique).metadata for c in choices_of(applied.trace, registry)]
    findings = resolve(spec.findings, judge.baseline, final, techniques)
    measured = time.perf_counter()
    crossed = None
    if repeats is not None and ending.to != "wait":
        given = None if model is None else machine.baseline.model
        crossed = cross_validate(machine, applied, data, repeats, given=given, checkpoint=checkpoint)
    record = RunRecord(
        run_id=run_id or new_run_id(),
        status=status,
        reason=reason,
        spec=spec,
        policy={"name": judged_by.policy, "evidence": judged_by.evidence, "sha256": judged_by.digest()},
        data=_about(data, parts, test),
        baseline=judge.baseline.measurement,
        final=final.measurement,
        tests=final.against(judge.baseline),
        model=applied.case.fitted(),
        case=applied.case,
        steps=machine.steps,
        gates=[*machine.gates, *verdicts],
        turns=machine.turns,
        attempts=machine.attempts,
        variants=[c.variant for c in candidates.values()],
        chosen=chosen,
        approvals=list(machine.approvals.values()),
        options=options,
        notes=[
            *data.notes,
            *_notes(spec, applied.case.fitted(), machine),
            *(crossed.notes if crossed is not None else ()),
        ],
        results={**{k: dict(v) for k, v in applied.case.results.items()}, **evaluations},
        references=judge.references(candidates),
        findings=findings,
        cross_validation=crossed,
        versions=versions(),
    )
    record.seconds = {
        "baseline": fitted - began,
        **machine.seconds,
        "machine": machine_done - fitted,
        "ablation": ablated - machine_done,
        "final figures": measured - ablated,
        "cross-validation": time.perf_counter() - measured,
        "total": time.perf_counter() - began,
    }
    tell({"event": "done", "status": status, "reason": reason})
    return record


def new_run_id() -> str:
    """Return a name for a run: when it began, and a random part."""
    return f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _baseline(spec: PipelineSpec, parts: dict[str, Dataset], model: Any) -> Case:
    """Return the case that a run begins with; the user's model, where one is given, is its baseline."""
    learner = (
        None
        if spec.constraints.retraining is False and model is not None
        else make_learner(spec.learner, seed=spec.seed)
    )
    case = Case(
        parts["train"],
        parts["calibration"],
        parts["validation"],
        learner=learner,
        findings=spec.findings,
        notion=spec.notion,
        seed=spec.seed,
    )
    if model is None:
        return case
    return case.replace(model=replace(given_model(model, parts["train"]), seed=spec.seed))


def _assumed(policy: Policy) -> list[Approval]:
    note = "assumed for a demonstration: nobody has approved this"
    return [
        Approval(gate.id, role, "assumed", True, note)
        for gate in policy.gates
        for check in gate.checks
        for role in check.roles
    ]


def _choose(machine: Machine, candidates: dict[str, Candidate]) -> str:
    name, reason = simplest(machine, candidates)
    turn = Turn("simplification", "simplest", name, reason, machine.iteration)
    machine.turns.append(turn)
    machine.tell({"event": "simplification", **turn.to_json()})
    return name


class _TestJudge:
    """Measures on the test data, once the machine has ended."""

    def __init__(self, machine: Machine, test: Dataset, settings: Settings) -> None:
        self.machine = machine
        self.test = test
        self.settings = settings
        self.baseline = self.of(machine.baseline.model)

    def of(self, model: FairModel) -> Judged:
        """Return the test measurement of a model."""
        return Judged(model, self.test, self.settings)

    def gate(self, case: Case) -> list[Judgement]:
        """Hold the last gate against the test data."""
        machine = self.machine
        target = machine.policy.target(machine.spec.notion)
        root = machine.tracer.root.case
        view = View(
            self.baseline,
            self.of(case.fitted()),
            root,
            case,
            frozenset(),
            machine.spec.notion,
            target.check,
            target.upward,
        )
        gate = machine.policy.gate("post-processing").model_copy(update={"id": "final"})
        found = judge_gate(gate, view, machine.policy, machine.functions, data="test")
        return [j for j in found if j.measure != "approval"]

    def references(self, candidates: dict[str, Candidate]) -> dict[str, Any]:
        """Return the test figures of the mandatory references and of the full pipeline."""
        name = self.machine.policy.target(self.machine.spec.notion).check
        out: dict[str, Any] = {}
        for key in (PLAIN, POST_ALONE, FULL):
            if key in candidates:
                figures = self.of(candidates[key].applied.case.fitted()).measurement
                out[key] = {
                    "steps": list(candidates[key].variant.steps),
                    "accuracy": figures.figure("accuracy").to_json(),
                    name: figures.figure(name).to_json(),
                }
        return out


def _status(
    ending: Ending, verdicts: list[Judgement], gates: list[Judgement], policy: Policy
) -> tuple[Status, str, list[str]]:
    if ending.to == "escalate":
        return "escalated", ending.reason, ending.options
    if ending.to == "wait":
        return "waiting", ending.reason, []
    found = outcome(verdicts)
    told = "; ".join(
        f"{j.check}: {j.reason or j.measure}" for j in verdicts if j.decides and j.verdict == found
    )
    options = list(policy.rollback("rollback-post-processing").options)
    if found == "failed":
        return "failed", f"what held on validation did not hold on the test data: {told}", options
    if found == "insufficient evidence":
        return "escalated", f"insufficient evidence on the test data: {told}", options
    open_ = [j for j in gates if j.verdict == "waiting" and j.decides]
    if open_:
        return "waiting", "; ".join(dict.fromkeys(f"{j.id} {j.reason}" for j in open_)), []
    return "deployable", "every required check passed, on validation and on the test data", []


def _evaluate(
    machine: Machine, judge: _TestJudge, final: Judged, candidates: dict[str, Candidate]
) -> dict[str, Any]:
    """Run the evaluations that accompany the pipeline, on the test data."""
    out: dict[str, Any] = {}
    for choice in machine.spec.evaluations:
        technique: Any = machine.registry.technique(choice.technique).with_parameters(**choice.parameters)
        if "candidates" in technique.reads:
            table = _table(machine, candidates)
            if len(table) > 1:
                out[choice.slug] = technique.evaluate(candidates=table)
            continue
        out[choice.slug] = technique.evaluate(
            judge.test.y,
            final.decisions,
            final.scores,
            sensitive_features=judge.test.sensitive,
            sample_weight=judge.test.weights,
            baseline=judge.baseline.decisions,
        )
    return out


def _table(machine: Machine, candidates: dict[str, Candidate]) -> pd.DataFrame:
    """Return every attempt and variant with its accuracy and fairness on the gates' data."""
    name = machine.policy.target(machine.spec.notion).check
    rows = {" + ".join(a.steps) or PLAIN: (a.accuracy, a.fairness) for a in machine.attempts}
    rows |= {
        " + ".join(c.variant.steps) or PLAIN: (c.variant.accuracy, c.variant.fairness)
        for c in candidates.values()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["accuracy", name])


def _of_baseline(spec: PipelineSpec, machine: Machine) -> list[str]:
    """Return how a model or scores of the user's own were read."""
    estimator = machine.baseline.model.estimator
    if isinstance(estimator, GivenScores):
        return [
            f"The baseline decides at {estimator.threshold:g} on the given scores in {estimator.column!r}. Scores "
            "cannot be retrained, so techniques that retrain were left out (retraining=false)."
        ]
    if not isinstance(estimator, GivenModel):
        return []
    favorable = estimator.model.classes_[estimator.favorable]
    told = (
        f"The baseline is the given model ({type(estimator.model).__name__}), whose class {favorable} was read as the "
        "favourable one. Figures on rows that it was trained on would look better than they are: give it data "
        "that it has not seen."
    )
    if machine.tracer.root.case.learner is None:
        return [told]
    return [
        f"{told} Techniques that retrain train {spec.learner} in its place; retraining=false keeps the given model."
    ]


def _notes(spec: PipelineSpec, model: FairModel, machine: Machine) -> list[str]:
    notes = _of_baseline(spec, machine)
    if model.reads_protected:
        rules = [p.metadata for p in model.parts if p.metadata.needs_protected_at_prediction]
        for rule in rules:
            legal = f" {rule.legal_notes}" if rule.legal_notes else ""
            notes.append(f"{rule.name} reads the protected attribute for every decision.{legal}")
    if any(p.metadata.randomised for p in model.parts):
        notes.append("Decisions are drawn at random in part; the same row always gets the same decision.")
    for step in machine.steps:
        if step.effect is not None and step.effect.changed_nothing:
            notes.append(f"{step.slug} changed nothing.")
    advised = [j for j in machine.gates if not j.decides and j.verdict not in {"passed", "waiting"}]
    last = {j.id: f"Advice of {j.id}: {j.measure} {_number(j.value)} ({j.bound})." for j in advised}
    return list(dict.fromkeys([*notes, *last.values()]))


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _about(data: Dataset, parts: dict[str, Dataset], test: Dataset) -> dict[str, Any]:
    return {
        "rows": len(data),
        "parts": {**{k: len(v) for k, v in parts.items()}, "test": len(test)},
        "features": [str(c) for c in data.X.columns],
        "groups": {g: int(n) for g, n in zip(data.groups.labels, data.groups.counts(), strict=True)},
        "outcome": data.roles.outcome,
        "favorable": data.roles.favorable,
        "protected": list(data.roles.protected),
        "sha256": data.fingerprint(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that figures depend on."""
    return {"python": platform.python_version(), **{name: distributions.version(name) for name in LIBRARIES}}
