"""Isotonic calibration, Zadrozny & Elkan 2002."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from fairmend.base import Floats, Postprocessor, TechniqueMetadata, loss_change


class IsotonicCalibration(Postprocessor):
    """Map scores to probabilities by the non-decreasing function with the least squared error.

    Attributes
    ----------
    knots_, values_ : ndarray of float, shape (k,)
        Scores at which the slope of the map changes, ascending, and its values there. The map is linear
        between knots and constant outside.

    Notes
    -----
    Fitted with scikit-learn's pool-adjacent-violators algorithm. On the fitting data the map is constant on
    blocks and equals the share of favorable labels in each. It therefore creates ties, which change ranks
    within a block, and only a few thresholds remain distinct. It may return exactly 0 or 1, where the
    log-loss is infinite: the log-losses in ``diagnostics_`` clip scores to [1e-12, 1 - 1e-12].

    References
    ----------
    B. Zadrozny and C. Elkan (2002), "Transforming classifier scores into accurate multiclass
    probability estimates", KDD.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import IsotonicCalibration
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> scores = LogisticRegression(C=100).fit(X, y).predict_proba(X)[:, 1]
    >>> overconfident = scores**3 / (scores**3 + (1 - scores) ** 3)
    >>> calibrated = IsotonicCalibration().fit(overconfident, y).adjust(overconfident)
    >>> [round(float(abs(s - scores).mean()), 2) for s in (overconfident, calibrated)]
    [0.1, 0.02]
    """

    metadata = TechniqueMetadata(
        technique_id=49,
        slug="isotonic-calibration",
        name="Isotonic calibration",
        family="calibration",
        summary="Turns scores into calibrated probabilities with a non-decreasing function of any shape, the same for all groups.",
        citation="zadrozny2002transforming",
        targets=("calibration",),
        keeps_rank_order=True,
        minimum_rows=1000,
        duration_weeks=(1, 1),
        use_when="A thousand or more labeled rows are available and the reliability curve has no simple shape.",
        avoid_when="There are few labeled rows, or ties between scores are a problem, as in a ranking or with a strict threshold.",
        questions=(
            "Sigmoid calibration left our reliability diagram curved; what can fit any monotone shape?",
            "Is there a calibration without an assumption on the form of the distortion?",
            "We have thousands of validation cases; which calibrator uses them best?",
            "How do I pool adjacent violators so that probabilities match frequencies?",
        ),
        alternatives=(50, 47, 48),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    def _fit(self, scores: Floats, y: NDArray[np.int64], sample_weight: Floats) -> None:
        isotonic = IsotonicRegression(y_min=0.0, y_max=1.0).fit(scores, y, sample_weight)
        self.knots_, self.values_ = isotonic.X_thresholds_, isotonic.y_thresholds_
        self.diagnostics_ = {
            "levels": len(np.unique(self.values_)),
            **loss_change(scores, self._adjust(scores), y, sample_weight),
        }

    def _adjust(self, scores: Floats) -> Floats:
        return np.interp(scores, self.knots_, self.values_)
