"""The task of an outcome: detected, named, and refused in words; favorable values and expressions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import FairmendError, InsufficientDataError, UsageError
from fairmend.core.text.validation import validated

N = 240


def frame(**outcome) -> pd.DataFrame:
    r = np.random.default_rng(0)
    return pd.DataFrame(
        {"sex": r.choice(["F", "M"], N), "pay": r.normal(size=N), "q": np.arange(N) // 20, **outcome}
    )


def read(y, **roles) -> Dataset:
    named = validated(Roles, {"outcome": "y", "protected": ("sex",), **roles}, "the roles")
    return Dataset.from_frame(frame(y=y), named)


def repeated(*values):
    return [values[i % len(values)] for i in range(N)]


DETECTED = {
    "two texts": (repeated("no", "yes"), {"favorable": "yes"}, "binary"),
    "zero and one": (repeated(0, 1), {}, "binary"),
    "two other numbers": (repeated(1, 2), {"favorable": 2}, "binary"),
    "three texts": (repeated("low", "mid", "high"), {}, "multiclass"),
    "ten whole numbers": (repeated(*range(1, 11)), {}, "multiclass"),
    "twenty whole numbers": (repeated(*range(20)), {}, "multiclass"),
    "twenty-one whole numbers": (repeated(*range(21)), {}, "regression"),
    "three fractions": (repeated(0.5, 1.0, 1.5), {}, "regression"),
    "numbers written as texts": (repeated("0.5", "1.25", "2"), {}, "regression"),
    "numbers with an expression": (repeated(*range(21)), {"favorable": ">=10"}, "binary"),
    "a query": (repeated(0, 1, 2), {"query": "q"}, "ranking"),
    "three texts named binary": (repeated("a", "b", "c"), {"favorable": "==a", "task": "binary"}, "binary"),
    "two values named regression": (repeated(0, 1), {"task": "regression"}, "regression"),
    "two values named multiclass": (repeated("a", "b"), {"task": "multiclass"}, "multiclass"),
    "whole numbers named regression": (repeated(*range(1, 11)), {"task": "regression"}, "regression"),
    "numbers named ranking": (repeated(*range(1, 11)), {"task": "ranking"}, "ranking"),
}


@pytest.mark.parametrize("case", DETECTED)
def test_the_task_is_detected_or_taken_as_named(case):
    values, roles, task = DETECTED[case]
    data = read(values, **roles)
    assert data.task == data.roles.task == task
    expected = np.float64 if task in ("regression", "ranking") else np.int64
    assert data.y.dtype == expected
    assert len(data.classes) == (len(set(map(str, values))) if task == "multiclass" else 0)


@pytest.mark.parametrize("case", ["three texts", "ten whole numbers", "three fractions"])
def test_a_task_that_was_detected_and_is_not_binary_is_said_with_the_ways_out(case):
    values, roles, task = DETECTED[case]
    (note,) = read(values, **roles).notes
    assert f"was read as a {task} outcome" in note
    assert "--favorable" in note or "--task" in note
    assert f"--task {task}" not in note


EXPRESSIONS = {
    ">=10": lambda v: v >= 10,
    "> 10": lambda v: v > 10,
    "<5": lambda v: v < 5,
    "<=5": lambda v: v <= 5,
    "!=7": lambda v: v != 7,
    "==7": lambda v: v == 7,
    "==7, 8,9": lambda v: v in (7, 8, 9),
    "!=7,8": lambda v: v not in (7, 8),
    ">=2.5": lambda v: v >= 2.5,
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_makes_two_outcomes(expression):
    values = repeated(*range(17))
    data = read(values, favorable=expression)
    assert data.y.tolist() == [int(EXPRESSIONS[expression](v)) for v in values]
    assert data.roles.favorable == expression
    assert Dataset.from_frame(frame(y=values), data.roles).fingerprint() == data.fingerprint()


def test_a_value_that_looks_like_an_expression_is_a_value():
    data = read(repeated(">50K", "<=50K"), favorable=">50K")
    assert data.y.tolist() == repeated(1, 0)


def test_texts_are_listed_and_may_hold_commas():
    data = read(repeated("a, b", "c", "d"), favorable="==a, b")
    assert data.y.tolist() == repeated(1, 0, 0)
    assert read(repeated("x", "y", "z"), favorable="==x,z").y.tolist() == repeated(1, 0, 1)


REFUSED = {
    "one value of many numbers": (repeated(*range(17)), {"favorable": 10}, r"has 17 values, two are needed: .*--favorable '>=10', --favorable '==10' \(this value against all others\)"),
    "one value of three texts": (repeated("a", "b", "c"), {"favorable": "a"}, "has 3 values, two are needed: .*--favorable '==a'.*--task multiclass"),
    "one value of a real number": (np.linspace(0, 1, N), {"favorable": 0.0}, "two are needed"),
    "an unknown value": (repeated("a", "b"), {"favorable": "c"}, "'c' is not a value of the outcome 'y': a, b"),
    "an unknown value in a list": (repeated("a", "b", "c"), {"favorable": "==a,z"}, "'z' is not a value of the outcome"),
    "all rows favorable": (repeated(1, 2, 3), {"favorable": ">=0"}, "every row of 'y' is favorable"),
    "no row favorable": (repeated(1, 2, 3), {"favorable": ">9"}, "no row of 'y' is favorable"),
    "a comparison without a number": (repeated(1, 2, 3), {"favorable": ">=x"}, "compares with a number, got 'x'"),
    "a comparison with nan": (repeated(1, 2, 3), {"favorable": ">=nan"}, "compares with a number"),
    "a comparison of texts": (repeated("a", "b", "c"), {"favorable": ">1"}, "holds text; list its values"),
    "binary without a favorable value": (repeated("a", "b", "c"), {"task": "binary"}, "say which value of 'y' is the favorable one"),
    "text as a regression": (repeated("a", "b", "c"), {"task": "regression"}, "a regression needs numbers"),
    "text as a ranking": (repeated("a", "b", "c"), {"query": "q"}, "a ranking needs numbers"),
    "infinite numbers": (repeated(1.5, np.inf, 2.5), {"task": "regression"}, "infinite"),
    "numbers too large": (repeated(1.5, 1e300, 2.5), {"task": "regression"}, "at most 1e\\+100"),
    "too many classes": ([f"c{i}" for i in range(N)], {}, "has 240 classes, at most 100"),
    "a favorable class of many": (repeated("a", "b", "c"), {"favorable": "a", "task": "multiclass"}, "leave out one of"),
    "a direction that is none": (repeated(0.5, 1.5, 2.5), {"favorable": 1.5, "task": "regression"}, "must be high or low"),
    "a query of a regression": (repeated(0.5, 1.5), {"task": "regression", "query": "q"}, "a query column requires the task ranking, but the task is regression"),
    "one value": ([1.5] * N, {"task": "regression"}, "has only one value"),
    "gaps": (repeated(1.5, None, 2.5), {"task": "regression"}, "missing in 80 of 240 rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_line(case):
    values, roles, message = REFUSED[case]
    with pytest.raises(FairmendError, match=message) as caught:
        read(values, **roles)
    assert "\n" not in str(caught.value)


def test_high_or_low_says_which_end_of_a_number_people_want():
    values = repeated(0.5, 1.5, 2.5)
    assert read(values).roles.favorable == "high"
    assert read(values, favorable="low").roles.favorable == "low"


def test_a_query_stays_in_one_part_of_a_split():
    data = read(repeated(0, 1, 2), query="q")
    parts = data.split({"a": 0.5, "b": 0.5}, seed=1)
    assert not set(parts["a"].query) & set(parts["b"].query)
    table = frame(y=repeated(0, 1, 2))
    table["q"] = table["q"].astype(float).where(table.index > 0)
    with pytest.raises(FairmendError, match="query 'q' is missing in 1 rows"):
        Dataset.from_frame(table, Roles(outcome="y", protected=("sex",), query="q"))


@pytest.mark.parametrize("case", ["three texts", "three fractions", "numbers named ranking"])
def test_a_split_has_the_same_mix_of_outcomes_in_every_part(case):
    values, roles, _ = DETECTED[case]
    data = read(values, **roles)
    parts = data.split(seed=0)
    assert sum(map(len, parts.values())) == len(data)
    for part in parts.values():
        assert abs(part.y.mean() - data.y.mean()) < 0.35 * data.y.std()
        assert part.task == data.task


def test_a_part_without_one_of_the_classes_is_refused():
    with pytest.raises(InsufficientDataError, match="would lack an outcome"):
        read(["rare", *repeated("a", "b")[1:]], task="multiclass").split(seed=0)


def test_the_fingerprint_tells_real_values_apart():
    one, other = read(np.linspace(0, 1, N)), read(np.linspace(0, 1, N) + 1e-9)
    assert one.fingerprint() != other.fingerprint()


def test_a_query_has_one_role():
    with pytest.raises(UsageError, match="both as protected and as query"):
        read(repeated(0, 1, 2), protected=("q",), query="q")
