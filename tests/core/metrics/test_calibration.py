from __future__ import annotations

import numpy as np
import pytest

from fairmend.core.metrics import ScoreTable, calibration


def table(seed: int = 0, n: int = 3000, **settings) -> tuple[np.ndarray, np.ndarray, np.ndarray, ScoreTable]:
    r = np.random.default_rng(seed)
    score = r.beta(2, 3, n)
    y = (r.random(n) < score**1.3).astype(int)
    group = r.choice(["a", "b", "c"], n)
    return y, score, group, ScoreTable.from_arrays(y, score, group, **settings)


def test_equal_width_errors_equal_netcal():
    metrics = pytest.importorskip("netcal.metrics")
    y, score, group, counted = table()
    ece, mce = (
        f(counted.sums)
        for f in (calibration.expected_calibration_error, calibration.maximum_calibration_error)
    )
    for g, label in enumerate(counted.groups):
        own = group == label
        assert ece[g] == pytest.approx(metrics.ECE(bins=10).measure(score[own], y[own]), abs=1e-12)
        assert mce[g] == pytest.approx(metrics.MCE(bins=10).measure(score[own], y[own]), abs=1e-12)


def test_perfect_scores_and_empty_bins():
    counted = ScoreTable.from_arrays([0, 1, 1], [0.0, 1.0, 1.0], ["a"] * 3)
    for of in (
        calibration.expected_calibration_error,
        calibration.maximum_calibration_error,
        calibration.brier,
    ):
        assert of(counted.sums)[0] == 0
    written = calibration.reliability(counted)["by_group"]["a"]
    assert written["support"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert written["mean_score"][0] == 0
    assert written["share"][1] is None


def test_signed_error_says_which_way():
    counted = ScoreTable.from_arrays([1, 1, 0, 0], [0.9, 0.7, 0.2, 0.2], ["low", "low", "high", "high"])
    signed = dict(zip(counted.groups, calibration.mean_calibration_error(counted.sums), strict=True))
    assert signed == pytest.approx({"low": 0.2, "high": -0.2})


def test_debiased_error_is_centered_and_the_plain_one_is_not():
    """Kumar et al. 2019: of calibrated scores the debiased squared error has mean 0."""
    r = np.random.default_rng(1)
    score = r.random((400, 300))
    y = (r.random((400, 300)) < score).astype(int)
    values = [
        calibration.debiased_calibration_error(ScoreTable.from_arrays(y[i], score[i], np.zeros(300)).sums)[0]
        for i in range(400)
    ]
    error = np.std(values) / 20
    assert abs(np.mean(values)) < 4 * error + 2e-4
    plain = [
        calibration.expected_calibration_error(ScoreTable.from_arrays(y[i], score[i], np.zeros(300)).sums)[0]
        for i in range(100)
    ]
    assert np.mean(plain) > 0.04


def test_delong_interval_covers():
    r = np.random.default_rng(2)
    held = 0
    from scipy.stats import norm

    truth = norm.cdf(1 / np.sqrt(2))
    for _ in range(400):
        y = r.integers(0, 2, 200)
        _, (low, high) = calibration.roc_auc(y, r.normal(size=200) + y, np.zeros(200))["0"]
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.98


def test_area_of_one_label_is_undefined_and_perfect_has_no_interval():
    found = calibration.roc_auc([1, 1, 0, 1], [0.3, 0.4, 0.1, 0.9], ["a", "a", "b", "b"])
    assert np.isnan(found["a"][0])
    assert found["b"] == (1.0, None)
