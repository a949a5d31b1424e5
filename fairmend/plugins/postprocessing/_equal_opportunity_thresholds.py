"""Equality-of-opportunity thresholds, Hardt, Price & Srebro 2016."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import Adjustment, Floats, Groups, Postprocessor, TechniqueMetadata, Unseen
from fairmend.plugins.postprocessing._error_costs import OBJECTIVES, error_costs
from fairmend.plugins.postprocessing._roc_thresholds import (
    RateTolerance,
    best_positions,
    decision_probability,
    mixture_at,
    require_labels,
    roc_curves,
    rule_diagnostics,
    rule_table,
)


class EqualOpportunityThresholds(Postprocessor):
    """Give each group a threshold t_a with P(s >= t_a | y = 1, a) = tau, at the minimum cost of errors.

    Parameters
    ----------
    tolerance : float in [0, 1], default=0.0
        Maximum difference of true positive rates on the fitting data; 1 removes the constraint.
    objective : {"cost", "balanced_accuracy", "f1"}, default="cost"
        What the decisions optimize on the fitting data: the cost of errors, balanced accuracy or F1.
    false_positive_cost, false_negative_cost : float, default=1.0
        Costs of the errors for the objective ``cost``; equal costs maximize accuracy.
    tie_breaking : {"none", "randomize"}, default="none"
        ``randomize`` selects at random among rows whose score equals the threshold, so that the rates are
        exactly equal in expectation.
    unseen : {"error", "fallback"}, default="error"
        For a group not seen in fit: raise an error, or use the best threshold of all rows.

    Attributes
    ----------
    thresholds_, shares_ : ndarray of float, shape (n_groups + 1, k)
        Thresholds and the probability of using each; the last row is for unseen groups.

    Notes
    -----
    All values of tau on the fitting data are tried, so the optimum is exact. Without randomization rates
    change in steps: a group without a rate within the tolerance may exceed the lowest rate by one of its
    favorable rows. False positive rates are unconstrained and are reported in ``diagnostics_``. Departures:
    the costs generalize the loss, and the tolerance relaxes the constraint; the paper mixes points of the
    convex hull, this rule has one threshold per group.

    References
    ----------
    M. Hardt, E. Price and N. Srebro (2016), "Equality of opportunity in supervised learning",
    NeurIPS, definition 2.2 and the derivation from a score function.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import EqualOpportunityThresholds
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> scores = LogisticRegression(C=100).fit(X, y).predict_proba(X)[:, 1]
    >>> fair = EqualOpportunityThresholds().fit(scores, y, sensitive_features=race)
    >>> decisions = pd.Series(fair.predict(scores, sensitive_features=race))
    >>> decisions[y == 1].groupby(race).mean().round(2).to_dict()
    {'Asian': 0.96, 'Black': 0.96, 'Hispanic': 0.96, 'White': 0.96}
    """

    metadata = TechniqueMetadata(
        technique_id=13,
        slug="equal-opportunity-thresholds",
        name="Equality-of-opportunity threshold optimization",
        family="thresholds",
        summary="Sets a threshold for each group so that rows with the favorable label are selected equally often in all groups.",
        citation="hardt2016equality",
        addresses=("error-rate-disparity", "intersectional-disparity"),
        targets=("equal_opportunity",),
        keeps_rank_order=True,
        minimum_rows=200,
        duration_weeks=(1, 2),
        legal_notes=(
            "Group-specific thresholds use the protected attribute for every decision, which is disparate "
            "treatment in some jurisdictions; in US credit, ECOA and Regulation B forbid it in most cases. "
            "Consult counsel before deployment."
        ),
        use_when="Qualified people of one group are rejected more often, the labels can be trusted, and decisions may use the group.",
        avoid_when="Labels reflect past discrimination or are missing for rejected people, or the group may not be used at decision time.",
        questions=(
            "Deserving applicants from one group are rejected more often than others; what can we change after training?",
            "How do we equalize recall between groups with thresholds only?",
            "True positive rates differ between old and young; which cut-offs level them?",
            "Which rule gives everyone who would repay the same chance of a loan?",
            "The false negative rate is higher for women; can that be corrected without a new model?",
        ),
        adjustments=(Adjustment(parameter="tolerance", stronger=-0.02, minimum=0.0, maximum=0.1),),
        alternatives=(9, 14),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "tolerance": [Interval(Real, 0, 1, closed="both")],
        "objective": [StrOptions(OBJECTIVES)],
        "false_positive_cost": [Interval(Real, 0, None, closed="neither")],
        "false_negative_cost": [Interval(Real, 0, None, closed="neither")],
        "tie_breaking": [StrOptions({"none", "randomize"})],
        "unseen": [StrOptions({"error", "fallback"})],
    }

    def __init__(
        self,
        tolerance: float = 0.0,
        objective: str = "cost",
        false_positive_cost: float = 1.0,
        false_negative_cost: float = 1.0,
        tie_breaking: str = "none",
        unseen: Unseen = "error",
    ) -> None:
        self.tolerance = tolerance
        self.objective = objective
        self.false_positive_cost = false_positive_cost
        self.false_negative_cost = false_negative_cost
        self.tie_breaking = tie_breaking
        self.unseen = unseen

    def _fit(self, scores: Floats, groups: Groups, y: NDArray[np.int64], sample_weight: Floats) -> None:
        *curves, pooled = roc_curves(scores, groups, y, sample_weight)
        require_labels(curves, groups, 1)
        per_error = error_costs(self.objective, self.false_positive_cost, self.false_negative_cost, pooled)
        costs = [c.cost(*per_error) for c in (*curves, pooled)]
        positions = best_positions(
            [c.tpr for c in curves],
            costs[:-1],
            RateTolerance(slack=self.tolerance),
            randomize=self.tie_breaking == "randomize",
        )
        mixtures = [mixture_at(x) for x in (*positions, int(costs[-1].argmin()))]
        self.thresholds_, self.shares_ = rule_table([*curves, pooled], mixtures)
        self.diagnostics_ = rule_diagnostics(groups, curves, mixtures, costs)

    def _decide(self, scores: Floats, groups: Groups) -> Floats:
        return decision_probability(scores, groups.codes, self.thresholds_, self.shares_)
