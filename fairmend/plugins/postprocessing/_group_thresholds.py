"""Group thresholds for demographic parity, Corbett-Davies et al. 2017."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Postprocessor,
    TechniqueMetadata,
    Unseen,
    group_chances,
)
from fairmend.plugins.postprocessing._error_costs import OBJECTIVES, error_costs
from fairmend.plugins.postprocessing._roc_thresholds import (
    RateTolerance,
    best_positions,
    decision_probability,
    mixture_at,
    roc_curves,
    rule_diagnostics,
    rule_table,
)


class GroupThresholds(Postprocessor):
    """Give each group a threshold so that selection rates are similar, at the minimum cost of errors.

    Parameters
    ----------
    min_ratio : float in [0, 1], default=0.9
        Minimum ratio of the lowest to the highest selection rate on the fitting data. 1 is parity; 0 uses the
        best threshold of each group without a constraint. The default leaves a margin above four fifths
        because rates differ between the fitting data and new data.
    objective : {"cost", "balanced_accuracy", "f1"}, default="cost"
        What the decisions optimize on the fitting data: the cost of errors, balanced accuracy or F1.
    false_positive_cost, false_negative_cost : float, default=1.0
        Costs of the errors for the objective ``cost``; equal costs maximize accuracy.
    utility : {"scores", "labels"}, default="scores"
        How errors are estimated. ``scores`` computes expected errors from the probability of the favorable
        label, estimated from the score by Platt scaling in each group; this has lower variance than the
        labels and generalizes better. ``labels`` counts the errors on the fitting data.
    tie_breaking : {"none", "randomize"}, default="none"
        ``randomize`` selects at random among rows whose score equals the threshold, so that every rate can be
        reached.
    unseen : {"error", "fallback"}, default="error"
        For a group not seen in fit: raise an error, or use the best threshold of all rows.

    Attributes
    ----------
    thresholds_, shares_ : ndarray of float, shape (n_groups + 1, k)
        Thresholds and the probability of using each; the last row is for unseen groups.

    Notes
    -----
    Among rules with parity, those with one threshold per group maximize utility. The search tries every value
    that the lowest selection rate can take and, for each, the best threshold of every group within the
    allowed range, so the optimum is exact. Without randomization rates change in steps: a group without a
    rate in the range may exceed the lowest rate by one of its rows. Scores with few distinct values leave few
    choices; ``tie_breaking="randomize"`` removes this limit. With a positive ``min_ratio`` a rule that
    selects nobody does not count as parity, because its ratio is undefined.

    Departure: the relaxation by ``min_ratio`` is an extension. The paper's utility is ``utility="scores"``
    with calibrated probabilities. A group with fewer than 50 rows of either label uses the Platt scaling of
    all rows.

    References
    ----------
    S. Corbett-Davies, E. Pierson, A. Feller, S. Goel and A. Huq (2017), "Algorithmic decision making
    and the cost of fairness", KDD, theorem 3.2.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import GroupThresholds
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> scores = LogisticRegression(C=100).fit(X, y).predict_proba(X)[:, 1]
    >>> fair = GroupThresholds(min_ratio=0.9).fit(scores, y, sensitive_features=race)
    >>> decisions = fair.predict(scores, sensitive_features=race)
    >>> pd.Series(scores >= 0.5).groupby(race).mean().round(2).to_dict()
    {'Asian': 0.89, 'Black': 0.7, 'Hispanic': 0.76, 'White': 0.87}
    >>> pd.Series(decisions).groupby(race).mean().round(2).to_dict()
    {'Asian': 0.86, 'Black': 0.77, 'Hispanic': 0.77, 'White': 0.86}
    """

    metadata = TechniqueMetadata(
        technique_id=9,
        slug="group-thresholds",
        name="Group-specific thresholds for demographic parity",
        family="thresholds",
        summary="Sets a threshold for each group so that all groups are selected at similar rates, losing as little accuracy as possible.",
        citation="corbettdavies2017algorithmic",
        addresses=("outcome-disparity", "base-rate-difference", "intersectional-disparity"),
        targets=("demographic_parity",),
        keeps_rank_order=True,
        minimum_rows=200,
        duration_weeks=(1, 2),
        legal_notes=(
            "Group-specific thresholds use the protected attribute for every decision, which is disparate "
            "treatment in some jurisdictions; in US credit, ECOA and Regulation B forbid it in most cases. "
            "Consult counsel before deployment."
        ),
        use_when="Selection rates must meet a ratio such as four fifths, the model must not change, and decisions may use the group.",
        avoid_when="The protected attribute may not be used at decision time, or equal opportunity for qualified people is the goal.",
        questions=(
            "How do we meet the four-fifths rule without training the model again?",
            "Which cut-off per group gives men and women the same acceptance rate?",
            "Approval rates differ by race; what is the cheapest correction in accuracy?",
            "Can selection rates be brought within 80 percent of each other by moving the decision line only?",
            "What does demographic parity cost in accuracy for our scores?",
        ),
        target_parameters={"demographic_parity_ratio": "min_ratio"},
        adjustments=(Adjustment(parameter="min_ratio", stronger=0.04, minimum=0.5, maximum=1.0),),
        alternatives=(13, 14),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "min_ratio": [Interval(Real, 0, 1, closed="both")],
        "objective": [StrOptions(OBJECTIVES)],
        "false_positive_cost": [Interval(Real, 0, None, closed="neither")],
        "false_negative_cost": [Interval(Real, 0, None, closed="neither")],
        "utility": [StrOptions({"scores", "labels"})],
        "tie_breaking": [StrOptions({"none", "randomize"})],
        "unseen": [StrOptions({"error", "fallback"})],
    }

    def __init__(
        self,
        min_ratio: float = 0.9,
        objective: str = "cost",
        false_positive_cost: float = 1.0,
        false_negative_cost: float = 1.0,
        utility: str = "scores",
        tie_breaking: str = "none",
        unseen: Unseen = "error",
    ) -> None:
        self.min_ratio = min_ratio
        self.objective = objective
        self.false_positive_cost = false_positive_cost
        self.false_negative_cost = false_negative_cost
        self.utility = utility
        self.tie_breaking = tie_breaking
        self.unseen = unseen

    def _fit(self, scores: Floats, groups: Groups, y: NDArray[np.int64], sample_weight: Floats) -> None:
        labeled = roc_curves(scores, groups, y, sample_weight)
        expected = labeled
        if self.utility == "scores":
            chance = group_chances(scores, groups.codes, y, sample_weight)
            expected = roc_curves(scores, groups, chance, sample_weight)
        per_error = error_costs(
            self.objective, self.false_positive_cost, self.false_negative_cost, expected[-1]
        )
        costs = [c.cost(*per_error) for c in expected]
        window = RateTolerance(factor=1 / self.min_ratio) if self.min_ratio > 0 else RateTolerance(slack=1.0)
        positions = best_positions(
            [c.selection_rate for c in labeled[:-1]],
            costs[:-1],
            window,
            randomize=self.tie_breaking == "randomize",
            allow_zero=self.min_ratio == 0,
        )
        mixtures = [mixture_at(x) for x in (*positions, int(costs[-1].argmin()))]
        self.thresholds_, self.shares_ = rule_table(labeled, mixtures)
        self.diagnostics_ = rule_diagnostics(groups, labeled, mixtures, costs)

    def _decide(self, scores: Floats, groups: Groups) -> Floats:
        return decision_probability(scores, groups.codes, self.thresholds_, self.shares_)
