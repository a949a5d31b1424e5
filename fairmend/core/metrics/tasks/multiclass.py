"""Multiclass: one-vs-rest rates of each class, macro figures and calibration by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.errors import DataError
from fairmend.core.metrics.estimate import GroupStatistic
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.tables import input_validation
from fairmend.core.metrics.tasks.measurement import (
    Statistic,
    TaskMeasurement,
    quotient,
    resampled,
    with_all,
)
from fairmend.core.types import Floats, Ints

BINS = 10


def measure_multiclass(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    classes: Sequence[str],
    sensitive_features: Any,
    y_score: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    n_boot: int = 1000,
    level: float = 0.95,
    min_support: int = 30,
    seed: int = 0,
) -> TaskMeasurement:
    """Measure predicted classes: each class against the rest, and over all classes, by group.

    The figures are ``accuracy``, ``macro_recall`` (the mean recall of the classes, also called balanced
    accuracy), ``macro_f1``, and of each class c ``selection_rate[c]``, ``base_rate[c]``, ``recall[c]``,
    ``precision[c]`` and ``false_positive_rate[c]``; with probabilities also ``log_loss`` and
    ``expected_calibration_error`` of the most probable class.

    Parameters
    ----------
    y_true, y_pred : array-like of int, shape (n,)
        Codes of the true and of the predicted class.
    classes : sequence of str
        Names of the K classes.
    y_score : array-like of shape (n, K), optional
        Probability of each class.
    sensitive_features, sample_weight, cluster, n_boot, level, min_support, seed
        See :func:`.regression.measure_regression`.

    Notes
    -----
    A macro figure of a group is the mean over the classes that occur in it.

    Raises
    ------
    DataError
        On codes that name no class, lengths that differ, or probabilities of another shape.
    """
    InferenceSettings(n_boot, level)  # checks them
    k = len(classes)
    label, decision = _codes(y_true, k, "y_true"), _codes(y_pred, k, "y_pred")
    weight = input_validation.weights(sample_weight)
    codes, labels = input_validation.groups(sensitive_features)
    n = input_validation.same_length(
        y_true=label, y_pred=decision, sensitive_features=codes, sample_weight=weight, cluster=cluster
    )
    w = np.ones(n) if weight is None else weight
    width = k * k + (0 if y_score is None else 1 + 3 * BINS)
    place = [codes * width + label * k + decision]
    terms = [w]
    if y_score is not None:
        for at, amount in _score_terms(_scores(y_score, n, k), label, w):
            place.append(codes * width + k * k + at)
            terms.append(amount)
    sums, blocks = resampled(
        np.stack(place).astype(np.int64), np.stack(terms), len(labels) * width, cluster, n_boot, seed
    )
    every = with_all(sums.reshape(-1, width))
    drawn = with_all(np.concatenate(list(blocks)).reshape(n_boot, -1, width))
    rows = np.bincount(codes, minlength=len(labels)).astype(np.int64)
    return TaskMeasurement(
        "multiclass",
        labels,
        rows,
        {
            name: GroupStatistic(labels, of(every), of(drawn), rows, level, min_support, high_is_good)
            for name, (of, high_is_good) in _statistics(classes, y_score is not None).items()
        },
    )


def _codes(values: ArrayLike, k: int, name: str) -> Ints:
    codes = input_validation.numbers(values, name)
    if codes.size and not (np.isin(codes, np.arange(k))).all():
        raise DataError(f"{name} must hold codes from 0 to {k - 1}, one for each class")
    return codes.astype(np.int64)


def _scores(values: ArrayLike, n: int, k: int) -> Floats:
    scores = np.asarray(values, dtype=np.float64)
    if scores.shape != (n, k) or not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1 + 1e-9:
        raise DataError(
            f"y_score must hold a probability of each of {k} classes, shape ({n}, {k}), got {scores.shape}"
        )
    return scores


def _score_terms(scores: Floats, label: Ints, w: Floats) -> list[tuple[Ints, Floats]]:
    """Return places and amounts of the log loss and of weight, confidence and hits by bin."""
    rows = np.arange(len(label))
    loss = -np.log(np.maximum(scores[rows, label], 1e-15))
    top = scores.argmax(axis=1)
    confidence = scores[rows, top]
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    amounts = (w, w * confidence, w * (top == label))
    return [
        (np.zeros(len(label), dtype=np.int64), w * loss),
        *((1 + place * BINS + bins, amount) for place, amount in enumerate(amounts)),
    ]


def _statistics(classes: Sequence[str], scored: bool) -> dict[str, tuple[Statistic, bool]]:
    k = len(classes)

    def table(sums: Floats) -> Floats:
        return sums[..., : k * k].reshape(*sums.shape[:-1], k, k)

    def total(sums: Floats) -> Floats:
        return np.asarray(sums[..., : k * k].sum(axis=-1))

    def hits(sums: Floats) -> Floats:
        return np.asarray(np.diagonal(table(sums), axis1=-2, axis2=-1))

    def recall(sums: Floats) -> Floats:
        return quotient(hits(sums), table(sums).sum(axis=-1))

    def f1(sums: Floats) -> Floats:
        return quotient(2 * hits(sums), table(sums).sum(axis=-1) + table(sums).sum(axis=-2))

    def macro(of: Statistic) -> Statistic:
        def mean(sums: Floats) -> Floats:
            values, occurs = of(sums), table(sums).sum(axis=-1) > 0
            return quotient(
                np.where(occurs, values, 0.0).sum(axis=-1), occurs.sum(axis=-1).astype(np.float64)
            )

        return mean

    def log_loss(sums: Floats) -> Floats:
        return quotient(sums[..., k * k], total(sums))

    def calibration_error(sums: Floats) -> Floats:
        weight, confidence, right = (sums[..., k * k + 1 + i * BINS :][..., :BINS] for i in range(3))
        return quotient(np.abs(confidence - right).sum(axis=-1), weight.sum(axis=-1))

    out: dict[str, tuple[Statistic, bool]] = {
        "accuracy": (lambda sums: quotient(hits(sums).sum(axis=-1), total(sums)), True),
        "macro_recall": (macro(recall), True),
        "macro_f1": (macro(f1), True),
    }
    if scored:
        out["log_loss"] = (log_loss, False)
        out["expected_calibration_error"] = (calibration_error, False)
    for c, name in enumerate(classes):

        def of_class(what: str, c: int = c) -> Statistic:
            def rate(sums: Floats) -> Floats:
                t = table(sums)
                true, predicted, hit = t[..., c, :].sum(axis=-1), t[..., :, c].sum(axis=-1), t[..., c, c]
                return {
                    "selection_rate": lambda: quotient(predicted, total(sums)),
                    "base_rate": lambda: quotient(true, total(sums)),
                    "recall": lambda: quotient(hit, true),
                    "precision": lambda: quotient(hit, predicted),
                    "false_positive_rate": lambda: quotient(predicted - hit, total(sums) - true),
                }[what]()

            return rate

        for what in ("selection_rate", "base_rate", "recall", "precision", "false_positive_rate"):
            out[f"{what}[{name}]"] = (of_class(what), what != "false_positive_rate")
    return out
