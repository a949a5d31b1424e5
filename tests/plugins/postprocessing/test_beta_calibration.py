"""Beta calibration: against betacal, with the identity in the family."""

from __future__ import annotations

import numpy as np
import pytest
from betacal import BetaCalibration as Peer

from fairmend.core.algorithms.calibration_maps import log_loss, logit
from fairmend.core.errors import NotFeasibleError, ParameterError
from fairmend.plugins.postprocessing import BetaCalibration


@pytest.mark.data
@pytest.mark.parametrize("variant", ["abm", "am", "ab"])
def test_equals_betacal(scored_adult, variant):
    scores, y, _ = scored_adult
    peer = Peer(parameters=variant).fit(scores[::2, None], y[::2])
    ours = BetaCalibration(variant=variant).fit(scores[::2], y[::2])
    found, theirs = ours.adjust(scores), peer.predict(scores[:, None])
    # betacal's solver stops at a gradient of 1e-4, short of the optimum, so that it differs by more
    # than our own precision; its loss must not be less than ours.
    np.testing.assert_allclose(found, theirs, atol=1e-3)
    half, ones = slice(None, None, 2), np.ones(len(y[::2]))
    assert log_loss(found[half], y[half], ones) <= log_loss(theirs[half], y[half], ones) + 1e-12


def test_a_negative_slope_is_excluded_as_betacal_does():
    rng = np.random.default_rng(3)
    scores = rng.random(6000)
    z = -0.8 * np.log(scores) - 2.5 * np.log1p(-scores) - 3
    y = (rng.random(6000) < 1 / (1 + np.exp(-z))).astype(int)
    ours = BetaCalibration().fit(scores, y)
    peer = Peer(parameters="abm").fit(scores[:, None], y)
    assert ours.a_ == 0
    assert ours.b_ > 0
    np.testing.assert_allclose(ours.adjust(scores), peer.predict(scores[:, None]), atol=1e-4)


def test_calibrated_scores_give_the_identity_and_sums_meet():
    rng = np.random.default_rng(1)
    scores = rng.beta(1.5, 1.5, 60_000)
    y = (rng.random(60_000) < scores).astype(int)
    fitted = BetaCalibration().fit(scores, y)
    np.testing.assert_allclose([fitted.a_, fitted.b_, fitted.c_], [1, 1, 0], atol=0.06)
    assert np.sum(fitted.adjust(scores) - y) == pytest.approx(0, abs=1e-4)


def test_variants_tie_their_parameters(small_groups):
    scores, y, _ = small_groups
    am = BetaCalibration(variant="am").fit(scores, y)
    assert am.a_ == am.b_
    np.testing.assert_allclose(am.adjust(scores), 1 / (1 + np.exp(-(am.a_ * logit(scores) + am.c_))))
    ab = BetaCalibration(variant="ab").fit(scores, y)
    assert ab.adjust([0.5])[0] == pytest.approx(0.5)
    abm = BetaCalibration().fit(scores, y)
    losses = [fitted.diagnostics_["log_loss_after"] for fitted in (abm, am, ab)]
    assert losses[0] == min(losses)


def test_edges(small_groups):
    scores, y, _ = small_groups
    with pytest.raises(ParameterError, match="variant"):
        BetaCalibration(variant="abc").fit(scores, y)
    with pytest.raises(NotFeasibleError, match="separate the labels"):
        BetaCalibration().fit([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    against = BetaCalibration().fit(1 - scores, y)
    assert against.diagnostics_["against_labels"]
    assert np.ptp(against.adjust(scores)) < 1e-12
    fitted = BetaCalibration().fit(np.round(scores, 1), y)
    p = fitted.adjust([0.0, 0.3, 1.0])
    assert np.isfinite(p).all()
    assert (np.diff(p) > 0).all()
    w = np.random.default_rng(1).integers(0, 3, len(y))
    weighted = BetaCalibration().fit(scores, y, sample_weight=w)
    repeated = BetaCalibration().fit(np.repeat(scores, w), np.repeat(y, w))
    np.testing.assert_allclose(weighted.adjust(scores), repeated.adjust(scores), atol=1e-7)


@pytest.mark.data
def test_in_a_case(adult_case):
    _, effect = BetaCalibration().run(adult_case)
    assert effect.kind == "scores"
    assert effect.detail["log_loss_after"] <= effect.detail["log_loss_before"]
