"""Multiclass figures by group against scikit-learn and Fairlearn, by hand, and their intervals."""

from __future__ import annotations

import fairlearn.metrics as fl
import numpy as np
import pytest
import sklearn.metrics as skm

from fairmend.core.errors import DataError
from fairmend.core.metrics import measure_multiclass, task_changes

CLASSES = ("low", "middle", "high")


def drawn(n: int = 900, seed: int = 0):
    r = np.random.default_rng(seed)
    g = r.choice(["a", "b", "c"], n)
    scores = r.dirichlet([1, 1, 1], n)
    y = np.array([r.choice(3, p=p) for p in scores])
    return y, scores.argmax(axis=1), g, scores


@pytest.mark.parametrize("weighted", [False, True])
def test_figures_equal_scikit_learn_by_group(weighted):
    y, d, g, scores = drawn()
    w = np.random.default_rng(1).gamma(2.0, size=len(y)) if weighted else None
    ours = measure_multiclass(
        y, d, classes=CLASSES, sensitive_features=g, y_score=scores, sample_weight=w, n_boot=10
    )
    params = {"sample_weight": w}
    theirs = {
        "accuracy": skm.accuracy_score,
        "macro_recall": skm.balanced_accuracy_score,
        "macro_f1": lambda t, p, sample_weight=None: skm.f1_score(t, p, average="macro", sample_weight=sample_weight),
        "recall[high]": lambda t, p, sample_weight=None: fl.true_positive_rate(t == 2, p == 2, sample_weight=sample_weight),
        "selection_rate[low]": lambda t, p, sample_weight=None: fl.selection_rate(t == 0, p == 0, sample_weight=sample_weight),
        "false_positive_rate[middle]": lambda t, p, sample_weight=None: fl.false_positive_rate(
            t == 1, p == 1, sample_weight=sample_weight
        ),
        "precision[middle]": lambda t, p, sample_weight=None: skm.precision_score(t == 1, p == 1, sample_weight=sample_weight),
    }  # fmt: skip
    frame = fl.MetricFrame(
        metrics=theirs, y_true=y, y_pred=d, sensitive_features=g, sample_params=dict.fromkeys(theirs, params)
    )
    for name in theirs:
        for group in "abc":
            assert ours.figure(name, group).value == pytest.approx(
                frame.by_group.loc[group, name], rel=1e-10
            ), name
        assert ours.figure(name).value == pytest.approx(frame.overall[name], rel=1e-10), name
        assert ours.figure(f"{name}_difference").value == pytest.approx(frame.difference()[name], rel=1e-8), (
            name
        )
    assert ours.figure("log_loss").value == pytest.approx(skm.log_loss(y, scores, sample_weight=w))


def test_calibration_error_by_hand():
    scores = np.array([[0.95, 0.03, 0.02], [0.91, 0.05, 0.04], [0.1, 0.55, 0.35], [0.2, 0.2, 0.6]])
    y = np.array([0, 1, 1, 2])
    found = measure_multiclass(
        y,
        scores.argmax(axis=1),
        classes=CLASSES,
        sensitive_features=["a", "a", "b", "b"],
        y_score=scores,
        n_boot=10,
    )
    # group a: one bin, confidence .93 against one hit of two; group b: bins of one row each, both right
    assert found.figure("expected_calibration_error", "a").value == pytest.approx(0.43)
    assert found.figure("expected_calibration_error", "b").value == pytest.approx((0.45 + 0.4) / 2)


def test_a_class_that_a_group_lacks_is_not_a_zero():
    found = measure_multiclass(
        [0, 0, 1, 2], [0, 1, 1, 2], classes=CLASSES, sensitive_features=["a", "a", "b", "b"], n_boot=10
    )
    assert np.isnan(found.figure("recall[high]", "a").value)
    assert found.figure("macro_recall", "a").value == pytest.approx(0.5)
    assert found.figure("recall[high]", "a").to_json()["value"] is None


def test_a_pair_of_equal_predictions_changes_nothing_and_a_better_one_surely_does():
    y, d, g, _ = drawn()
    known = {"classes": CLASSES, "sensitive_features": g, "n_boot": 200}
    before = measure_multiclass(y, d, **known)
    same = task_changes(before, before)
    assert all(change.value == 0 for change in same.values() if not np.isnan(change.value))
    better = np.where(np.arange(len(y)) % 2 == 0, y, d)
    change = task_changes(before, measure_multiclass(y, better, **known))["accuracy"]
    assert change.interval is not None
    assert 0 < change.interval[0] <= change.value <= change.interval[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_pred": [0, 3]}, "codes from 0 to 2"),
        ({"y_score": [[0.5, 0.5], [0.5, 0.5]]}, r"shape \(2, 3\)"),
        ({"y_pred": [0]}, "same number of rows"),
    ],
)
def test_wrong_input_is_refused(change, message):
    given = {
        "y_true": [0, 1],
        "y_pred": [0, 1],
        "classes": CLASSES,
        "sensitive_features": ["a", "b"],
        **change,
    }
    with pytest.raises(DataError, match=message):
        measure_multiclass(given.pop("y_true"), given.pop("y_pred"), **given)
