"""Oaxaca-Blinder decomposition of a difference of means, Oaxaca 1973 and Blinder 1973."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import CausalAnalysis, Dataset, Floats, TechniqueMetadata, regressors, unknown, unshared
from fairmend.plugins.causal._outcome_means import (
    Design,
    Mean,
    Regression,
    Rows,
    clearest,
    contrasts,
    extrapolation,
    mean_outcome,
    row_weights,
    rows_by_group,
)

PARTS = ("difference", "explained", "unexplained", "endowments", "coefficients", "interaction")
Valuation = list[tuple[float, Regression, Design]]
"""The coefficients b* as a sum of regressions, each with its factor and the design at which it is read."""


def valuation(
    kind: str, own: Regression, other: Regression, y: Floats, g: Rows, r: Rows, weights: Floats
) -> Valuation:
    """Return the coefficients b* that value the features of groups g and r."""
    design = own.design
    if kind in ("pooled", "neumark"):
        with_group = (
            Design(np.column_stack([design.matrix, g]), design.places) if kind == "pooled" else design
        )
        silent = Design(
            with_group.matrix * (np.arange(with_group.matrix.shape[1]) < design.matrix.shape[1]),
            design.places,
        )
        return [(1.0, Regression.fit(with_group, y, g | r, weights, "linear"), silent)]
    size = weights[g].sum() / weights[g | r].sum()
    share = {"reference": 0.0, "group": 1.0, "reimers": 0.5, "cotton": float(size)}[kind]
    return [(factor, model, design) for factor, model in ((share, own), (1 - share, other)) if factor]


def explained(values: Valuation, g: Rows, r: Rows, weights: Floats, column: str | None = None) -> Mean:
    """Return (x_g - x_r)' b*, of all columns or of one."""
    parts = []
    for factor, model, design in values:
        at = design if column is None else design.only(column)
        parts.append(factor * (mean_outcome(model, g, weights, at) - mean_outcome(model, r, weights, at)))
    return sum(parts[1:], parts[0])


class OaxacaBlinder(CausalAnalysis):
    """Split a group's disadvantage into what its features explain and what they do not.

    Parameters
    ----------
    features : sequence of str, optional
        Columns that may explain the difference; all features by default.
    coefficients : {"reference", "group", "pooled", "neumark", "cotton", "reimers"}, default="reference"
        The coefficients b* that value the features: those of the reference group or of the other group, of
        a pooled regression with (pooled) or without (neumark) an indicator of the group, or the mean of both
        groups' coefficients, weighted by size (cotton) or not (reimers).
    reference : mapping of str to str, optional
        Attribute to its reference group; by default the largest group.
    alpha : float, default=0.05
        Intervals cover 1 - alpha.
    min_support : int, default=30
        Groups with fewer rows are insufficient evidence.

    Notes
    -----
    With a linear regression of the outcome in group g and in the reference group r,
    mean(y_g) - mean(y_r) = (x_g - x_r)' b* + [x_g'(b_g - b*) + x_r'(b* - b_r)]: the *explained* and the
    *unexplained* part, with x the mean features. The threefold form has (x_g - x_r)' b_r (*endowments*),
    x_r'(b_g - b_r) (*coefficients*) and their *interaction*. All are differences to the reference group, so a
    negative part lowers the outcome of the group. ``contributions`` split the explained part by column; the
    unexplained part is not split, since its terms depend on the zero point of each column and on the omitted level
    of a text.

    The unexplained part is not a measure of discrimination: features that were left out enter it, and
    features that are themselves results of discrimination are taken as explanations. Standard errors treat
    the features as random and allow for unequal variances; sample weights are used.

    References
    ----------
    R. Oaxaca (1973), "Male-female wage differentials in urban labor markets", International Economic
    Review. A. S. Blinder (1973), "Wage discrimination: Reduced form and structural estimates", Journal of
    Human Resources.

    Examples
    --------
    >>> from fairmend.base import Dataset, Roles
    >>> from fairmend.plugins.causal import OaxacaBlinder
    >>> from fairmend.plugins.datasets import bank
    >>> roles = Roles(outcome="approved", protected=("race",))
    >>> data = Dataset.from_frame(bank(3_000).drop(columns="application_id"), roles)
    >>> print(OaxacaBlinder(features=["income", "credit_score"]).analyze(data).result["text"])
    Clearest of 3 differences: Black against White -0.182, of which -0.100 is explained by the features and -0.082 [-0.122, -0.042] is not.
    """

    metadata = TechniqueMetadata(
        technique_id=66,
        slug="oaxaca-blinder",
        name="Oaxaca-Blinder decomposition",
        family="effects",
        summary="Splits the difference of two groups' mean outcomes into a part explained by their features and an unexplained part.",
        citation="oaxaca1973male",
        addresses=("outcome-disparity", "base-rate-difference"),
        targets=("demographic_parity", "conditional_statistical_parity"),
        tasks=("binary", "regression"),
        minimum_rows=50,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="A difference in pay, price or approval is to be split into differences of qualifications and different returns to the same qualifications.",
        avoid_when="The explanatory columns are themselves results of discrimination, or relevant ones are missing, and the unexplained part would be read as discrimination.",
        questions=(
            "How much of the pay gap between women and men is explained by experience and education?",
            "What share of the wage difference remains when both groups have the same qualifications?",
            "Are the same qualifications rewarded less in one group than in the other?",
            "Which column accounts for most of the explained part of the gap?",
            "How do labor economists decompose a salary gap into explained and unexplained parts?",
            "How do I run a pay equity analysis with regressions for each group?",
        ),
        alternatives=(60, 54),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "features": [list, tuple, None],
        "coefficients": [StrOptions({"reference", "group", "pooled", "neumark", "cotton", "reimers"})],
        "reference": [dict, None],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "min_support": [Interval(Real, 2, None, closed="left")],
    }

    def __init__(
        self,
        features: list[str] | tuple[str, ...] | None = None,
        coefficients: str = "reference",
        reference: Mapping[str, str] | None = None,
        alpha: float = 0.05,
        min_support: int = 30,
    ) -> None:
        self.features = features
        self.coefficients = coefficients
        self.reference = reference
        self.alpha = alpha
        self.min_support = min_support

    def _analyze(self, data: Dataset) -> Mapping[str, Any]:
        features, notes = self._features(data)
        frame, filled = regressors(data.X, features)
        design = Design.of(frame, features)
        found = [
            contrast for attribute in data.roles.protected for contrast in self._of(data, attribute, design)
        ]
        context = {"features": features, "notes": {**filled, **notes}}
        return {"contrasts": found, **context, "text": summary(found)}

    def _features(self, data: Dataset) -> tuple[list[str], dict[str, str]]:
        """Return the explanatory columns, and why others were excluded."""
        known = [str(c) for c in data.X.columns if c not in data.roles.protected]
        if self.features is None:
            left_out = unshared(data.X, known)
            return [name for name in known if name not in left_out], left_out
        for name in self.features:
            if name not in known:
                raise unknown("feature", name, known)
        return list(self.features), {}

    def _of(self, data: Dataset, attribute: str, design: Design) -> list[dict[str, Any]]:
        """Return the decomposition for each group of an attribute."""
        y, weights = data.y.astype(float), row_weights(data)
        rows, base = rows_by_group(data, attribute, self.reference)

        @cache
        def regression(group: str) -> Regression:
            return Regression.fit(design, y, rows[group], weights, "linear")

        def decomposed(group: str) -> dict[str, Any]:
            g, r, own, other = rows[group], rows[base], regression(group), regression(base)
            y_g, y_r = mean_outcome(own, g, weights), mean_outcome(other, r, weights)
            values = valuation(self.coefficients, own, other, y, g, r, weights)
            endowments = mean_outcome(other, g, weights) - y_r
            coefficients = mean_outcome(own, r, weights) - y_r
            by_valuation = explained(values, g, r, weights)
            parts = (y_g - y_r, by_valuation, y_g - y_r - by_valuation,
                     endowments, coefficients, y_g - y_r - endowments - coefficients)  # fmt: skip
            figures = {
                name: part.figures(self.alpha, data.units) for name, part in zip(PARTS, parts, strict=True)
            }
            by_column = {
                name: explained(values, g, r, weights, name).figures(self.alpha, data.units)
                for name in design.places
            }
            return {**figures, "contributions": by_column, "outside_support": design.outside(g, r)}

        return contrasts(
            attribute, rows, base, self.min_support, (*PARTS, "contributions", "outside_support"), decomposed
        )


def summary(found: list[dict[str, Any]]) -> str:
    """Return a sentence about the difference that is farthest from 0."""
    shown = clearest(found, lambda contrast: contrast["difference"])
    if shown is None:
        return f"None of {len(found)} contrasts has enough rows for a decomposition."
    low, high = shown["unexplained"]["interval"]
    return (
        f"Clearest of {len(found)} differences: {shown['group']} against {shown['reference']} "
        f"{shown['difference']['estimate']:+.3f}, of which {shown['explained']['estimate']:+.3f} is explained by the "
        f"features and {shown['unexplained']['estimate']:+.3f} [{low:+.3f}, {high:+.3f}] is not{extrapolation(shown['outside_support'])}."
    )
