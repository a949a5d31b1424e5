"""Thresholds that bring every group to a share of the highest selection rate, and no further."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import Adjustment, Floats, Groups, Postprocessor, TechniqueMetadata, Unseen


def threshold_for(rate: float, scores: Floats, weights: Floats) -> float:
    """Return the greatest score at which at least this share of the weight is selected."""
    order = np.argsort(-scores, kind="stable")
    selected = np.cumsum(weights[order])
    place = np.searchsorted(selected, rate * selected[-1] - 1e-9)
    return float(scores[order][min(place, len(scores) - 1)])


class FairThresholds(Postprocessor):
    """Lower the threshold of groups that are selected too seldom, until they reach a share of the highest rate.

    Parameters
    ----------
    ratio : float in (0, 1], default=0.9
        Share of the highest selection rate that every group must reach.
    cut_off : float in [0, 1], default=0.5
        Threshold of groups that reach it already.
    unseen : {"error", "fallback"}, default="error"
        What to do with a group that was not there at fit: raise, or hold it against the cut-off.

    Attributes
    ----------
    thresholds_ : ndarray of float, shape (groups,)
        The threshold of each group.

    Notes
    -----
    Thresholds are lowered and never raised, so that nobody loses a favorable decision. A group reaches
    the ratio on the data of the fit; on other data it comes near it.

    References
    ----------
    Uniform Guidelines on Employee Selection Procedures (1978), 29 CFR 1607.4 D, for the ratio.
    """

    metadata = TechniqueMetadata(
        technique_id="acme:fair-thresholds",
        slug="acme-fair-thresholds",
        name="Fair thresholds",
        family="thresholds",
        summary="Lowers the threshold of each group that is selected at less than a share of the highest rate.",
        citation="Equal Employment Opportunity Commission (1978). Uniform Guidelines on Employee Selection Procedures. 29 CFR Part 1607.",
        addresses=("outcome-disparity", "intersectional-disparity", "crowded-cut-off"),
        targets=("demographic_parity",),
        keeps_rank_order=True,
        legal_notes="The protected attribute is read for every decision, which is disparate treatment in some jurisdictions.",
        use_when="A group just misses the four-fifths rule, and nobody may lose a favorable decision.",
        avoid_when="The number of favorable decisions is limited, or the attribute may not be read.",
        questions=(
            "How do I lower the cut-off of groups just below four fifths?",
            "Can selection rates be levelled up without taking anything from anybody?",
        ),
        adjustments=(Adjustment(parameter="ratio", stronger=0.05, minimum=0.5, maximum=1.0),),
        alternatives=(9,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "ratio": [Interval(Real, 0, 1, closed="right")],
        "cut_off": [Interval(Real, 0, 1, closed="both")],
        "unseen": [StrOptions({"error", "fallback"})],
    }

    def __init__(self, ratio: float = 0.9, cut_off: float = 0.5, unseen: Unseen = "error") -> None:
        self.ratio = ratio
        self.cut_off = cut_off
        self.unseen = unseen

    def _fit(self, scores: Floats, groups: Groups, sample_weight: Floats) -> None:
        members = [groups.codes == g for g in range(groups.n_groups)]
        rates = np.array([np.average(scores[m] >= self.cut_off, weights=sample_weight[m]) for m in members])
        wanted = self.ratio * rates.max()
        self.thresholds_ = np.array(
            [
                self.cut_off
                if rate >= wanted
                else min(self.cut_off, threshold_for(wanted, scores[m], sample_weight[m]))
                for rate, m in zip(rates, members, strict=True)
            ]
        )
        self.diagnostics_ = {"thresholds": dict(zip(groups.labels, self.thresholds_.tolist(), strict=True))}

    def _decide(self, scores: Floats, groups: Groups) -> Floats:
        return (scores >= np.append(self.thresholds_, self.cut_off)[groups.codes]).astype(float)
