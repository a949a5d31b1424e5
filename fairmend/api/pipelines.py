"""Pipelines: recommend, compose, run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.api.catalog import Limits, Observer, registry
from fairmend.api.data import dataset, load_audit, loaded
from fairmend.api.run_inputs import audited, binary, not_served, scored
from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.core.utility import Utility
from fairmend.core.vocabulary import Notion

if TYPE_CHECKING:
    import pandas as pd

    from fairmend.catalog.policy import Policy
    from fairmend.core.data.dataset import Dataset
    from fairmend.core.findings import Audit
    from fairmend.index import Recommendation
    from fairmend.pipeline.compose.explanation import Explanation
    from fairmend.pipeline.run.approvals import Approval
    from fairmend.pipeline.run.record import RunRecord
    from fairmend.pipeline.spec import PipelineSpec
    from fairmend.pipeline.storage.run_store import RunStore
    from fairmend.pipeline.sweep.sweep_record import Sweep


def recommend(
    findings: str | Path | Mapping[str, Any] | Audit,
    constraints: Limits = None,
    notion: Notion = "demographic_parity",
    *,
    encoder: str | None = None,
) -> Recommendation:
    """Return the techniques that address the findings of an audit, best first, and why others are excluded.

    Parameters
    ----------
    findings : Audit, mapping or path
        The audit, or the JSON file it was saved as.
    constraints : as in :func:`query`
        Hard limits.
    notion : str
        Fairness notion to target.
    encoder : str, optional
        As in :func:`query`.
    """
    from fairmend import index

    return index.recommend(
        load_audit(findings),
        registry=registry(),
        constraints=Constraints.parse(constraints),
        notion=notion,
        encoder=encoder,
    )


def compose(
    source: Recommendation | Audit | Sweep | str | Path | Mapping[str, Any],
    *,
    constraints: Limits = None,
    notion: Notion = "demographic_parity",
    policy: str | Policy = "playbook",
    learner: str = "gradient_boosting",
    seed: int = 0,
    name: str = "pipeline",
    utility: Utility | str | None = None,
    cost_fp: float | None = None,
    cost_fn: float | None = None,
    graph: Any = None,
    sweep: str | Path | Mapping[str, Any] | Sweep | None = None,
    operations: Sequence[int | str] = (),
) -> PipelineSpec:
    """Return a pipeline of the recommended techniques, with reasons, alternatives and gates.

    Parameters
    ----------
    source : Recommendation, Audit, Sweep, mapping or path
        What to compose from: a recommendation, or an audit (or its JSON file), which is recommended
        from; a sweep stands for its own audit, constraints and notion.
    constraints, notion
        As in :func:`recommend`, where the source is an audit.
    policy, learner, seed, name
        As in :func:`fairmend.pipeline.compose.composer.compose`.
    utility : str, optional
        What decisions are worth: accuracy, balanced_accuracy, f1, auc or cost; by default the expected cost
        at the baseline's own threshold.
    cost_fp, cost_fn : float, optional
        Costs of a false positive and of a false negative, for the utility ``cost``.
    graph : CausalGraph, mapping, sequence of edges, or path, optional
        An expert's causal graph, which says what steps may repair; by default that of the audit.
    sweep : Sweep, mapping or path, optional
        A sweep whose chosen candidate becomes the steps, and what else is on its frontier their
        alternatives; its constraints, notion, learner, seed and utility hold.
    operations : sequence of int or str
        Operations to run on the record once there is a verdict, by id or slug, such as ``"model-card"``.

    Raises
    ------
    UsageError
        No technique is left that could reach the target, or source and sweep are about something else.
    """
    from fairmend.core.causal.graph_io import check_roles, read_graph
    from fairmend.index import Recommendation
    from fairmend.pipeline.compose.composer import compose as compose_pipeline
    from fairmend.pipeline.compose.steering import steered
    from fairmend.pipeline.operations import added
    from fairmend.pipeline.sweep.sweep_record import Sweep, load_sweep

    if isinstance(source, Sweep):
        sweep, source = source, source.audit
    swept = None if sweep is None else load_sweep(sweep)
    worth = Utility.parse(utility, cost_fp, cost_fn)
    if swept is not None:
        constraints, notion, worth = swept.constraints, swept.notion, swept.utility
    if not isinstance(source, Recommendation):
        source = recommend(source, constraints, notion)
    roles = source.audit.roles
    if roles.task not in (None, "binary"):
        raise not_served(roles.task, roles.outcome)
    drawn = source.audit.graph if graph is None else read_graph(graph).to_mapping()
    spec = compose_pipeline(
        source,
        registry=registry(),
        policy=policy,
        learner=learner,
        seed=seed,
        name=name,
        utility=worth,
        sweep=swept,
    )
    spec = added(spec, operations, registry())
    if drawn is None:
        return spec
    check_roles(read_graph(drawn), spec.roles)
    return steered(spec.model_copy(update={"graph": drawn}), registry())[0]


def explain(
    technique: int | str,
    findings: str | Path | Mapping[str, Any] | Audit,
    constraints: Limits = None,
    notion: Notion = "demographic_parity",
    policy: str | Policy = "playbook",
) -> Explanation:
    """Return why a technique is, or is not, in the pipeline that an audit calls for.

    Parameters
    ----------
    technique : int or str
        Id or slug.
    findings, constraints, notion
        As in :func:`recommend`.
    policy : str or Policy
        By what the run would be judged.

    Raises
    ------
    UnknownNameError
        No technique is called so; the message names the close ones.
    """
    from fairmend.pipeline.compose.explanation import explain as explain_choice

    registry().card(technique)  # reject an unknown name before the work
    recommendation = recommend(findings, constraints, notion)
    return explain_choice(technique, recommendation, registry=registry(), policy=policy)


def draw(pipeline: str | Path | PipelineSpec, path: str | Path) -> Path:
    """Draw a pipeline with its gates, decisions, rollbacks and approvals.

    Parameters
    ----------
    pipeline : path or PipelineSpec
        The pipeline.
    path : path
        Where to write: .mmd (Mermaid), .png or .svg.
    """
    from fairmend.catalog.policy import load_policy
    from fairmend.pipeline.spec import load_spec
    from fairmend.reports.drawing import draw as draw_pipeline

    spec = load_spec(pipeline)
    return draw_pipeline(spec, load_policy(spec.policy, registry()), path)


def run(
    pipeline: str | Path | PipelineSpec | None = None,
    data: str | Path | pd.DataFrame | Dataset | None = None,
    *,
    constraints: Limits = None,
    notion: Notion = "demographic_parity",
    policy: str | Policy | None = None,
    learner: str = "gradient_boosting",
    seed: int = 0,
    utility: Utility | str | None = None,
    cost_fp: float | None = None,
    cost_fn: float | None = None,
    approvals: Sequence[Approval] = (),
    assume_approved: bool = False,
    intervene: bool = False,
    model: Any = None,
    scores: str | None = None,
    scores_threshold: float = 0.5,
    graph: Any = None,
    cv: str | None = None,
    operations: Sequence[int | str] = (),
    stream: str | Path | pd.DataFrame | None = None,
    mlflow: str | None = None,
    n_boot: int = 2000,
    observer: Observer | None = None,
    store: RunStore | bool = False,
    **roles: Any,
) -> RunRecord:
    """Run a pipeline on data; without a pipeline: audit, recommend, compose and run the result.

    Parameters
    ----------
    pipeline : path or PipelineSpec, optional
        A composed pipeline; its own target, learner and seed are used.
    data, **roles
        As in :func:`dataset`; the roles default to those of the pipeline.
    constraints, notion, learner, seed
        Inputs for composing a pipeline if there is none.
    utility, cost_fp, cost_fn
        As in :func:`compose`, if there is no pipeline.
    policy : str or Policy, optional
        Policy to evaluate the run against; default: the one named in the pipeline, else the playbook.
    approvals : sequence of Approval
        Decisions of people so far, in chronological order.
    assume_approved : bool
        Assume every approval and mark the record accordingly; for demonstrations.
    intervene : bool
        Build a pipeline although decision 0 finds no need: the plain model meets the target, or the data cannot
        say.
    model : fitted classifier or path, optional
        The user's own model, as the baseline; a string is the path of a file written by ``skops.io.dump``.
        Techniques that retrain use the learner instead; the constraint ``retraining=false`` keeps the model.
    scores : str, optional
        Scores of a model instead of the model: a column of the data, or ``FILE:COLUMN`` of a file with
        the same rows. Techniques that retrain are excluded.
    scores_threshold : float in [0, 1]
        Baseline decisions are favorable at this score and above.
    graph : CausalGraph, mapping, sequence of edges, or path, optional
        An expert's causal graph: it says which features may be repaired, which are proxies and which are safe.
        By default that of the pipeline, if it has one.
    cv : str, optional
        Cross-validate the whole pipeline at the end, such as ``"5x2"``: five repetitions of two folds.
    operations : sequence of int or str
        Operations to run on the record once there is a verdict, in addition to those of the pipeline.
    stream : path or DataFrame, optional
        Decisions, a row each in the order in which they were made, for operations that read them.
    mlflow : str, optional
        Also log the run to this MLflow URI, such as ``"sqlite:///mlflow.db"``; empty to use
        MLFLOW_TRACKING_URI. After the start, logging failures become notes and do not stop the run.
    n_boot : int
        Replicates of the intervals.
    observer : callable, optional
        Called with every event as it occurs.
    store : RunStore or bool
        Where the run is stored, so that it can be resumed, approved, verified and deployed; True means
        the folder of :func:`fairmend.pipeline.storage.run_store.store_folder`.

    Raises
    ------
    FairmendError
        The pipeline is invalid, or the data do not allow it.
    """
    from contextlib import nullcontext

    from fairmend.catalog.policy import load_policy
    from fairmend.core.causal.graph_io import expert_graph
    from fairmend.core.models.external_inputs import given_model
    from fairmend.pipeline.compose.steering import with_graph
    from fairmend.pipeline.mlflow_tracking import Tracking
    from fairmend.pipeline.operations import added
    from fairmend.pipeline.run.cv_results import Repeats
    from fairmend.pipeline.run.runner import run as run_pipeline
    from fairmend.pipeline.spec import load_spec
    from fairmend.pipeline.storage.run_store import RunStore
    from fairmend.pipeline.stored_runs import begin

    if data is None:
        raise UsageError("data is required: a file, DataFrame or Dataset to run on")
    if cv is not None:
        Repeats.parse(cv)  # fail before the audit, which is slow
    tracking = None if mlflow is None else Tracking(mlflow)
    spec = None if pipeline is None else load_spec(pipeline)
    worth = Utility.parse(utility, cost_fp, cost_fn)
    if worth is not None and spec is not None:
        raise UsageError(
            "what decisions are worth is set by the pipeline; edit its utility, or run without it"
        )
    judged_by = load_policy(policy or ("playbook" if spec is None else spec.policy), registry())
    if spec is not None:
        roles = roles or spec.roles.model_dump()
    source = data
    if scores is not None:
        if model is not None:
            raise UsageError("expected a model or scores, got both")
        source, model, roles = scored(data, scores, scores_threshold, roles)
        worth = worth or Utility.at_threshold(scores_threshold)
    table = binary(dataset(source, **roles))
    drawn = None if graph is None else expert_graph(graph, table)
    if model is not None:
        model = given_model(loaded(model), table)
    limits = Constraints.parse(constraints if spec is None else spec.constraints)
    if scores is not None:
        if limits.retraining:
            raise UsageError("retraining=true requires a model, got only scores; pass the model instead")
        limits = Constraints.parse({**limits.model_dump(exclude_none=True), "retraining": False})
    if spec is not None:
        spec = spec.model_copy(update={"constraints": limits})
    else:
        found = audited(table, model, learner=learner, seed=seed, graph=drawn, observer=observer)
        found = found.model_copy(update={"graph": None})  # the run steers by it, and can be given another one
        named = policy or "playbook"
        spec = compose(
            recommend(found, limits, notion), policy=named, learner=learner, seed=seed, utility=worth
        )
    spec = added(spec, operations, registry())
    spec = with_graph(spec, table, drawn)
    settings: dict[str, Any] = {
        "registry": registry(),
        "policy": judged_by,
        "assume_approved": assume_approved,
        "intervene": intervene,
        "model": model,
        "cv": cv,
        "stream": stream,
        "n_boot": n_boot,
    }
    path = source if isinstance(source, (str, Path)) else None
    with (
        nullcontext(observer)
        if tracking is None
        else tracking.mirroring(spec, judged_by, table, observer) as tell
    ):
        if store is False:
            record = run_pipeline(spec, table, approvals=approvals, observer=tell, **settings)
        else:
            kept = RunStore() if store is True else store
            record = begin(spec, table, store=kept, path=path, observer=tell, **settings)
    if tracking is not None:
        tracking.finish(record)
    return record
