"""Post-processing against fairlearn, equipy, scikit-learn, betacal and netcal."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from _pairs.data import drawn
from _pairs.pair import Calls, pair
from fairmend.plugins import postprocessing as ours


class Scores(ClassifierMixin, BaseEstimator):
    """A classifier whose score is its first feature, so that a peer adjusts given scores."""

    def fit(self, X: Any, y: Any) -> Scores:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.column_stack([1 - X[:, 0], X[:, 0]])

    def predict(self, X: Any) -> np.ndarray:
        return (X[:, 0] > 0.5).astype(int)


def decided(technique: Any, constraint: str, rows: int) -> Calls:
    """Fit thresholds and decide about the same rows, against fairlearn under a constraint."""
    from fairlearn.postprocessing import ThresholdOptimizer

    data = drawn(rows)
    scores, groups, column = data.scores, {"sensitive_features": data.sensitive}, data.scores[:, None]
    peer = ThresholdOptimizer(estimator=Scores(), constraints=constraint, predict_method="predict_proba")
    return (
        lambda: technique.fit(scores, data.y, **groups).predict(scores, **groups),
        lambda: peer.fit(column, data.y, **groups).predict(column, **groups),
    )


@pair("group-thresholds", "fairlearn", 48_842)
def group_thresholds(rows: int) -> Calls:
    return decided(ours.GroupThresholds(min_ratio=1.0), "demographic_parity", rows)


@pair("equal-opportunity-thresholds", "fairlearn", 48_842)
def equal_opportunity_thresholds(rows: int) -> Calls:
    return decided(ours.EqualOpportunityThresholds(), "true_positive_rate_parity", rows)


def moved(technique: Any, rows: int, epsilon: float) -> Calls:
    """Fit a map of scores and apply it to the same rows, against equipy."""
    from equipy.fairness import FairWasserstein

    data, peer = drawn(rows, groups=3), FairWasserstein(sigma=1e-7)
    scores, groups = data.scores, data.sensitive

    def theirs() -> Any:
        peer.fit(scores, groups)
        return peer.transform(scores, groups, epsilon=epsilon)

    return (
        lambda: technique.fit(scores, data.y, sensitive_features=groups).adjust(
            scores, sensitive_features=groups
        ),
        theirs,
    )


@pair("wasserstein-fair-regression", "equipy", 10_000)
def wasserstein_fair_regression(rows: int) -> Calls:
    return moved(ours.WassersteinFairRegression(), rows, 0.0)


@pair("rank-preserving-score-repair", "equipy", 10_000)
def rank_preserving_score_repair(rows: int) -> Calls:
    return moved(ours.RankPreservingScoreRepair(0.25), rows, 0.5)


def calibrated(technique: Any, method: str, rows: int) -> Calls:
    """Fit a calibration map and apply it to the same rows, against scikit-learn."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    data = drawn(rows)
    distorted = data.scores**2
    column = distorted[:, None]
    peer = CalibratedClassifierCV(FrozenEstimator(Scores().fit(column, data.y)), method=method)
    return (
        lambda: technique.fit(distorted, data.y).adjust(distorted),
        lambda: peer.fit(column, data.y).predict_proba(column),
    )


@pair("platt-scaling", "scikit-learn", 48_842)
def platt_scaling(rows: int) -> Calls:
    return calibrated(ours.PlattScaling(), "sigmoid", rows)


@pair("isotonic-calibration", "scikit-learn", 48_842)
def isotonic_calibration(rows: int) -> Calls:
    return calibrated(ours.IsotonicCalibration(), "isotonic", rows)


@pair("temperature-scaling", "scikit-learn", 48_842)
def temperature_scaling(rows: int) -> Calls:
    return calibrated(ours.TemperatureScaling(), "temperature", rows)


@pair("beta-calibration", "betacal", 48_842)
def beta_calibration(rows: int) -> Calls:
    from betacal import BetaCalibration

    data, technique, peer = drawn(rows), ours.BetaCalibration(), BetaCalibration()
    distorted = data.scores**2
    return (
        lambda: technique.fit(distorted, data.y).adjust(distorted),
        lambda: peer.fit(distorted[:, None], data.y).predict(distorted[:, None]),
    )
