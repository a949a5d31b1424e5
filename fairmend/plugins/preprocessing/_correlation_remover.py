"""Correlation remover, Weerts et al. 2023 (Fairlearn)."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Ints,
    Preprocessor,
    TechniqueMetadata,
    Unseen,
    numeric_columns,
)
from fairmend.plugins.preprocessing._numeric_matrix import matrix_of, with_matrix


def indicators(groups: Groups, *, crossed: bool) -> Floats:
    """Return the protected attributes of each group as indicators, shape (groups, indicators).

    Examples
    --------
    >>> people = Groups.of({"sex": ["F", "F", "M"], "race": ["B", "W", "W"]})
    >>> indicators(people, crossed=False).astype(int).tolist()  # F, M, B, W
    [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 1]]
    """
    if crossed:
        return np.eye(groups.n_groups)
    first = np.unique(groups.codes, return_index=True)[1]
    columns = [Groups.of(groups.frame[[name]]) for name in groups.frame]
    return np.hstack([np.eye(column.n_groups)[column.codes[first]] for column in columns])


def explained(Z: Floats, codes: Ints, w: Floats, S: Floats) -> tuple[Floats, Floats]:
    """Return what the attributes explain of each feature in each group, and its share of the variance.

    S is constant within a group, so the regression of a feature on S - mean(S) is that of its group means,
    weighted by the rows of the groups. Missing values are left out.
    """
    shifts, shares = np.zeros((len(S), Z.shape[1])), np.zeros(Z.shape[1])
    for j, column in enumerate(Z.T):
        there = ~np.isnan(column)
        x, a, v = (column, codes, w) if there.all() else (column[there], codes[there], w[there])
        if not v.any():
            continue
        p_a = np.bincount(a, v, len(S)) / v.sum()
        x = x - v @ x / v.sum()
        sums = np.bincount(a, v * x, len(S)) / v.sum()
        deviations = np.divide(sums, p_a, out=np.zeros(len(S)), where=p_a > 0)
        centered, root = S - p_a @ S, np.sqrt(p_a)
        beta = np.linalg.lstsq(root[:, None] * centered, root * deviations, rcond=None)[0]
        shifts[:, j] = centered @ beta
        variance = float(v @ x**2) / v.sum()
        shares[j] = p_a @ shifts[:, j] ** 2 / variance if variance > 0 else 0.0
    return shifts, shares


class CorrelationRemover(Preprocessor):
    """Subtract from each numeric feature what a linear regression on the protected attributes predicts.

    Parameters
    ----------
    features : list of str or None, default=None
        Features to change; None takes all numeric ones.
    alpha : float in [0, 1], default=1.0
        Fraction of the correlation to remove: 1 leaves none, 0 changes nothing.
    crossed : bool, default=True
        With several protected attributes, regress on an indicator of each combination; False regresses on
        one indicator per value of each attribute, which leaves the difference of intersections.
    unseen : {"error", "fallback"}, default="error"
        What to do with groups not seen in fit: raise an error, or leave their rows unchanged.

    Attributes
    ----------
    shifts_ : ndarray of shape (groups + 1, features)
        What alpha = 1 subtracts, per group; 0 in the last row, for unseen groups.
    diagnostics_ : dict
        Under ``"variance_explained"``, the share of the variance of each feature that the attributes
        explained before; where it is about 0, there is nothing to remove.

    Notes
    -----
    With S the indicators of the attributes and B the least-squares coefficients of the features X on S less
    its mean, the result is X - alpha (S - mean(S)) B. On the fitting data the covariance of S with the result
    is 1 - alpha of what it was. If the attributes are crossed, this moves the mean of each group to the mean
    of all rows.

    Only linear dependence is removed: spread, tails and combinations of features may still tell the groups
    apart, so that a tree-based model can undo it. Features that are not numeric are unchanged; integers become
    floats. Missing values stay missing and are ignored in fit. Linear in the number of rows.

    References
    ----------
    H. Weerts, M. Dudík, R. Edgar, A. Jalali, R. Lutz and M. Madaio (2023), "Fairlearn: Assessing and improving
    fairness of AI systems", Journal of Machine Learning Research 24, describe the software that has the method.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import CorrelationRemover
    >>> loans = bank(2_000)
    >>> X, race = loans[["income", "credit_score"]], loans["race"]
    >>> remover = CorrelationRemover().fit(X, sensitive_features=race)
    >>> changed = remover.transform(X, sensitive_features=race)
    >>> X["credit_score"].groupby(race).mean().round().to_dict()
    {'Asian': 687.0, 'Black': 655.0, 'Hispanic': 664.0, 'White': 689.0}
    >>> changed["credit_score"].groupby(race).mean().round().to_dict()
    {'Asian': 678.0, 'Black': 678.0, 'Hispanic': 678.0, 'White': 678.0}
    """

    metadata = TechniqueMetadata(
        technique_id=41,
        slug="correlation-remover",
        name="Correlation remover",
        family="transformation",
        summary="Subtracts from each numeric feature its linear dependence on the protected attributes.",
        citation="weerts2023fairlearn",
        addresses=("biased-mediator", "proxy-variable", "outcome-disparity"),
        targets=("demographic_parity",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        keeps_rank_order=True,
        minimum_rows=50,
        complexity="low",
        duration_weeks=(0.5, 1),
        legal_notes="Uses the protected attribute for every decision, which is disparate treatment in some jurisdictions.",
        use_when="The model is linear, and numeric features are correlated with a protected attribute.",
        avoid_when="The model is tree-based, the informative features are categories, or the groups differ in more than their means.",
        questions=(
            "How do I decorrelate my inputs from gender before fitting a logistic regression?",
            "Is there a cheap linear baseline for cleaning features of ethnicity?",
            "Which method regresses the sensitive column out of every other column and keeps the residuals?",
            "Does Fairlearn's preprocessing step for correlated columns exist here too?",
            "Can I take out only part of the correlation with age group and keep the rest?",
            "How do I make the average of each column equal for men and women?",
        ),
        adjustments=(Adjustment(parameter="alpha", stronger=0.2, minimum=0.0, maximum=1.0),),
        alternatives=(70, 69, 74),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "features": ["array-like", str, None],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "crossed": ["boolean"],
        "unseen": [StrOptions({"error", "fallback"})],
    }

    def __init__(
        self,
        features: Sequence[str] | str | None = None,
        alpha: float = 1.0,
        crossed: bool = True,
        unseen: Unseen = "error",
    ) -> None:
        self.features = features
        self.alpha = alpha
        self.crossed = crossed
        self.unseen = unseen

    def _fit(self, X: pd.DataFrame, groups: Groups, sample_weight: Floats) -> None:
        self.features_ = numeric_columns(X, self.features)
        S = indicators(groups, crossed=self.crossed)
        Z = matrix_of(X, self.features_)
        shifts, shares = explained(Z, groups.codes, sample_weight, S)
        self.shifts_ = np.vstack([shifts, np.zeros(len(self.features_))])
        self.diagnostics_ = {"variance_explained": dict(zip(map(str, self.features_), shares, strict=True))}

    def _transform(self, X: pd.DataFrame, groups: Groups) -> pd.DataFrame:
        moves = (self.alpha * self.shifts_)[groups.codes]
        return with_matrix(X, self.features_, matrix_of(X, self.features_) - moves)
