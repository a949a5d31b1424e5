"""Fairness-constrained logistic regression, Zafar et al. (AISTATS 2017)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils._param_validation import Interval

from fairmend.base import Adjustment, Floats, Groups, Inprocessor, ParameterError, TechniqueMetadata
from fairmend.plugins.inprocessing._constrained_logistic import LogisticLoss, newton_within_bounds


def covariance_rows(z: Floats, X: Floats, weights: Floats) -> Floats:
    """Return D with D theta = 1/n sum_i (z_i - zbar) theta'x_i, one row per group (the boundary covariance).

    Examples
    --------
    >>> z = np.array([[1.0], [0.0]])
    >>> covariance_rows(z, np.array([[3.0], [1.0]]), np.ones(2)).tolist()
    [[0.5]]
    """
    share = weights / weights.sum()
    return (share[:, None] * (z - share @ z)).T @ X


class FairnessConstrainedLR(Inprocessor):
    """Fit a logistic regression whose decision boundary has a bounded covariance with every group.

    Parameters
    ----------
    constraint_weight : float in [0, 1], default=0.5
        How much of the covariance to remove: with w, each group's bound is c = (1 - w) c0, where c0 is its
        covariance in the unconstrained fit. 0 is unconstrained, 1 forbids any covariance.
    covariance_bound : float or None, default=None
        Absolute bound c for all groups, in units of the log-odds; it replaces ``constraint_weight``.
    fairness_constraint : str, default="demographic_parity"
        The fairness notion; no other is supported.
    ridge : float, default=1e-4
        Factor of half the squared coefficients, added to the mean loss; the intercept is not penalized.
    tolerance : float, default=1e-6
        Gradient norm at which the fit has converged.
    max_iter : int, default=100
        Maximum number of Newton steps.

    Attributes
    ----------
    coef_ : ndarray of float, shape (p,)
        Coefficients of the encoded features.
    intercept_ : float
        Intercept of the log-odds.
    diagnostics_ : dict
        ``converged``, ``iterations``, ``gradient_norm``, ``losses`` (the mean loss after each step),
        ``covariance`` (by group: ``before``, ``after``, ``bound``) and ``constant`` (whether the constraints
        allow only the intercept).

    Notes
    -----
    Minimizes the mean of ln(1 + exp(-y theta'x)) subject to |1/n sum_i (z_i - zbar) theta'x_i| <= c for the
    indicator z of every group; crossed attributes have one indicator per intersection. The problem is convex
    and is solved by Newton steps under the bounds, to the reported gradient norm.

    Departures: the paper has a hard bound only, as a factor of the unconstrained covariance;
    ``constraint_weight`` is one minus that factor. The ridge is an addition that makes the solution unique.

    The covariance of the margin is a proxy for the difference of selection rates: a covariance of 0 does not
    make the rates equal. With as many independent groups as features, a bound of 0 gives a constant model.

    References
    ----------
    M. B. Zafar, I. Valera, M. Gomez Rodriguez and K. P. Gummadi (2017), "Fairness constraints:
    mechanisms for fair classification", AISTATS: the decision boundary covariance, and maximizing
    accuracy under fairness constraints.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.inprocessing import FairnessConstrainedLR
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> plain, fair = (
    ...     FairnessConstrainedLR(constraint_weight=c).fit(X, y, sensitive_features=race) for c in (0.0, 0.5)
    ... )
    >>> for model in (plain, fair):
    ...     print(pd.Series(model.predict(X)).groupby(race).mean().round(2).to_dict())
    {'Asian': 0.88, 'Black': 0.7, 'Hispanic': 0.72, 'White': 0.87}
    {'Asian': 0.93, 'Black': 0.85, 'Hispanic': 0.84, 'White': 0.93}
    """

    metadata = TechniqueMetadata(
        technique_id=20,
        slug="fairness-constrained-lr",
        name="Fairness-constrained logistic regression",
        family="constrained optimization",
        summary="Fits a logistic regression with a hard bound on the covariance between its decision boundary and the protected groups.",
        citation="zafar2017fairness",
        addresses=("outcome-disparity", "base-rate-difference", "proxy-variable", "intersectional-disparity"),
        targets=("demographic_parity",),
        tasks=("binary",),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(2, 4),
        use_when="A linear model is wanted, selection rates differ or a feature is a proxy, and decisions may not use the protected attribute.",
        avoid_when="Error rates must be equal, the relationship is far from linear, or a guarantee on the rates themselves is needed.",
        questions=(
            "How do I train a logistic regression with a limit on its dependence on gender?",
            "Can the fairness requirement be a constraint of the optimization instead of a penalty?",
            "Which method keeps a scorecard linear and makes approval rates closer?",
            "Can I tune the trade-off between fairness and accuracy with one number in a linear model?",
            "Is there a fair classifier that does not look at race when it decides?",
        ),
        adjustments=(Adjustment(parameter="constraint_weight", stronger=0.2, minimum=0.0, maximum=1.0),),
        alternatives=(113, 76),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "constraint_weight": [Interval(Real, 0, 1, closed="both")],
        "covariance_bound": [Interval(Real, 0, None, closed="left"), None],
        "fairness_constraint": [str],
        "ridge": [Interval(Real, 0, None, closed="left")],
        "tolerance": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        constraint_weight: float = 0.5,
        covariance_bound: float | None = None,
        fairness_constraint: str = "demographic_parity",
        ridge: float = 1e-4,
        tolerance: float = 1e-6,
        max_iter: int = 100,
    ) -> None:
        self.constraint_weight = constraint_weight
        self.covariance_bound = covariance_bound
        self.fairness_constraint = fairness_constraint
        self.ridge = ridge
        self.tolerance = tolerance
        self.max_iter = max_iter

    def check_parameters(self) -> None:
        """Check the parameters; a notion other than demographic parity is an error."""
        super().check_parameters()
        if self.fairness_constraint != "demographic_parity":
            raise ParameterError(
                "fairness_constraint of fairness-constrained-lr must be 'demographic_parity', got "
                f"{self.fairness_constraint!r}: technique 20 bounds the covariance of the boundary, a proxy "
                "for demographic parity only; for equalized odds or error rates use 21 "
                "(disparate-mistreatment) or "
                "113 (reductions-exponentiated-gradient)"
            )

    def _fit(self, X: Floats, groups: Groups, y: NDArray[np.int64], sample_weight: Floats) -> None:
        design = np.column_stack([np.ones(len(X)), X])
        z = np.eye(groups.n_groups)[groups.codes]
        D = covariance_rows(z, design, sample_weight)
        D[:, 0] = 0.0
        ridge = np.append(0.0, np.full(X.shape[1], float(self.ridge)))
        loss = LogisticLoss(design, y, sample_weight, ridge)
        limits: dict[str, Any] = {"tolerance": self.tolerance, "max_iter": self.max_iter}
        free = newton_within_bounds(loss, D, np.full(len(D), np.inf), np.zeros(design.shape[1]), **limits)
        before = D @ free.theta
        if self.covariance_bound is None:
            c = (1 - self.constraint_weight) * np.abs(before)
        else:
            c = np.full(len(D), float(self.covariance_bound))
        kept = np.divide(c, np.abs(before), out=np.ones_like(c), where=np.abs(before) > c).min()
        fit = newton_within_bounds(loss, D, c, kept * free.theta, **limits)
        self.intercept_, self.coef_ = float(fit.theta[0]), fit.theta[1:]
        after = D @ fit.theta
        self.diagnostics_ = {
            "converged": free.converged and fit.converged,
            "iterations": len(free.losses) + len(fit.losses) - 2,
            "gradient_norm": fit.gradient_norm,
            "losses": list(fit.losses),
            "covariance": {
                group: {"before": float(before[k]), "after": float(after[k]), "bound": float(c[k])}
                for k, group in enumerate(groups.labels)
            },
            "constant": bool(np.abs(self.coef_).max() < self.tolerance),
        }

    def _predict_proba(self, X: Floats) -> Floats:
        return expit(X @ self.coef_ + self.intercept_)
