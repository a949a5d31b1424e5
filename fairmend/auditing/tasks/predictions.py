"""Whose predictions of a task are audited: external ones, a fitted model's, a reference model's, or the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from fairmend.auditing.predictions import FOLDS, folds_of
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import label_of
from fairmend.core.errors import DataError, InsufficientDataError, UsageError
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.task_learner import learner_for
from fairmend.core.types import Floats, Ints


@dataclass(frozen=True)
class TaskPredictions:
    """Predictions of one task, with a name for the record.

    Attributes
    ----------
    name : str
        What was audited.
    values : ndarray, shape (n,)
        Predicted values, or codes of predicted classes.
    scores : ndarray of float, shape (n, k), or None
        Probabilities of the classes of a multiclass outcome.
    is_label : bool
        Whether they are the recorded outcomes, so that there are no errors to look for.
    notes : tuple of str
        How they were read.
    """

    name: str
    values: NDArray[Any]
    scores: Floats | None = None
    is_label: bool = False
    notes: tuple[str, ...] = ()


def task_predictions(
    data: Dataset,
    predictions: ArrayLike | None,
    scores: ArrayLike | None,
    model: Any,
    learner: str | None,
    seed: int,
) -> TaskPredictions:
    """Return the subject of an audit; see :func:`fairmend.auditing.audit`.

    Predictions of a regression or a ranking may be passed as predictions or as scores; of a multiclass outcome
    predictions are classes, and scores a matrix of their probabilities.
    """
    if model is not None and (predictions is not None or scores is not None):
        raise UsageError("give a model, or its predictions and scores, not both")
    if model is not None:
        return _of_model(data, model)
    if data.task == "multiclass":
        if predictions is not None or scores is not None:
            return _given_classes(data, predictions, scores)
    elif predictions is not None or scores is not None:
        if predictions is not None and scores is not None:
            raise UsageError(
                f"a {data.task} has one prediction per row; give predictions or scores, not both"
            )
        return TaskPredictions(
            "given predictions", _values(scores if predictions is None else predictions, data)
        )
    if learner is None:
        return TaskPredictions("labels", data.y, is_label=True)
    return _reference(data, learner, seed)


def _reference(data: Dataset, learner: str, seed: int) -> TaskPredictions:
    unfitted = learner_for(data.task, learner, seed=seed)
    folds = folds_of(data.strata(), seed) if data.query is None else data.query % FOLDS
    is_class = data.task == "multiclass"
    out = np.empty((len(data), len(data.classes))) if is_class else np.empty(len(data))
    for fold in np.unique(folds):
        seen, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if is_class and len(np.unique(data.y[seen])) < len(data.classes):
            rarest = int(np.bincount(data.y).min())
            raise InsufficientDataError(
                f"a model cannot be trained and tested with {rarest} rows of the rarest class; merge classes, or give "
                "predictions of a model of yours (predictions=)"
            )
        weight = None if data.weights is None else data.weights[seen]
        fitted = clone(unfitted).fit(data.X.iloc[seen], data.y[seen], sample_weight=weight)
        out[held] = fitted.predict_proba(data.X.iloc[held]) if is_class else fitted.predict(data.X.iloc[held])
    note = f"The reference model ({learner}) predicted each row without having seen it ({FOLDS} folds)."
    if is_class:
        return TaskPredictions("a trained reference model", out.argmax(axis=1), out, notes=(note,))
    return TaskPredictions("a trained reference model", out, notes=(note,))


def _of_model(data: Dataset, model: Any) -> TaskPredictions:
    if isinstance(model, FairModel):
        needed = data.sensitive if model.reads_protected else None
        values = model.predict(data.X, needed)
        scores = model.scores(data.X, needed) if data.task == "multiclass" else None
        return TaskPredictions("a fitted model", values, scores)
    if not callable(getattr(model, "predict", None)):
        raise UsageError(
            f"a model must have predict, {type(model).__name__} has not; give predictions= instead"
        )
    if data.task != "multiclass":
        return TaskPredictions("a fitted model", _values(model.predict(data.X), data))
    codes = class_codes(model.predict(data.X), data)
    if not callable(getattr(model, "predict_proba", None)):
        note = "The model gives no probabilities, so calibration was not audited."
        return TaskPredictions("a fitted model", codes, notes=(note,))
    scores = np.zeros((len(data), len(data.classes)))
    scores[:, [data.classes.index(label_of(c)) for c in model.classes_]] = model.predict_proba(data.X)
    return TaskPredictions("a fitted model", codes, scores)


def _given_classes(data: Dataset, predictions: ArrayLike | None, scores: ArrayLike | None) -> TaskPredictions:
    matrix: Any = None
    if scores is not None:
        matrix = np.asarray(scores, dtype=float)
        if matrix.shape != (len(data), len(data.classes)):
            raise UsageError(
                f"scores of a multiclass outcome are a probability of each of its {len(data.classes)} classes, shape "
                f"({len(data)}, {len(data.classes)}), got {matrix.shape}; give predictions of the class instead"
            )
    if predictions is not None:
        return TaskPredictions("given predictions", class_codes(predictions, data), matrix)
    note = "The most probable class was read as the prediction."
    return TaskPredictions("given predictions", np.argmax(matrix, axis=1), matrix, notes=(note,))


def class_codes(values: ArrayLike, data: Dataset) -> Ints:
    """Return predicted classes as codes.

    Raises
    ------
    DataError
        Another number of rows, or a value that is no class of the outcome.
    """
    column = pd.Series(np.asarray(values).ravel())
    _check_length(len(column), data)
    place = {name: code for code, name in enumerate(data.classes)}
    codes = column.map(lambda value: place.get(label_of(value), -1)).to_numpy(dtype=np.int64)
    if (codes < 0).any():
        strange = label_of(column[int(np.argmin(codes))])
        raise DataError(
            f"{strange!r} is not a class of the outcome {data.roles.outcome!r}: {', '.join(data.classes[:8])}; "
            "give predictions that are"
        )
    return codes


def _values(values: ArrayLike | None, data: Dataset) -> Floats:
    try:
        found = np.asarray(values, dtype=float).ravel()
    except (TypeError, ValueError) as error:
        raise DataError(
            f"predictions of a {data.task} must be numbers, got text; name a numeric column"
        ) from error
    _check_length(len(found), data)
    if not np.isfinite(found).all():
        raise DataError(
            f"predictions are missing or infinite in {int((~np.isfinite(found)).sum())} rows; leave these out"
        )
    return found


def _check_length(found: int, data: Dataset) -> None:
    if found != len(data):
        raise DataError(f"predictions must have a value for each of the {len(data)} rows, got {found}")
