"""Beta calibration, Kull, Silva Filho & Flach 2017."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils._param_validation import StrOptions

from fairmend.base import (
    Floats,
    Postprocessor,
    TechniqueMetadata,
    inside,
    logit,
    loss_change,
    rising_fit,
)


def beta_fit(s: Floats, y: NDArray[np.int64], weights: Floats, variant: str) -> tuple[float, float, float]:
    """Return a, b >= 0 and c of the map by logistic regression on ln s and -ln(1 - s)."""
    s, t = inside(s), y.astype(float)
    if variant == "am":
        (a,), c = rising_fit(logit(s)[:, None], t, weights)
        return float(a), float(a), c
    if variant == "ab":
        (a, b), _ = rising_fit(
            np.column_stack([np.log(2 * s), -np.log(2 * (1 - s))]), t, weights, intercept=False
        )
        return float(a), float(b), float((a - b) * np.log(2))
    (a, b), c = rising_fit(np.column_stack([np.log(s), -np.log1p(-s)]), t, weights)
    return float(a), float(b), c


class BetaCalibration(Postprocessor):
    """Map scores to probabilities by p = 1 / (1 + 1 / (e^c s^a / (1 - s)^b)), the same for all groups.

    Parameters
    ----------
    variant : {"abm", "am", "ab"}, default="abm"
        ``abm`` has all three parameters; ``am`` ties a = b; ``ab`` ties c so that 1/2 stays 1/2.

    Attributes
    ----------
    a_, b_, c_ : float
        The parameters.

    Notes
    -----
    Logistic regression without a penalty. A negative a or b is set to 0 and the others are fitted again, as
    in the paper; if both are negative, the map is constant. The family contains the identity (a = b = 1, c =
    0), so calibrated scores stay unchanged. Scores are clipped to [1e-12, 1 - 1e-12].

    References
    ----------
    M. Kull, T. M. Silva Filho and P. Flach (2017), "Beta calibration: a well-founded and easily
    implemented improvement on logistic calibration for binary classifiers", AISTATS.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import BetaCalibration
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> scores = LogisticRegression(C=100).fit(X, y).predict_proba(X)[:, 1]
    >>> overconfident = scores**3 / (scores**3 + (1 - scores) ** 3)
    >>> calibrated = BetaCalibration().fit(overconfident, y).adjust(overconfident)
    >>> [round(float(abs(s - scores).mean()), 2) for s in (overconfident, calibrated)]
    [0.1, 0.01]
    """

    metadata = TechniqueMetadata(
        technique_id=50,
        slug="beta-calibration",
        name="Beta calibration",
        family="calibration",
        summary="Turns scores into calibrated probabilities with a three-parameter curve designed for scores between 0 and 1.",
        citation="kull2017beta",
        targets=("calibration",),
        keeps_rank_order=True,
        minimum_rows=200,
        duration_weeks=(1, 1),
        use_when="Scores lie between 0 and 1, a logistic curve does not fit them, and there are too few rows for isotonic regression.",
        avoid_when="The groups are miscalibrated in different directions, or the scores separate the labels perfectly.",
        questions=(
            "Platt scaling made well calibrated probabilities worse; which curve can leave them alone?",
            "Our naive Bayes pushes probabilities to the extremes unevenly; how can we pull them back?",
            "Is there a calibration map between sigmoid and isotonic in flexibility?",
            "Temperature scaling cannot fix the shift in our scores; what next?",
        ),
        alternatives=(49, 47, 48),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"variant": [StrOptions({"abm", "am", "ab"})]}

    def __init__(self, variant: str = "abm") -> None:
        self.variant = variant

    def _fit(self, scores: Floats, y: NDArray[np.int64], sample_weight: Floats) -> None:
        self.a_, self.b_, self.c_ = beta_fit(scores, y, sample_weight, self.variant)
        self.diagnostics_ = {
            "a": self.a_,
            "b": self.b_,
            "c": self.c_,
            "against_labels": self.a_ == self.b_ == 0,
            **loss_change(scores, self._adjust(scores), y, sample_weight),
        }

    def _adjust(self, scores: Floats) -> Floats:
        s = inside(scores)
        return expit(self.a_ * np.log(s) - self.b_ * np.log1p(-s) + self.c_)
