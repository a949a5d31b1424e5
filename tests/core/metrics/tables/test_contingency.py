from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairmend.core.data.groups import GroupEncoder
from fairmend.core.errors import DataError, InsufficientDataError, UsageError
from fairmend.core.metrics import GroupTable, PairedTable, ScoreTable, compare, evaluate, measure
from fairmend.core.metrics.tables.two_point_quadrature import power_sums, two_points

Y, D, A = [1, 0, 1, 1, 0], [1, 0, 0, 1, 1], ["F", "M", "F", "M", "M"]


def test_counts_are_group_by_label_by_decision():
    table = GroupTable.from_arrays(Y, D, A)
    assert table.groups == ("F", "M")
    assert table.rows.tolist() == [[[0, 0], [1, 1]], [[1, 1], [0, 1]]]
    assert table.n_rows == 5


def test_attributes_are_crossed_and_missing_is_a_group():
    frame = pd.DataFrame({"sex": A, "code": [1.0, 2.0, np.nan, 2.0, 2.0]})
    table = GroupTable.from_arrays(Y, D, frame)
    assert table.groups == ("F & 1", "F & missing", "M & 2")
    assert table.rows.sum(axis=(1, 2)).tolist() == [1, 1, 3]


def test_a_known_group_without_rows_and_an_unseen_one_stay_in_view():
    encoder = GroupEncoder().fit(pd.Series(["F", "M", "X"], name="sex"))
    groups = encoder.transform(pd.Series(["F", "M", "F", "Z", "M"], name="sex"), unseen="fallback")
    table = GroupTable.from_arrays(Y, D, groups)
    assert table.groups == ("F", "M", "X", "unseen")
    assert table.rows.sum(axis=(1, 2)).tolist() == [2, 2, 0, 1]
    figure = measure(Y, D, sensitive_features=groups).figure("demographic_parity_difference")
    assert "X" in figure.lacking


def test_integer_weights_act_as_repeated_rows():
    rng = np.random.default_rng(0)
    y, d, a, w = (
        rng.integers(0, 2, 200),
        rng.integers(0, 2, 200),
        rng.integers(0, 3, 200),
        rng.integers(0, 4, 200),
    )
    weighted, repeated = (
        GroupTable.from_arrays(y, d, a, sample_weight=w),
        GroupTable.from_arrays(np.repeat(y, w), np.repeat(d, w), np.repeat(a, w)),
    )
    np.testing.assert_array_equal(weighted.counts, repeated.counts)
    assert weighted.n_rows == 200


def test_paired_margins_are_the_single_tables():
    rng = np.random.default_rng(1)
    y, b, c, g = (rng.integers(0, 2, 300) for _ in range(4))
    w = rng.random(300)
    paired = PairedTable.from_arrays(y, b, c, g, sample_weight=w)
    for part, decisions in ((paired.before, b), (paired.after, c)):
        single = GroupTable.from_arrays(y, decisions, g, sample_weight=w)
        np.testing.assert_array_equal(part.rows, single.rows)
        np.testing.assert_allclose(part.moments, single.moments, rtol=1e-12)


def test_score_bins_close_on_the_right_only_at_the_end():
    table = ScoreTable.from_arrays([1, 0, 1, 1], [0.0, 0.5, 0.999, 1.0], ["a"] * 4, bins=2)
    assert table.rows[0].tolist() == [[0, 1], [1, 2]]
    assert table.scores[0, 0, 1].tolist() == pytest.approx([0.5, 1.999])


def test_equal_mass_bins_hold_equal_rows_and_merge_ties():
    scores = np.linspace(0.2, 0.6, 100)
    table = ScoreTable.from_arrays([0, 1] * 50, scores, ["a"] * 100, bins=5, strategy="mass")
    assert table.rows.sum(axis=(0, 2)).tolist() == [20] * 5
    tied = ScoreTable.from_arrays(
        [0, 1] * 50, np.repeat([0.2, 0.8], 50), ["a"] * 100, bins=5, strategy="mass"
    )
    assert tied.rows.sum() == 100
    assert len(tied.edges) < 6


def test_two_points_keep_the_moments_and_few_values_exactly():
    rng = np.random.default_rng(2)
    values = rng.gamma(2.0, size=4000)
    cell = rng.integers(0, 4, 4000)
    size, value = two_points(np.bincount(cell), power_sums(cell, values, 4))
    for c in range(4):
        own = values[cell == c]
        assert size[c].sum() == len(own)
        mean = (size[c] * value[c]).sum() / len(own)
        assert mean == pytest.approx(own.mean(), rel=1e-9)
        assert (size[c] * (value[c] - mean) ** 2).sum() / len(own) == pytest.approx(own.var(), rel=1e-9)
        third = (size[c] * (value[c] - mean) ** 3).sum() / len(own)
        assert third == pytest.approx(((own - own.mean()) ** 3).mean(), rel=0.02)
    exact = np.repeat([0.5, 3.0], [7, 2])
    size, value = two_points(np.array([9]), power_sums(np.zeros(9, int), exact, 1))
    assert size.tolist() == [[7, 2]]
    assert value[0] == pytest.approx([0.5, 3.0], rel=1e-9)


def test_row_order_and_input_types_do_not_matter():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.integers(0, 2, (500, 3)), columns=list("yda"))
    score = rng.random(500)
    first = measure(frame.y, frame.d, sensitive_features=frame.a, y_score=score, n_boot=50).to_json()
    order = rng.permutation(500)
    shuffled = frame.iloc[order]
    second = measure(
        shuffled.y.astype(bool).tolist(),
        shuffled.d.astype("Int64"),
        sensitive_features=shuffled.a.astype(float).to_numpy(),
        y_score=score[order],
        n_boot=50,
    ).to_json()
    assert first["equalized_odds_difference"] == second["equalized_odds_difference"]
    assert first["selection_rate"] == second["selection_rate"]
    near = pytest.approx(first["brier"]["interval"], rel=1e-12)
    assert second["brier"]["interval"] == near


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_pred": [0.2, 0, 1, 1, 0]}, r"y_pred must hold 0 and 1 only, got 0.2"),
        ({"y_true": [2, 0, 1, 1, 0]}, r"y_true must hold 0 and 1 only, got 2"),
        ({"y_true": [1, 0, None, 1, 0]}, r"y_true has missing values"),
        ({"y_true": [1, 0, np.nan, 1, 0]}, r"y_true must hold 0 and 1 only, got a missing value"),
        ({"y_true": ["yes", "no", "no", "yes", "no"]}, r"y_true must be numbers, got \['yes'\]"),
        ({"y_pred": [1, 0]}, r"same number of rows, got y_true 5, y_pred 2, sensitive_features 5"),
        ({"y_pred": np.ones((5, 2))}, r"y_pred must be one column, got an array of shape \(5, 2\)"),
        ({"y_score": [0.1, 0.2, 1.5, 0.3, 0.4]}, r"y_score must be probabilities in \[0, 1\], got 1.5"),
        ({"y_score": [0.1, 0.2, np.nan, 0.3, 0.4]}, r"y_score has 1 values that are NaN"),
        ({"sample_weight": [1, 1, -2, 1, 1]}, r"sample_weight must not be negative, got -2"),
        ({"sample_weight": [0, 0, 0, 0, 0]}, r"sample_weight is 0 in every row"),
        ({"sample_weight": [1, 1, np.inf, 1, 1]}, r"sample_weight has 1 values that are NaN or infinite"),
        ({"cluster": [1, 1, None, 2, 2]}, r"cluster is missing in 1 rows"),
        ({"cluster": [1, 1, 1, 1, 1]}, r"cluster has one value only"),
        ({"sensitive_features": None}, r"sensitive_features was not given"),
    ],
)
def test_bad_data_is_named(arguments, message):
    call = {"y_true": Y, "y_pred": D, "sensitive_features": A} | arguments
    with pytest.raises(DataError, match=message):
        measure(call.pop("y_true"), call.pop("y_pred"), **call)


def test_bad_settings_are_named():
    with pytest.raises(
        LookupError, match="no metric is called 'equalised_odds_difference'; did you mean equalized"
    ):
        evaluate(GroupTable.from_arrays(Y, D, A), "equalised_odds_difference")
    with pytest.raises(LookupError, match="no metric is called 'fairness'"):
        compare(Y, D, D, sensitive_features=A, metrics=["fairness"])
    with pytest.raises(UsageError, match="n_boot must be at least 1, got 0"):
        measure(Y, D, sensitive_features=A, n_boot=0)
    with pytest.raises(UsageError, match="level must lie between 0 and 1, got 95"):
        measure(Y, D, sensitive_features=A, level=95)
    with pytest.raises(UsageError, match="method must be 'percentile' or 'bca', got 'normal'"):
        measure(Y, D, sensitive_features=A, method="normal")
    with pytest.raises(UsageError, match="edges that increase from 0 to 1"):
        ScoreTable.from_arrays(Y, [0.5] * 5, A, bins=[0, 0.7, 0.3, 1])
    with pytest.raises(InsufficientDataError, match="no rows to measure"):
        measure([], [], sensitive_features=[])
