"""Inverse-propensity weighting of censored training data, Kallus & Zhou 2018."""

from __future__ import annotations

import logging
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval

from fairmend.base import (
    Adjustment,
    DataChange,
    DataError,
    Floats,
    Groups,
    Ints,
    Preprocessor,
    TechniqueMetadata,
    fit_weighted,
    make_learner,
    read_table,
)

logger = logging.getLogger(__name__)

_FEWEST = 50
"""Rows of a group, selected or in the population, below which it has one propensity for all its rows."""
_LEAST_ODDS = 1e-9


def stabilized_weights(propensities: Floats, sample_weight: Floats) -> Floats:
    """Return 1 / P(selected | x, a) with a mean of 1, so that a common factor of all propensities cancels.

    Examples
    --------
    >>> stabilized_weights(np.array([0.2, 0.2, 0.8]), np.ones(3)).round(3).tolist()
    [1.333, 1.333, 0.333]
    """
    return 1 / propensities / np.average(1 / propensities, weights=sample_weight)


def selection_odds(X: pd.DataFrame, people: pd.DataFrame, sample_weight: Floats, estimator: Any) -> Floats:
    """Return the odds of a selected row against one of the population, which estimate P(selected | x).

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X, people = pd.DataFrame({"x": [0] * 10 + [1] * 40}), pd.DataFrame({"x": [0] * 50 + [1] * 50})
    >>> np.unique(selection_odds(X, people, np.ones(50), DecisionTreeClassifier())).round(3).tolist()
    [0.2, 0.8]
    """
    both = pd.concat([X, people], ignore_index=True)
    selected = np.repeat([1, 0], [len(X), len(people)])
    w = np.concatenate([sample_weight, np.ones(len(people))])
    p = fit_weighted(clone(estimator), both, selected, w).predict_proba(X)[:, 1]
    return np.asarray(np.maximum(p / np.maximum(1 - p, _LEAST_ODDS), _LEAST_ODDS))


class SelectionBiasWeighting(Preprocessor):
    """Weight rows that were selected into the training data so that they stand for all applicants.

    Parameters
    ----------
    population : DataFrame or path to a CSV or Parquet file, optional
        All applicants, with a known label or not, or a random sample of them; the features and protected
        attributes of the training data must be among its columns. Without it no weight is changed.
    estimator : classifier with predict_proba that takes sample weights, optional
        What distinguishes selected rows from the population, within each group; by default a logistic regression.
        One that memorizes rows overstates how likely the selected ones were to be selected.
    clip : float >= 1, default=10.0
        Largest weight, relative to the mean, before weights are scaled: smaller values vary less and correct less.

    Attributes
    ----------
    diagnostics_ : dict
        ``population_rows``; ``selected_by_group``, the number of selected rows over that of the group in the
        population; ``represented``, the size of the population that the weights imply, over its actual size;
        ``absent``, the share of the population in groups without a selected row; ``largest_weight`` before
        clipping; ``clipped``, the share of rows; ``effective_rows`` (Kish).

    Notes
    -----
    Labels are often known only for those whom an earlier policy accepted. Rates of selected people then differ from
    those of all applicants, and a rule that is fair to the selected can be unfair to the others in the
    way in which the policy was. With the propensity P(selected | x, a), rows weighted by its inverse have the
    distribution of all applicants, if selection depends on the known features alone and everyone could be selected.
    Neither can be seen in the training data.

    The propensity is estimated as odds: a classifier distinguishes training rows from the population, whose
    ratio of densities is the propensity up to a factor. Rows need not be matched, and the training data may be
    a random part of those selected. A group with fewer than 50 rows has one propensity. The weights have a mean
    of 1 (stabilized), are clipped, and scaled to the sum of those given. Where ``represented`` is far from 1 although
    the training data hold all who were selected, some applicants have nobody like them among these, or the
    estimator is too simple.

    Only the training data are weighted: what a run measures on other selected rows remains true of these alone.

    References
    ----------
    N. Kallus and A. Zhou (2018), "Residual unfairness in fair machine learning from prejudiced data", ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import SelectionBiasWeighting
    >>> applicants = bank(8_000)[["race", "income", "credit_score"]]
    >>> chance = np.where(applicants["race"] == "White", 0.8, 0.3) * (applicants["credit_score"] > 650)
    >>> known = applicants[np.random.default_rng(0).random(8_000) < chance.clip(0.2)]
    >>> technique = SelectionBiasWeighting(applicants)
    >>> weights = technique.change(known[["income", "credit_score"]], sensitive_features=known["race"]).sample_weight
    >>> [round(float(r), 2) for r in ((applicants["race"] == "White").mean(),
    ...     (known["race"] == "White").mean(), np.average(known["race"] == "White", weights=weights))]
    [0.6, 0.79, 0.6]
    """

    metadata = TechniqueMetadata(
        technique_id=39,
        slug="selection-bias-weighting",
        name="Selection-bias weighting",
        family="reweighting",
        summary="Weights people with known outcomes by the inverse of their chance to have been selected, so that they stand for all applicants.",
        citation="kallus2018residual",
        targets=("equal_opportunity", "equalized_odds"),
        tasks=("binary", "multiclass", "regression"),
        modifies=("weights",),
        required_parameters=("population",),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(1, 3),
        use_when="Outcomes are known only for people whom an earlier policy accepted, and features of all applicants were kept.",
        avoid_when="Features of those turned away were not kept, the policy used what the features do not hold, or some people were never accepted.",
        questions=(
            "We only know repayment for loans that were granted; how do I train for everyone who applies?",
            "Rejected applicants have no outcome; can the accepted ones be weighted to represent them?",
            "Is a model fair to all applicants if it was adjusted on past hires only?",
            "How do I use inverse propensity weights against censored training data?",
            "Our labels exist only for people the police stopped; how do I correct for who was stopped?",
            "What can be done about reject inference without inventing labels?",
            "How large is the effective sample once selection into the data is corrected?",
        ),
        adjustments=(Adjustment(parameter="clip", stronger=5.0, minimum=1.0, maximum=50.0),),
        alternatives=(33, 31),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "population": [pd.DataFrame, str, Path, None],
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "clip": [Interval(Real, 1, None, closed="left")],
    }

    def __init__(self, population: Any = None, estimator: Any = None, clip: float = 10.0) -> None:
        self.population = population
        self.estimator = estimator
        self.clip = clip

    def _change(self, X: pd.DataFrame, groups: Groups, sample_weight: Floats) -> DataChange:
        if self.population is None:
            logger.warning(
                "selection-bias-weighting changes no weight without a population; pass population=, a table of all applicants"
            )
            self.diagnostics_: dict[str, Any] = {"population_rows": 0}
            return DataChange(sample_weight=sample_weight)
        people, theirs = self._people(X)
        estimator = make_learner("logistic_regression") if self.estimator is None else self.estimator
        odds, by_group = np.ones(len(X)), {}
        for code, label in enumerate(groups.labels):
            rows, others = np.flatnonzero(groups.codes == code), np.flatnonzero(theirs == code)
            if len(rows) and not len(others):
                raise DataError(
                    f"the population has no row of the group {label!r}, which the training data have; pass a "
                    "population that includes everyone who could be selected"
                )
            w = sample_weight[rows]
            by_group[label] = w.sum() / max(len(others), 1)
            if min(len(rows), len(others)) < _FEWEST:
                odds[rows] = max(by_group[label], _LEAST_ODDS)
            else:
                odds[rows] = selection_odds(X.iloc[rows], people.iloc[others], w, estimator)
        raw = stabilized_weights(odds, sample_weight)
        clipped = sample_weight * np.minimum(raw, self.clip)
        seen = np.isin(theirs, np.unique(groups.codes))
        self.diagnostics_ = {
            "population_rows": len(people),
            "selected_by_group": {label: float(share) for label, share in by_group.items()},
            "represented": float((sample_weight / odds).sum() / seen.sum()),
            "absent": float(1 - seen.mean()),
            "largest_weight": float(raw.max()),
            "clipped": float((raw > self.clip).mean()),
            "effective_rows": float(clipped.sum() ** 2 / (clipped**2).sum()),
        }
        return DataChange(sample_weight=clipped * (sample_weight.sum() / clipped.sum()))

    def _people(self, X: pd.DataFrame) -> tuple[pd.DataFrame, Ints]:
        """Return the features of the population and the groups of its rows, -1 for one without a selected row."""
        attributes = list(self.group_encoder_.attributes_)
        table = self.population
        if not isinstance(table, pd.DataFrame):
            table = read_table(table, exact=attributes)
        absent = [str(c) for c in (*attributes, *X.columns) if c not in table.columns]
        if absent:
            raise DataError(
                f"the population lacks {', '.join(dict.fromkeys(absent))}, which the training data have; add the "
                "columns to it, or leave them out of the training data"
            )
        if table.empty:
            raise DataError("the population has no rows; pass a table of all applicants, one row each")
        for name in X.columns:
            kinds = [pd.api.types.is_numeric_dtype(frame[name]) for frame in (X, table)]
            if kinds[0] != kinds[1]:
                words = ["numbers" if numeric else "text" for numeric in kinds]
                raise DataError(
                    f"{name!r} holds {words[0]} in the training data and {words[1]} in the population; write both alike"
                )
        found = self.group_encoder_.transform(table[attributes], unseen="fallback")
        return table[list(X.columns)], found.codes
