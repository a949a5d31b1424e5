"""The change of an area under the ROC curve agrees with counting pairs and with resampling rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fairmend.core.metrics.auc import area_change


def drawn(rng, n, gain):
    target = rng.random(n) < 0.4
    signal = rng.normal(size=n) + target
    return target, np.round(signal + rng.normal(size=n), 1), np.round(signal + gain * target, 1)


def test_areas_are_those_of_scikit_learn_ties_included():
    target, before, after = drawn(np.random.default_rng(0), 400, 0.3)
    found = area_change(target, before, after)
    assert found.before == pytest.approx(roc_auc_score(target, before))
    assert found.after == pytest.approx(roc_auc_score(target, after))


def test_interval_is_as_wide_as_that_of_resampled_rows():
    rng = np.random.default_rng(1)
    target, before, after = drawn(rng, 500, 0.2)
    changes = []
    for _ in range(250):
        rows = rng.integers(500, size=500)
        changes.append(roc_auc_score(target[rows], after[rows]) - roc_auc_score(target[rows], before[rows]))
    found = area_change(target, before, after)
    width = found.interval[1] - found.interval[0]
    assert width == pytest.approx(2 * 1.96 * np.std(changes), rel=0.2)


def test_false_alarms_are_as_rare_as_they_should_be():
    rng = np.random.default_rng(2)
    p = []
    for _ in range(400):
        target = rng.random(300) < 0.5
        signal = rng.normal(size=300) + target
        p.append(area_change(target, signal + rng.normal(size=300), signal + rng.normal(size=300)).p_value)
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09


def test_the_same_score_did_not_change_and_one_class_is_undefined():
    target, before, _ = drawn(np.random.default_rng(3), 100, 0.0)
    same = area_change(target, before, 2 * before + 1)
    assert (same.p_value, same.interval) == (1.0, (0.0, 0.0))
    assert math.isnan(area_change(np.ones(10, dtype=bool), np.arange(10.0), np.arange(10.0)).p_value)
