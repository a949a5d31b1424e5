"""Platt scaling, Platt 1999."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils._param_validation import StrOptions

from fairmend.base import Floats, Postprocessor, TechniqueMetadata, loss_change, margin, platt_fit


class PlattScaling(Postprocessor):
    """Map scores to probabilities with one logistic curve, p = sigma(alpha s + beta).

    Parameters
    ----------
    scale : {"logit", "probability"}, default="logit"
        The scale of s. ``logit`` uses the margin ln(p / (1 - p)), as Platt does, so that calibrated scores
        can stay unchanged; ``probability`` uses the score itself, as scikit-learn does for a model without
        ``decision_function``.

    Attributes
    ----------
    slope_, intercept_ : float
        alpha and beta.

    Notes
    -----
    Fitted by maximum likelihood to the smoothed labels (N+ + 1) / (N+ + 2) and 1 / (N- + 2), which keep the
    map finite if the scores separate the labels. Departure: alpha is at least 0. If the best slope is
    negative, the map becomes constant instead of reversing the order of the scores, and
    ``diagnostics_["against_labels"]`` is true. Decisions at 1/2 may change.

    References
    ----------
    J. Platt (1999), "Probabilistic outputs for support vector machines and comparisons to
    regularized likelihood methods", section 2.2.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import PlattScaling
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> scores = LogisticRegression(C=100).fit(X, y).predict_proba(X)[:, 1]
    >>> overconfident = scores**3 / (scores**3 + (1 - scores) ** 3)
    >>> calibrated = PlattScaling().fit(overconfident, y).adjust(overconfident)
    >>> [round(float(abs(s - scores).mean()), 2) for s in (overconfident, calibrated)]
    [0.1, 0.0]
    """

    metadata = TechniqueMetadata(
        technique_id=47,
        slug="platt-scaling",
        name="Platt scaling",
        family="calibration",
        summary="Turns scores into calibrated probabilities with one logistic curve for all groups.",
        citation="platt1999probabilistic",
        targets=("calibration",),
        keeps_rank_order=True,
        minimum_rows=100,
        duration_weeks=(1, 1),
        use_when="Probabilities are overconfident or underconfident in the same way for all groups, and there are few labeled rows.",
        avoid_when="The groups are miscalibrated in different directions, or the reliability curve is not sigmoid.",
        questions=(
            "The outputs of our support vector machine are not probabilities; how do we get some?",
            "Which calibration works with only a few hundred labeled cases?",
            "Predicted risk is overconfident for everyone; what is the simplest correction?",
            "Can I fit a sigmoid on held-out scores without touching the model?",
            "How do I calibrate a classifier without reading race or sex?",
        ),
        alternatives=(49, 50, 48),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"scale": [StrOptions({"logit", "probability"})]}

    def __init__(self, scale: str = "logit") -> None:
        self.scale = scale

    def _fit(self, scores: Floats, y: NDArray[np.int64], sample_weight: Floats) -> None:
        self.slope_, self.intercept_ = platt_fit(margin(scores, self.scale), y, sample_weight)
        self.diagnostics_ = {
            "slope": self.slope_,
            "intercept": self.intercept_,
            "against_labels": self.slope_ == 0,
            **loss_change(scores, self._adjust(scores), y, sample_weight),
        }

    def _adjust(self, scores: Floats) -> Floats:
        return expit(self.slope_ * margin(scores, self.scale) + self.intercept_)
