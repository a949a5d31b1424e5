"""Equalized coverage: conformal prediction within each group, Romano et al. 2020."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import Adjustment, Floats, Groups, Postprocessor, TechniqueMetadata, Unseen


def conformal_quantile(E: Floats, weight: Floats, alpha: float) -> float:
    """Return Q, the ceil((n + 1)(1 - alpha))-th smallest of n conformity scores, infinity if n is too small.

    Weights count as repeated rows.
    """
    order = np.argsort(E, kind="stable")
    rank = np.ceil((weight.sum() + 1) * (1 - alpha) - 1e-9)
    place = np.searchsorted(np.cumsum(weight[order]), rank - 1e-9)
    return float(E[order][place]) if place < len(E) else np.inf


def class_scores(scores: Floats) -> Floats:
    """Return the conformity score 1 - p_k(x) of every class, shape (n, k)."""
    return 1 - (np.column_stack([1 - scores, scores]) if scores.ndim == 1 else scores)


class EqualizedCoverage(Postprocessor):
    """Predict sets or intervals that contain the true value with the same stated probability in every group.

    The conformity score E is the distance of a candidate value from the prediction: 1 - p_k(x) for a class k,
    abs(y - mu(x)) for a number. The set C(x, a) contains all candidates with E <= Q_a, where Q_a is the
    ceil((n_a + 1)(1 - alpha))-th smallest of the n_a scores of the labels in group a.

    Parameters
    ----------
    alpha : float in (0, 1), default=0.1
        Share of the rows of each group whose true value may be missed.
    unseen : {"error", "fallback"}, default="error"
        For a group not seen in fit: raise an error, or use the quantile of all rows, which guarantees nothing
        for this group.

    Attributes
    ----------
    quantiles_ : ndarray of float, shape (n_groups + 1,)
        Q of each group, infinite if the group is too small for alpha (fewer than 1/alpha - 1 rows); the last
        entry is that of all rows.
    diagnostics_ : dict
        Quantile and rows of each group, and ``pooled_coverage``: the coverage in each group of the fitting
        data with one quantile for all groups.

    Notes
    -----
    If rows are exchangeable within a group, coverage in that group is at least 1 - alpha for any model, and
    at most 1 - alpha + 1/(n_a + 1) if scores have no ties. The guarantee is an average over fitting data and
    rows; it does not hold for a single person. A group that is harder to predict gets larger sets: equal
    coverage shows the difference instead of hiding it, so report ``mean_size`` or ``mean_width`` by group
    with it.

    A set may be empty if all classes are too improbable. The data determine whether labels are classes or
    numbers: probabilities with two labels, or one column per class, give sets; everything else gives
    intervals.

    Departure: the paper's example fits quantile regressions; here the model's own prediction is used, so all
    intervals of a group have the same width.

    References
    ----------
    Y. Romano, R. F. Barber, C. Sabatti and E. J. Candès (2020), "With malice toward none: Assessing
    uncertainty via equalized coverage", Harvard Data Science Review.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import EqualizedCoverage
    >>> loans = bank(4_000)
    >>> predicted, income, race = 3 * loans["education"], loans["income"] / 1000, loans["race"]
    >>> rule = EqualizedCoverage(alpha=0.1).fit(predicted, income, sensitive_features=race)
    >>> low, high = rule.predict_interval(predicted, sensitive_features=race).T
    >>> held = (low <= income) & (income <= high)
    >>> held.groupby(race).mean().round(2).to_dict()
    {'Asian': 0.9, 'Black': 0.9, 'Hispanic': 0.9, 'White': 0.9}
    """

    metadata = TechniqueMetadata(
        technique_id=106,
        slug="equalized-coverage",
        name="Equalized coverage (group-conditional conformal prediction)",
        family="uncertainty",
        summary="Turns predictions into sets or intervals that contain the true value equally often in every group, by conformal prediction within each group.",
        citation="romano2020with",
        targets=("calibration",),
        tasks=("binary", "multiclass", "regression"),
        minimum_rows=200,
        complexity="medium",
        duration_weeks=(1, 3),
        legal_notes=(
            "Group-specific quantiles use the protected attribute for every set or interval, which may "
            "count as disparate treatment if decisions depend on them. Larger sets for a group are a "
            "finding about the model and its data, not about the people; consult counsel on who sees which "
            "set."
        ),
        use_when="People act on how certain a prediction is, and the stated uncertainty must be equally reliable in every group.",
        avoid_when="One decision per person is needed and nobody uses sets or intervals, or groups have fewer than 10 / alpha rows.",
        questions=(
            "Are our 90 percent prediction intervals really right 90 percent of the time for every ethnicity?",
            "How can uncertainty be reported honestly for a group on which the model does worse?",
            "Can I get guaranteed coverage per subgroup without assuming anything about the model?",
            "Which conformal prediction method works within protected groups?",
            "Our doctors want a list of possible diagnoses that is as reliable for women as for men.",
            "The error bars are too narrow for minority customers; how do I widen them where needed?",
        ),
        adjustments=(Adjustment(parameter="alpha", stronger=-0.02, minimum=0.01, maximum=0.3),),
        alternatives=(104, 48),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "unseen": [StrOptions({"error", "fallback"})],
    }

    def __init__(self, alpha: float = 0.1, unseen: Unseen = "error") -> None:
        self.alpha = alpha
        self.unseen = unseen

    def _fit(self, scores: Floats, groups: Groups, y: NDArray[Any], sample_weight: Floats) -> None:
        E = np.abs(y - scores) if self.task_ == "regression" else class_scores(scores)[np.arange(len(y)), y]
        members = [groups.codes == code for code in range(groups.n_groups)]
        pooled = conformal_quantile(E, sample_weight, self.alpha)
        each = [conformal_quantile(E[m], sample_weight[m], self.alpha) for m in members]
        self.quantiles_ = np.array([*each, pooled])
        rows = groups.counts(sample_weight)
        held = groups.counts(sample_weight * (pooled >= E))
        self.diagnostics_ = {
            "quantiles": {g: q if np.isfinite(q) else None for g, q in zip(groups.labels, each, strict=True)},
            "group_rows": dict(zip(groups.labels, rows.tolist(), strict=True)),
            "pooled_coverage": {
                g: float(h / n) if n > 0 else None for g, h, n in zip(groups.labels, held, rows, strict=True)
            },
        }

    def _predict_set(self, scores: Floats, groups: Groups) -> NDArray[np.bool_]:
        # The code -1 of an unseen group reads the last entry, the quantile of all rows.
        return class_scores(scores) <= self.quantiles_[groups.codes][:, None]

    def _predict_interval(self, scores: Floats, groups: Groups) -> Floats:
        Q = self.quantiles_[groups.codes]
        return np.column_stack([scores - Q, scores + Q])
