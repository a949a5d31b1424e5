"""Platt scaling: against scikit-learn, by hand, and at its edges."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from fairmend.core.algorithms.calibration_maps import logit, platt_targets
from fairmend.core.errors import ParameterError
from fairmend.plugins.postprocessing import PlattScaling


@pytest.mark.data
def test_equals_scikit_learn(scored_adult):
    half = len(scored_adult.y) // 2
    z = logit(scored_adult.scores)[:, None]
    model = LogisticRegression(C=0.001).fit(z[:half], scored_adult.y[:half])
    peer = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(
        z[half:], scored_adult.y[half:]
    )
    scores = model.predict_proba(z[half:])[:, 1]
    ours = PlattScaling().fit(scores, scored_adult.y[half:]).adjust(scores)
    np.testing.assert_allclose(ours, peer.predict_proba(z[half:])[:, 1], atol=1e-6)


@pytest.mark.parametrize("scale", ["logit", "probability"])
def test_score_equations_hold_and_order_stays(small_groups, scale):
    scores, y, _ = small_groups
    fitted = PlattScaling(scale=scale).fit(scores, y)
    p = fitted.adjust(scores)
    t = platt_targets(y, np.ones(len(y)))
    s = logit(scores) if scale == "logit" else scores
    assert np.sum(p - t) == pytest.approx(0, abs=1e-5)
    assert np.sum((p - t) * s) == pytest.approx(0, abs=1e-5)
    assert (np.diff(p[np.argsort(scores)]) >= 0).all()


def test_by_hand():
    scores, y = np.repeat([0.2, 0.8], 4), np.array([1, 0, 0, 0, 1, 1, 1, 0])
    fitted = PlattScaling().fit(scores, y)
    np.testing.assert_allclose(fitted.adjust([0.2, 0.8]), [1 / 3, 2 / 3])
    assert fitted.diagnostics_["slope"] == pytest.approx(0.5)


def test_integer_weights_are_repeated_rows(small_groups):
    scores, y, _ = small_groups
    w = np.random.default_rng(0).integers(0, 4, len(y))
    weighted = PlattScaling().fit(scores, y, sample_weight=w)
    repeated = PlattScaling().fit(np.repeat(scores, w), np.repeat(y, w))
    assert weighted.slope_ == pytest.approx(repeated.slope_, abs=1e-8)
    assert weighted.intercept_ == pytest.approx(repeated.intercept_, abs=1e-8)


def test_scores_against_the_labels_become_constant_and_say_so(small_groups):
    scores, y, _ = small_groups
    fitted = PlattScaling().fit(1 - scores, y)
    assert fitted.diagnostics_["against_labels"]
    assert np.ptp(fitted.adjust(scores)) == 0


def test_calibrated_scores_stay(small_groups):
    rng = np.random.default_rng(5)
    scores = rng.beta(2, 2, 40_000)
    y = (rng.random(40_000) < scores).astype(int)
    fitted = PlattScaling().fit(scores, y)
    assert np.abs(fitted.adjust(scores) - scores).max() < 0.02
    assert not fitted.diagnostics_["against_labels"]


def test_misuse_is_refused():
    with pytest.raises(ParameterError, match="scale"):
        PlattScaling(scale="margin").fit([0.1, 0.9], [0, 1])
    with pytest.raises(NotFittedError):
        PlattScaling().adjust([0.5])


@pytest.mark.data
def test_in_a_case(adult_case):
    after, effect = PlattScaling().run(adult_case)
    assert effect.kind == "scores"
    assert effect.share > 0.9
    assert effect.detail["log_loss_after"] <= effect.detail["log_loss_before"]
    assert not after.model.reads_protected
