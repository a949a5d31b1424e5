"""Prejudice remover regularizer, Kamishima et al. (ECML PKDD 2012)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, rel_entr
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Inprocessor,
    TechniqueMetadata,
)
from fairmend.plugins.inprocessing._constrained_logistic import LogisticLoss, newton_within_bounds
from fairmend.plugins.inprocessing._logistic_by_group import group_losses, minimize_from

_LEAST = 1e-12
"""Mean predictions are clipped this far from 0 and 1, where the logarithm is infinite."""


def prejudice_index(size: Floats, P_a: Floats) -> tuple[float, Floats]:
    """Return R_PR and its derivative with respect to each row's M[1|x, a], one value per group (equation 6).

    R_PR = sum_i sum_y M[y|x_i, a_i] ln(P[y|a_i] / P[y]), where the mean predictions P[1|a] are weighted by
    group size. The terms through which P depends on M cancel, so only ln(P[1|a] / P[1]) - ln(P[0|a] / P[0])
    remains.

    Examples
    --------
    >>> R, slope = prejudice_index(np.array([2.0, 2.0]), np.array([0.75, 0.25]))
    >>> round(R, 4), slope.round(4).tolist()
    (0.5232, [1.0986, -1.0986])
    """
    P_a = P_a.clip(_LEAST, 1 - _LEAST)
    P = size @ P_a / size.sum()
    R = size @ (rel_entr(P_a, P) + rel_entr(1 - P_a, 1 - P))
    return float(R), logit(P_a) - logit(P)


def objective(
    theta: Floats, parts: list[LogisticLoss], eta: float, ridge: float
) -> tuple[float, Floats, float]:
    """Return -sum_i ln M[y_i|x_i, a_i] + eta R_PR + ridge/2 |theta|^2, its gradient, and R_PR."""
    margins = [part.design @ t for part, t in zip(parts, theta, strict=True)]
    size = np.array([part.weights.sum() for part in parts])
    P_a = np.array([part.weights @ expit(m) for part, m in zip(parts, margins, strict=True)]) / size
    R, slope = prejudice_index(size, P_a)
    value = eta * R + ridge / 2 * float((theta**2).sum())
    gradient = ridge * theta
    for a, (part, margin) in enumerate(zip(parts, margins, strict=True)):
        M = expit(margin)
        value += float(part.weights @ (np.logaddexp(0, margin) - part.y * margin))
        gradient[a] += part.design.T @ (part.weights * (M - part.y + eta * slope[a] * M * (1 - M)))
    return value, gradient, R


class PrejudiceRemover(Inprocessor):
    """Fit a logistic regression per group, penalized by the mutual information of prediction and group.

    Parameters
    ----------
    eta : float, default=1.0
        Weight of the penalty; 0 is plain logistic regression in every group. Useful values go up to about 30,
        since penalty and likelihood are both sums over rows.
    ridge : float, default=1.0
        The paper's lambda: factor of half the squared coefficients, including the intercept, added to the
        summed likelihood.
    tolerance : float, default=1e-6
        Gradient norm per row at which the fit has converged.
    max_iter : int, default=1000
        Maximum number of iterations.

    Attributes
    ----------
    coef_ : ndarray of float, shape (groups, p + 1)
        Weight vector of each group; the last entry is the intercept.
    diagnostics_ : dict
        ``converged``, ``iterations``, ``gradient_norm``, ``objective`` and ``prejudice_index`` (mutual
        information of prediction and group, in nats per row), the last two ``before`` and ``after``.

    Notes
    -----
    The penalty is the paper's prejudice index, n times the mutual information between the model's random
    label and the group. It is not convex: L-BFGS starts at the fit without the penalty, in coordinates in
    which the Hessian of that fit is the identity. The penalty concerns predicted probabilities; decisions at
    a threshold may still differ.

    The rule uses the protected attribute at prediction: it selects the weight vector.

    References
    ----------
    T. Kamishima, S. Akaho, H. Asoh and J. Sakuma (2012), "Fairness-aware classifier with prejudice
    remover regularizer", ECML PKDD, section 3.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.inprocessing import PrejudiceRemover
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> for eta in (0.0, 20.0):
    ...     model = PrejudiceRemover(eta=eta).fit(X, y, sensitive_features=race)
    ...     decisions = pd.Series(model.predict(X, sensitive_features=race))
    ...     print(decisions.groupby(race).mean().round(2).to_dict())
    {'Asian': 0.93, 'Black': 0.66, 'Hispanic': 0.72, 'White': 0.87}
    {'Asian': 0.85, 'Black': 0.86, 'Hispanic': 0.81, 'White': 0.84}
    """

    metadata = TechniqueMetadata(
        technique_id=76,
        slug="prejudice-remover",
        name="Prejudice remover regularizer",
        family="regularization",
        summary="Adds the mutual information between prediction and group as a penalty to a logistic regression with weights for each group.",
        citation="kamishima2012fairness",
        addresses=("outcome-disparity", "proxy-variable"),
        targets=("demographic_parity",),
        tasks=("binary",),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(2, 3),
        legal_notes="Each group is scored with its own weights, which is disparate treatment in some jurisdictions.",
        use_when="Predictions should reveal little about the group, a soft trade-off fits better than a hard limit, and the group is known for every decision.",
        avoid_when="The protected attribute may not be used at decision time, groups are too small for their own weights, or a bound must be guaranteed.",
        questions=(
            "How do I add a fairness penalty to the loss of a logistic regression?",
            "Can indirect prejudice be measured by mutual information and reduced while training?",
            "Which regularizer trades accuracy against dependence on the sensitive feature smoothly?",
            "Is there a softer choice than a hard fairness constraint?",
        ),
        adjustments=(Adjustment(parameter="eta", stronger=2.0, minimum=0.0, maximum=50.0),),
        alternatives=(113,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "eta": [Interval(Real, 0, None, closed="left")],
        "ridge": [Interval(Real, 0, None, closed="neither")],
        "tolerance": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self, eta: float = 1.0, ridge: float = 1.0, tolerance: float = 1e-6, max_iter: int = 1000
    ) -> None:
        self.eta = eta
        self.ridge = ridge
        self.tolerance = tolerance
        self.max_iter = max_iter

    def _fit(self, X: Floats, groups: Groups, y: NDArray[np.int64], sample_weight: Floats) -> None:
        parts = group_losses(X, groups, y, sample_weight, self.ridge)
        total, width = float(sample_weight.sum()), X.shape[1] + 1
        none = np.zeros((0, width)), np.zeros(0)
        limits: dict[str, Any] = {"tolerance": self.tolerance, "max_iter": self.max_iter}
        start = np.array(
            [newton_within_bounds(part, *none, np.zeros(width), **limits).theta for part in parts]
        )

        def at(theta: Floats) -> tuple[float, Floats]:
            value, gradient, _ = objective(theta, parts, self.eta, self.ridge)
            return value / total, gradient / total

        curvature = [
            part.weights.sum() / total * part.hessian(t) for part, t in zip(parts, start, strict=True)
        ]
        self.coef_, iterations = minimize_from(at, start, curvature, **limits)
        before, after = (objective(t, parts, self.eta, self.ridge) for t in (start, self.coef_))
        norm = float(np.abs(after[1]).max() / total)
        self.diagnostics_ = {
            "converged": norm <= self.tolerance,
            "iterations": iterations,
            "gradient_norm": norm,
            "objective": {"before": float(before[0] / total), "after": float(after[0] / total)},
            "prejudice_index": {"before": before[2] / total, "after": after[2] / total},
        }

    def _predict_proba(self, X: Floats, groups: Groups) -> Floats:
        design = np.column_stack([X, np.ones(len(X))])
        return expit(np.einsum("ij,ij->i", design, self.coef_[groups.codes]))
