from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from fairmend.base import DataChange
from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import DataError, InsufficientDataError, MissingExtraError, ParameterError
from fairmend.plugins.preprocessing import Smote

over_sampling = pytest.importorskip("imblearn.over_sampling")
NUMBERS = ["age", "fnlwgt", "education-num", "hours-per-week"]


@pytest.fixture(scope="module")
def people(adult_data: Dataset) -> Dataset:
    """Three thousand people in four groups, numeric features."""
    some = adult_data.take(np.flatnonzero(adult_data.sensitive["race"] != "Asian-Pac-Islander")[:3000])
    return Dataset(some.X[NUMBERS], some.y, some.sensitive, some.roles)


def resampled(data: Dataset, **parameters: object) -> DataChange:
    return Smote(random_state=0, **parameters).change(data.X, data.y, sensitive_features=data.sensitive)


def cells(sensitive: pd.DataFrame, y: np.ndarray) -> pd.Series:
    return (
        sensitive.astype(str).agg(" & ".join, axis=1).reset_index(drop=True)
        + " / "
        + pd.Series(y).astype(str)
    )


@pytest.mark.data
def test_equal_to_imbalanced_learn_on_the_crossed_label(people: Dataset) -> None:
    Z = (people.X - people.X.mean()) / people.X.std(ddof=0)
    expected, cell = over_sampling.SMOTE(random_state=0).fit_resample(Z, cells(people.sensitive, people.y))
    rows = resampled(people, target="all_equal")
    assert sorted(cells(rows.sensitive_features, rows.y)) == sorted(cell)
    ours = ((rows.X - people.X.mean()) / people.X.std(ddof=0)).assign(
        cell=cells(rows.sensitive_features, rows.y)
    )
    order = [*NUMBERS, "cell"]
    pd.testing.assert_frame_equal(
        ours.round(8).sort_values(order, ignore_index=True),
        expected.assign(cell=cell).round(8).sort_values(order, ignore_index=True),
        check_exact=False,
        atol=1e-7,
    )


@pytest.mark.data
@pytest.mark.parametrize("target", ["all_equal", "class_balance"])
def test_cell_counts_are_as_asked_and_the_rows_given_stay(people: Dataset, target: str) -> None:
    rows = resampled(people, target=target)
    before = cells(people.sensitive, people.y).value_counts()
    after = cells(rows.sensitive_features, rows.y).value_counts()
    assert len(before) == 8
    group = before.index.str.split(" / ").str[0]
    most = before.max() if target == "all_equal" else before.groupby(group).transform("max")
    assert (after.loc[before.index] == most).all()
    n = len(people)
    pd.testing.assert_frame_equal(rows.X[:n], people.X, check_dtype=False)
    np.testing.assert_array_equal(rows.origin[:n], np.arange(n))
    assert (rows.origin[n:] == -1).all()
    np.testing.assert_array_equal(rows.y[:n], people.y)
    assert (
        len(rows.X)
        == len(rows.y)
        == len(rows.sensitive_features)
        == len(rows.sample_weight)
        == len(rows.origin)
    )


@pytest.mark.data
def test_each_synthetic_row_lies_between_two_rows_of_its_cell(people: Dataset) -> None:
    rows = resampled(people)
    spread = people.X.std(ddof=0).to_numpy()
    given, made = people.X.to_numpy(float) / spread, rows.X[len(people) :].to_numpy() / spread
    cell_given, cell_made = (
        cells(people.sensitive, people.y),
        cells(rows.sensitive_features, rows.y)[len(people) :],
    )
    for x, cell in list(zip(made, cell_made, strict=True))[::40]:
        here = given[(cell_given == cell).to_numpy()]
        offsets = here - x
        lengths = np.linalg.norm(offsets, axis=1)
        # x is between p and q when the lengths to both add up to the distance of p and q.
        near = np.argsort(lengths)[:200]
        between = np.linalg.norm(here[near][:, None] - here[near][None], axis=2)
        residual = lengths[near][:, None] + lengths[near][None] - between
        np.fill_diagonal(residual, 2 * lengths[near])
        assert residual.min() < 1e-6


@pytest.mark.data
def test_categories_are_taken_from_the_cell(adult_data: Dataset) -> None:
    data = adult_data.take(np.arange(3000))
    X = data.X.assign(
        native=pd.Categorical(np.where(data.X["age"] > 40, "x", "y")),
        flag=data.X["age"] > 30,
        relationship=data.X["relationship"].where(data.X["age"] != 33, None),
    )
    rows = Smote(random_state=0).change(X, data.y, sensitive_features=data.sensitive["sex"])
    made = slice(len(X), None)
    assert set(rows.X["relationship"][made].dropna()) <= set(X["relationship"].dropna())
    assert rows.X["native"].dtype == X["native"].dtype
    assert rows.X["flag"].dtype == bool
    husbands = rows.X["relationship"][made] == "Husband"
    assert husbands.any()
    assert (rows.sensitive_features["sex"][made][husbands] == "Male").all()
    assert (rows.X["age"] % 1 != 0).any()


def test_worked_by_hand() -> None:
    # The cell (a, 1) has the values 0 and 1, so that what is added lies between; b is balanced already.
    X = pd.DataFrame({"x": [0.0, 1.0, 5.0, 6.0, 7.0, 8.0, 20.0, 21.0, 30.0, 31.0]})
    y = [1, 1, 0, 0, 0, 0, 1, 1, 0, 0]
    rows = Smote(random_state=1).change(X, y, sensitive_features=list("aaaaaabbbb"))
    assert len(rows.y) == 12
    assert rows.y[10:].tolist() == [1, 1]
    assert rows.sensitive_features["group"][10:].tolist() == ["a", "a"]
    assert rows.X["x"][10:].between(0, 1).all()


def test_balanced_data_come_back_as_they_are() -> None:
    X, y = pd.DataFrame({"x": np.arange(20)}), np.tile([0, 1], 10)
    rows = Smote().change(X, y, sensitive_features=np.repeat(["a", "b"], 10))
    pd.testing.assert_frame_equal(rows.X, X, check_dtype=False)
    np.testing.assert_array_equal(rows.origin, np.arange(20))


def test_a_single_row_is_repeated_and_says_so() -> None:
    X = pd.DataFrame({"x": [9.5, 1, 2, 3, 4, 5, 6, 7], "c": list("uvvvvvvv")})
    rows = Smote(random_state=0).change(X, [1, 0, 0, 0, 1, 1, 0, 0], sensitive_features=list("aaaabbbb"))
    assert rows.X["x"].tolist()[8:] == [9.5, 9.5]
    assert rows.X["c"].tolist()[8:] == ["u", "u"]
    assert rows.origin.tolist()[8:] == [0, 0]


def test_categories_alone_are_enough() -> None:
    X = pd.DataFrame({"c": list("uuvvuvuvuvuv"), "d": list("ssttststttst")})
    y = [1, 1, 0, 0, 0, 0] + [0, 1] * 3
    rows = Smote(random_state=0).change(X, y, sensitive_features=["a"] * 6 + ["b"] * 6)
    assert len(rows.y) == 14
    assert set(rows.X["c"][12:]) <= {"u"}


def test_made_up_rows_have_the_mean_weight_of_their_cell_and_the_labels_given() -> None:
    X = pd.DataFrame({"x": np.arange(10.0)})
    y = np.array(["yes", "yes", "no", "no", "no", "no", "yes", "yes", "no", "no"])
    w = np.array([1, 3, 1, 1, 1, 1, 1, 1, 1, 1.0])
    rows = Smote(random_state=0).change(X, y, sensitive_features=list("aaaaaabbbb"), sample_weight=w)
    assert rows.sample_weight[10:].tolist() == [2, 2]
    assert rows.y[10:].tolist() == ["yes", "yes"]


@pytest.mark.data
def test_the_seed_decides(adult_data: Dataset) -> None:
    data = adult_data.take(np.arange(600))
    X, sex = data.X[NUMBERS], data.sensitive["sex"]
    first, again, other = (
        Smote(random_state=s).change(X, data.y, sensitive_features=sex).X for s in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_bad_input_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, a = pd.DataFrame({"x": np.arange(8.0)}), [0, 0, 1, 0, 0, 1, 1, 0], list("aaaabbbb")
    with pytest.raises(InsufficientDataError, match="no row of the group 'b' has the label 1"):
        Smote().change(X, [0, 0, 1, 0, 0, 0, 0, 0], sensitive_features=a)
    with pytest.raises(DataError, match="'x' is missing in 1 rows"):
        Smote().change(X.where(X != 3), y, sensitive_features=a)
    with pytest.raises(ParameterError, match="k_neighbors"):
        Smote(k_neighbors=0).change(X, y, sensitive_features=a)
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    with pytest.raises(MissingExtraError, match=r"fairmend\[resampling\]"):
        Smote().change(X, [0, 1, 1, 0, 0, 0, 1, 1], sensitive_features=list("aaabbbbb"))


@pytest.mark.data
def test_in_a_case_it_reports_rows(adult_case: Case) -> None:
    after, effect = Smote().run(adult_case)
    data = after.train
    assert effect.kind == "rows"
    assert effect.detail["synthetic"] == len(data) - len(adult_case.train) > 0
    assert effect.detail["removed"] == effect.detail["repeated"] == 0
    rates = pd.Series(data.y).groupby(data.groups.codes).mean()
    np.testing.assert_allclose(rates, 0.5)
    assert len(data.sensitive) == len(data.X) == len(data.y)
    assert data.weights is None
