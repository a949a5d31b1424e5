"""Isotonic calibration: against scikit-learn and the min-max formula."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from fairmend.core.algorithms.calibration_maps import logit
from fairmend.plugins.postprocessing import IsotonicCalibration


@pytest.mark.data
def test_equals_scikit_learn(scored_adult):
    scores, y, _ = scored_adult
    ours = IsotonicCalibration().fit(scores[::2], y[::2])
    peer = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores[::2], y[::2])
    np.testing.assert_allclose(ours.adjust(scores), peer.predict(scores), atol=1e-12)
    z = logit(scores)[:, None]
    model = LogisticRegression().fit(z[1::2], y[1::2])
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="isotonic").fit(z[::2], y[::2])
    own = model.predict_proba(z)[:, 1]
    ours = IsotonicCalibration().fit(own[::2], y[::2])
    np.testing.assert_allclose(ours.adjust(own[::2]), calibrated.predict_proba(z[::2])[:, 1], atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_min_max_formula(seed):
    rng = np.random.default_rng(seed)
    scores, y = np.sort(rng.random(18)), rng.integers(0, 2, 18)
    y[:2] = [0, 1]
    expected = [max(min(y[i : j + 1].mean() for j in range(k, 18)) for i in range(k + 1)) for k in range(18)]
    np.testing.assert_allclose(IsotonicCalibration().fit(scores, y).adjust(scores), expected, atol=1e-12)


def test_by_hand_and_between_knots():
    fitted = IsotonicCalibration().fit([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1])
    np.testing.assert_allclose(fitted.adjust([0.1, 0.2, 0.3, 0.4]), [0, 0.5, 0.5, 1])
    np.testing.assert_allclose(fitted.adjust([0.0, 0.15, 0.25, 1.0]), [0, 0.25, 0.5, 1])
    assert fitted.diagnostics_["levels"] == 3


def test_sums_and_order_are_kept_and_weights_repeat(small_groups):
    scores, y, _ = small_groups
    fitted = IsotonicCalibration().fit(scores, y)
    p = fitted.adjust(scores)
    assert p.sum() == pytest.approx(y.sum())
    assert (np.diff(p[np.argsort(scores)]) >= -1e-12).all()
    assert fitted.diagnostics_["log_loss_after"] < fitted.diagnostics_["log_loss_before"]
    w = np.random.default_rng(1).integers(0, 3, len(y))
    weighted = IsotonicCalibration().fit(scores, y, sample_weight=w)
    repeated = IsotonicCalibration().fit(np.repeat(scores, w), np.repeat(y, w))
    np.testing.assert_allclose(weighted.adjust(scores), repeated.adjust(scores), atol=1e-12)


@pytest.mark.data
def test_in_a_case(adult_case):
    after, effect = IsotonicCalibration().run(adult_case)
    assert effect.kind == "scores"
    assert effect.detail["levels"] > 5
    assert not after.model.reads_protected
