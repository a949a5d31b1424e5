"""Rank-preserving interpolation to the Wasserstein barycenter, Chzhen & Schreuder 2022."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Postprocessor,
    TechniqueMetadata,
    Unseen,
    barycenter,
    group_distributions,
    transport,
)


def interpolated(f: Floats, f_0: Floats, alpha: float) -> Floats:
    """Return f_alpha = sqrt(alpha) f + (1 - sqrt(alpha)) f_0, shape (n,)."""
    return np.sqrt(alpha) * f + (1 - np.sqrt(alpha)) * f_0


class RankPreservingScoreRepair(Postprocessor):
    """Move the scores of each group part of the way toward a distribution that all groups share.

    Parameters
    ----------
    alpha : float in [0, 1], default=0.04
        Share of the unfairness that may remain: 0 gives all groups one distribution of scores, 1 changes nothing.
    unseen : {"error", "fallback"}, default="error"
        For a group not seen in fit or too small to estimate its distribution: raise an error, or rank its
        scores among those of all rows.

    Attributes
    ----------
    laws_ : list of EmpiricalDistribution
        nu_s, the distribution of the scores in each group s; the last entry is that of all rows.
    barycenter_ : tuple of ndarray
        Levels and values between which the quantile function of the barycenter is linear.
    diagnostics_ : dict
        ``unfairness`` U(f), ``unfairness_left`` alpha U(f), and ``added_squared_error`` (1 - sqrt(alpha))^2
        U(f), each on the fitting data, in squared units of the score.

    Notes
    -----
    The unfairness of a score f is U(f) = sum_s p_s W_2^2(nu_s, nu), with nu the Wasserstein-2 barycenter of
    the nu_s by the shares p_s of the groups. The score with the barycenter as distribution in each group is
    f_0(x, s) = Q(F_s(f(x, s))), with F_s the distribution function of group s and Q = sum_s p_s Q_s the mean
    of the quantile functions. On the line between f and f_0, U(f_alpha) = alpha U(f), and the score moves by
    (1 - sqrt(alpha))^2 U(f) in mean square: the minimum cost of any score with that unfairness. Both ends,
    and so each f_alpha, are nondecreasing in f within a group, so ranks within a group are preserved.

    Departures: F_s and Q_s are empirical and linear between scores; equal scores stay equal, so groups with
    few distinct scores get similar, not identical, distributions; beyond the range of the fitting data f_0 is
    constant. The paper splits the unlabeled data in two for its finite-sample guarantee; here all rows serve
    both purposes. Thresholds on the old scores must be chosen again.

    References
    ----------
    E. Chzhen and N. Schreuder (2022), "A minimax framework for quantifying risk-fairness trade-off in regression",
    Annals of Statistics.

    Examples
    --------
    >>> from fairmend.plugins.postprocessing import RankPreservingScoreRepair
    >>> predicted, group = [1, 2, 3, 4, 5, 3, 4, 5, 6, 7], ["a"] * 5 + ["b"] * 5
    >>> repair = RankPreservingScoreRepair(alpha=0.25).fit(predicted, sensitive_features=group)
    >>> repair.adjust([1.0, 3.0], sensitive_features=["a", "b"]).tolist()
    [1.5, 2.5]
    """

    metadata = TechniqueMetadata(
        technique_id=108,
        slug="rank-preserving-score-repair",
        name="Rank-preserving interpolation to the Wasserstein barycenter",
        family="score transformation",
        summary="Moves the scores or predicted values of each group toward one common distribution by a chosen amount, without changing ranks within a group.",
        citation="chzhen2022minimax",
        addresses=(
            "outcome-disparity",
            "intersectional-disparity",
            "mean-prediction-gap",
            "distribution-gap",
            "exposure-gap",
            "underrepresentation-at-top",
        ),
        targets=("demographic_parity",),
        tasks=("binary", "regression", "ranking"),
        keeps_rank_order=True,
        minimum_rows=200,
        legal_notes=(
            "Equal raw scores of different groups become different scores, and every score uses the "
            "protected attribute: this is disparate treatment in some jurisdictions, and within-group "
            "norming of employment tests is forbidden in the US (Civil Rights Act of 1991)."
        ),
        use_when="Scores or predicted numbers differ in level or spread between groups, ranks within a group must not change, and how much to correct is a policy choice.",
        avoid_when="The difference between groups is legitimate, or the protected attribute may not be used at decision time.",
        questions=(
            "Can predicted salaries be brought closer between groups without changing who ranks above whom in a group?",
            "Is there one dial from the raw score to full parity, with a known price at every setting?",
            "How much squared error do we pay if half of the gap in predicted values may remain?",
            "Our assessors are stricter in some departments; how do we align their marks gradually?",
            "How do we make a regression model satisfy demographic parity after training?",
            "Which correction works for every cut-off at once instead of for a single threshold?",
        ),
        adjustments=(Adjustment(parameter="alpha", stronger=-0.02, minimum=0.0, maximum=1.0),),
        alternatives=(16, 9),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "unseen": [StrOptions({"error", "fallback"})],
    }

    def __init__(self, alpha: float = 0.04, unseen: Unseen = "error") -> None:
        self.alpha = alpha
        self.unseen = unseen

    def _fit(self, scores: Floats, groups: Groups, sample_weight: Floats) -> None:
        found, small = group_distributions(
            pd.DataFrame({"score": scores}),
            ["score"],
            groups,
            fallback=self.unseen == "fallback",
            sample_weight=sample_weight,
        )
        self.laws_ = found["score"]
        few = small.get("score", [])
        large = [nu for nu, label in zip(self.laws_, groups.labels, strict=False) if label not in few]
        p = np.array([nu.n for nu in large], dtype=float)
        self.barycenter_ = barycenter(large, p / p.sum())
        f_0 = transport(scores, self.laws_, groups.codes, self.barycenter_)
        u = float(np.average((scores - f_0) ** 2, weights=sample_weight))
        self.diagnostics_ = {
            "unfairness": u,
            "unfairness_left": self.alpha * u,
            "added_squared_error": float((1 - np.sqrt(self.alpha)) ** 2 * u),
            "small_groups": few,
        }

    def _adjust(self, scores: Floats, groups: Groups) -> Floats:
        f_0 = transport(scores, self.laws_, groups.codes, self.barycenter_)
        return interpolated(scores, f_0, self.alpha)
