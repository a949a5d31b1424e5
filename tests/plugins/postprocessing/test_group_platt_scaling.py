"""Platt scaling in each group: each group equals scikit-learn on it alone; fallbacks are recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from fairmend.core.algorithms.calibration_maps import log_loss, logit, platt_targets
from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, UnseenGroupError
from fairmend.plugins.postprocessing import GroupPlattScaling, PlattScaling


@pytest.mark.data
@pytest.mark.parametrize("attributes", [["race"], ["sex", "race"]])
def test_each_group_equals_scikit_learn_on_it_alone(scored_adult, attributes):
    half = len(scored_adult.y) // 2
    z, y = logit(scored_adult.scores)[:, None], scored_adult.y
    model = LogisticRegression(C=0.001).fit(z[:half], y[:half])
    z, y = z[half:], y[half:]
    sensitive = scored_adult.sensitive[attributes].iloc[half:].reset_index(drop=True)
    scores = model.predict_proba(z)[:, 1]
    fitted = GroupPlattScaling(minimum_per_class=20).fit(scores, y, sensitive_features=sensitive)
    ours = fitted.adjust(scores, sensitive_features=sensitive)
    groups = Groups.of(sensitive)
    compared = 0
    for code, label in enumerate(groups.labels):
        own = groups.codes == code
        rows = slice(None) if label in fitted.diagnostics_["fallback"] else own
        peer = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(z[rows], y[rows])
        np.testing.assert_allclose(ours[own], peer.predict_proba(z[own])[:, 1], atol=2e-6)
        compared += label not in fitted.diagnostics_["fallback"]
    assert compared >= 3
    assert set(fitted.diagnostics_["fallback"]) == {
        label
        for code, label in enumerate(groups.labels)
        if np.bincount(y[groups.codes == code], minlength=2).min() < 20
    }


def test_means_meet_the_targets_and_losses_fall_in_every_group(small_groups):
    scores, y, sensitive = small_groups
    fitted = GroupPlattScaling().fit(scores, y, sensitive_features=sensitive)
    p = fitted.adjust(scores, sensitive_features=sensitive)
    groups = Groups.of(sensitive)
    assert groups.n_groups == 6
    for code in range(6):
        own = groups.codes == code
        ones = np.ones(own.sum())
        assert p[own].mean() == pytest.approx(platt_targets(y[own], ones).mean(), abs=1e-8)
        assert log_loss(p[own], y[own], ones) < log_loss(scores[own], y[own], ones)
        assert (np.diff(p[own][np.argsort(scores[own])]) >= 0).all()


def test_integer_weights_are_repeated_rows(small_groups):
    scores, y, sensitive = small_groups
    w = np.random.default_rng(0).integers(0, 3, len(y))
    weighted = GroupPlattScaling().fit(scores, y, sensitive_features=sensitive, sample_weight=w)
    repeated = GroupPlattScaling().fit(
        np.repeat(scores, w), np.repeat(y, w), sensitive_features=sensitive.loc[np.repeat(range(len(y)), w)]
    )
    np.testing.assert_allclose(weighted.slopes_, repeated.slopes_, atol=1e-8)
    np.testing.assert_allclose(weighted.intercepts_, repeated.intercepts_, atol=1e-8)


def test_small_one_class_and_unseen_groups_get_the_map_of_all(small_groups):
    scores, y, sensitive = small_groups
    group = sensitive["b"].to_numpy(dtype=object).copy()
    group[:30], y[:30] = "only ones", 1
    fitted = GroupPlattScaling(unseen="fallback").fit(scores, y, sensitive_features=group)
    pooled = PlattScaling().fit(scores, y)
    assert fitted.diagnostics_["fallback"] == {"only ones": "30 rows with label 1 and 0 with label 0"}
    for name in ("only ones", "never seen"):
        out = fitted.adjust(scores[:50], sensitive_features=np.repeat(name, 50))
        np.testing.assert_allclose(out, pooled.adjust(scores[:50]), atol=1e-12)
    strict = GroupPlattScaling().fit(scores, y, sensitive_features=group)
    with pytest.raises(UnseenGroupError, match="never seen"):
        strict.adjust(scores[:1], sensitive_features=["never seen"])
    with pytest.raises(DataError, match="sensitive_features"):
        strict.adjust(scores[:1])


def test_missing_groups_are_a_group_and_reversed_ones_are_named(small_groups):
    scores, y, sensitive = small_groups
    group = sensitive["b"].where(sensitive["b"] != "z", None)
    turned = np.where(group.isna(), 1 - scores, scores)
    fitted = GroupPlattScaling().fit(turned, y, sensitive_features=group)
    assert fitted.diagnostics_["against_labels"] == ["missing"]
    own = group.isna().to_numpy()
    p = fitted.adjust(turned, sensitive_features=group)
    assert np.ptp(p[own]) == 0
    assert p[own][0] == pytest.approx(y[own].mean(), abs=0.01)


def test_inputs_stay_as_they_are(small_groups):
    scores, y, sensitive = small_groups
    before = scores.copy(), y.copy(), sensitive.copy()
    fitted = GroupPlattScaling().fit(scores, y, sensitive_features=sensitive)
    fitted.adjust(scores, sensitive_features=sensitive)
    np.testing.assert_array_equal(scores, before[0])
    np.testing.assert_array_equal(y, before[1])
    pd.testing.assert_frame_equal(sensitive, before[2])


@pytest.mark.data
def test_calibrates_new_rows_better_than_one_curve_for_all(scored_adult):
    """Scores are too high for men and too low for women; new rows tell whether the maps find it."""
    sex = scored_adult.sensitive["sex"].to_numpy()
    bent = 1 / (1 + np.exp(-(logit(scored_adult.scores) + np.where(sex == "Male", 0.7, -0.9))))
    fit, check = np.arange(len(bent)) % 2 == 0, np.arange(len(bent)) % 2 == 1
    y, ones = scored_adult.y, np.ones(check.sum())
    group = GroupPlattScaling().fit(bent[fit], y[fit], sensitive_features=sex[fit])
    pooled = PlattScaling().fit(bent[fit], y[fit])
    ours = log_loss(group.adjust(bent[check], sensitive_features=sex[check]), y[check], ones)
    assert ours < log_loss(pooled.adjust(bent[check]), y[check], ones) < log_loss(bent[check], y[check], ones)


@pytest.mark.data
def test_in_a_case(adult_case):
    after, effect = GroupPlattScaling().run(adult_case)
    assert effect.kind == "scores"
    assert set(effect.detail["slope"]) == {"Female", "Male"}
    assert effect.size > 0
    assert after.model.reads_protected
    assert effect.to_json()["detail"]["fallback"] == {}
