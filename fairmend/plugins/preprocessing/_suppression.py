"""Suppression of the protected attribute and its proxies, Kamiran & Calders 2012."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Ints,
    NotFeasibleError,
    Preprocessor,
    TechniqueMetadata,
    numbers,
    numeric_mask,
)


def cramers_v(levels: Ints, codes: Ints, w: Floats) -> float:
    """Return Cramer's V of two categorical variables, from 0 (independent) to 1; 0 where one is constant.

    Examples
    --------
    >>> cramers_v(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), np.ones(4))
    1.0
    """
    shape = (int(levels.max()) + 1, int(codes.max()) + 1)
    p = np.bincount(levels * shape[1] + codes, weights=w, minlength=shape[0] * shape[1]).reshape(shape)
    p = p[p.sum(axis=1) > 0][:, p.sum(axis=0) > 0] / p.sum()
    expected = p.sum(axis=1, keepdims=True) * p.sum(axis=0)
    degrees = min(p.shape) - 1
    if degrees == 0:
        return 0.0
    return min(1.0, float(np.sqrt(((p - expected) ** 2 / expected).sum() / degrees)))


def correlation_ratio(x: Floats, codes: Ints, w: Floats) -> float:
    """Return eta, the root of the share of the variance of x that lies between groups.

    With two groups it is the size of the correlation with membership.

    Examples
    --------
    >>> correlation_ratio(np.array([1.0, 1.0, 3.0, 3.0]), np.array([0, 0, 1, 1]), np.ones(4))
    1.0
    """
    total = float(np.average((x - np.average(x, weights=w)) ** 2, weights=w))
    if total <= 1e-12 * max(1.0, float(np.square(x).max())):
        return 0.0
    n_a = np.bincount(codes, weights=w)
    mean = np.bincount(codes, weights=w * x) / np.where(n_a > 0, n_a, 1)
    within = float(np.average((x - mean[codes]) ** 2, weights=w))
    return float(np.sqrt(max(0.0, 1 - within / total)))


def association(column: pd.Series[Any], is_number: bool, codes: Ints, w: Floats) -> float:
    """Return how strongly a feature, or its being missing, goes with an attribute, from 0 to 1."""
    if not is_number:
        return cramers_v(pd.factorize(column, use_na_sentinel=False)[0], codes, w)
    x = numbers(column)
    here = np.isfinite(x) & (w > 0)
    value = correlation_ratio(x[here], codes[here], w[here]) if here.any() else 0.0
    return max(value, cramers_v(np.isnan(x).astype(np.int64), codes, w))


class Suppression(Preprocessor):
    """Remove the protected attribute and the features most associated with it.

    Parameters
    ----------
    threshold : float in [0, 1], default=0.4
        Features with a stronger association are removed; 1 removes protected attributes and declared proxies
        alone. As a guide, Cohen calls 0.1 a small, 0.3 a medium and 0.5 a large association of categories.
    keep : sequence of str, default=()
        Features never to remove, such as those whose influence is accepted as legitimate.

    Attributes
    ----------
    dropped_ : list of str
        Removed features, in the order of the columns.
    diagnostics_ : dict
        ``associations``: the association of each feature, strongest first; ``dropped``.

    Notes
    -----
    The association is Cramer's V for categories, with missing values as a level of their own, and the
    correlation ratio for numbers, or V of their being missing where that is larger. With several protected
    attributes it is the largest of them; the paper has one attribute. Columns named as proxies and protected
    attributes among the features are removed whatever their association. V of a category with about as many
    levels as rows is close to 1.

    Features that are weakly associated one by one can jointly tell the group, so that suppression rarely
    removes all of a disparity; it costs what the removed features say about the outcome.

    References
    ----------
    F. Kamiran and T. Calders (2012), "Data preprocessing techniques for classification without
    discrimination", Knowledge and Information Systems.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import Suppression
    >>> loans = bank(2_000)
    >>> X, race = loans[["income", "credit_score", "zip_code"]], loans["race"]
    >>> technique = Suppression(threshold=0.3).fit(X, sensitive_features=race)
    >>> {name: round(value, 2) for name, value in technique.diagnostics_["associations"].items()}
    {'zip_code': 0.53, 'credit_score': 0.22, 'income': 0.15}
    >>> technique.transform(X).columns.tolist()
    ['income', 'credit_score']
    """

    metadata = TechniqueMetadata(
        technique_id=44,
        slug="suppression",
        name="Suppression of the protected attribute and its proxies",
        family="feature selection",
        summary="Removes the protected attribute and every feature whose association with it exceeds a threshold.",
        citation="kamiran2012data",
        addresses=("proxy-variable",),
        targets=("demographic_parity",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        minimum_rows=100,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="A few features, such as a postcode or a family status, stand in for the protected attribute and say little else.",
        avoid_when="The proxies carry much of what predicts the outcome, or many weak features jointly tell the group.",
        questions=(
            "Which columns should we leave out because they give away a person's sex?",
            "Is it enough to drop race from the training data?",
            "How strongly is each feature associated with the protected attribute?",
            "Can I remove proxies automatically above a cutoff?",
            "We may not know the group of an applicant when we decide; what can we still do about proxies?",
            "What is the simplest baseline for fairness through unawareness?",
        ),
        adjustments=(Adjustment(parameter="threshold", stronger=-0.1, minimum=0.1, maximum=1.0),),
        alternatives=(69, 74),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "keep": ["array-like", str],
    }

    def __init__(self, threshold: float = 0.4, keep: Sequence[str] | str = ()) -> None:
        self.threshold = threshold
        self.keep = keep

    def _fit(
        self, X: pd.DataFrame, groups: Groups, sample_weight: Floats, proxies: Sequence[str] | None = None
    ) -> None:
        attributes = [Groups.of(groups.frame[[name]]).codes for name in groups.frame]
        found: dict[Any, float] = {
            name: max(association(X[name], number, codes, sample_weight) for codes in attributes)
            for name, number in zip(X.columns, numeric_mask(X), strict=True)
        }
        named = {*groups.frame.columns, *(proxies or ())}
        kept = {self.keep} if isinstance(self.keep, str) else set(self.keep)
        self.dropped_ = [
            name for name in X if name not in kept and (name in named or found[name] > self.threshold)
        ]
        if len(self.dropped_) == X.shape[1]:
            raise NotFeasibleError(
                f"no feature would be left: each is a proxy or has an association above {self.threshold:g} with a "
                "protected attribute; raise the threshold, or name features to keep"
            )
        strongest = sorted(found, key=lambda name: (-found[name], str(name)))
        self.diagnostics_ = {
            "associations": {str(name): found[name] for name in strongest},
            "dropped": [str(name) for name in self.dropped_],
        }

    def _transform(self, X: pd.DataFrame) -> pd.DataFrame:
        return X.drop(columns=self.dropped_)
