"""Platt scaling in each group: the map of Platt 1999, calibration within groups as in Pleiss et al. 2017."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    Floats,
    Groups,
    Postprocessor,
    TechniqueMetadata,
    Unseen,
    group_platt_fit,
    loss_change,
    margin,
)


class GroupPlattScaling(Postprocessor):
    """Map scores to probabilities with a logistic curve per group, p = sigma(alpha_a s + beta_a).

    Parameters
    ----------
    scale : {"logit", "probability"}, default="logit"
        The scale of s. ``logit`` uses the margin ln(p / (1 - p)), as Platt does, so that a calibrated group
        can keep its scores; ``probability`` uses the score itself, a family of maps that does not contain the
        identity.
    minimum_per_class : int, default=50
        A group with fewer rows of either label (or less weight, if there are weights) gets the map fitted on
        all rows.
    unseen : {"error", "fallback"}, default="error"
        For a group not seen in fit: raise an error, or use the map of all rows.

    Attributes
    ----------
    slopes_, intercepts_ : ndarray of float, shape (n_groups + 1,)
        alpha_a and beta_a; the last entry is the map of all rows.

    Notes
    -----
    Each curve is fitted by maximum likelihood to the smoothed labels (N+ + 1) / (N+ + 2) and 1 / (N- + 2) of
    its group. Departure: alpha_a is at least 0. A negative best slope means that higher scores go with fewer
    favorable labels; the group's map is then constant and ``diagnostics_["against_labels"]`` names the group.
    ``diagnostics_["fallback"]`` lists every group that got the map of all rows, with the reason.

    Pleiss et al. assume calibration within groups and show its cost: with different base rates it excludes
    equal error rates. Their algorithm is another technique (calibrated equalized odds). The order of scores
    is kept within a group but not between groups, and decisions at 1/2 may change.

    References
    ----------
    J. Platt (1999), "Probabilistic outputs for support vector machines and comparisons to
    regularized likelihood methods", section 2.2. G. Pleiss, M. Raghavan, F. Wu, J. Kleinberg
    and K. Q. Weinberger (2017), "On fairness and calibration", NeurIPS.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import GroupPlattScaling
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> scores = LogisticRegression(C=100).fit(X, y).predict_proba(X)[:, 1]
    >>> calibration = GroupPlattScaling().fit(scores, y, sensitive_features=race)
    >>> calibrated = calibration.adjust(scores, sensitive_features=race)
    >>> (scores - y).groupby(race).mean().round(2).to_dict()
    {'Asian': -0.06, 'Black': 0.04, 'Hispanic': 0.01, 'White': -0.01}
    >>> (calibrated - y).groupby(race).mean().round(2).to_dict()
    {'Asian': -0.06, 'Black': -0.0, 'Hispanic': -0.0, 'White': -0.0}
    """

    metadata = TechniqueMetadata(
        technique_id=48,
        slug="group-platt-scaling",
        name="Group-specific Platt scaling",
        family="calibration",
        summary="Calibrates the scores of each group with its own logistic curve, so that a score means the same risk in every group.",
        citation="pleiss2017fairness",
        addresses=("group-miscalibration", "intersectional-disparity"),
        targets=("calibration",),
        keeps_rank_order=True,
        minimum_rows=400,
        duration_weeks=(1, 2),
        legal_notes=(
            "The map uses the protected attribute for every score, which may count as disparate treatment; "
            "in US credit, ECOA and Regulation B restrict it. Consult counsel before deployment."
        ),
        use_when="The same score means a different probability of the outcome in different groups, and each group has at least about a hundred labeled rows.",
        avoid_when="The protected attribute may not be used at decision time, or equal error rates are the goal.",
        questions=(
            "Risk is overstated for one group and right for the others; how do we correct that group alone?",
            "At equal scores our minority applicants repay more often than the majority; how can we fix that?",
            "How can a score of 0.7 come to mean 70 percent for men and for women?",
            "Expected calibration error is fine overall but bad for Black applicants; what is the fix?",
            "Can we calibrate each subgroup separately after training?",
            "What happens to groups that are too small for a calibration curve of their own?",
        ),
        alternatives=(49, 50),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "scale": [StrOptions({"logit", "probability"})],
        "minimum_per_class": [Interval(Integral, 1, None, closed="left")],
        "unseen": [StrOptions({"error", "fallback"})],
    }

    def __init__(self, scale: str = "logit", minimum_per_class: int = 50, unseen: Unseen = "error") -> None:
        self.scale = scale
        self.minimum_per_class = minimum_per_class
        self.unseen = unseen

    def _fit(self, scores: Floats, groups: Groups, y: NDArray[np.int64], sample_weight: Floats) -> None:
        s = margin(scores, self.scale)
        maps, thin = group_platt_fit(s, groups.codes, y, sample_weight, self.minimum_per_class)
        self.slopes_, self.intercepts_ = maps.T
        alpha, beta = (dict(zip(groups.labels, part.tolist(), strict=False)) for part in maps.T)
        self.diagnostics_ = {
            "slope": alpha,
            "intercept": beta,
            "fallback": {
                groups.labels[code]: f"{ones:g} rows with label 1 and {zeros:g} with label 0"
                for code, (zeros, ones) in thin.items()
            },
            "against_labels": [label for label, slope in alpha.items() if slope == 0],
            **loss_change(scores, self._adjust(scores, groups), y, sample_weight),
        }

    def _adjust(self, scores: Floats, groups: Groups) -> Floats:
        # The code -1 of an unseen group reads the last entry, the map of all rows.
        return expit(self.slopes_[groups.codes] * margin(scores, self.scale) + self.intercepts_[groups.codes])
