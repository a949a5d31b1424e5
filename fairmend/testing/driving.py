"""One way to run any technique and to compare what comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, LogisticRegression

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.injection import Phase
from fairmend.core.models.learners import TabularClassifier
from fairmend.core.models.regressors import TabularRegressor
from fairmend.core.stages import (
    CausalAnalysis,
    Evaluator,
    Inprocessor,
    Operation,
    Postprocessor,
    Preprocessor,
)
from fairmend.core.technique import Technique
from fairmend.core.vocabulary import Task
from fairmend.testing.problems import Problem, problem

Outputs = dict[str, NDArray[Any]]
ACTS: Mapping[str, tuple[str, str]] = {
    "decisions": ("decision", "decision_probability"),
    "scores": ("score", "adjust"),
    "ranking": ("place", "rank"),
}
"""What a post-processing technique modifies: its name in the checks, and the method that returns it."""


def instance(technique: type[Technique], task: Task | None = None, **changes: Any) -> Any:
    """Return an instance that is quick to run: the class's own test parameters, a small learner, a seed."""
    given: dict[str, Any] = dict(getattr(technique, "test_parameters", dict)())
    names = technique._get_param_names()
    if "random_state" in names:
        given.setdefault("random_state", 0)
    if technique.metadata.needs_learner and "estimator" in names:
        given.setdefault("estimator", small_learner(task or task_of(technique)))
    given.update({k: v for k, v in changes.items() if k in names})
    return technique(**given)


def task_of(technique: Any) -> Task:
    """Return the task by which a technique is checked: binary where it is declared, else the first."""
    tasks: tuple[Task, ...] = technique.metadata.tasks
    return "binary" if "binary" in tasks else tasks[0]


def problem_for(technique: Any, **options: Any) -> Problem:
    """Return a problem of the technique's task, drawn by :func:`fairmend.testing.problems.draw`."""
    task = task_of(technique)
    return problem(**options) if task == "binary" else problem(task=task, **options)


def sensitive_for(technique: Any, sensitive: Any) -> dict[str, Any]:
    """Return the keyword for prediction, where the technique declares that it reads it."""
    return {"sensitive_features": sensitive} if technique.metadata.needs_protected_at_prediction else {}


def outputs(technique: Any, problem: Problem, *, sample_weight: Any = None) -> Outputs:
    """Fit a technique on a problem and return what it gives for the new rows, as arrays."""
    p = problem
    weight = {} if sample_weight is None else {"sample_weight": sample_weight}
    if isinstance(technique, Preprocessor):
        return _preprocessed(technique, p, weight)
    if isinstance(technique, Inprocessor):
        technique.fit(p.X, p.y, sensitive_features=p.sensitive, **weight)
        return applied(technique, p)
    if isinstance(technique, Postprocessor):
        known = {**model_inputs(technique, p), "query": p.query}
        technique.fit(p.scores, p.y, sensitive_features=p.sensitive, **weight, **known)
        return applied(technique, p)
    if isinstance(technique, Evaluator):
        return leaves(evaluate(technique, p, weight))
    if isinstance(technique, CausalAnalysis):
        data = p.dataset()
        return leaves(dict(technique.analyze(data, graph_of(p)).result))
    if isinstance(technique, Operation):
        raise AssertionError("operations are checked on their documents")
    raise AssertionError(f"{type(technique).__name__} does not derive from the base class of a stage")


def applied(technique: Any, p: Problem, *, offer: bool = False) -> Outputs:
    """Return what a fitted technique gives for the new rows.

    With ``offer`` the protected attribute is given also to a technique that declares no need of it.
    """
    extra: dict[str, Any] = (
        {"sensitive_features": p.sensitive_new} if offer else sensitive_for(technique, p.sensitive_new)
    )
    if isinstance(technique, Inprocessor):
        return _predicted(technique, p, extra)
    if isinstance(technique, Postprocessor):
        extra |= {**model_inputs(technique, p, new=True), "query": p.query_new}
        acted = {
            name: getattr(technique, verb)(p.scores_new, **extra)
            for what, (name, verb) in ACTS.items()
            if what in technique.metadata.modifies
        }
        return acted | {
            str(what): said for what, said in technique.uncertainty(p.scores_new, **extra).items()
        }
    return {"features": matrix(technique.transform(p.X_new, **extra))}


def _predicted(technique: Any, p: Problem, extra: dict[str, Any]) -> Outputs:
    """Return what a trained model gives for the new rows, by its task."""
    if p.task in ("regression", "ranking"):
        return {"prediction": technique.predict(p.X_new, **extra)}
    chance = technique.predict_proba(p.X_new, **extra)
    if p.task == "multiclass":
        return {"probability": chance}
    return {"probability": chance[:, 1], "decision": technique.decision_probability(p.X_new, **extra)}


def _preprocessed(technique: Any, p: Problem, weight: dict[str, Any]) -> Outputs:
    if hasattr(technique, "transform"):
        learner = {"learner": small_learner(p.task)} if technique.reads("learner") else {}
        graph = {"graph": graph_of(p)} if technique.reads("graph") else {}
        technique.fit(p.X, p.y, sensitive_features=p.sensitive, **learner, **graph)
        return applied(technique, p)
    learner = {"learner": small_learner(p.task)} if technique.reads("learner") else {}
    graph = {"graph": graph_of(p)} if technique.reads("graph") else {}
    change = technique.change(p.X, p.y, sensitive_features=p.sensitive, **weight, **learner, **graph)
    parts = {"labels": change.y, "origin": change.origin, "weights": change.sample_weight}
    out = {} if change.X is None else {"features": matrix(change.X)}
    return out | {name: np.asarray(part) for name, part in parts.items() if part is not None}


def model_inputs(technique: Technique, p: Problem, *, new: bool = False) -> dict[str, Any]:
    """Return what a technique of post-processing reads beside scores and groups: features, and a model.

    The model is trained on the rows of an unchanged problem, so that it stays the same where a check
    changes the rows that the technique is fitted on.
    """
    phase: Phase = "prediction" if new else "fit"
    known: dict[str, Any] = {}
    if technique.reads("X", phase):
        known["X"] = p.X_new if new else p.X
    if technique.reads("model", phase):
        train = problem(n=1000) if p.task == "binary" else problem(task=p.task, n=1000)
        known["model"] = learner_for(technique, p.task).fit(train.X, train.y)
    return known


def learner_for(technique: Any, task: Task | None = None) -> Any:
    """Return the learner on whose model a technique is checked: the class's own, or a small one of its task."""
    own = getattr(technique, "test_learner", None)
    return small_learner(task or task_of(technique)) if own is None else own()


def small_learner(task: Task = "binary") -> Any:
    """Return a learner that is quick to train."""
    if task in ("regression", "ranking"):
        return TabularRegressor(LinearRegression(), "one-hot")
    return TabularClassifier(LogisticRegression(max_iter=500), "one-hot")


def evaluate(technique: Any, p: Problem, weight: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what an evaluation finds in the outside model's scores."""
    if technique.reads("candidates"):
        return technique.evaluate(candidates=getattr(technique, "test_candidates", _candidates)())
    decided, other = _decided(p)
    return technique.evaluate(
        p.y,
        decided,
        p.scores,
        sensitive_features=p.sensitive,
        baseline=other,
        query=p.query,
        X=p.X if technique.reads("X") else None,
        **(weight or {}),
    )


def _decided(p: Problem) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what the outside model predicts, and what another one to compare with does."""
    if p.task == "binary":
        return (p.scores >= 0.5).astype(int), (p.scores >= 0.4).astype(int)
    if p.task == "multiclass":
        return p.scores.argmax(axis=1), (p.scores * [1.2, 1.0, 0.8]).argmax(axis=1)
    return p.scores, p.scores / 2


def operation_inputs(technique: type[Technique]) -> dict[str, Any]:
    """Return a record of a small run, and a stream of decisions, for operations that read them."""
    known: dict[str, Any] = {}
    if technique.reads("record"):
        text = resources.files("fairmend.testing").joinpath("sample_record.json").read_text(encoding="utf-8")
        known["record"] = json.loads(text)
    if technique.reads("stream"):
        p = problem()
        rows = p.X.assign(**{str(c): p.sensitive[c] for c in p.sensitive.columns})
        decided = rows.assign(score=p.scores, decision=(p.scores >= 0.5).astype(int), label=p.y)
        known["stream"] = [decided.iloc[i : i + 100] for i in range(0, len(decided), 100)]
    return known


def _candidates() -> pd.DataFrame:
    """Return the table of models that a comparison of models reads in a run."""
    return pd.DataFrame(
        {"accuracy": [0.9, 0.8, 0.85, 0.7], "demographic_parity_difference": [0.6, 0.1, 0.4, 0.5]},
        index=list("abcd"),
    )


def graph_of(p: Problem) -> CausalGraph:
    """Return the graph by which problems are drawn."""
    edges = [("skill", "mediator"), ("mediator", "label"), ("skill", "label")]
    edges += [(str(c), "mediator") for c in p.sensitive.columns]
    return CausalGraph.from_edges(edges, nodes=("noise", "place"))


def matrix(frame: Any) -> NDArray[np.float64]:
    """Return a frame as floats, texts as the places of their values in alphabetical order."""
    if not isinstance(frame, pd.DataFrame):
        return np.asarray(frame, dtype=float)
    columns = []
    for name in frame.columns:
        column = frame[name]
        numeric = pd.api.types.is_numeric_dtype(column)
        columns.append(
            column.to_numpy(float) if numeric else pd.factorize(column, sort=True)[0].astype(float)
        )
    return np.column_stack(columns) if columns else np.empty((len(frame), 0))


def leaves(result: Any, name: str = "") -> Outputs:
    """Return the numbers of a nested result by their path; other values are left out."""
    out: Outputs = {}
    if isinstance(result, dict):
        for key, value in result.items():
            out |= leaves(value, f"{name}.{key}" if name else str(key))
    elif isinstance(result, (list, tuple)):
        for place, value in enumerate(result):
            out |= leaves(value, f"{name}[{place}]")
    elif isinstance(result, (int, float, np.integer, np.floating)) and not isinstance(result, bool):
        out[name] = np.asarray([float(result)])
    return out


def differ(a: Outputs, b: Outputs, tolerance: float = 1e-7) -> str | None:
    """Return what differs between two outputs, None where nothing does."""
    if set(a) != set(b):
        odd = sorted(set(a) ^ set(b))
        return f"the results have other parts: {', '.join(odd[:3])}"
    for key in a:
        if a[key].shape != b[key].shape:
            return f"{key} has the shape {b[key].shape} instead of {a[key].shape}"
        same = np.isclose(
            a[key].astype(float), b[key].astype(float), rtol=tolerance, atol=tolerance, equal_nan=True
        )
        if not same.all():
            worst = float(np.nanmax(np.abs(a[key].astype(float) - b[key].astype(float))))
            return f"{key} differs in {int((~same).sum())} of {same.size} values, by up to {worst:.3g}"
    return None
