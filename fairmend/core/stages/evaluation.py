"""The evaluation stage: measure predictions, change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.case import Case, Effect
from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError
from fairmend.core.injection import Verb
from fairmend.core.serialization import to_plain
from fairmend.core.stages._returned import returned_mapping
from fairmend.core.technique import Technique, as_frame, real_values, sample_weights, scores_of
from fairmend.core.vocabulary import Stage, Task


class Evaluator(Technique):
    """Base of the evaluation stage: measure predictions, change nothing.

    Write ``_evaluate(...)``; it returns a mapping for JSON. It may name ``y_true``, ``y_pred``,
    ``y_score``, ``groups``, ``sample_weight``, ``baseline`` (decisions of a model to compare with),
    ``candidates`` (models with their measures), ``X`` (the features), ``query``, ``model``, ``task`` (which of
    those that it supports) and ``classes`` (names of the classes); what it names without a default is
    required. Labels and predictions are 0 and 1 of a binary outcome, codes of the classes of a multiclass one,
    and real values of a regression or ranking; scores are probabilities, of each class in a row where there
    are several.
    """

    stage: ClassVar[Stage] = "evaluation"
    verbs: ClassVar[tuple[Verb, ...]] = (
        Verb(
            "_evaluate",
            (
                "y_true",
                "y_pred",
                "y_score",
                "groups",
                "sample_weight",
                "baseline",
                "candidates",
                "X",
                "query",
                "model",
                "task",
                "classes",
            ),
            "fit",
        ),
    )

    def evaluate(
        self,
        y_true: Any = None,
        y_pred: Any = None,
        y_score: Any = None,
        *,
        sensitive_features: Any = None,
        sample_weight: Any = None,
        baseline: Any = None,
        candidates: Any = None,
        X: Any = None,
        query: Any = None,
        model: Any = None,
        task: Task | None = None,
        classes: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Return what the evaluation finds.

        Parameters
        ----------
        y_true, y_pred, baseline : array of shape (n,), optional
            Labels, decisions, and decisions of a model to compare with: 1 where favorable, else 0; classes;
            or real values.
        y_score : array of shape (n,) or (n, k), optional
            Probabilities of the favorable outcome, or of each class; values of a regression or ranking.
        sensitive_features : Series, DataFrame or array of shape (n,) or (n, k), optional
            Protected attributes.
        sample_weight : array of shape (n,), optional
            Weights.
        candidates : DataFrame, optional
            Models (rows) with their measures (columns).
        X : DataFrame of shape (n, p), optional
            Features.
        query : array of shape (n,), optional
            Query of each row, for rankings.
        model : fitted estimator, optional
            The model itself.
        task : {"binary", "multiclass", "regression", "ranking"}, optional
            What the outcome is; by default inferred from labels and predictions, among the tasks that it supports.
        classes : sequence of str, optional
            Names of the classes that codes from 0 stand for; by default the values that occur.

        Raises
        ------
        DataError
            Something that the evaluation reads is missing, or lengths differ.
        """
        self.check_parameters()
        given = [a for a in (y_true, y_pred, y_score, baseline) if a is not None]
        n_rows = len(given[0]) if given else 0
        tasks = self.metadata.tasks if task is None else (task,)
        if task is not None and task not in self.metadata.tasks:
            raise DataError(
                f"{self.metadata.name} supports {' and '.join(self.metadata.tasks)} outcomes, not {task}"
            )
        outcomes = {"y_true": y_true, "y_pred": y_pred, "baseline": baseline}
        outcomes = {name: _outcomes(name, v, n_rows, tasks) for name, v in outcomes.items()}
        task = _task_of([v for v in outcomes.values() if v is not None], y_score, query, tasks)
        if task == "multiclass":
            classes, outcomes = _coded(outcomes, y_score, classes)
        groups = None if sensitive_features is None else Groups.of(sensitive_features)
        if groups is not None and n_rows and len(groups) != n_rows:
            raise DataError(f"sensitive_features has {len(groups)} rows, the predictions have {n_rows}")
        found = self._call(
            "_evaluate",
            y_true=outcomes["y_true"],
            y_pred=outcomes["y_pred"],
            y_score=None if y_score is None else _same_length("y_score", scores_of(y_score, (task,)), n_rows),
            groups=groups,
            sample_weight=sample_weights(sample_weight, n_rows) if n_rows else np.ones(0),
            baseline=outcomes["baseline"],
            candidates=None if candidates is None else pd.DataFrame(candidates),
            X=None if X is None else _same_length("X", as_frame(X), n_rows),
            query=None if query is None else _same_length("query", np.asarray(query), n_rows),
            model=model,
            task=task,
            classes=classes,
        )
        return dict(to_plain(returned_mapping(self, "_evaluate", found)))

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Evaluate the model on the validation data; the result joins the case."""
        data, model = case.validation, case.fitted()
        result = self.evaluate(
            data.y,
            model.predict(data.X, data.sensitive, data.key),
            model.scores(data.X, data.sensitive),
            sensitive_features=data.sensitive,
            sample_weight=data.weights,
            candidates=case.results.get("candidates"),
            X=data.X,
            model=model,
            query=data.query,
            task=data.task,
            classes=data.classes or None,
        )
        text = str(result.get("text", f"{self.metadata.name} measured {len(data)} rows."))
        return case.with_result(self.metadata.slug, result), Effect("none", 0.0, text, detail=result)


def _same_length(name: str, values: Any, n_rows: int) -> Any:
    if len(values) != n_rows:
        raise DataError(f"{name} has {len(values)} rows, expected {n_rows}")
    return values


def _outcomes(name: str, values: Any, n_rows: int, tasks: Sequence[Task]) -> NDArray[Any] | None:
    """Return labels or decisions: 0 and 1; codes of classes or real values where the tasks are others."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"{name} must have one dimension, got shape {array.shape}")
    _same_length(name, array, n_rows)
    if array.dtype == bool:
        array = array.astype(np.int64)
    if array.dtype.kind in "iuf" and np.isin(array, (0, 1)).all():
        return array.astype(np.int64)
    if "multiclass" in tasks and array.dtype.kind != "f":
        return array
    if set(tasks) & {"regression", "ranking"}:
        return real_values(array, n_rows, name)
    if "multiclass" in tasks:
        return array
    raise DataError(f"{name} must be 0 (unfavorable) or 1 (favorable)")


def _task_of(found: list[NDArray[Any]], y_score: Any, query: Any, tasks: Sequence[Task]) -> Task:
    """Return which of these tasks labels and predictions are of."""
    if len(tasks) == 1:
        return tasks[0]
    if "binary" in tasks and _is_chance(y_score) and all(np.isin(v, (0, 1)).all() for v in found):
        return "binary"
    if "ranking" in tasks and query is not None:
        return "ranking"
    if "multiclass" in tasks and not any(v.dtype.kind == "f" for v in found):
        return "multiclass"
    order: tuple[Task, ...] = ("regression", "ranking", "multiclass", "binary")
    return next(t for t in order if t in tasks)


def _is_chance(y_score: Any) -> bool:
    """Whether scores may be probabilities of one of two outcomes."""
    if y_score is None:
        return True
    scores = np.asarray(y_score)
    return scores.ndim == 1 and scores.dtype.kind in "biuf" and not ((scores < 0) | (scores > 1)).any()


def _coded(
    outcomes: dict[str, NDArray[Any] | None], y_score: Any, classes: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[str, NDArray[Any] | None]]:
    """Return the classes, and outcomes as their codes; codes from 0 are unchanged."""
    found = [v for v in outcomes.values() if v is not None]
    occurring = np.unique(np.concatenate(found)) if found else np.empty(0, dtype=int)
    k = len(classes) if classes is not None else (np.shape(y_score)[1] if np.ndim(y_score) == 2 else 0)
    coded = occurring.dtype.kind in "iu" and len(occurring) > 0 and occurring.min() >= 0
    if coded and occurring.max() < k:
        return tuple(classes or map(str, range(k))), outcomes
    if classes is not None or (k and k != len(occurring)):
        raise DataError(
            f"labels and predictions hold {len(occurring)} values, and there are {k} classes; "
            f"give codes from 0 to {k - 1}"
        )
    names = tuple(map(str, occurring))
    return names, {n: None if v is None else np.searchsorted(occurring, v) for n, v in outcomes.items()}
