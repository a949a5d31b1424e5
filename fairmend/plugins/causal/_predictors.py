"""Predictors under interventions: what a rule says of rows as they are, and as they would be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fairmend.base import (
    CausalGraph,
    Dataset,
    Floats,
    assumed_graph,
    dependences,
    fit_weighted,
    fitted_graph,
    learner_for,
    regressors,
    row_hash,
    uniform_by_row,
)

Table = pd.DataFrame
Scores = Callable[[Table, Table], Floats]
FOLDS = 5


@dataclass(frozen=True)
class Predictor:
    """A rule that reads features and, if it must, protected attributes.

    Attributes
    ----------
    name : str
        What it is.
    score : callable
        From features and attributes to probabilities of the favorable outcome, or to predicted values.
    decide : callable or None
        The same for decisions; None if the outcome is a number.
    rmse : float
        Root mean squared error, for learned rules on rows that they were not fitted on.
    """

    name: str
    score: Scores
    decide: Scores | None
    rmse: float


@dataclass(frozen=True)
class World:
    """Some rows of a data set, and how they would be after an intervention.

    Attributes
    ----------
    about : mapping
        What to say of it in a table.
    rows : ndarray of int
        Places of the rows.
    X, sensitive : DataFrame
        Their features and protected attributes after the intervention.
    """

    about: Mapping[str, Any]
    rows: Any
    X: Table
    sensitive: Table


def known_graph(data: Dataset, graph: CausalGraph | None) -> CausalGraph:
    """Return the given graph, or one assumed from roles and dependences in the data."""
    if graph is None:
        frame, _ = regressors(data.frame, data.frame.columns)
        graph = assumed_graph(data, (), dependences(data, frame, alpha=0.05, min_effect=0.05).values())
    return fitted_graph(graph, data)


def with_attributes(X: Table, sensitive: Table) -> Table:
    """Return features and protected attributes in one table; what a model reads itself stays as it is."""
    return X.assign(**{str(c): sensitive[c] for c in sensitive.columns if c not in X.columns})


def given(model: Any, data: Dataset) -> Predictor:
    """Return a fitted model as a predictor."""
    decide = model.decision_probability if data.task == "binary" else None
    error = _rmse(model.scores(data.X, data.sensitive), data)
    return Predictor("model", model.scores, decide, error)


def learned(name: str, read: Callable[[Table, Table], Table], data: Dataset) -> Predictor:
    """Return a linear or logistic regression on what ``read`` makes of features and attributes."""
    seen = read(data.X, data.sensitive)
    binary = data.task == "binary"
    learner = "logistic_regression" if binary else "linear_regression"

    def fitted(rows: Any) -> Callable[[Table], Floats]:
        weights = None if data.weights is None else data.weights[rows]
        rule = fit_weighted(learner_for(data.task, learner), seen[rows], data.y[rows], weights)
        return (lambda table: rule.predict_proba(table)[:, -1]) if binary else rule.predict

    fold = (FOLDS * uniform_by_row(row_hash(data.X[sorted(data.X, key=str)]), 0)).astype(int)
    held_out = np.zeros(len(data))
    for k in np.unique(fold):
        held_out[fold == k] = fitted(fold != k)(seen[fold == k])
    final = fitted(np.ones(len(data), dtype=bool))

    def score(X: Table, sensitive: Table) -> Floats:
        return final(read(X, sensitive))

    def decide(X: Table, sensitive: Table) -> Floats:
        return (score(X, sensitive) >= 0.5).astype(float)

    return Predictor(name, score, decide if binary else None, _rmse(held_out, data))


def contrasts(predictor: Predictor, data: Dataset, worlds: Sequence[World]) -> list[dict[str, Any]]:
    """Compare what a predictor says of rows as they are, and as they would be.

    Returns
    -------
    list of dict
        ``gap``: mean difference, those as they are less those as they would be; ``absolute_gap``: the mean of
        its size; ``changed``: share of decisions that change; ``support``: the number of rows.
    """
    found = []
    for world in worlds:
        X, sensitive = data.X.iloc[world.rows], data.sensitive.iloc[world.rows]
        weights = None if data.weights is None else data.weights[world.rows]
        gap = predictor.score(X, sensitive) - predictor.score(world.X, world.sensitive)
        changed = None
        if predictor.decide is not None:
            moves = predictor.decide(X, sensitive) - predictor.decide(world.X, world.sensitive)
            changed = float(np.average(np.abs(moves), weights=weights))
        figures = {
            "gap": float(np.average(gap, weights=weights)),
            "absolute_gap": float(np.average(np.abs(gap), weights=weights)),
            "changed": changed,
            "support": len(X),
        }
        found.append({**world.about, **figures})
    return found


def _rmse(predicted: Floats, data: Dataset) -> float:
    return float(np.sqrt(np.average((predicted - data.y) ** 2, weights=data.weights)))
