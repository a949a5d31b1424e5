"""The plug-in rule for cost-sensitive fair classification, Menon and Williamson 2018."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linprog
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    InsufficientDataError,
    Postprocessor,
    TechniqueMetadata,
    fit_weighted,
    make_learner,
)
from fairmend.plugins.postprocessing._error_costs import OBJECTIVES, error_costs
from fairmend.plugins.postprocessing._roc_thresholds import roc_curves

TIE = 1e-7  # values of s nearer to 0 than the solver's precision are on the boundary, and selected


def boundary(eta: Floats, c: float, pi: Floats, multipliers: Floats, h: Floats) -> Floats:
    """Return s(x) = eta(x) - c - h(x) sum_a lambda_a pi_a(x), positive if the decision is favorable."""
    return eta - c - h * (pi @ multipliers)


def price_of_parity(eta: Floats, c: float, pi: Floats, h: Floats, weight: Floats, min_ratio: float) -> Floats:
    """Return the multipliers lambda of the minimum-cost rule whose rates meet the ratio, shape (n_groups,).

    The rates r_a = sum_i f_i k_ia, with k_ia proportional to h_i pi_ia, lie between u, which is free, and u /
    min_ratio. The multipliers are the dual values of this linear program in the decisions f.
    """
    w = weight / weight.sum()
    k = (w * h)[:, None] * pi
    Z = k.sum(axis=0)
    k, n_groups = k / Z, pi.shape[1]
    u = np.ones((n_groups, 1))
    constraints = np.vstack([np.hstack([-k.T, u]), np.hstack([min_ratio * k.T, -u])])
    solved = linprog(
        np.append(w * (c - eta), 0.0), A_ub=constraints, b_ub=np.zeros(2 * n_groups), bounds=(0, 1)
    )
    below, above = -solved.ineqlin.marginals.reshape(2, n_groups)
    return np.asarray((min_ratio * above - below) / Z)


class PluginCostSensitive(Postprocessor):
    """Decide from the probability of the label and the inferred probabilities of the groups.

    The rule of minimum expected cost under a bound on the groups' rates compares s(x) = eta(x) - c -
    sum_a lambda_a pi_a(x) with 0: eta(x) = P(Y=1|x) is the score, pi_a(x) = P(A=a|x) is learned here, and
    c is the cost of a false positive divided by the sum of both costs.

    Parameters
    ----------
    min_ratio : float in [0, 1], default=0.9
        Minimum ratio of the lowest to the highest rate. 0 is the cost-sensitive rule eta >= c.
    notion : {"demographic_parity", "equal_opportunity"}, default="demographic_parity"
        Which rates: selection rates or true positive rates. For the latter, pi_a(x) = P(A=a|x, Y=1) is
        learned from the rows with the favorable label, and the multipliers are weighted by eta(x).
    objective : {"cost", "balanced_accuracy", "f1"}, default="cost"
        What the decisions optimize on the fitting data: the cost of errors, balanced accuracy or F1.
    false_positive_cost, false_negative_cost : float, default=1.0
        Costs of the errors for the objective ``cost``; equal costs maximize accuracy.
    estimator : classifier, optional
        Learns pi from the features; logistic regression by default. One that overfits its training data makes
        the groups look easier to predict than they are, and the correction too weak.

    Attributes
    ----------
    multipliers_ : ndarray of float, shape (n_groups,)
        lambda_a.
    estimator_ : fitted classifier
        Gives pi.
    diagnostics_ : dict
        The multipliers, for two groups the paper's lambda and cbar in lambda (pi - cbar), and rates by group
        on the fitting data, as targeted by the rule (``aims``) and as observed (``rates``).

    Notes
    -----
    The paper shows this form to be optimal for two groups, with randomization at s = 0, and that the cost of
    fairness depends on how well x predicts A near the decision boundary: if x is independent of A, no rule on
    x can change the ratio. The targeted rates are computed with pi, so scores and pi should be calibrated.

    Departures: lambda is not a parameter but the smallest that meets ``min_ratio``, found by linear
    programming over the rows; more than two groups get one multiplier each. Rows with s = 0 are selected.

    References
    ----------
    A. K. Menon and R. C. Williamson (2018), "The cost of fairness in binary classification", FAT*.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import PluginCostSensitive
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> scores = LogisticRegression(C=100).fit(X, y).predict_proba(X)[:, 1]
    >>> fair = PluginCostSensitive(min_ratio=0.9).fit(scores, y, sensitive_features=race, X=X)
    >>> pd.Series(scores >= 0.5).groupby(race).mean().round(2).to_dict()
    {'Asian': 0.89, 'Black': 0.7, 'Hispanic': 0.76, 'White': 0.87}
    >>> pd.Series(fair.predict(scores, X=X)).groupby(race).mean().round(2).to_dict()
    {'Asian': 0.94, 'Black': 0.84, 'Hispanic': 0.87, 'White': 0.94}
    """

    metadata = TechniqueMetadata(
        technique_id=19,
        slug="plugin-cost-sensitive",
        name="Plug-in cost-sensitive fair classifier",
        family="thresholds",
        summary="Shifts the decision threshold of each row by the probability of the groups given the features, so that rates are similar at the minimum cost and no decision uses the group.",
        citation="menon2018cost",
        addresses=("outcome-disparity", "error-rate-disparity"),
        targets=("demographic_parity", "equal_opportunity"),
        minimum_rows=400,
        complexity="medium",
        duration_weeks=(1, 3),
        compute="low",
        legal_notes=(
            "No decision uses the protected attribute, but each uses an inference of it from the features, "
            "which may be treated the same. Storing inferred groups may be processing of sensitive data. "
            "Consult counsel before deployment."
        ),
        use_when="Rates must be equalized by a rule on scores, the group is known in past data, and it may not be used at decision time.",
        avoid_when="The features hardly predict the group, inferring it is not allowed, or scores are badly calibrated.",
        questions=(
            "How can we meet the four-fifths rule after training if the applicant's race is not collected?",
            "What is the optimal trade-off between error costs and parity when the group is only inferred?",
            "Missing a good borrower costs five times a default; which fair rule fits those costs?",
            "Can scores be corrected by the probability of belonging to a group?",
            "Is there a threshold rule with equal acceptance that does not use gender at decision time?",
            "How much utility does fairness cost given how well features reveal the protected class?",
        ),
        notion_parameters={
            "demographic_parity": {"notion": "demographic_parity"},
            "equal_opportunity": {"notion": "equal_opportunity"},
        },
        target_parameters={"demographic_parity_ratio": "min_ratio"},
        adjustments=(Adjustment(parameter="min_ratio", stronger=0.04, minimum=0.5, maximum=1.0),),
        alternatives=(9, 13),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "min_ratio": [Interval(Real, 0, 1, closed="both")],
        "notion": [StrOptions({"demographic_parity", "equal_opportunity"})],
        "objective": [StrOptions(OBJECTIVES)],
        "false_positive_cost": [Interval(Real, 0, None, closed="neither")],
        "false_negative_cost": [Interval(Real, 0, None, closed="neither")],
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
    }

    def __init__(
        self,
        min_ratio: float = 0.9,
        notion: str = "demographic_parity",
        objective: str = "cost",
        false_positive_cost: float = 1.0,
        false_negative_cost: float = 1.0,
        estimator: Any = None,
    ) -> None:
        self.min_ratio = min_ratio
        self.notion = notion
        self.objective = objective
        self.false_positive_cost = false_positive_cost
        self.false_negative_cost = false_negative_cost
        self.estimator = estimator

    def _fit(
        self, scores: Floats, X: pd.DataFrame, groups: Groups, y: NDArray[np.int64], sample_weight: Floats
    ) -> None:
        counted = sample_weight * (y == 1 if self.notion == "equal_opportunity" else 1.0)
        rows = np.flatnonzero(counted > 0)
        present = groups.counts(counted) > 0
        if not present.all():
            raise InsufficientDataError(
                f"the group {groups.labels[int(present.argmin())]!r} has no row that counts toward its "
                f"{self.notion.replace('_', ' ')}; leave it out, or use demographic_parity"
            )
        learner = make_learner("logistic_regression") if self.estimator is None else clone(self.estimator)
        self.estimator_ = fit_weighted(learner, X.iloc[rows], groups.codes[rows], sample_weight[rows])
        *_, pooled = roc_curves(scores, groups, y, sample_weight)
        c_fp, c_fn = error_costs(self.objective, self.false_positive_cost, self.false_negative_cost, pooled)
        self.c_ = c_fp / (c_fp + c_fn)
        pi, h = self.estimator_.predict_proba(X), self._h(scores)
        self.multipliers_ = price_of_parity(scores, self.c_, pi, h, sample_weight, self.min_ratio)
        favorable = boundary(scores, self.c_, pi, self.multipliers_, h) >= -TIE
        mass = (sample_weight * h)[:, None] * pi
        aims = (favorable @ mass) / mass.sum(axis=0)
        rates = groups.counts(counted * favorable) / groups.counts(counted)
        self.diagnostics_: dict[str, Any] = {
            name: dict(zip(groups.labels, values.tolist(), strict=True))
            for name, values in (("multipliers", self.multipliers_), ("aims", aims), ("rates", rates))
        }
        if groups.n_groups == 2 and np.ptp(self.multipliers_) > 0:
            slope = float(self.multipliers_[1] - self.multipliers_[0])
            self.diagnostics_ |= {"lambda": slope, "cbar": float(-self.multipliers_[0] / slope)}

    def _h(self, scores: Floats) -> Floats:
        """Return the weight of each row in the rates: 1, or its probability of a favorable label."""
        return scores if self.notion == "equal_opportunity" else np.ones(len(scores))

    def _decide(self, scores: Floats, X: pd.DataFrame) -> Floats:
        pi = self.estimator_.predict_proba(X)
        return (boundary(scores, self.c_, pi, self.multipliers_, self._h(scores)) >= -TIE).astype(float)
