"""Temperature scaling, Guo et al. 2017."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Floats,
    ParameterError,
    Postprocessor,
    TechniqueMetadata,
    best_temperature,
    inside,
    logit,
    loss_change,
)


def logits(scores: Floats) -> Floats:
    """Return the logit of each score; for several classes ln p, which serves as the logits of a softmax."""
    return logit(scores) if scores.ndim == 1 else np.log(inside(scores))


class TemperatureScaling(Postprocessor):
    """Divide the logits z of all scores by one temperature, p = sigma(z / T).

    Parameters
    ----------
    lowest, highest : float, default=0.01 and 100.0
        Bounds of T.

    Attributes
    ----------
    temperature_ : float
        T; above 1 the scores were overconfident, below 1 underconfident.

    Notes
    -----
    T minimizes the log-loss, which is convex in 1 / T. Decisions at 1/2 and the order of scores do not
    change. One number cannot correct a shift: the mean score need not equal the base rate, overall or in a
    group. T reaches a bound if the scores separate the labels (lower bound) or are negatively related to them
    (upper bound); ``diagnostics_["at_bound"]`` reports it.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger (2017), "On calibration of modern neural networks", ICML,
    section 4.2 (equation 9): sigma is the softmax for several classes and the logistic function for two.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import TemperatureScaling
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> scores = LogisticRegression(C=100).fit(X, y).predict_proba(X)[:, 1]
    >>> overconfident = scores**3 / (scores**3 + (1 - scores) ** 3)
    >>> calibrated = TemperatureScaling().fit(overconfident, y).adjust(overconfident)
    >>> [round(float(abs(s - scores).mean()), 2) for s in (overconfident, calibrated)]
    [0.1, 0.0]
    """

    metadata = TechniqueMetadata(
        technique_id=51,
        slug="temperature-scaling",
        name="Temperature scaling",
        family="calibration",
        summary="Divides the logit of every score by one number, which corrects overconfident probabilities without changing any decision at 1/2.",
        citation="guo2017calibration",
        targets=("calibration",),
        tasks=("binary", "multiclass"),
        keeps_rank_order=True,
        minimum_rows=100,
        duration_weeks=(1, 1),
        use_when="A neural network or a boosted model is overconfident, and decisions must not change.",
        avoid_when="Scores are too high or too low on average, overall or in one group.",
        questions=(
            "Our network says 99 percent and is right in 85 percent of cases; how do we correct it?",
            "Can I calibrate without changing a single yes or no?",
            "Which calibrator has only one parameter to fit and to explain?",
            "How are logits rescaled so that confidence matches accuracy?",
        ),
        alternatives=(50, 47, 48),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lowest": [Interval(Real, 0, None, closed="neither")],
        "highest": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, lowest: float = 0.01, highest: float = 100.0) -> None:
        self.lowest = lowest
        self.highest = highest

    def _fit(self, scores: Floats, y: NDArray[np.int64], sample_weight: Floats) -> None:
        if self.lowest >= self.highest:
            raise ParameterError(
                f"lowest must be below highest, got {self.lowest:g} and {self.highest:g}; give a range of temperatures"
            )
        z = logits(scores)
        self.temperature_, at_bound = best_temperature(z, y, sample_weight, (self.lowest, self.highest))
        self.diagnostics_ = {
            "temperature": self.temperature_,
            "at_bound": at_bound,
            **loss_change(scores, self._adjust(scores), y, sample_weight),
        }

    def _adjust(self, scores: Floats) -> Floats:
        scaled = logits(scores) / self.temperature_
        return expit(scaled) if scaled.ndim == 1 else softmax(scaled, axis=1)
