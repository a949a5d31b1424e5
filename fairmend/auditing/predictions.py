"""The decisions to audit: external predictions, those of a fitted or a reference model, or the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from fairmend.core.data.dataset import Dataset, places
from fairmend.core.data.groups import label_of
from fairmend.core.errors import DataError, InsufficientDataError, UsageError
from fairmend.core.metrics.tables.input_validation import probabilities
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.external_inputs import check_given, features_of, given_model
from fairmend.core.models.external_model import ask
from fairmend.core.models.learners import fit_weighted, make_learner, split_learner

FOLDS = 5


@dataclass(frozen=True)
class AuditedPredictions:
    """Decisions, and scores if available, with a name for the record.

    Attributes
    ----------
    name : str
        What was audited.
    decisions : ndarray of int, shape (n,)
        1 where the decision is the favorable one.
    scores : ndarray of float, shape (n,), or None
        Probabilities of the favorable outcome.
    is_label : bool
        Whether the decisions are the recorded outcomes, so that error rates are not defined.
    notes : tuple of str
        How the decisions were interpreted.
    """

    name: str
    decisions: NDArray[np.int64]
    scores: NDArray[np.float64] | None = None
    is_label: bool = False
    notes: tuple[str, ...] = ()


def audited_predictions(
    data: Dataset,
    predictions: ArrayLike | None,
    scores: ArrayLike | None,
    model: Any,
    learner: str | None,
    seed: int,
) -> AuditedPredictions:
    """Return the subject of an audit; see :func:`fairmend.auditing.audit`."""
    given = predictions is not None or scores is not None
    if model is not None and given:
        raise UsageError("expected a model, or predictions and scores, got both")
    if model is not None:
        return _of_model(data, model)
    if given:
        return _given(data, predictions, None if scores is None else _scores(scores, len(data)))
    if learner is None:
        return AuditedPredictions("labels", data.y, is_label=True)
    encoder, classifier = split_learner(make_learner(learner, seed=seed))
    folds = folds_of(data.groups.codes * 2 + data.y, seed, units=data.units)
    fitted = cross_fitted(classifier, encoder.fit_transform(data.X), data.y, folds, data.weights)[:, 1]
    note = f"Decisions are out-of-fold predictions of the reference model ({learner}, {FOLDS} folds)."
    return AuditedPredictions(
        "a trained reference model", (fitted >= 0.5).astype(np.int64), fitted, notes=(note,)
    )


def folds_of(
    strata: NDArray[Any], seed: int, n_folds: int = FOLDS, units: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the fold of each row, stratified; rows of one unit are in the same fold."""
    place = places(strata, units, np.random.default_rng(seed))
    return np.minimum(place * n_folds, n_folds - 1).astype(np.int64)


def cross_fitted(
    classifier: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    folds: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the out-of-fold class probabilities of each row.

    Raises
    ------
    InsufficientDataError
        Some class has no rows outside one of the folds.
    """
    classes = np.unique(y)
    out = np.empty((len(y), len(classes)))
    for fold in np.unique(folds):
        seen, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(np.unique(y[seen])) < len(classes):
            rarest = int(np.unique(y, return_counts=True)[1].min())
            raise InsufficientDataError(
                f"too few rows of the rarer outcome ({rarest}) to train and test a model; "
                "collect more, or pass the decisions of your own model (predictions=)"
            )
        weight = None if weights is None else weights[seen]
        out[held] = fit_weighted(clone(classifier), X[seen], y[seen], weight).predict_proba(X[held])
    return out


def _given(
    data: Dataset, predictions: ArrayLike | None, scores: NDArray[np.float64] | None
) -> AuditedPredictions:
    if predictions is not None:
        decisions, notes = _decisions(predictions, data)
        return AuditedPredictions("given predictions", decisions, scores, notes=notes)
    note = "Scores of 0.5 or higher were treated as favorable decisions."
    return AuditedPredictions(
        "given predictions", (np.asarray(scores) >= 0.5).astype(np.int64), scores, notes=(note,)
    )


def _of_model(data: Dataset, model: Any) -> AuditedPredictions:
    if isinstance(model, FairModel) or callable(getattr(model, "predict_proba", None)):
        rule = given_model(model, data)
        needed = data.sensitive if rule.reads_protected else None
        decisions = rule.predict(data.X, needed, key=data.key)
        return AuditedPredictions("a fitted model", decisions, rule.scores(data.X, needed))
    classes = check_given(model, "predict") or ()
    # A model trained on the outcome column itself has its values as classes; 0 may be the favorable one.
    by_value = str(data.roles.favorable) in map(label_of, classes)
    decided = ask(model, "predict", data.X[list(features_of(model, data))])
    decisions, notes = _decisions(decided, data, by_value=by_value)
    note = "The model has no predict_proba, so calibration was not audited."
    return AuditedPredictions("a fitted model", decisions, notes=(*notes, note))


def _decisions(
    values: Any, data: Dataset, *, by_value: bool = False
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Convert decisions (values of the outcome, or 0 and 1) to 1 where favorable, else 0."""
    column = pd.Series(np.asarray(values).ravel())
    if len(column) != len(data):
        raise DataError(f"predictions must have one value per row ({len(data)}), got {len(column)}")
    if column.isna().any():
        raise DataError(f"predictions are missing in {int(column.isna().sum())} rows; remove these rows")
    labels = column.map({value: label_of(value) for value in column.unique()})
    found, favorable = set(labels), str(data.roles.favorable)
    if not by_value and found <= {"0", "1", "False", "True"}:
        note = f"Predictions of 1 were treated as favorable, although the favorable {data.roles.outcome} is {favorable}."
        flags = labels.isin(["1", "True"]).to_numpy().astype(np.int64)
        return flags, (note,) if favorable in {"0", "False"} else ()
    if favorable not in found and not by_value:
        raise DataError(
            f"predictions must be 0 and 1, or values of {data.roles.outcome!r} with {favorable!r} among them; "
            f"got {', '.join(sorted(found)[:5])}"
        )
    return (labels == favorable).to_numpy().astype(np.int64), ()


def _scores(values: Any, n_rows: int) -> NDArray[np.float64]:
    scores = probabilities(values, "scores")
    if len(scores) != n_rows:
        raise DataError(f"scores must have one value per row ({n_rows}), got {len(scores)}")
    return scores
