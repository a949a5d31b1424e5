"""Run a single technique on a table, without a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairmend.auditing.predictions import audited_predictions
from fairmend.auditing.tasks.predictions import task_predictions
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.graph_io import read_graph, standard_graph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import MissingColumnError, UsageError, unknown
from fairmend.core.models.external_inputs import given_columns
from fairmend.core.models.task_learner import learner_for
from fairmend.core.stages import CausalResult
from fairmend.core.technique import Technique
from fairmend.core.text.validation import check_seed, validated
from fairmend.pipeline.run.third_party import evaluated
from fairmend.pipeline.run_technique.changed_data import change, transform_unlabeled
from fairmend.pipeline.run_technique.contained import analyzed
from fairmend.pipeline.run_technique.held_out import adjust, train
from fairmend.pipeline.run_technique.measured_change import measured
from fairmend.pipeline.run_technique.result import TechniqueResult, told
from fairmend.pipeline.run_technique.tasks import rank_unlabeled, run_on_task

__all__ = ["TechniqueResult", "run_technique"]


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
        return told(ready, evaluated(ready, candidates=frame))
    [given, probabilities], taken = given_columns(frame, predictions, scores)
    asked = {**roles, "ignored": tuple(dict.fromkeys((*roles.get("ignored", ()), *taken)))}
    if ready.stage == "pre-processing" and hasattr(ready, "_transform") and "outcome" not in asked:
        return transform_unlabeled(ready, frame, asked, features)
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
        return _analyzed(ready, analyzed(ready, data, known_graph))
    if ready.stage == "evaluation":
        return _evaluated(ready, data, given, probabilities, learner, seed)
    if ready.stage == "pre-processing":
        known: dict[str, Any] = {
            "learner": learner_for(data.task, learner, seed=seed) if ready.metadata.needs_learner else None,
            "graph": _graph(graph, data) if ready.reads("graph") else None,
            "proxies": data.roles.proxies or None,
        }
        done = change(ready, frame, data, known)
        if data.task != "binary":
            return done
        return measured(done, ready, data, learner, seed, known["graph"])
    known_graph = _graph(graph, data) if ready.reads("graph") else None
    if data.task != "binary":
        values = given if probabilities is None else probabilities
        return run_on_task(ready, data, values, learner, seed, known_graph)
    if probabilities is not None:
        return adjust(ready, data, np.asarray(probabilities, dtype=float), seed)
    return train(ready, data, learner, seed, known_graph)


def _serves(technique: Any, data: Dataset) -> None:
    """Refuse a technique that lacks a parameter it requires, or does not declare the task of the data."""
    about = technique.metadata
    for name in about.required_parameters:
        if getattr(technique, name) is None:
            raise UsageError(f"{about.name} requires the parameter {name}; give --param {name}=VALUE")
    if data.task not in about.tasks:
        raise UsageError(
            f"{about.name} supports {' and '.join(about.tasks)} outcomes, and {data.roles.outcome!r} was read as "
            f"{data.task}; see fairmend technique list --task {data.task}, or make the outcome binary (--favorable '>=10' "
            "or '==a,b')"
        )


def _evaluated(
    technique: Any, data: Dataset, given: Any, probabilities: Any, learner: str, seed: int
) -> TechniqueResult:
    """Evaluate external predictions, or those of a reference model."""
    known = {
        "y_true": data.y,
        "sensitive_features": data.sensitive,
        "sample_weight": data.weights,
        "X": data.X,
        "query": data.query,
        "task": data.task,
        "classes": data.classes or None,
    }
    if data.task == "binary":
        decided = audited_predictions(data, given, probabilities, None, learner, seed)
        found = evaluated(technique, y_pred=decided.decisions, y_score=decided.scores, **known)
        return told(technique, {**found, "subject": decided.name})
    subject = task_predictions(data, given, probabilities, None, learner, seed)
    scores = subject.values if subject.scores is None else subject.scores
    found = evaluated(technique, y_pred=subject.values, y_score=scores, **known)
    return told(technique, {**found, "subject": subject.name})


def _analyzed(technique: Any, found: CausalResult) -> TechniqueResult:
    graph = {} if found.graph is None else {"graph": found.graph.to_mapping()}
    return replace(told(technique, {**found.result, **graph}), graph=found.graph)


def _graph(path: str | Path | None, data: Dataset) -> CausalGraph:
    return standard_graph(data) if path is None else read_graph(path)
