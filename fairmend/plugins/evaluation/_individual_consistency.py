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
    """Return kNN(x_n), the k nearest rows of each row, excluding itself, shape (N, k)."""
    return np.asarray(NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False))


def inconsistency(yhat: Any, knn: Ints) -> Floats:
    """Return |yhat_n - (1/k) sum_{j in kNN(x_n)} yhat_j| of each row, shape (N,).

    For classes it is the share of neighbors in another class, which is the same number for labels 0 and 1.
    Real values are divided by their range.
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
        Features that define similarity; all by default.
    scale : bool, default=True
        Standardize numbers and encode other values as 0 and 1. Otherwise distances use the raw numbers, and
        all features must be numeric.
    level : float, default=0.95
        Coverage of the intervals.
    min_support : int, default=30
        Groups with fewer rows are insufficient evidence.

    Notes
    -----
    yNN = 1 - (1/N) sum_n |yhat_n - (1/k) sum_{j in kNN(x_n)} yhat_j|: 1 if everyone gets the same prediction
    as their nearest neighbors. A constant decision also has consistency 1, so report accuracy with it.
    Neighbors are searched among all rows, also for the value of a group.

    Departures: a row is not its own neighbor. Libraries that include it (AIF360) report 1 - (k - 1) / k (1 -
    yNN) with yNN of k - 1 neighbors, which is biased upward. The interval treats the neighbors as fixed. Ties
    in distance are broken by the order of the rows.

    Floating-point predictions other than 0 and 1 are compared by their difference relative to their range,
    all others by equality. If there are scores, they are measured as well as the decisions: they show
    differences between neighbors that a threshold hides or creates.

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
        summary="Measures how often a row gets another decision than its most similar rows.",
        citation="zemel2013learning",
        targets=("individual_fairness",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        duration_weeks=(0.5, 1),
        use_when="Similar cases must be treated similarly, and the features define which cases are similar.",
        avoid_when="The features that define similarity are themselves biased, or distances between them are meaningless.",
        questions=(
            "Are similar applicants treated the same way?",
            "How often does a near twin of an applicant get the opposite decision?",
            "What is the consistency score of our predictions with five nearest neighbors?",
            "Is the model individually fair, and for which group the least?",
            "Does a tiny change of a case flip the outcome?",
            "How can we check that like cases are decided alike, without labels?",
        ),
        legal_notes="Which features make two people similar is a judgment; have it reviewed before results are published.",
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
                f"n_neighbors must be below the number of rows, got {k} and {len(X)} rows; reduce n_neighbors"
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
