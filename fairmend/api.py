"""The functions for daily use; the command line calls these and prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.core.registry import Registry
from fairmend.core.vocabulary import Notion

if TYPE_CHECKING:
    import pandas as pd

    from fairmend.catalog.policy import Policy
    from fairmend.core.dataset import Dataset
    from fairmend.core.findings import Audit
    from fairmend.core.model import FairModel
    from fairmend.core.technique import Technique
    from fairmend.index import Answer, Recommendation
    from fairmend.pipeline.alone import Alone
    from fairmend.pipeline.gates import Approval
    from fairmend.pipeline.record import RunRecord
    from fairmend.pipeline.spec import PipelineSpec
    from fairmend.pipeline.store import RunStore
    from fairmend.pipeline.swept import Sweep
    from fairmend.testing import Conformance

Limits = Constraints | Mapping[str, Any] | Iterable[str] | None
Observer = Callable[[dict[str, Any]], None]


@lru_cache(maxsize=1)
def registry() -> Registry:
    """Return what the installed plugins contribute."""
    return Registry.installed()


def catalog() -> list[dict[str, Any]]:
    """Return id, slug, stage, name and citation of every technique."""
    from fairmend.catalog.listing import listing

    return listing(registry())


def technique(name: int | str) -> type[Technique]:
    """Return the class of a technique by id or slug.

    Raises
    ------
    UnknownNameError
        There is none; the message names the close ones.
    """
    return registry().technique(name)


def describe(name: int | str) -> dict[str, Any]:
    """Return what a technique says of itself, its parameters, and its full reference.

    Raises
    ------
    UnknownNameError
        There is none; the message names the close ones.
    """
    from inspect import signature

    from sklearn.utils._param_validation import make_constraint

    from fairmend.catalog.references import cite

    card = registry().card(name)
    found = card.load()
    return {
        **card.metadata.model_dump(mode="json"),
        "citation": cite(card.metadata.citation),
        "plugin": card.plugin,
        "parameters": [
            {
                "name": parameter.name,
                "default": parameter.default,
                "accepts": " or ".join(
                    str(make_constraint(c))
                    for c in found._parameter_constraints.get(parameter.name, ["anything"])
                ),
            }
            for parameter in signature(found).parameters.values()
        ],
    }


def run_technique(
    name: int | str,
    data: str | Path | pd.DataFrame,
    *,
    features: Sequence[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    predictions: str | None = None,
    scores: str | None = None,
    graph: str | Path | None = None,
    learner: str = "gradient_boosting",
    seed: int = 0,
    output: str | Path | None = None,
    **roles: Any,
) -> Alone:
    """Run one technique alone on a table.

    Parameters
    ----------
    name : int or str
        Id or slug.
    data, **roles
        As in :func:`dataset`; a change of features needs no outcome.
    features, parameters, predictions, scores, graph, learner, seed
        As in :func:`fairmend.pipeline.alone.run_alone`.
    output : path, optional
        Where to write the table (CSV or Parquet), or the figures as JSON where there is no table.
    """
    import json

    import pandas as pd

    from fairmend.core.dataset import read_table
    from fairmend.core.files import check_table_name, write_table, write_text
    from fairmend.pipeline.alone import run_alone

    found = technique(name)
    makes_table = found.stage in ("pre-processing", "in-processing", "post-processing")
    if output is not None and makes_table:
        check_table_name(output)
    done = run_alone(
        found,
        data if isinstance(data, pd.DataFrame) else read_table(data),
        roles=roles,
        features=features,
        parameters=parameters,
        predictions=predictions,
        scores=scores,
        graph=graph,
        learner=learner,
        seed=seed,
    )
    if output is not None and done.table is not None:
        write_table(output, done.table)
    elif output is not None:
        write_text(output, json.dumps(done.to_json(), indent=2, ensure_ascii=False) + "\n")
    return done


def plugins() -> list[dict[str, Any]]:
    """Return name, source, version, what it contributes and health of every plugin."""
    found = registry()
    numbers = found.numbers()
    return [
        {
            "name": plugin.name,
            "source": plugin.source,
            "version": plugin.version,
            "techniques": numbers.get(plugin.name, {}).get("fairmend_techniques", 0),
            "contributes": {
                hook.removeprefix("fairmend_"): n for hook, n in numbers.get(plugin.name, {}).items() if n
            },
            "health": found.problems.get(plugin.name, "ok"),
        }
        for plugin in found.plugins
    ]


def check(target: str | Path | None = None, *, observer: Observer | None = None) -> list[Conformance]:
    """Run the conformance suite.

    Parameters
    ----------
    target : str or path, optional
        An installed plugin, a module, a folder of a package or a Python file, as in
        :func:`fairmend.testing.resolve.techniques_of`; every installed technique if nothing is given.
    observer : callable, optional
        Told of every technique before it is checked.

    Returns
    -------
    list of Conformance
        One a technique.
    """
    from fairmend.testing import conformance
    from fairmend.testing.resolve import techniques_of

    found = (
        [card.load() for card in registry().cards()] if target is None else techniques_of(target, registry())
    )
    done = []
    for place, technique in enumerate(found, start=1):
        if observer is not None:
            observer({"event": "check", "slug": technique.metadata.slug, "place": place, "of": len(found)})
        done.append(conformance(technique))
    return done


def example(name: str, *, rows: int = 20_000, seed: int = 0) -> Dataset:
    """Return an example data set with its roles.

    Parameters
    ----------
    name : str
        ``"bank"``, or what a plugin contributes.
    rows : int
        How many rows to draw.
    seed : int
        Seed of the draw.

    Raises
    ------
    UnknownNameError
        No data set has this name.
    """
    from fairmend.core.errors import unknown

    loaders = registry().named("fairmend_datasets")
    if name not in loaders:
        raise unknown("example data set", name, loaders)
    drawn = loaders[name](n_rows=rows, random_state=seed)
    return dataset(drawn["frame"], **drawn["roles"])


def query(text: str, constraints: Limits = None, top: int = 10) -> Answer:
    """Return the techniques that answer a question in words.

    Parameters
    ----------
    text : str
        The question.
    constraints : mapping, iterable of ``key=value`` or Constraints, optional
        Hard limits; what they exclude is listed with the reason.
    top : int
        How many techniques at most.
    """
    from fairmend import index

    return index.query(text, registry=registry(), constraints=Constraints.parse(constraints), top=top)


def dataset(data: str | Path | pd.DataFrame | Dataset, **roles: Any) -> Dataset:
    """Return data with the roles of its columns.

    Parameters
    ----------
    data : path, DataFrame or Dataset
        A CSV (also .csv.gz) or Parquet file, or a frame.
    **roles
        As in :class:`fairmend.core.roles.Roles`: outcome, favorable, protected, mediators, resolving,
        proxies, weights, key, ignored, protected_in_model, cuts. One column may stand for a list.
    """
    import pandas as pd

    from fairmend.core.dataset import Dataset
    from fairmend.core.roles import Roles
    from fairmend.core.validation import validated

    if isinstance(data, Dataset):
        return data
    several = ("protected", "mediators", "resolving", "proxies", "ignored")
    given = {k: (v,) if k in several and isinstance(v, str) else v for k, v in roles.items() if v is not None}
    parsed = validated(Roles, given, "the roles of the columns")
    return Dataset.from_frame(data, parsed) if isinstance(data, pd.DataFrame) else Dataset.read(data, parsed)


def audit(
    data: str | Path | pd.DataFrame | Dataset,
    *,
    predictions: Any = None,
    scores: Any = None,
    model: Any = None,
    learner: str = "gradient_boosting",
    seed: int = 0,
    observer: Observer | None = None,
    **roles: Any,
) -> Audit:
    """Find where and how much groups differ, with intervals and support.

    Parameters
    ----------
    data, **roles
        As in :func:`dataset`.
    predictions, scores : array or str, optional
        Decisions and probabilities of an existing model; in words a column of the data, or
        ``FILE:COLUMN`` of a file with the same rows.
    model : fitted classifier or path, optional
        An existing model; in words a file that ``skops.io.dump`` wrote. Without any of these three a
        reference model is trained.
    learner : str
        Learner of that reference model.
    seed : int
        Seed of everything random.
    observer : callable, optional
        Told of every event, as it happens.
    """
    from fairmend.core.dataset import Dataset
    from fairmend.pipeline.audit import audit as run_audit

    if isinstance(predictions, str) or isinstance(scores, str):
        if isinstance(data, Dataset):
            raise UsageError("predictions and scores by name need the data as a file or frame")
        data, predictions, scores, roles = _with_given(data, predictions, scores, roles)
    return run_audit(
        dataset(data, **roles),
        predictions=predictions,
        scores=scores,
        model=_loaded(model),
        learner=learner,
        seed=seed,
        progress=None if observer is None else lambda text: observer({"event": "audit", "text": text}),
    )


def _with_given(
    data: str | Path | pd.DataFrame, predictions: Any, scores: Any, roles: dict[str, Any]
) -> tuple[pd.DataFrame, Any, Any, dict[str, Any]]:
    """Return the data as a frame, decisions and scores as columns, and roles that keep them from the model."""
    import pandas as pd

    from fairmend.core.dataset import read_table
    from fairmend.pipeline.given import given_columns

    frame = data if isinstance(data, pd.DataFrame) else read_table(data)
    by_name = [source if isinstance(source, str) else None for source in (predictions, scores)]
    found, taken = given_columns(frame, *by_name)
    predictions, scores = (
        given if column is None else column
        for given, column in zip((predictions, scores), found, strict=True)
    )
    ignored = roles.get("ignored") or ()
    ignored = (ignored,) if isinstance(ignored, str) else tuple(ignored)
    return frame, predictions, scores, {**roles, "ignored": tuple(dict.fromkeys((*ignored, *taken)))}


def load_audit(source: str | Path | Mapping[str, Any] | Audit) -> Audit:
    """Return an audit from the JSON file (or mapping) that an audit wrote.

    Raises
    ------
    UsageError
        The file is missing or is not an audit.
    """
    import json

    from fairmend.core.findings import Audit
    from fairmend.core.validation import validated

    if isinstance(source, Audit):
        return source
    if isinstance(source, Mapping):
        return validated(Audit, source, "the audit")
    path = Path(source)
    if not path.is_file():
        raise UsageError(f"there is no audit file {path}; make one with fairmend audit ... --json")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
    return validated(Audit, raw, str(path))


def recommend(
    findings: str | Path | Mapping[str, Any] | Audit,
    constraints: Limits = None,
    notion: Notion = "demographic_parity",
) -> Recommendation:
    """Return the techniques that an audit calls for, best first, and why others are left out.

    Parameters
    ----------
    findings : Audit, mapping or path
        The audit, or the JSON file that it wrote.
    constraints : as in :func:`query`
        Hard limits.
    notion : str
        Notion of fairness that the repair works towards.
    """
    from fairmend import index

    return index.recommend(
        load_audit(findings), registry=registry(), constraints=Constraints.parse(constraints), notion=notion
    )


def compose(
    recommendation: Recommendation,
    *,
    policy: str | Policy = "playbook",
    learner: str = "gradient_boosting",
    seed: int = 0,
    name: str = "pipeline",
    sweep: str | Path | Mapping[str, Any] | Sweep | None = None,
) -> PipelineSpec:
    """Return a pipeline of the recommended techniques, with reasons, alternatives and gates.

    With a sweep (or the JSON file that it wrote) its chosen candidate becomes the steps, what else is on
    its frontier their alternatives, and its learner and seed hold.
    """
    from fairmend.pipeline.compose import compose as compose_pipeline
    from fairmend.pipeline.swept import load_sweep

    return compose_pipeline(
        recommendation,
        registry=registry(),
        policy=policy,
        learner=learner,
        seed=seed,
        name=name,
        sweep=None if sweep is None else load_sweep(sweep),
    )


def sweep(
    data: str | Path | pd.DataFrame | Dataset,
    *,
    findings: str | Path | Mapping[str, Any] | Audit | None = None,
    constraints: Limits = None,
    notion: Notion = "demographic_parity",
    policy: str | Policy = "playbook",
    learner: str = "gradient_boosting",
    seed: int = 0,
    depth: int = 2,
    without: Iterable[int | str] = (),
    jobs: int | None = None,
    dask: str | None = None,
    store: RunStore | bool = True,
    fresh: bool = False,
    observer: Observer | None = None,
    **roles: Any,
) -> Sweep:
    """Try every applicable technique and sensible combinations, and return those that no other beats.

    Parameters
    ----------
    data, **roles
        As in :func:`dataset`.
    findings : Audit, mapping or path, optional
        An audit, which settles parameters such as the features to repair; without one the rows that are
        not of the test part are audited.
    constraints : as in :func:`query`
        Hard limits.
    notion, policy, learner, seed, depth, without, jobs, fresh, observer
        As in :func:`fairmend.pipeline.sweep.sweep`.
    dask : str, optional
        Address of the scheduler of a Dask cluster to compute on, with as many jobs as it has threads
        unless ``jobs`` says otherwise.
    store : RunStore or bool
        Where outcomes are kept, so that the same call again computes only what is missing; True stands
        for the folder of :func:`fairmend.pipeline.store.store_folder`.

    Raises
    ------
    FairmendError
        The request is not sound, or the data cannot serve it.
    """
    from contextlib import nullcontext

    from fairmend.pipeline.store import RunStore
    from fairmend.pipeline.sweep import on_dask
    from fairmend.pipeline.sweep import sweep as run_sweep

    table = dataset(data, **roles)
    with nullcontext() if dask is None else on_dask(dask):
        return run_sweep(
            table,
            registry=registry(),
            audit=None if findings is None else load_audit(findings),
            constraints=Constraints.parse(constraints),
            notion=notion,
            policy=policy,
            learner=learner,
            seed=seed,
            depth=depth,
            without=without,
            jobs=jobs,
            store=RunStore() if store is True else store or None,
            fresh=fresh,
            observer=observer,
        )


def run(
    pipeline: str | Path | PipelineSpec | None = None,
    data: str | Path | pd.DataFrame | Dataset | None = None,
    *,
    constraints: Limits = None,
    notion: Notion = "demographic_parity",
    policy: str | Policy | None = None,
    learner: str = "gradient_boosting",
    seed: int = 0,
    approvals: Sequence[Approval] = (),
    assume_approved: bool = False,
    model: Any = None,
    scores: str | None = None,
    scores_threshold: float = 0.5,
    cv: str | None = None,
    mlflow: str | None = None,
    observer: Observer | None = None,
    store: RunStore | bool = False,
    **roles: Any,
) -> RunRecord:
    """Run a pipeline on data; without a pipeline: audit, recommend, compose, and run what comes of it.

    Parameters
    ----------
    pipeline : path or PipelineSpec, optional
        A composed pipeline; its own target, learner and seed hold.
    data, **roles
        As in :func:`dataset`; with a pipeline its roles hold unless others are given.
    constraints, notion, learner, seed
        What the pipeline is composed from, where none is given.
    policy : str or Policy, optional
        By what the run is judged; by default what the pipeline names, without one the playbook.
    approvals : sequence of Approval
        Decisions of people so far.
    assume_approved : bool
        Take every approval as given and mark the record so; for demonstrations.
    model : fitted classifier or path, optional
        The user's own model, as the baseline; in words a file that ``skops.io.dump`` wrote. Techniques
        that retrain train the learner in its place; the constraint ``retraining=false`` keeps the model.
    scores : str, optional
        Instead of a model its scores: a column of the data, or ``FILE:COLUMN`` of a file with the same
        rows. Techniques that retrain are left out.
    scores_threshold : float in [0, 1]
        The baseline decides favourably at this score and above.
    cv : str, optional
        Cross-validate the whole pipeline at the end, such as ``"5x2"``: five repetitions of two folds.
    mlflow : str, optional
        Also log the run to MLflow there, such as ``"sqlite:///mlflow.db"``; empty for the address in
        MLFLOW_TRACKING_URI. Once the run is under way, trouble there is a note and does not stop it.
    observer : callable, optional
        Told of every event, as it happens.
    store : RunStore or bool
        Where the run is kept, so that it can be resumed, approved, verified and deployed; True stands
        for the folder of :func:`fairmend.pipeline.store.store_folder`.

    Raises
    ------
    FairmendError
        The pipeline is not sound, or the data cannot serve it.
    """
    from contextlib import nullcontext

    from fairmend.catalog.policy import load_policy
    from fairmend.pipeline.folds import Repeats
    from fairmend.pipeline.given import given_model
    from fairmend.pipeline.runner import run as run_pipeline
    from fairmend.pipeline.spec import load_spec
    from fairmend.pipeline.store import RunStore
    from fairmend.pipeline.stored import begin
    from fairmend.pipeline.tracking import Tracking

    if data is None:
        raise UsageError("give the data to run on")
    if cv is not None:
        Repeats.parse(cv)  # before the audit, which takes its time
    tracking = None if mlflow is None else Tracking(mlflow)
    spec = None if pipeline is None else load_spec(pipeline)
    if spec is not None:
        roles = roles or spec.roles.model_dump()
    source = data
    if scores is not None:
        if model is not None:
            raise UsageError("give a model or scores, not both")
        source, model, roles = _scored(data, scores, scores_threshold, roles)
    table = dataset(source, **roles)
    if model is not None:
        model = given_model(_loaded(model), table)
    limits = Constraints.parse(constraints if spec is None else spec.constraints)
    if scores is not None:
        if limits.retraining:
            raise UsageError("scores cannot be retrained, and retraining=true asks for it; give the model")
        limits = Constraints.parse({**limits.model_dump(exclude_none=True), "retraining": False})
    if spec is not None:
        spec = spec.model_copy(update={"constraints": limits})
    else:
        found = _audited(table, model, learner=learner, seed=seed, observer=observer)
        policy = policy or "playbook"
        spec = compose(recommend(found, limits, notion), policy=policy, learner=learner, seed=seed)
    settings: dict[str, Any] = {
        "registry": registry(),
        "policy": policy,
        "assume_approved": assume_approved,
        "model": model,
        "cv": cv,
    }
    path = source if isinstance(source, (str, Path)) else None
    judged_by = load_policy(policy or spec.policy)
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


def _scored(
    data: str | Path | pd.DataFrame | Dataset, scores: str, threshold: float, roles: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """Return data that hold the scores as a feature, what reads them, and roles that let it."""
    from fairmend.core.dataset import Dataset, read_table
    from fairmend.core.given import GivenScores
    from fairmend.pipeline.given import with_scores

    if not 0 <= threshold <= 1:
        raise UsageError(f"the threshold on the scores must lie between 0 and 1, got {threshold:g}")
    column = scores
    if not isinstance(data, Dataset):
        frame, column = with_scores(read_table(data) if isinstance(data, (str, Path)) else data, scores)
        if column != scores:
            data = frame
    ignored = roles.get("ignored") or ()
    ignored = (ignored,) if isinstance(ignored, str) else ignored
    kept = tuple(c for c in ignored if c != column)
    return data, GivenScores(column, threshold), {**roles, "ignored": kept}


def _audited(table: Dataset, model: FairModel | None, **options: Any) -> Audit:
    """Return the audit that a run begins with; given scores are decisions to audit, and no feature."""
    from fairmend.core.given import GivenScores

    if model is None or not isinstance(model.estimator, GivenScores):
        return audit(table, model=model, **options)
    decisions, given = model.predict(table.X), model.scores(table.X)
    return audit(table.without([model.estimator.column]), predictions=decisions, scores=given, **options)


def _loaded(model: Any) -> Any:
    """Return a model, read where it is a file."""
    from fairmend.pipeline.given import read_model
    from fairmend.pipeline.stored import plugin_modules

    return read_model(model, plugin_modules(registry())) if isinstance(model, (str, Path)) else model
