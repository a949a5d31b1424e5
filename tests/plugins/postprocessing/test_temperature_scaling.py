"""Temperature scaling: against scikit-learn and netcal; decisions and ranks stay."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from fairmend.core.algorithms.calibration_maps import logit
from fairmend.core.errors import ParameterError
from fairmend.plugins.postprocessing import TemperatureScaling


@pytest.mark.data
def test_equals_scikit_learn(scored_adult):
    half = len(scored_adult.y) // 2
    z, y = logit(scored_adult.scores)[:, None], scored_adult.y
    model = LogisticRegression(C=0.001, fit_intercept=False).fit(z[:half], y[:half])
    scores = model.predict_proba(z[half:])[:, 1]
    ours = TemperatureScaling().fit(scores, y[half:])
    peer = CalibratedClassifierCV(FrozenEstimator(model), method="temperature").fit(z[half:], y[half:])
    np.testing.assert_allclose(ours.adjust(scores), peer.predict_proba(z[half:])[:, 1], atol=1e-3)


@pytest.mark.slow
def test_equals_netcal(small_groups):
    from netcal.scaling import TemperatureScaling as Peer  # imports torch and pyro

    scores, y, _ = small_groups
    ours = TemperatureScaling().fit(scores, y).adjust(scores)
    np.testing.assert_allclose(ours, np.ravel(Peer().fit(scores, y).transform(scores)), atol=1e-3)


@pytest.mark.parametrize("T", [0.4, 1.0, 3.0])
def test_gives_back_a_simulated_temperature(T):
    rng = np.random.default_rng(0)
    z = rng.normal(size=60_000) * 1.5
    y = (rng.random(60_000) < 1 / (1 + np.exp(-z))).astype(int)
    fitted = TemperatureScaling().fit(1 / (1 + np.exp(-T * z)), y)
    assert fitted.temperature_ == pytest.approx(T, rel=0.03)
    assert not fitted.diagnostics_["at_bound"]


def test_decisions_and_ranks_stay_and_the_score_equation_holds(small_groups):
    scores, y, _ = small_groups
    w = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    fitted = TemperatureScaling().fit(scores, y, sample_weight=w)
    p = fitted.adjust(scores)
    np.testing.assert_array_equal(p >= 0.5, scores >= 0.5)
    np.testing.assert_array_equal(np.argsort(p), np.argsort(scores))
    assert (w * (p - y)) @ logit(scores) == pytest.approx(0, abs=1e-5)
    assert fitted.adjust([0.5])[0] == 0.5
    repeated = TemperatureScaling().fit(np.repeat(scores, w.astype(int)), np.repeat(y, w.astype(int)))
    assert repeated.temperature_ == pytest.approx(fitted.temperature_, rel=1e-9)


def test_by_hand():
    # Logits of +-2 ln 3, of which 3 in 4 point the right way: sigma(z / T) = 3/4 at T = 2.
    scores = np.repeat([0.1, 0.9], 4)
    fitted = TemperatureScaling().fit(scores, [1, 0, 0, 0, 1, 1, 1, 0])
    assert fitted.temperature_ == pytest.approx(2.0)
    np.testing.assert_allclose(fitted.adjust([0.1, 0.9]), [0.25, 0.75])


def test_degenerate_scores_reach_a_bound_and_say_so(small_groups):
    scores, y, _ = small_groups
    separated = TemperatureScaling().fit(scores, (scores > 0.5).astype(int))
    assert separated.temperature_ == 0.01
    assert separated.diagnostics_["at_bound"]
    against = TemperatureScaling(highest=50.0).fit(1 - scores, y)
    assert against.temperature_ == 50.0
    with pytest.raises(ParameterError, match="below highest"):
        TemperatureScaling(lowest=2.0, highest=1.0).fit(scores, y)
    with pytest.raises(ParameterError, match="lowest"):
        TemperatureScaling(lowest=0.0).fit(scores, y)


@pytest.mark.data
def test_in_a_case_changes_no_decision(adult_case):
    _, effect = TemperatureScaling().run(adult_case)
    assert effect.kind == "scores"
    assert effect.detail["decisions_changed"] == 0
    assert effect.size > 0
