"""Relaxed error parity by linear programming, Cruz & Hardt 2024."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import Adjustment, Floats, Groups, Postprocessor, TechniqueMetadata, Unseen
from fairmend.plugins.postprocessing._error_costs import OBJECTIVES, error_costs
from fairmend.plugins.postprocessing._roc_thresholds import (
    RocCurve,
    decision_probability,
    mixture_at,
    parity_program,
    require_labels,
    roc_curves,
    rule_diagnostics,
    rule_table,
)

RATES = {
    "equalized_odds": ("tpr", "fpr"),
    "equal_opportunity": ("tpr",),
    "false_positive_rate": ("fpr",),
    "demographic_parity": ("selection_rate",),
}


def parity_figures(curves: Sequence[RocCurve], parity: str, norm: str) -> list[list[Floats]]:
    """Return, along each curve, the rates whose range over the groups the tolerance bounds.

    These are the rates themselves; for both error rates and the norm of order 1 they are TPR + FPR
    and TPR - FPR, since |x| + |y| <= r if and only if |x + y| <= r and |x - y| <= r.
    """
    if parity == "equalized_odds" and norm == "1":
        return [[c.tpr + c.fpr for c in curves], [c.tpr - c.fpr for c in curves]]
    return [[getattr(c, rate) for c in curves] for rate in RATES[parity]]


class RelaxedErrorParity(Postprocessor):
    """Find the cheapest thresholds whose error rates differ between groups by at most a tolerance.

    Parameters
    ----------
    tolerance : float in [0, 1], default=0.05
        Maximum difference r between any two groups on the fitting data, in expectation. 0 is the
        derived predictor of Hardt et al.; 1 gives each group its best threshold.
    parity : {"equalized_odds", "equal_opportunity", "false_positive_rate", "demographic_parity"}, default="equalized_odds"
        Which rate to equalize: both error rates, the true or the false positive rate, or the selection rate.
    norm : {"max", "1"}, default="max"
        How the differences of TPR and FPR are combined under ``equalized_odds``: the larger one, or their
        sum.
    objective : {"cost", "balanced_accuracy", "f1"}, default="cost"
        What the decisions optimize on the fitting data: the cost of errors, balanced accuracy or F1.
    false_positive_cost, false_negative_cost : float, default=1.0
        Costs of the errors for the objective ``cost``; equal costs maximize accuracy.
    unseen : {"error", "fallback"}, default="error"
        For a group not seen in fit: raise an error, or use the best threshold of all rows.

    Attributes
    ----------
    thresholds_, shares_ : ndarray of float, shape (n_groups + 1, k)
        Thresholds and the probability of using each; the last row is for unseen groups.

    Notes
    -----
    Each group can reach the points under the concave hull of its ROC curve by mixing thresholds. The
    variables of the program are the weights of the hull's vertices; since the exact hull is found in linear
    time, no points are dropped, while the paper's code thins the curve. The norm of order 2, which needs a
    cone program, is not supported. The rule is randomized: two people with the same score and group may get
    different decisions, but the same row always gets the same decision.

    References
    ----------
    A. F. Cruz and M. Hardt (2024), "Unprocessing seven years of algorithmic fairness", ICLR. M. Hardt,
    E. Price and N. Srebro (2016), "Equality of opportunity in supervised learning", NeurIPS.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import RelaxedErrorParity
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> scores = LogisticRegression(C=100).fit(X, y).predict_proba(X)[:, 1]
    >>> fair = RelaxedErrorParity().fit(scores, y, sensitive_features=race)
    >>> decisions = pd.Series(fair.predict(scores, sensitive_features=race))
    >>> decisions[y == 1].groupby(race).mean().round(2).to_dict()
    {'Asian': 0.97, 'Black': 0.92, 'Hispanic': 0.93, 'White': 0.95}
    """

    metadata = TechniqueMetadata(
        technique_id=14,
        slug="relaxed-error-parity",
        name="Relaxed error parity by linear programming",
        family="thresholds",
        summary="Mixes thresholds in each group with a linear program, so that error rates differ by at most a chosen tolerance.",
        citation="cruz2024unprocessing",
        addresses=("error-rate-disparity", "outcome-disparity", "intersectional-disparity"),
        targets=("equalized_odds", "equal_opportunity", "demographic_parity"),
        randomized=True,
        keeps_rank_order=True,
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(1, 3),
        legal_notes=(
            "The rule uses the protected attribute for every decision, which is disparate treatment in some"
            " jurisdictions; in US credit, ECOA and Regulation B forbid it in most cases. It is also "
            "randomized, which must be disclosed to a person who asks for reasons. Consult counsel before "
            "deployment."
        ),
        use_when="Both error rates must be similar between groups, full equality costs too much accuracy, and randomization is acceptable.",
        avoid_when="Decisions may not be randomized, or the protected attribute may not be used at decision time.",
        questions=(
            "How much accuracy do we get back if error rates may differ by five points?",
            "What is the trade-off curve between equalized odds and accuracy for a fixed model?",
            "Which thresholds bound both the true and the false positive gap at once?",
            "Is our fair training better than plain training with the best thresholds at the same gap?",
            "Can a linear program equalize error rates across several groups after training?",
        ),
        notion_parameters={
            "equalized_odds": {"parity": "equalized_odds"},
            "equal_opportunity": {"parity": "equal_opportunity"},
            "demographic_parity": {"parity": "demographic_parity"},
        },
        adjustments=(Adjustment(parameter="tolerance", stronger=-0.02, minimum=0.0, maximum=0.2),),
        alternatives=(13, 9),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "tolerance": [Interval(Real, 0, 1, closed="both")],
        "parity": [StrOptions(set(RATES))],
        "norm": [StrOptions({"max", "1"})],
        "objective": [StrOptions(OBJECTIVES)],
        "false_positive_cost": [Interval(Real, 0, None, closed="neither")],
        "false_negative_cost": [Interval(Real, 0, None, closed="neither")],
        "unseen": [StrOptions({"error", "fallback"})],
    }

    def __init__(
        self,
        tolerance: float = 0.05,
        parity: str = "equalized_odds",
        norm: str = "max",
        objective: str = "cost",
        false_positive_cost: float = 1.0,
        false_negative_cost: float = 1.0,
        unseen: Unseen = "error",
    ) -> None:
        self.tolerance = tolerance
        self.parity = parity
        self.norm = norm
        self.objective = objective
        self.false_positive_cost = false_positive_cost
        self.false_negative_cost = false_negative_cost
        self.unseen = unseen

    def _fit(self, scores: Floats, groups: Groups, y: NDArray[np.int64], sample_weight: Floats) -> None:
        *curves, pooled = roc_curves(scores, groups, y, sample_weight)
        require_labels(curves, groups, 0, 1)
        per_error = error_costs(self.objective, self.false_positive_cost, self.false_negative_cost, pooled)
        costs = [c.cost(*per_error) for c in (*curves, pooled)]
        figures = parity_figures(curves, self.parity, self.norm)
        fair = parity_program(curves, figures, self.tolerance, costs[:-1])
        mixtures = [*fair, mixture_at(int(costs[-1].argmin()))]
        self.thresholds_, self.shares_ = rule_table([*curves, pooled], mixtures)
        self.diagnostics_ = rule_diagnostics(groups, curves, mixtures, costs)

    def _decide(self, scores: Floats, groups: Groups) -> Floats:
        return decision_probability(scores, groups.codes, self.thresholds_, self.shares_)
