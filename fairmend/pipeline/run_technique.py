"""Run a single technique on a table, without a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.auditing.predictions import audited_predictions
from fairmend.auditing.tasks.predictions import TaskPredictions, task_predictions
from fairmend.core.case import Case, Effect
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.graph_io import read_graph, standard_graph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.group_names import protected_groups
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, MissingColumnError, UsageError, unknown
from fairmend.core.metrics import (
    Comparison,
    Estimate,
    Measurement,
    TaskMeasurement,
    compare,
    compare_uncertainty,
    measure,
    uncertainty_columns,
)
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.external_inputs import given_columns
from fairmend.core.models.learners import make_learner
from fairmend.core.models.task_learner import learner_for
from fairmend.core.serialization import to_plain
from fairmend.core.stages import CausalResult, DataChange
from fairmend.core.stages.effects import change_effect, feature_effect
from fairmend.core.technique import Technique
from fairmend.core.text.display import Displayed, figure_record
from fairmend.core.text.validation import check_seed, validated
from fairmend.core.text.words import plural
from fairmend.pipeline.run.third_party import run_step, score_and_decide, uncertainty
from fairmend.pipeline.run_task_technique import TaskResult, rank_unlabeled, run_task_technique

WEIGHT, ORIGIN = "fairmend_weight", "fairmend_origin"


@dataclass(frozen=True, repr=False)
class TechniqueResult(Displayed):
    """The result of a single technique.

    Attributes
    ----------
    technique_id, slug
        The technique.
    text : str
        What it did, in a sentence.
    figures : dict
        Its results, for JSON.
    table : DataFrame or None
        The changed data, or scores and decisions of the held-out rows.
    before, after, tests : Measurement, Measurement, Comparison; or None
        For a technique that makes decisions: the metrics without and with it on these rows.
    graph : CausalGraph or None
        The causal graph that an analysis made.
    task_before, task_after : TaskMeasurement or None
        The same where the outcome is not binary.
    changes : mapping
        By how much each of these figures changed.
    documents : mapping of str to str
        Contents of the files that an operation made, by name.
    """

    technique_id: int | str
    slug: str
    text: str
    figures: dict[str, Any] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    before: Measurement | None = None
    after: Measurement | None = None
    tests: Comparison | None = None
    graph: CausalGraph | None = None
    task_before: TaskMeasurement | None = None
    task_after: TaskMeasurement | None = None
    changes: Mapping[str, Estimate] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """Return the technique and what it did."""
        table = (
            {}
            if self.table is None
            else {"table": f"{len(self.table):,} rows, {self.table.shape[1]} columns"}
        )
        return {"technique": f"{self.slug} ({self.technique_id})", "text": self.text, **table}

    def records(self) -> list[dict[str, Any]]:
        """Return the figures without and with the technique, else what it found, a row for each name."""
        if self.before is None or self.after is None:
            return [{"name": name, "value": value} for name, value in to_plain(self.figures).items()]
        return [
            {"model": model, **figure_record(name, figure)}
            for model, measured in (("baseline", self.before), ("final", self.after))
            for name, figure in measured.to_json().items()
        ]

    def to_frame(self) -> pd.DataFrame:
        """Return the changed data, or scores and decisions; where there are none, the figures."""
        return super().to_frame() if self.table is None else self.table

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON, without table and documents."""
        compared = {}
        if self.before is not None and self.after is not None and self.tests is not None:
            compared = {
                "baseline": self.before.to_json(),
                "final": self.after.to_json(),
                "tests": self.tests.to_json(),
            }
        if self.task_before is not None and self.task_after is not None:
            compared = {
                "baseline": self.task_before.to_json(),
                "final": self.task_after.to_json(),
                "changes": {name: change.to_json() for name, change in self.changes.items()},
            }
        return {
            "schema_version": 1,
            "technique_id": self.technique_id,
            "slug": self.slug,
            "text": self.text,
            **to_plain(self.figures),
            **compared,
        }


def run_technique(
    technique: type[Technique],
    frame: pd.DataFrame,
    *,
    roles: Mapping[str, Any],
    features: Sequence[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    predictions: str | None = None,
    scores: str | None = None,
    graph: str | Path | None = None,
    learner: str = "gradient_boosting",
    seed: int = 0,
) -> TechniqueResult:
    """Run one technique on a table.

    Parameters
    ----------
    technique : type of Technique
        The technique.
    frame : DataFrame, shape (n, p)
        The data; for an evaluation that compares models, the models with their metrics.
    roles : mapping
        As in :class:`~fairmend.core.data.roles.Roles`; transforming features needs no outcome.
    features : sequence of str, optional
        Features that it transforms or reads; default: all columns without another role.
    parameters : mapping, optional
        Parameters of the technique.
    predictions, scores : str, optional
        Decisions and probabilities of an existing model, as ``[FILE:]COLUMN``.
    graph : path, optional
        Causal graph as JSON, YAML or Graphviz; default: the graph implied by the roles.
    learner : str
        Learner of the reference model, if one is trained.
    seed : int
        Seed of the split, the model and the technique.

    Raises
    ------
    FairmendError
        The request is inconsistent, or the data do not allow it.
    """
    check_seed(seed)
    chosen = dict(parameters or {})
    names = technique._get_param_names()
    if features is not None:
        absent = [f for f in features if f not in frame.columns]
        if absent:
            raise MissingColumnError(str(unknown("column", absent[0], [str(c) for c in frame.columns])))
        if "features" in names:
            chosen.setdefault("features", list(features))
    if "random_state" in names:
        chosen.setdefault("random_state", seed)
    ready = technique.with_parameters(**chosen)
    if ready.reads("candidates"):
        return _told(ready, ready.evaluate(candidates=frame))
    [given, probabilities], taken = given_columns(frame, predictions, scores)
    asked = {**roles, "ignored": tuple(dict.fromkeys((*roles.get("ignored", ()), *taken)))}
    if ready.stage == "pre-processing" and hasattr(ready, "_transform") and "outcome" not in asked:
        return _transform_unlabeled(ready, frame, asked, features)
    if "ranking" in ready.metadata.modifies and "outcome" not in asked and not ready.metadata.needs_labels:
        if "protected" not in asked or probabilities is None:
            raise UsageError(f"{ready.metadata.name} requires --protected and --scores")
        table, text, figures = rank_unlabeled(ready, frame, asked, probabilities)
        return TechniqueResult(ready.metadata.technique_id, ready.metadata.slug, text, figures, table)
    for role in ("outcome", "protected"):
        if role not in asked:
            raise UsageError(f"{ready.metadata.name} requires --{role}")
    data = Dataset.from_frame(frame, validated(Roles, asked, "the roles of the columns"))
    _serves(ready, data)
    if features is not None and "features" not in names:
        data = data.without([c for c in data.X.columns if c not in set(features)])
    if ready.stage == "causal":
        known_graph = _graph(graph, data) if graph is not None or ready.metadata.needs_graph else None
        return _analyzed(ready, ready.analyze(data, known_graph))
    if ready.stage == "evaluation":
        if data.task != "binary":
            return _evaluated(ready, data, task_predictions(data, given, probabilities, None, learner, seed))
        subject = audited_predictions(data, given, probabilities, None, learner, seed)
        found = ready.evaluate(
            data.y,
            subject.decisions,
            subject.scores,
            sensitive_features=data.sensitive,
            sample_weight=data.weights,
            X=data.X,
        )
        return _told(ready, {**found, "subject": subject.name})
    if ready.stage == "pre-processing":
        known = {
            "learner": learner_for(data.task, learner, seed=seed) if ready.metadata.needs_learner else None,
            "graph": _graph(graph, data) if ready.reads("graph") else None,
            "proxies": data.roles.proxies or None,
        }
        return _change(ready, frame, data, known)
    if data.task != "binary":
        values = given if probabilities is None else probabilities
        return _of_task(ready, run_task_technique(ready, data, values, learner, seed))
    if probabilities is not None:
        return _adjust(ready, data, np.asarray(probabilities, dtype=float), seed)
    return _train(ready, data, learner, seed, graph)


def _evaluated(technique: Any, data: Dataset, subject: TaskPredictions) -> TechniqueResult:
    known = {
        "sensitive_features": data.sensitive,
        "sample_weight": data.weights,
        "X": data.X,
        "query": data.query,
        "task": data.task,
        "classes": data.classes or None,
    }
    scores = subject.values if subject.scores is None else subject.scores
    found = technique.evaluate(data.y, subject.values, scores, **known)
    return _told(technique, {**found, "subject": subject.name})


def _serves(technique: Any, data: Dataset) -> None:
    """Refuse a technique that does not declare the task of the data."""
    about = technique.metadata
    if data.task not in about.tasks:
        raise UsageError(
            f"{about.name} serves {' and '.join(about.tasks)} outcomes, and {data.roles.outcome!r} was read as "
            f"{data.task}; see fairmend technique list --task {data.task}, or make the outcome binary (--favorable '>=10' "
            "or '==a,b')"
        )


def _of_task(technique: Any, done: TaskResult) -> TechniqueResult:
    test = done.test
    name = test.roles.key or "row"
    outcome = np.asarray(test.classes, dtype=object)[test.y] if test.classes else test.y
    table = pd.DataFrame(
        {
            name: done.rows if test.key is None else test.key,
            **test.sensitive,
            test.roles.outcome: outcome,
            **done.columns,
        }
    )
    about = technique.metadata
    return TechniqueResult(
        about.technique_id,
        about.slug,
        done.text,
        dict(done.figures),
        table,
        task_before=done.before,
        task_after=done.after,
        changes=done.changes or {},
    )


def _analyzed(technique: Any, found: CausalResult) -> TechniqueResult:
    graph = {} if found.graph is None else {"graph": found.graph.to_mapping()}
    return replace(_told(technique, {**found.result, **graph}), graph=found.graph)


def _told(technique: Any, found: Mapping[str, Any]) -> TechniqueResult:
    about = technique.metadata
    figures = dict(found)
    text = str(figures.pop("text", f"{about.name}: done."))
    return TechniqueResult(about.technique_id, about.slug, text, to_plain(figures))


def _graph(path: str | Path | None, data: Dataset) -> CausalGraph:
    return standard_graph(data) if path is None else read_graph(path)


# -- pre-processing: the changed table ------------------------------------------------------------


def _transform_unlabeled(
    technique: Any, frame: pd.DataFrame, roles: Mapping[str, Any], features: Sequence[str] | None
) -> TechniqueResult:
    """Change features of a table that has no outcome."""
    if "protected" not in roles or features is None or technique.metadata.needs_labels:
        raise UsageError(
            f"{technique.metadata.name} requires --protected, and --outcome or --features to identify the features"
        )
    absent = [c for c in roles["protected"] if c not in frame.columns]
    if absent:
        raise MissingColumnError(str(unknown("column", absent[0], [str(c) for c in frame.columns])))
    sensitive, _, _ = protected_groups(frame, roles["protected"], roles.get("cuts", {}))
    return _transform(technique, frame, frame[list(features)], None, sensitive, {})


def _transform(
    technique: Any,
    frame: pd.DataFrame,
    X: pd.DataFrame,
    y: Any,
    sensitive: pd.DataFrame,
    known: Mapping[str, Any],
) -> TechniqueResult:
    changed = technique.fit_transform(X, y, sensitive_features=sensitive, **known)
    dropped = [c for c in X.columns if c not in changed.columns]
    table = frame.drop(columns=dropped).assign(**{str(c): changed[c].to_numpy() for c in changed.columns})
    return _changed(technique, feature_effect(X, changed), table)


def _change(technique: Any, frame: pd.DataFrame, data: Dataset, known: Mapping[str, Any]) -> TechniqueResult:
    """Return the table with features repaired, weights added, labels changed, or rows resampled."""
    if not hasattr(technique, "_change"):
        return _transform(technique, frame, data.X, data.y, data.sensitive, known)
    change = technique.change(
        data.X, data.y, sensitive_features=data.sensitive, sample_weight=data.weights, **known
    )
    effect = change_effect(data, change)
    if change.origin is not None:
        return _changed(technique, effect, _drawn_anew(frame, data, change))
    table = frame
    if change.X is not None:
        dropped = [c for c in data.X.columns if c not in change.X.columns]
        columns = {str(c): change.X[c].to_numpy() for c in change.X.columns}
        table = table.drop(columns=dropped).assign(**columns)
    if change.sample_weight is not None:
        table = table.assign(**{data.roles.weights or WEIGHT: change.sample_weight})
    if change.y is not None:
        values, outcome = _outcome_values(frame, data), data.roles.outcome
        table = table.assign(**{outcome: np.where(change.y == data.y, frame[outcome], values[change.y])})
    return _changed(technique, effect, table)


def _drawn_anew(frame: pd.DataFrame, data: Dataset, rows: DataChange) -> pd.DataFrame:
    """Return the table of resampled rows; a synthetic row has features, groups and outcome only."""
    origin, X, sensitive = (
        np.asarray(rows.origin),
        pd.DataFrame(rows.X),
        pd.DataFrame(rows.sensitive_features),
    )
    table = frame.take(np.maximum(origin, 0)).reset_index(drop=True)
    made = origin < 0
    table.loc[made, :] = None
    for name in X.columns:
        table[name] = X[name].to_numpy()
    for name in sensitive.columns:
        if name not in data.roles.cuts:
            table.loc[made, name] = sensitive[name].to_numpy()[made]
    outcome = _outcome_values(frame, data)[np.asarray(rows.y)]
    table[data.roles.outcome] = np.where(made, outcome, table[data.roles.outcome])
    table[ORIGIN] = pd.array(np.where(made, -1, origin), dtype="Int64")
    table.loc[made, ORIGIN] = pd.NA
    return table


def _outcome_values(frame: pd.DataFrame, data: Dataset) -> Any:
    """Return the unfavorable and the favorable value of the outcome column."""
    column = frame[data.roles.outcome]
    values = [column[data.y == label].unique() for label in (0, 1)]
    if any(len(v) != 1 for v in values):
        raise DataError(
            f"the outcome {data.roles.outcome!r} has {sum(map(len, values))} values; new labels can be written for two"
        )
    return np.array([v[0] for v in values], dtype=object)


def _changed(technique: Any, effect: Effect, table: pd.DataFrame) -> TechniqueResult:
    about = technique.metadata
    effect = replace(effect, detail={**effect.detail, **getattr(technique, "diagnostics_", {})})
    return TechniqueResult(about.technique_id, about.slug, effect.text, {"effect": effect.to_json()}, table)


# -- in- and post-processing: scores and decisions of held-out rows -------------------------------


def _train(
    technique: Any, data: Dataset, learner: str, seed: int, graph: str | Path | None
) -> TechniqueResult:
    """Train a reference model, run the technique, and decide on the test rows with and without it."""
    parts = data.split(seed=seed)
    rows = _places(data, None, seed)["test"]
    case = Case(
        parts["train"],
        parts["calibration"],
        parts["validation"],
        learner=make_learner(learner, seed=seed),
        graph=_graph(graph, data) if technique.reads("graph") else None,
        seed=seed,
    ).retrained()
    after, effect = run_step(technique, case)
    test = parts["test"]
    columns = {
        f"{name}{what}": values
        for name, model in (("baseline_", case.fitted()), ("", after.fitted()))
        for what, values in _decided(model, test).items()
    }
    said, figures = uncertainty(after.fitted(), test), {"effect": effect.to_json()}
    return _compared(technique, test, rows, columns, said, effect.text, figures)


def _places(data: Dataset, shares: Mapping[str, float] | None, seed: int) -> dict[str, NDArray[Any]]:
    """Return the row numbers of each part of a split."""
    numbered = replace(data, key=np.arange(len(data)))
    return {name: np.asarray(part.key) for name, part in numbered.split(shares, seed=seed).items()}


def _decided(model: FairModel, data: Dataset) -> dict[str, Any]:
    scores, decisions = score_and_decide(model, data)
    return {"score": scores, "decision": decisions}


def _adjust(technique: Any, data: Dataset, scores: Any, seed: int) -> TechniqueResult:
    """Fit a post-processing technique on the given scores of one half, and adjust the other half."""
    if technique.stage != "post-processing":
        raise UsageError(
            f"{technique.metadata.name} trains its own model; --scores is only for post-processing and evaluation"
        )
    places = _places(data, {"calibration": 0.5, "test": 0.5}, seed)
    fit, rows = places["calibration"], places["test"]
    known, test = data.take(fit), data.take(rows)
    technique.fit(
        scores[fit], known.y, sensitive_features=known.sensitive, sample_weight=known.weights, X=known.X
    )
    before, does = scores[rows], set(technique.metadata.modifies)
    asked = {"sensitive_features": test.sensitive, "X": test.X}
    after = technique.adjust(before, **asked) if "scores" in does else before
    decided = (after >= 0.5).astype(np.int64)
    if "decisions" in does:
        decided = technique.predict(before, **asked, key=test.key, seed=seed)
    columns = {
        "baseline_score": before,
        "baseline_decision": (before >= 0.5).astype(np.int64),
        "score": after,
        "decision": decided,
    }
    text = f"Fitted on {plural(len(fit), 'row')} and applied to the other {len(rows)}."
    said, figures = technique.uncertainty(before, **asked), to_plain(getattr(technique, "diagnostics_", {}))
    return _compared(technique, test, rows, columns, said, text, figures)


def _compared(
    technique: Any,
    test: Dataset,
    rows: Any,
    columns: Mapping[str, Any],
    said: Mapping[str, NDArray[Any]],
    text: str,
    figures: Mapping[str, Any],
) -> TechniqueResult:
    known: dict[str, Any] = {"sensitive_features": test.sensitive, "sample_weight": test.weights}
    before, after = columns["baseline_decision"], columns["decision"]
    name = test.roles.key or "row"
    table = pd.DataFrame(
        {
            name: rows if test.key is None else test.key,
            **test.sensitive,
            test.roles.outcome: test.y,
            **columns,
            **uncertainty_columns(said),
        }
    )
    about = technique.metadata
    if said:
        found = compare_uncertainty(test.y, after, said, y_score=columns["score"], **known)
        baseline, final = ({what: pair[i].to_json() for what, pair in found.items()} for i in (0, 1))
        told = {"rows": len(test), **figures, "baseline": baseline, "final": final}
        return TechniqueResult(about.technique_id, about.slug, text, told, table)
    return TechniqueResult(
        about.technique_id,
        about.slug,
        text,
        {"rows": len(test), **figures},
        table,
        measure(test.y, before, y_score=columns["baseline_score"], **known),
        measure(test.y, after, y_score=columns["score"], **known),
        compare(test.y, before, after, **known),
    )
