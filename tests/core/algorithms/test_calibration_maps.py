"""Logistic maps: hand-worked optima, score equations, and their edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from fairmend.core.algorithms.calibration_maps import (
    best_temperature,
    group_chances,
    group_platt_fit,
    log_loss,
    logistic_fit,
    logit,
    loss_change,
    margin,
    platt_fit,
    platt_targets,
    rising_fit,
)
from fairmend.core.errors import NotFeasibleError


@pytest.fixture
def drawn():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(800, 2))
    y = (rng.random(800) < expit(1.4 * z[:, 0] + 0.6 * z[:, 1] - 0.5)).astype(np.int64)
    return z, y, rng.integers(1, 4, 800).astype(float)


def test_fit_solves_the_score_equations_and_equals_unpenalized_regression(drawn):
    z, y, w = drawn
    Z = np.column_stack([z, np.ones(len(z))])
    theta = logistic_fit(Z, y.astype(float), w)
    np.testing.assert_allclose(Z.T @ (w * (expit(Z @ theta) - y)), 0, atol=1e-6)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(z, y, w)
    np.testing.assert_allclose(theta, [*peer.coef_[0], peer.intercept_[0]], atol=1e-5)


def test_fit_without_a_finite_optimum_is_refused():
    s = np.array([-2.0, -1.0, 1.0, 2.0])
    with pytest.raises(NotFeasibleError, match="platt-scaling"):
        logistic_fit(s[:, None], (s > 0).astype(float), np.ones(4))


def test_rising_fit_drops_a_negative_slope(drawn):
    z, y, w = drawn
    slopes, intercept = rising_fit(np.column_stack([z[:, 0], -z[:, 1]]), y.astype(float), w)
    (alone,), same = rising_fit(z[:, :1], y.astype(float), w)
    assert slopes.tolist() == [alone, 0.0]
    assert intercept == same
    slopes, intercept = rising_fit(-z, y.astype(float), w)
    assert slopes.tolist() == [0.0, 0.0]
    assert expit(intercept) == pytest.approx(np.average(y, weights=w))


def test_platt_by_hand():
    # Two scores of four rows each, so the map meets the mean target of both: with 4 of 8 favorable
    # the targets are 5/6 and 1/6, and the means (5 + 3) / 24 and (15 + 1) / 24.
    s = np.repeat([-1.0, 1.0], 4)
    y = np.array([1, 0, 0, 0, 1, 1, 1, 0])
    assert platt_targets(y, np.ones(8))[0] == pytest.approx(5 / 6)
    alpha, beta = platt_fit(s, y, np.ones(8))
    np.testing.assert_allclose(expit(alpha * np.array([-1, 1]) + beta), [1 / 3, 2 / 3])
    assert alpha == pytest.approx(np.log(2))


def test_platt_with_one_score_and_with_separated_scores_stays_finite():
    y = np.array([0, 1, 1, 1])
    alpha, beta = platt_fit(np.zeros(4), y, np.ones(4))
    assert alpha == 0
    assert expit(beta) == pytest.approx(platt_targets(y, np.ones(4)).mean())
    alpha, beta = platt_fit(np.array([-30.0, 1.0, 2.0, 30.0]), y, np.ones(4))
    assert np.isfinite([alpha, beta]).all()
    assert alpha > 0


def test_groups_have_maps_of_their_own_unless_they_are_thin(drawn):
    z, y, w = drawn
    codes = np.repeat([0, 1, 2], [500, 290, 10])
    maps, thin = group_platt_fit(z[:, 0], codes, y, w, 50)
    pooled = platt_fit(z[:, 0], y, w)
    assert maps.shape == (4, 2)
    for code in (0, 1):
        own = codes == code
        np.testing.assert_array_equal(maps[code], platt_fit(z[own, 0], y[own], w[own]))
    assert maps[2].tolist() == maps[3].tolist() == list(pooled)
    last = codes == 2
    assert thin == {2: (w[last] @ (1 - y[last]), w[last] @ y[last])}
    scores = expit(z[:, 0])
    alpha, beta = maps[codes].T
    np.testing.assert_allclose(group_chances(scores, codes, y, w), expit(alpha * z[:, 0] + beta))


def test_logit_and_losses():
    assert logit(np.array([0.5]))[0] == 0
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
    s = np.array([0.25, 0.75])
    assert margin(s, "probability") is s
    np.testing.assert_array_equal(margin(s, "logit"), logit(s))
    y = np.array([0, 1])
    assert log_loss(s, y, np.ones(2)) == pytest.approx(-np.log(0.75))
    assert loss_change(s, s, y, np.ones(2))["log_loss_after"] == pytest.approx(-np.log(0.75))


def test_temperature_between_and_at_its_bounds(drawn):
    z, y, w = drawn
    logits = 1.4 * z[:, 0] + 0.6 * z[:, 1]
    T, at_bound = best_temperature(3 * logits, y, w, (0.01, 100.0))
    assert not at_bound
    assert (w * (expit(3 * logits / T) - y)) @ (3 * logits) == pytest.approx(0, abs=1e-6)
    assert best_temperature(logits, (logits > 0).astype(int), w, (0.01, 100.0)) == (0.01, True)
    assert best_temperature(logits, (logits < 0).astype(int), w, (0.01, 100.0)) == (100.0, True)
