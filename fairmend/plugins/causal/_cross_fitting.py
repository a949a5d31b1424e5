"""Predictions for every row by learners that did not see it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline

from fairmend.base import (
    Floats,
    Ints,
    TableEncoder,
    Task,
    fit_weighted,
    learner_for,
    row_hash,
    uniform_by_row,
)
from fairmend.plugins.causal._outcome_means import Rows

_SHALLOW: dict[str, Any] = {"max_depth": 2, "max_iter": 60, "min_samples_leaf": 50, "early_stopping": False}
"""Trees that do not overfit probabilities, by which scores are divided."""


def learner_of(given: Any, task: Task, seed: int) -> Any:
    """Return an unfitted learner: an estimator as it is, one by name, or shallow boosted trees if none is given."""
    if isinstance(given, str):
        return learner_for(task, given, seed=seed)
    if given is not None:
        return given
    boosting = HistGradientBoostingClassifier if task == "binary" else HistGradientBoostingRegressor
    return make_pipeline(TableEncoder("ordinal"), boosting(random_state=seed, **_SHALLOW))


def fold_of_rows(X: pd.DataFrame, y: Floats, units: Ints | None, n_folds: int, seed: int) -> Ints:
    """Return the fold of each row, shape (n,): by its content, so that equal rows and copies share one."""
    key = uniform_by_row(row_hash(X.assign(**{"the outcome": y})), seed)
    if units is not None:
        _, first, unit = np.unique(units, return_index=True, return_inverse=True)
        key = key[first][unit]
    return np.asarray(np.unique(key, return_inverse=True)[1] % n_folds, dtype=np.int64)


def cross_fitted(
    learner: Any, X: pd.DataFrame, target: Floats, weights: Floats | None, folds: Ints, rows: Rows
) -> Floats:
    """Return a prediction for every row, by a learner that was trained on those of ``rows`` in other folds."""
    predicted = np.zeros(len(target))
    for fold in np.unique(folds):
        train, rest = rows & (folds != fold), folds == fold
        if len(np.unique(target[train])) < 2:  # nothing to learn
            predicted[rest] = target[train].mean() if train.any() else target.mean()
            continue
        given = None if weights is None else weights[train]
        model = fit_weighted(clone(learner), X[train], target[train], given)
        predicted[rest] = (
            model.predict_proba(X[rest])[:, 1] if is_classifier(model) else model.predict(X[rest])
        )
    return predicted
