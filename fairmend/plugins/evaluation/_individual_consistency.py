"""Consistency of predictions between similar individuals, Zemel et al. 2013."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Estimate,
    Evaluator,
    Floats,
    Groups,
    InsufficientDataError,
    Ints,
    TableEncoder,
    TechniqueMetadata,
    evaluation_tables,
    numeric_columns,
    unknown,
)


def neighbors(x: Floats, k: int) -> Ints:
    """Return kNN(x_n), the k rows nearest to each row, itself left out, shape (N, k)."""
    return np.asarray(NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False))


def inconsistency(yhat: Any, knn: Ints) -> Floats:
    """Return |yhat_n - (1/k) sum_{j in kNN(x_n)} yhat_j| of each row, shape (N,).

    Of classes it is the share of the neighbors that are in another one: the same number for 0 and 1. Real values
    are divided by their range.
    """
    if yhat.dtype.kind != "f":
        return np.asarray((yhat[knn] != yhat[:, None]).mean(axis=1), dtype=float)
    span = float(np.ptp(yhat))
    return np.asarray(np.abs(yhat - yhat[knn].mean(axis=1)) / (span if span > 0 else 1.0))


def consistency(d: Floats, weights: Floats, level: float, min_support: int) -> Estimate:
    """Return yNN = 1 - the weighted mean of the inconsistencies d, with its normal interval."""
    total = weights.sum()
    if total == 0:
        return Estimate(np.nan, None, 0, False)
    mean = float(weights @ d / total)
    error = np.sqrt(weights**2 @ (d - mean) ** 2) / total
    reach = float(norm.ppf((1 + level) / 2) * error)
    ends = (max(1 - mean - reach, 0.0), min(1 - mean + reach, 1.0))
    return Estimate(1 - mean, ends, len(d), len(d) >= min_support)


class IndividualConsistency(Evaluator):
    """Measure whether similar people get similar predictions.

    Parameters
    ----------
    n_neighbors : int, default=5
        k, how many of the most similar rows each row is compared with.
    features : list of str, optional
        Features by which people are similar; all of them if none are named.
    scale : bool, default=True
        Standardize numbers and encode other values as 0 and 1. Without it, distances are those of the numbers
        as they are, and all features must be numbers.
    level : float, default=0.95
        Coverage of the intervals.
    min_support : int, default=30
        Rows below which a group is insufficient evidence.

    Notes
    -----
    yNN = 1 - (1/N) sum_n |yhat_n - (1/k) sum_{j in kNN(x_n)} yhat_j|: 1 where nobody is treated unlike those who
    are most similar, as when all get the same decision, so that it says nothing without a figure of accuracy.
    Neighbors are looked for among all rows, also for the figure of a group.

    Departures: a row is not among its own neighbors, as "similar people" are others. Libraries that count it
    (AIF360) report 1 - (k - 1) / k (1 - yNN) with yNN of k - 1 neighbors, which flatters. The interval holds the
    neighbors fixed. Which of several equally near rows are neighbors depends on the order of the rows.

    Of predictions that are floating-point numbers, other than 0 and 1, the differences count, relative to their
    range; of all others, whether they are equal. Scores, where there are any, are measured beside the decisions:
    they show what a cut-off between neighbors hides or makes up.

    References
    ----------
    R. Zemel, Y. Wu, K. Swersky, T. Pitassi and C. Dwork (2013), "Learning fair representations", ICML (yNN).

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import IndividualConsistency
    >>> loans = pd.DataFrame({"income": [20 + i / 100 if i % 4 < 2 else 50 + i / 100 for i in range(120)]})
    >>> same, apart = [0, 0, 1, 1] * 30, [0, 1] * 60
    >>> consistency = IndividualConsistency()
    >>> print(consistency.evaluate(y_pred=same, X=loans)["text"])
    Consistency 1.000 with 5 nearest neighbors: predictions differ from those of similar rows by 0.0%.
    >>> print(consistency.evaluate(y_pred=apart, X=loans)["text"])
    Consistency 0.400 with 5 nearest neighbors: predictions differ from those of similar rows by 60.0%.
    """

    metadata = TechniqueMetadata(
        technique_id=4,
        slug="individual-consistency",
        name="Individual-fairness consistency audit",
        family="individual fairness",
        summary="Measures how often people get another decision than those who are most similar to them.",
        citation="zemel2013learning",
        targets=("individual_fairness",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        duration_weeks=(0.5, 1),
        use_when="Like cases must be treated alike, and the features say which cases are alike.",
        avoid_when="The features that make people similar are biased themselves, or distances in them mean nothing.",
        questions=(
            "Are similar applicants treated the same way?",
            "How often does a near twin of an applicant get the opposite decision?",
            "What is the consistency score of our predictions with five nearest neighbors?",
            "Is the model individually fair, and for which group the least?",
            "Does a tiny change of a case flip the outcome?",
            "How can we check that like cases are decided alike, without labels?",
        ),
        legal_notes="Which features make two people similar is a judgment; have it reviewed before figures are published.",
        alternatives=(5,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "features": [list, tuple, None],
        "scale": ["boolean"],
        "level": [Interval(Real, 0, 1, closed="neither")],
        "min_support": evaluation_tables.WHOLE,
    }

    def __init__(
        self,
        n_neighbors: int = 5,
        features: list[str] | None = None,
        scale: bool = True,
        level: float = 0.95,
        min_support: int = 30,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.features = features
        self.scale = scale
        self.level = level
        self.min_support = min_support

    def _coordinates(self, X: pd.DataFrame) -> Floats:
        names = list(X.columns) if self.features is None else list(self.features)
        for name in names:
            if name not in X.columns:
                raise unknown("feature", name, X.columns)
        if self.scale:
            return TableEncoder("one-hot").fit(X[names]).transform(X[names])
        return X[numeric_columns(X, names)].to_numpy(dtype=float)

    def _evaluate(
        self,
        X: pd.DataFrame,
        y_pred: Any,
        sample_weight: Floats,
        groups: Groups | None = None,
        y_score: Floats | None = None,
    ) -> Mapping[str, Any]:
        k = self.n_neighbors
        if len(X) <= k:
            raise InsufficientDataError(
                f"{k} neighbors of each row were asked for, and there are {len(X)} rows; give more, or fewer neighbors"
            )
        knn = neighbors(self._coordinates(X), k)
        measured = {"predictions": inconsistency(y_pred, knn)}
        if y_score is not None and y_score.ndim == 1:
            measured["scores"] = inconsistency(y_score.astype(float), knn)
        found: dict[str, Any] = {"n_neighbors": k}
        for of, d in measured.items():
            overall = consistency(d, sample_weight, self.level, self.min_support)
            by_attribute = {
                name: {
                    label: consistency(d[at], sample_weight[at], self.level, self.min_support)
                    for code, label in enumerate(view.labels)
                    for at in [view.codes == code]
                }
                for name, view in (evaluation_tables.views(groups).items() if groups else ())
            }
            found[of] = {"consistency": overall, "by_attribute": by_attribute}
        value = found["predictions"]["consistency"].value
        text = f"Consistency {value:.3f} with {k} nearest neighbors: predictions differ from those of similar rows by {1 - value:.1%}."
        return {**found, "text": text}
