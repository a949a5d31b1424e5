"""The one contract for groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairmend.core.data.groups import GroupEncoder, Groups, encode_groups
from fairmend.core.errors import DataError, MissingColumnError, UnseenGroupError


def test_crossed_attributes_with_missing_values_become_groups_of_their_own():
    frame = pd.DataFrame({"sex": ["F", "M", "F", None], "race": ["B", "W", "B", "W"]})
    codes, labels = encode_groups(frame)
    assert labels == ("F & B", "M & W", "missing & W")
    assert codes.tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 0, 1, 0]),
        pd.Series([1.0, 0.0, 1.0, 0.0]),
        pd.Series(["1", "0", "1", "0"]),
        pd.Series(["1", "0", "1", "0"], dtype="category"),
        pd.Series([1, 0, 1, 0], dtype="Int64"),
        np.array([1, 0, 1, 0]),
        [1, 0, 1, 0],
    ],
)
def test_the_same_values_make_the_same_groups_whatever_their_type(column):
    codes, labels = encode_groups(column)
    assert labels == ("0", "1")
    assert codes.tolist() == [1, 0, 1, 0]


def test_integers_with_a_gap_keep_their_names():
    assert encode_groups(pd.Series([1, 2, None]))[1] == ("1", "2", "missing")


def test_group_codes_do_not_depend_on_row_order():
    rng = np.random.default_rng(3)
    values = rng.choice(list("abcd"), 200)
    order = rng.permutation(200)
    assert (encode_groups(values)[0][order] == encode_groups(values[order])[0]).all()


def test_an_unseen_group_is_an_error_or_a_fallback_never_another_group():
    encoder = GroupEncoder().fit(["a", "b", "a"])
    with pytest.raises(UnseenGroupError, match=r"1 rows belong to a group that was not seen at fit \(c\)"):
        encoder.transform(["a", "c"])
    assert encoder.transform(["a", "c"], unseen="fallback").codes.tolist() == [0, -1]


def test_a_frame_is_read_by_name_in_any_column_order():
    frame = pd.DataFrame({"sex": ["F", "M"], "race": ["B", "W"]})
    encoder = GroupEncoder().fit(frame)
    swapped = frame[["race", "sex"]].assign(other=1)
    assert encoder.transform(swapped).codes.tolist() == [0, 1]
    with pytest.raises(MissingColumnError, match="lacks race"):
        encoder.transform(pd.DataFrame({"sex": ["F"], "a": [1], "b": [2]}))


def test_lengths_that_differ_and_nothing_at_all_are_errors():
    with pytest.raises(DataError, match="has 2 rows, the data has 3"):
        GroupEncoder().fit(["a", "b"], 3)
    with pytest.raises(DataError, match="was not given"):
        encode_groups(None)


def test_counts_leave_out_unseen_rows_and_take_weights():
    groups = Groups(np.array([0, 1, 1, -1]), ("a", "b"), pd.DataFrame({"g": list("abbc")}))
    assert groups.counts().tolist() == [1, 2]
    assert groups.counts(np.array([1.0, 2.0, 0.5, 9.0])).tolist() == [1, 2.5]


@pytest.mark.parametrize(
    "texts",
    [
        np.array(["b", "a", "b", "c"]),
        np.array(["", "nan", "None", "", "missing"]),
        np.array(["white", "black", "white"]).astype("U33"),
        np.array(["x", "y"] * 6)[::3],
        np.array([f"person {i % 5001}" for i in range(12_000)]),
        np.array(["same start, then 1"] * 5000 + ["same start, then 2"] * 3),
    ],
)
def test_texts_of_fixed_width_are_the_same_groups_as_objects(texts) -> None:
    codes, names = encode_groups(texts)
    expected_codes, expected = encode_groups(texts.astype(object))
    assert names == expected
    np.testing.assert_array_equal(codes, expected_codes)


def test_two_dimensions_of_texts_are_crossed() -> None:
    texts = np.array([["F", "White"], ["M", "Black"], ["F", "Black"], ["F", "White"]])
    codes, names = encode_groups(texts)
    assert names == ("F & Black", "F & White", "M & Black")
    assert codes.tolist() == [1, 2, 0, 1]
