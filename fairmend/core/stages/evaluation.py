"""The evaluation stage: measure predictions, change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.case import Case, Effect
from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError
from fairmend.core.serialization import to_plain
from fairmend.core.stages._returned import returned_mapping
from fairmend.core.technique import Technique, probabilities, sample_weights
from fairmend.core.vocabulary import Stage


@dataclass(frozen=True)
class EvaluationInputs:
    """What an evaluation reads, checked.

    Attributes
    ----------
    y_true : ndarray of int or None
        Labels, 1 the favourable one.
    y_pred : ndarray of int or None
        Decisions.
    y_score : ndarray of float or None
        Probabilities of the favourable outcome.
    groups : Groups or None
        The groups.
    weights : ndarray of float
        Sample weights, ones if none were given.
    baseline : ndarray of int or None
        Decisions of the model to compare with.
    candidates : DataFrame or None
        Models (rows) with their measures (columns), for comparisons of models.
    """

    y_true: NDArray[np.int64] | None
    y_pred: NDArray[np.int64] | None
    y_score: NDArray[np.float64] | None
    groups: Groups | None
    weights: NDArray[np.float64]
    baseline: NDArray[np.int64] | None = None
    candidates: pd.DataFrame | None = None


class Evaluator(Technique):
    """Base of the evaluation stage: measure predictions, change nothing.

    Write ``_evaluate(evidence)``; it returns a JSON-able mapping. ``reads`` names the fields of
    :class:`EvaluationInputs` that it cannot do without.
    """

    stage: ClassVar[Stage] = "evaluation"
    reads: ClassVar[tuple[str, ...]] = ("y_pred", "groups")

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
    ) -> dict[str, Any]:
        """Return what the evaluation finds.

        Parameters
        ----------
        y_true, y_pred, baseline : array of shape (n,), optional
            Labels, decisions, and decisions of a model to compare with; two classes, 1 the favourable one.
        y_score : array of shape (n,), optional
            Probabilities of the favourable outcome.
        sensitive_features : Series, DataFrame or array of shape (n,) or (n, k), optional
            Protected attributes.
        sample_weight : array of shape (n,), optional
            Weights.
        candidates : DataFrame, optional
            Models (rows) with their measures (columns).

        Raises
        ------
        DataError
            Something that the evaluation reads was not given, or lengths differ.
        """
        self.check_parameters()
        given = [a for a in (y_true, y_pred, y_score, baseline) if a is not None]
        n_rows = len(given[0]) if given else 0
        evidence = EvaluationInputs(
            _zero_one("y_true", y_true, n_rows),
            _zero_one("y_pred", y_pred, n_rows),
            None if y_score is None else _same_length("y_score", probabilities(y_score), n_rows),
            None if sensitive_features is None else Groups.of(sensitive_features),
            sample_weights(sample_weight, n_rows) if n_rows else np.ones(0),
            _zero_one("baseline", baseline, n_rows),
            None if candidates is None else pd.DataFrame(candidates),
        )
        if evidence.groups is not None and n_rows and len(evidence.groups) != n_rows:
            raise DataError(
                f"sensitive_features has {len(evidence.groups)} rows, the predictions have {n_rows}"
            )
        for name in self.reads:
            if getattr(evidence, name) is None:
                public = "sensitive_features" if name == "groups" else name
                raise DataError(f"{self.metadata.name} reads {public}, which was not given")
        return dict(to_plain(returned_mapping(self, "_evaluate", self._evaluate(evidence))))

    def _evaluate(self, evidence: EvaluationInputs) -> Mapping[str, Any]:
        raise NotImplementedError

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
        )
        text = str(result.get("text", f"{self.metadata.name} measured {len(data)} rows."))
        return case.with_result(self.metadata.slug, result), Effect("none", 0.0, text, detail=result)


def _same_length(name: str, values: NDArray[Any], n_rows: int) -> NDArray[Any]:
    if len(values) != n_rows:
        raise DataError(f"{name} has {len(values)} rows, expected {n_rows}")
    return values


def _zero_one(name: str, values: Any, n_rows: int) -> NDArray[np.int64] | None:
    if values is None:
        return None
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"{name} must have one dimension, got shape {array.shape}")
    _same_length(name, array, n_rows)
    if array.dtype == bool:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iuf" or not np.isin(array, (0, 1)).all():
        raise DataError(f"{name} must be 0 (unfavourable) or 1 (favourable)")
    return array.astype(np.int64)
