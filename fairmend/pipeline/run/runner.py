"""Run a pipeline on data: baseline, state machine, ablation, and the final metrics on test data."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from fairmend.auditing.contributed_kinds import contributed_kinds
from fairmend.auditing.data_warnings import cautions
from fairmend.auditing.leakage import label_leaks
from fairmend.catalog import code_integrity as integrity
from fairmend.catalog.policy import Policy, PolicyRecord, load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.metrics import InferenceSettings
from fairmend.core.metrics.leveling_down import leveling_down
from fairmend.core.models.external_inputs import given_model
from fairmend.core.models.learners import make_learner
from fairmend.core.text.words import plural
from fairmend.pipeline.compose.spec_validation import check_spec
from fairmend.pipeline.compose.steering import steered, with_graph
from fairmend.pipeline.cross_fitting import Division, divide
from fairmend.pipeline.finding_outcomes import resolve
from fairmend.pipeline.gates.checks import rates_of
from fairmend.pipeline.gates.gate_context import GateContext
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.gates.plugin_checks import gate_functions
from fairmend.pipeline.operations import with_operations
from fairmend.pipeline.run.approvals import ASSUMED, Approval, remarks
from fairmend.pipeline.run.conclusion import addition, conclude
from fairmend.pipeline.run.confirmation import ALL_HELD_OUT, Confirmation
from fairmend.pipeline.run.consistency import assert_consistent, contradictions, kept_contradictions
from fairmend.pipeline.run.cross_validation import cross_validate
from fairmend.pipeline.run.cv_results import Repeats
from fairmend.pipeline.run.decision_zero import need_checks
from fairmend.pipeline.run.earlier_looks import TestLooks
from fairmend.pipeline.run.executive import OPEN_TO_CHOICE, deciders
from fairmend.pipeline.run.final_evaluation import FinalEvaluator, evaluate, status_of
from fairmend.pipeline.run.guards import guards, row_figures, row_notes
from fairmend.pipeline.run.notes import about, notes, third_party, versions
from fairmend.pipeline.run.options import options_of
from fairmend.pipeline.run.presentation import claims_cause, with_approvals
from fairmend.pipeline.run.record import RunRecord
from fairmend.pipeline.run.run_outcome import RunOutcome
from fairmend.pipeline.run.state_machine import Observer, StateMachine
from fairmend.pipeline.run.utility_outcome import UtilityOutcome
from fairmend.pipeline.spec import PipelineSpec
from fairmend.pipeline.storage.checkpoints import Checkpoint
from fairmend.pipeline.storage.step_cache import StepCache, choices_of


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
    test_looks: int = 0,
    intervene: bool = False,
    stream: str | Path | pd.DataFrame | None = None,
    former_graphs: Sequence[Mapping[str, Any]] = (),
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
        Policy to evaluate the run against, instead of the one named in the pipeline.
    approvals : iterable of Approval
        Decisions of people so far, in chronological order.
    assume_approved : bool
        Assume every approval and mark the record accordingly; for demonstrations.
    model : fitted classifier, optional
        The user's own model, as the baseline; techniques that retrain use the pipeline's learner
        instead, unless the pipeline's constraints exclude them with ``retraining=false``.
    cv : str, optional
        Repetitions and folds of a cross-validation of the whole pipeline, such as ``"5x2"``; see
        :func:`fairmend.pipeline.run.cross_validation.cross_validate`.
    observer : callable, optional
        Called with every event as it occurs.
    n_boot, n_permutations : int
        Number of bootstrap replicates and permutations.
    run_id : str, optional
        Name of the run; default: a new one.
    checkpoint : Checkpoint, optional
        Storage of step results.
    test_looks : int
        Number of earlier runs that used the test part of these data.
    intervene : bool
        Whether to build a pipeline although decision 0 finds no need.
    stream : path or DataFrame, optional
        Decisions, for operations of the pipeline that read them.
    former_graphs : sequence of mapping
        The graphs that the pipeline's graph has replaced in this run, oldest first, for the record.

    Returns
    -------
    RunRecord
        Baseline and final metrics are computed on the test part, which no step and no gate uses
        before the end.

    Raises
    ------
    FairmendError
        The pipeline is invalid, or the data do not allow it.
    RunError
        The verdict contradicts the recorded checks.
    """
    began = time.perf_counter()
    repeats = None if cv is None else Repeats.parse(cv)
    judged_by = load_policy(policy or spec.policy, registry)
    spec, by_graph = steered(with_graph(spec, data), registry, data)
    check_spec(spec, registry, judged_by)
    tell: Observer = observer or (lambda event: None)
    settings = InferenceSettings(
        n_boot,
        min_support=judged_by.minimum_support,
        seed=spec.seed,
        n_permutations=n_permutations,
        groups=data.groups.labels,
    )
    approvals = _assumed(judged_by) if assume_approved else list(approvals)

    division = divide(data, spec.split, seed=spec.seed)
    start = _baseline(spec, division, model)
    divided = time.perf_counter()
    start = (
        checkpoint.baseline(start)
        if checkpoint
        else tuple(case if case.model is not None else case.retrained() for case in start)
    )
    tell({"event": "baseline", "rows": division.counts(), "text": division.text})
    fitted = time.perf_counter()

    functions = gate_functions(registry)
    integrity.verify(registry)
    machine = StateMachine(
        spec,
        judged_by,
        StepCache(registry, division, start, checkpoint),
        registry,
        functions,
        settings,
        approvals,
        observer,
        training=fitted - divided,
        intervene=intervene,
    )
    ending = machine.run()
    machine_done = time.perf_counter()

    ending, chosen, candidates = conclude(machine, ending)
    applied = candidates[chosen].applied if ending.to == "deploy" else machine.applied
    ablated = time.perf_counter()

    judge = FinalEvaluator(machine, division.test, settings)
    deployed = machine.tracer.deployed(applied)
    final = judge.of(deployed.fitted())
    evaluations, unevaluated = evaluate(machine, judge, final, candidates)
    together = judge.together(applied) if ending.to == "deploy" else None
    verdicts = _verdicts(machine, judge, ending, deployed, together, unevaluated)
    integrity.verify(registry)
    leaks = label_leaks(data.X, data.y)
    unallowed = [one for one in leaks if one.column not in data.roles.allowed_features]
    tripped = guards(
        judge.baseline, final, unallowed, target=judged_by.target(spec.notion).metric, utility=machine.utility
    )
    shown = machine.presented(applied, causal_claim=claims_cause(machine.standing.get("causal", ())))
    decisions = shown.decisions(approvals, judged_by)
    asked = {
        gate.stage: shown.approvals(gate, decisions) for gate in judged_by.gates if ending.to == "deploy"
    }
    signed_off = [check for checks in asked.values() for check in checks]
    status, reason, options = status_of(
        ending, verdicts, signed_off, judged_by, spec.notion, decisions, tripped
    )
    probability = None if ending.to == "wait" else machine.probability(applied)
    if status == "deployable":
        told = any(check.data == ALL_HELD_OUT and check.decides for check in verdicts)
        reason += addition(machine, None if told else probability)
    choices, choice_models = options_of(judge, candidates) if status in OPEN_TO_CHOICE else ([], {})
    plugins = third_party(registry)
    if ending.to == "deploy" and status in {"deployable", "passed its policy", "waiting"}:
        found = contradictions(
            judged_by,
            spec.notion,
            with_approvals(machine.standing, asked),
            verdicts,
            final.measurement,
            together.current.measurement if together is not None else None,
            approvals=status != "waiting",
        )
        assert_consistent(found, plugins)
    if status == "no intervention needed" and machine.need is not None:
        measured_on = machine.baseline.measurement, final.measurement
        found = kept_contradictions(judged_by, spec.notion, machine.need.checks, verdicts, *measured_on)
        assert_consistent(found, plugins)
    steps = choices_of(applied.trace, registry)
    techniques = [registry.card(c.technique).metadata for c in steps]
    findings = resolve(spec.findings, judge.baseline, final, techniques, contributed_kinds(registry))
    tests, references = final.against(judge.baseline), judge.references(candidates)
    target = judged_by.target(spec.notion).metric
    by_rows = row_figures(final.measurement, target)
    looks = TestLooks.of(test_looks, target, final.measurement, tests)
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
        policy=PolicyRecord.of(judged_by),
        data=about(data, division),
        baseline=judge.baseline.measurement,
        final=final.measurement,
        tests=tests,
        utility=UtilityOutcome.of(machine.utility, judge.baseline, final),
        leveling_down=leveling_down(tests.table, rates_of(spec.notion)[0], settings),
        model=deployed.fitted(),
        case=deployed,
        graph=deployed.graph,
        former_graphs=[dict(one) for one in former_graphs],
        steps=machine.steps,
        gates=[*machine.gates, *signed_off, *verdicts],
        need=machine.need,
        transitions=machine.transitions,
        gate_measurements=machine.gate_measurements,
        variants=[c.variant for c in candidates.values()],
        selected=chosen,
        aim=machine.aim_of(applied),
        probability=probability,
        options=choices,
        option_models=choice_models,
        approvals=decisions,
        presented_rules=shown.reached(judged_by, machine.standing)
        if ending.to == "wait"
        else shown.with_options(o.text for o in choices),
        escalated_to=deciders(judged_by, machine.transitions, decisions) if status in OPEN_TO_CHOICE else [],
        escalation_options=[*options, *(f"{o.id}: {o.text}" for o in choices)],
        notes=[
            *data.notes,
            *notes(spec, deployed.fitted(), machine, data, steps, verdicts),
            *by_graph,
            *(
                [
                    f"The causal graph was revised ({plural(len(former_graphs), 'time')}); earlier decisions on it do not count."
                ]
                if former_graphs
                else []
            ),
            *(f"{g.kind}: {g.reason}. {g.remedy}." for g in tripped if g.reason not in reason),
            *row_notes(by_rows),
            *([looks.note] if looks.note else ()),
            *cautions(data.X, {}),
            *(f"{one.text}; it was allowed as a feature." for one in leaks if one not in unallowed),
            *([f"Third-party plugins were loaded: {', '.join(plugins)}."] if plugins else ()),
            *(crossed.notes if crossed is not None else ()),
            *remarks(decisions),
        ],
        technique_results={**{k: dict(v) for k, v in deployed.results.items()}, **evaluations},
        reference_models=references,
        findings=findings,
        cross_validation=crossed,
        guards=tripped,
        by_rows=by_rows,
        test_looks=looks,
        plugins=plugins,
        versions=versions(),
        rules=judged_by,
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
    record = with_operations(record, registry, stream)
    tell({"event": "done", "status": status, "reason": reason})
    return record


def _verdicts(
    machine: StateMachine,
    judge: FinalEvaluator,
    ending: RunOutcome,
    case: Case,
    together: GateContext | None,
    unevaluated: list[CheckResult],
) -> list[CheckResult]:
    """Evaluate on the test data what the end of a run rests on: the last gate, or the checks of decision 0.

    Of the last gate, what the test part cannot tell is decided by all rows held out (``together``).
    """
    if together is not None:
        confirmation = Confirmation(machine.policy, machine.functions, together)
        return [*map(confirmation.of, judge.gate(case)), *unevaluated]
    if ending.to == "keep":
        return judge.gate(case, only={check.id for check in need_checks(machine.policy)})
    return []


def new_run_id() -> str:
    """Return a name for a run: its start time and a random part."""
    return f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _baseline(spec: PipelineSpec, division: Division, model: Any) -> tuple[Case, ...]:
    """Return the initial case of each fold; the user's model, if given, is the baseline of all."""
    learner = (
        None
        if spec.constraints.retraining is False and model is not None
        else make_learner(spec.learner, seed=spec.seed)
    )
    given = None
    if model is not None:
        given = replace(given_model(model, division.development), seed=spec.seed)
    return division.cases(
        learner=learner,
        findings=spec.findings,
        notion=spec.notion,
        seed=spec.seed,
        model=given,
        graph=spec.causal_graph,
    )


def _assumed(policy: Policy) -> list[Approval]:
    note = "assumed for a demonstration: nobody actually approved this"
    return [
        Approval(gate.id, role, ASSUMED, True, note)
        for gate in policy.gates
        for check in gate.checks
        for role in check.roles
    ]
