"""Equalized coverage: conformal prediction in each group, Romano et al. 2020."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import Adjustment, Floats, Groups, Postprocessor, TechniqueMetadata, Unseen


def conformal_quantile(E: Floats, weight: Floats, alpha: float) -> float:
    """Return Q, the ceil((n + 1)(1 - alpha))-th smallest of n conformity scores, infinity where n is too small.

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
    """Give sets or intervals that hold the truth with the same stated probability in every group.

    A row's conformity score E tells how far a candidate for the truth is from the prediction: 1 - p_k(x)
    for a class k, abs(y - mu(x)) for a number. The set C(x, a) holds all candidates with E <= Q_a, the
    quantile at ceil((n_a + 1)(1 - alpha)) of the n_a scores that the labels of group a have.

    Parameters
    ----------
    alpha : float in (0, 1), default=0.1
        Share of the rows of each group whose truth may be missed.
    unseen : {"error", "fallback"}, default="error"
        A group that was not there at fit: refuse it, or give it the quantile of all rows, which promises
        nothing for this group.

    Attributes
    ----------
    quantiles_ : ndarray of float, shape (n_groups + 1,)
        Q of each group, infinite where the group is too small for its alpha (fewer than 1/alpha - 1
        rows); the last entry is that of all rows.
    diagnostics_ : dict
        Quantile and rows of each group, and ``pooled_coverage``: how often sets by one quantile for all
        hold the label in each group of the fitting data.

    Notes
    -----
    Rows that are exchangeable within a group are covered with probability at least 1 - alpha in that
    group, whatever the model is, and at most 1 - alpha + 1/(n_a + 1) where scores have no ties. The
    promise is an average over fitting data and rows; it says nothing of a single person. A group
    that is harder to predict gets larger sets: equal coverage shows the difference instead of
    hiding it, and ``mean_size`` or ``mean_width`` by group is to be read beside it.

    A set may hold no class, where all are too improbable. Whether labels are classes or numbers is read
    from the data: probabilities with two labels, or a column a class, make sets; all else intervals.

    Departure: the paper's example learns quantile regressions; here the model's own prediction is
    taken, so the intervals of a group all have the same width.

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
        summary="Turns predictions into sets or intervals that hold the truth equally often in every group, by conformal prediction group by group.",
        citation="romano2020with",
        targets=("calibration",),
        tasks=("binary", "multiclass", "regression"),
        minimum_rows=200,
        complexity="medium",
        duration_weeks=(1, 3),
        legal_notes=(
            "Quantiles by group read the protected attribute for every set or interval, which may count as disparate "
            "treatment where decisions follow from them. Larger sets for a group are a finding about the model and "
            "its data, not about the people; have counsel agree on who is shown what."
        ),
        use_when="Somebody acts on how certain a prediction is, and statements of certainty must be as reliable for one group as for another.",
        avoid_when="One decision per person is needed and nobody reads sets or intervals, or groups have fewer rows than ten over alpha.",
        questions=(
            "Are our 90 percent prediction intervals really right 90 percent of the time for every ethnicity?",
            "How can uncertainty be reported honestly for a group on which the model does worse?",
            "Can I get guaranteed coverage per subgroup without assuming anything about the model?",
            "Which conformal prediction method works within protected groups?",
            "Our doctors want a list of possible diagnoses that is as reliable for women as for men.",
            "The error bars are too narrow for minority customers; how do I widen them where it is due?",
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
