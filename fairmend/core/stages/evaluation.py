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
    ``candidates`` (models with their measures), ``X`` (the features), ``query`` and ``model``; what it names
    without a default it cannot do without.
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
    ) -> dict[str, Any]:
        """Return what the evaluation finds.

        Parameters
        ----------
        y_true, y_pred, baseline : array of shape (n,), optional
            Labels, decisions, and decisions of a model to compare with; two classes, 1 the favorable one.
        y_score : array of shape (n,), optional
            Probabilities of the favorable outcome.
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

        Raises
        ------
        DataError
            Something that the evaluation reads was not given, or lengths differ.
        """
        self.check_parameters()
        given = [a for a in (y_true, y_pred, y_score, baseline) if a is not None]
        n_rows = len(given[0]) if given else 0
        tasks = self.metadata.tasks
        labels, decisions = (
            _outcomes(n, v, n_rows, tasks) for n, v in (("y_true", y_true), ("y_pred", y_pred))
        )
        groups = None if sensitive_features is None else Groups.of(sensitive_features)
        if groups is not None and n_rows and len(groups) != n_rows:
            raise DataError(f"sensitive_features has {len(groups)} rows, the predictions have {n_rows}")
        found = self._call(
            "_evaluate",
            y_true=labels,
            y_pred=decisions,
            y_score=None if y_score is None else _same_length("y_score", scores_of(y_score, tasks), n_rows),
            groups=groups,
            sample_weight=sample_weights(sample_weight, n_rows) if n_rows else np.ones(0),
            baseline=_outcomes("baseline", baseline, n_rows, tasks),
            candidates=None if candidates is None else pd.DataFrame(candidates),
            X=None if X is None else _same_length("X", as_frame(X), n_rows),
            query=None if query is None else _same_length("query", np.asarray(query), n_rows),
            model=model,
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
