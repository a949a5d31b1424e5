"""Fair regression by Wasserstein barycenters, Chzhen et al. 2020."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    EmpiricalDistribution,
    Floats,
    Groups,
    InsufficientDataError,
    Postprocessor,
    TechniqueMetadata,
    group_ranks,
)

LEAST_ROWS = 5


def quantiles(nu: list[EmpiricalDistribution], p: Floats, u: Floats) -> Floats:
    """Return the quantiles of the barycenter, sum_s p_s Q_s(u), with Q_s linear between mid-ranks (theorem 2.3).

    Examples
    --------
    >>> low, high = (EmpiricalDistribution.of(np.arange(5.0) + shift) for shift in (0, 10))
    >>> quantiles([low, high], np.array([0.5, 0.5]), np.array([0.1, 0.5, 0.9])).tolist()
    [5.0, 7.0, 9.0]
    """
    return np.sum(
        [p_s * np.interp(u, nu_s.middle, nu_s.values) for p_s, nu_s in zip(p, nu, strict=True)], axis=0
    )


class WassersteinFairRegression(Postprocessor):
    """Replace each prediction by the value of the groups' barycenter at its rank within the group.

    Parameters
    ----------
    strength : float in [0, 1], default=1.0
        How far each prediction moves: 1 is the paper's method, 0 changes nothing (relative improvement of
        Chzhen and Schreuder 2022).

    Attributes
    ----------
    distributions_ : list of EmpiricalDistribution
        Distribution nu_s of the predictions in each group s.
    shares_ : ndarray of float, shape (G,)
        Share p_s of each group.

    Notes
    -----
    The fair prediction is g(x, s) = sum_s' p_s' Q_s'(F_s(f(x, s))) (theorem 2.3): of all predictions whose
    distribution is the same in each group (demographic parity), it is the closest to f in squared error if f
    is the regression function. Only the predictions are used, not the labels. Departure: the paper adds a
    little uniform noise to break ties and splits the data in two for ranks and quantiles. Here equal
    predictions share their mid-rank, and quantiles are linear between mid-ranks, which keeps the rule
    deterministic and monotone within each group, and all rows serve both. A prediction outside the range seen
    in fit gets the value of the nearest one.

    References
    ----------
    E. Chzhen, C. Denis, M. Hebiri, L. Oneto and M. Pontil (2020), "Fair regression with Wasserstein barycenters",
    NeurIPS, theorem 2.3 and algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import WassersteinFairRegression
    >>> loans = bank(4_000)
    >>> income, race = loans["income"] / 1000, loans["race"]
    >>> fair = WassersteinFairRegression().fit(income, sensitive_features=race)
    >>> moved = fair.adjust(income, sensitive_features=race)
    >>> gaps = [float(np.ptp(values.groupby(race).mean())) for values in (income, income * 0 + moved)]
    >>> [round(gap) for gap in gaps]
    [10, 0]
    """

    metadata = TechniqueMetadata(
        technique_id=16,
        slug="wasserstein-fair-regression",
        name="Fair regression by Wasserstein barycenters",
        family="score transformation",
        summary="Moves the predicted values of every group to one common distribution, the barycenter of all groups, preserving ranks within groups.",
        citation="chzhen2020fair",
        addresses=("mean-prediction-gap", "distribution-gap"),
        targets=("demographic_parity",),
        tasks=("regression",),
        keeps_rank_order=True,
        minimum_rows=200,
        duration_weeks=(1, 2),
        legal_notes="Uses the protected attribute for every prediction and shifts the predictions of different groups by different amounts.",
        use_when="Predicted numbers such as pay, prices or grades must have the same distribution in every group, without retraining.",
        avoid_when="The protected attribute may not be used for a prediction, groups have few rows, or predictions must stay unbiased on average in each group.",
        questions=(
            "Our salary model predicts less for women across the whole range; how do we even it out without training again?",
            "How can a regression reach demographic parity at the least loss of accuracy?",
            "Can I make the distribution of predicted prices the same in each region?",
            "Is there a repair of continuous predictions that keeps who is ahead of whom inside a group?",
            "Any cut-off on our predicted grades favors one race; which post-processing helps at every cut-off?",
            "What is optimal transport good for in fair regression?",
        ),
        adjustments=(Adjustment(parameter="strength", stronger=0.25, minimum=0.0, maximum=1.0),),
        alternatives=(108,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "strength": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def _fit(self, scores: Floats, groups: Groups, sample_weight: Floats) -> None:
        counts = groups.counts()
        if counts.min() < LEAST_ROWS:
            s = int(counts.argmin())
            raise InsufficientDataError(
                f"the group {groups.labels[s]!r} has {counts[s]:.0f} rows, and its distribution needs "
                f"{LEAST_ROWS}; merge groups"
            )
        rows = [groups.codes == s for s in range(groups.n_groups)]
        self.distributions_ = [EmpiricalDistribution.of(scores[of_s], sample_weight[of_s]) for of_s in rows]
        self.shares_ = np.array([sample_weight[of_s].sum() for of_s in rows]) / sample_weight.sum()
        self.diagnostics_ = {"shares": dict(zip(groups.labels, self.shares_.tolist(), strict=True))}

    def _adjust(self, scores: Floats, groups: Groups) -> Floats:
        u = group_ranks(scores, self.distributions_, groups.codes)
        return (1 - self.strength) * scores + self.strength * quantiles(self.distributions_, self.shares_, u)
