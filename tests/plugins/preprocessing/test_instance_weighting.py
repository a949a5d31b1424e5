from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, InsufficientDataError, ParameterError
from fairmend.plugins.preprocessing import InstanceWeighting


def weights_of(data: Dataset, **parameters: float) -> np.ndarray:
    return (
        InstanceWeighting(**parameters)
        .change(data.X, data.y, sensitive_features=data.sensitive)
        .sample_weight
    )


def mean_score_range(case: Case) -> float:
    data, groups = case.validation, case.validation.groups
    return float(np.ptp(np.bincount(groups.codes, case.fitted().scores(data.X)) / groups.counts()))


@pytest.mark.data
def test_equal_to_aif360_on_two_groups(adult: pd.DataFrame) -> None:
    datasets = pytest.importorskip("aif360.datasets")
    from aif360.algorithms.preprocessing import Reweighing

    y = (adult["income"] == ">50K").astype(int)
    male = (adult["sex"] == "Male").astype(int)
    frame = pd.DataFrame({"sex": male, "age": adult["age"], "income": y})
    theirs = datasets.BinaryLabelDataset(df=frame, label_names=["income"], protected_attribute_names=["sex"])
    expected = Reweighing([{"sex": 0}], [{"sex": 1}]).fit_transform(theirs).instance_weights
    ours = InstanceWeighting().change(frame[["age"]], y, sensitive_features=adult["sex"]).sample_weight
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


@pytest.mark.data
def test_equal_to_aif360_on_crossed_attributes(adult_data: Dataset) -> None:
    reference = pytest.importorskip("aif360.sklearn.preprocessing")
    data = adult_data.take(np.arange(2000))
    index = pd.MultiIndex.from_frame(data.sensitive)
    X = pd.DataFrame({"age": data.X["age"].to_numpy()}, index=index)
    _, expected = reference.Reweighing(["sex", "race"]).fit_transform(X, pd.Series(data.y, index=index))
    np.testing.assert_allclose(weights_of(data), expected, rtol=1e-12)


@pytest.mark.data
def test_label_and_group_become_independent_and_margins_stay(adult_data: Dataset) -> None:
    w, y, groups = weights_of(adult_data), adult_data.y, adult_data.groups
    assert groups.n_groups == 6
    rates = np.bincount(groups.codes, w * y) / groups.counts(w)
    np.testing.assert_allclose(rates, y.mean(), atol=1e-12)
    np.testing.assert_allclose(groups.counts(w), groups.counts(), rtol=1e-12)
    assert w.sum() == pytest.approx(len(y), rel=1e-12)
    assert w @ y == pytest.approx(y.sum(), rel=1e-12)


@pytest.mark.data
def test_mean_difference_of_german_credit_vanishes(german: pd.DataFrame) -> None:
    # The figure before is that of AIF360's tutorial on credit scoring, which draws its training rows so.
    train = german.iloc[np.random.RandomState(0).permutation(1000)[:700]]
    older, y = (train["age"] >= 25).to_numpy(), (train["credit"] == 1).to_numpy().astype(int)
    w = InstanceWeighting().change(train[["age"]], y, sensitive_features=older).sample_weight

    def mean_difference(w: np.ndarray) -> float:
        return float(np.average(y[~older], weights=w[~older]) - np.average(y[older], weights=w[older]))

    assert mean_difference(np.ones(len(y))) == pytest.approx(-0.169905, abs=1e-6)
    assert mean_difference(w) == pytest.approx(0, abs=1e-12)


@pytest.mark.data
def test_integer_weights_are_repeated_rows(adult_data: Dataset) -> None:
    data = adult_data.take(np.arange(2000))
    counts = np.random.default_rng(0).integers(1, 4, len(data))
    weighted = (
        InstanceWeighting()
        .change(data.X, data.y, sensitive_features=data.sensitive, sample_weight=counts)
        .sample_weight
    )
    repeated = weights_of(data.take(np.repeat(np.arange(len(data)), counts)))
    first = np.cumsum(counts) - counts
    np.testing.assert_allclose(weighted / counts, repeated[first], rtol=1e-12)


def test_worked_by_hand() -> None:
    # a: 3 unfavorable, 1 favorable; b: 2 and 4. w(a, 1) = 4 * 5 / (10 * 1) = 2.
    y = [0, 0, 0, 1, 0, 0, 1, 1, 1, 1]
    w = InstanceWeighting().change(np.zeros((10, 1)), y, sensitive_features=list("aaaabbbbbb")).sample_weight
    np.testing.assert_allclose(w, [2 / 3] * 3 + [2] + [1.5] * 2 + [0.75] * 4)


def test_missing_values_are_a_group_of_their_own() -> None:
    y = [0, 0, 0, 1, 0, 0, 1, 1, 1, 1]
    named = (
        InstanceWeighting().change(np.zeros((10, 1)), y, sensitive_features=list("aaaabbbbbb")).sample_weight
    )
    gaps = (
        InstanceWeighting()
        .change(np.zeros((10, 1)), y, sensitive_features=[None] * 4 + ["b"] * 6)
        .sample_weight
    )
    np.testing.assert_array_equal(named, gaps)


@pytest.mark.data
def test_strength_moves_from_no_change_to_independence(adult_data: Dataset) -> None:
    y, groups = adult_data.y, Groups.of(adult_data.sensitive)
    gaps = []
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        w = weights_of(adult_data, strength=strength)
        assert w.sum() == pytest.approx(len(y))
        gaps.append(np.ptp(np.bincount(groups.codes, w * y) / groups.counts(w)))
    assert gaps == sorted(gaps, reverse=True)
    np.testing.assert_array_equal(weights_of(adult_data, strength=0.0), 1)


def test_independent_data_keep_their_weights() -> None:
    y, a = np.tile([0, 1, 1], 20), np.repeat(["a", "b"], 30)
    np.testing.assert_allclose(
        InstanceWeighting().change(np.zeros((60, 1)), y, sensitive_features=a).sample_weight, 1
    )


def test_an_empty_cell_is_named() -> None:
    sensitive = {"sex": ["F"] * 5 + ["M"] * 5, "race": list("bbwwwbbwww")}
    with pytest.raises(InsufficientDataError, match="'F & b' has the label 1"):
        InstanceWeighting().change(
            np.zeros((10, 1)), [0, 0, 1, 1, 0, 1, 0, 1, 0, 1], sensitive_features=sensitive
        )


def test_one_group_or_a_bad_strength_is_refused() -> None:
    with pytest.raises(InsufficientDataError, match="all 4 rows are of the group 'a'"):
        InstanceWeighting().change(np.zeros((4, 1)), [0, 1, 0, 1], sensitive_features=["a"] * 4)
    with pytest.raises(ParameterError, match="strength"):
        InstanceWeighting(strength=1.5).change(
            np.zeros((4, 1)), [0, 1, 0, 1], sensitive_features=list("aabb")
        )
    with pytest.raises(DataError, match="give y"):
        InstanceWeighting().change(np.zeros((4, 1)), None, sensitive_features=list("aabb"))


@pytest.mark.data
def test_in_a_case_it_reports_weights_and_narrows_the_gap(adult_case: Case) -> None:
    after, effect = InstanceWeighting().run(adult_case)
    w = after.train.weights
    assert effect.kind == "weights"
    assert effect.share == 1.0
    assert effect.size == pytest.approx(np.abs(w - 1).mean())
    assert effect.detail["effective_rows"] == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert effect.detail["effective_rows"] < len(w)
    assert mean_score_range(after) < 0.75 * mean_score_range(adult_case)
    assert adult_case.train.weights is None


@pytest.mark.data
def test_in_a_case_without_strength_it_says_that_it_changed_nothing(adult_case: Case) -> None:
    _, effect = InstanceWeighting(strength=0.0).run(adult_case)
    assert effect.changed_nothing
    assert effect.text == "Changed no weight."
