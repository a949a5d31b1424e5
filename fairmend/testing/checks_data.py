"""Checks of hard data: kinds of attributes, unseen and empty groups, one class, few and many rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from fairmend.core.errors import FairmendError, InsufficientDataError, PluginError, UnseenGroupError
from fairmend.core.stages import Inprocessor, Postprocessor, Preprocessor
from fairmend.core.technique import Technique
from fairmend.testing.applies import CLASSES, applies_later, looks, reads_candidates, runs, tolerance_of
from fairmend.testing.driving import applied, differ, instance, outputs, problem_for, task_of
from fairmend.testing.problems import Problem
from fairmend.testing.suite import check


def _groups(t: type[Technique]) -> bool:
    return runs(t) and not reads_candidates(t)


@check("Groups of type text, number, boolean or category are treated alike.", _groups)
def check_attribute_types(technique: type[Technique]) -> None:
    numbers, truths = (
        problem_for(technique, groups=("0", "1")),
        problem_for(technique, groups=("False", "True")),
    )
    _same_groups(technique, numbers, {
        "int": lambda s: s.astype(int),
        "float": lambda s: s.astype(float),
        "category": lambda s: s.astype("category"),
    })  # fmt: skip
    _same_groups(technique, truths, {"bool": lambda s: s == "True"})


def _same_groups(
    technique: type[Technique], p: Problem, kinds: dict[str, Callable[[pd.Series[Any]], pd.Series[Any]]]
) -> None:
    first = outputs(instance(technique), p)
    for name, cast in kinds.items():
        other = p.with_(
            sensitive=p.sensitive.assign(group=cast(p.sensitive["group"])),
            sensitive_new=p.sensitive_new.assign(group=cast(p.sensitive_new["group"])),
        )
        fault = differ(first, outputs(instance(technique), other), tolerance_of(technique))
        assert fault is None, f"with groups as {name} {fault}"


@check(
    "Missing values of the protected attribute form a separate group.",
    lambda t: _groups(t) and "many groups" in t.metadata.arity,
)
def check_missing_group(technique: type[Technique]) -> None:
    p = problem_for(technique, groups=("a", "b", "c"))
    gaps = p.with_(
        sensitive=p.sensitive.assign(group=p.sensitive["group"].where(p.sensitive["group"] != "c", None)),
        sensitive_new=p.sensitive_new.assign(
            group=p.sensitive_new["group"].where(p.sensitive_new["group"] != "c", None)
        ),
    )
    a, b = outputs(instance(technique), p), outputs(instance(technique), gaps)
    if looks(technique):
        assert b, "nothing was found"
        return
    fault = differ(a, b, tolerance_of(technique))
    assert fault is None, f"with missing values in place of a third group {fault}"


@check("Many groups are supported, or raise a clear error.", _groups)
def check_many_groups(technique: type[Technique]) -> None:
    p = problem_for(technique, groups=("a", "b", "c", "d"), n=1200)
    _served(technique, p, "many groups" in technique.metadata.arity, "four groups")


@check("Several attributes are crossed.", lambda t: _groups(t) and "several attributes" in t.metadata.arity)
def check_several_attributes(technique: type[Technique]) -> None:
    _served(technique, problem_for(technique, second=True, n=1200), True, "two attributes")


def _served(technique: type[Technique], p: Problem, declared: bool, what: str) -> None:
    try:
        result = outputs(instance(technique), p)
    except PluginError:
        raise
    except FairmendError as error:
        assert not declared, f"{what} are declared but raise an error: {error}"
        return
    for name, values in result.items():
        if not looks(technique):
            assert np.isfinite(np.asarray(values, dtype=float)).all(), f"{name} is not finite with {what}"


@check(
    "A group not seen in fit is an error that names it.",
    lambda t: applies_later(t) and t.metadata.needs_protected_at_prediction,
)
def check_unseen_group(technique: type[Technique]) -> None:
    p = problem_for(technique)
    fitted = instance(technique)
    outputs(fitted, p)
    strange = p.sensitive_new.copy()
    strange.iloc[0, 0] = "never seen"
    try:
        applied(fitted, p.with_(sensitive_new=strange))
    except UnseenGroupError as error:
        assert "never seen" in str(error), "the error must name the group"
    else:
        raise AssertionError("a row of an unseen group was treated as one of another group")
    if "unseen" in technique._get_param_names():
        lenient = instance(technique, unseen="fallback")
        outputs(lenient, p)
        result = applied(lenient, p.with_(sensitive_new=strange))
        assert all(np.isfinite(v.astype(float)).all() for v in result.values()), "the fallback is not finite"


@check("A group without one of the classes is supported, or raises a clear error.", _groups)
def check_empty_cell(technique: type[Technique]) -> None:
    p = problem_for(technique, groups=("a", "b", "c"))
    y = np.where(p.sensitive["group"] == "c", 0, p.y)
    _calm(technique, p.with_(y=y), "a group without a favorable label")


@check(
    "A single class raises a clear error.",
    lambda t: (
        issubclass(t, (Preprocessor, Inprocessor, Postprocessor))
        and t.metadata.needs_labels
        and task_of(t) in CLASSES
    ),
)
def check_one_class(technique: type[Technique]) -> None:
    p = problem_for(technique)
    try:
        outputs(instance(technique), p.with_(y=np.zeros_like(p.y)))
    except InsufficientDataError:
        return
    raise AssertionError("labels of one class only must raise InsufficientDataError")


@check(
    "A single group raises a clear error.",
    lambda t: issubclass(t, (Preprocessor, Inprocessor, Postprocessor)) and t.metadata.needs_protected_at_fit,
)
def check_one_group(technique: type[Technique]) -> None:
    p = problem_for(technique)
    alone = p.sensitive.assign(group="a")
    try:
        outputs(instance(technique), p.with_(sensitive=alone, sensitive_new=alone))
    except InsufficientDataError:
        return
    raise AssertionError("rows of one group only must raise InsufficientDataError")


@check("Constant and repeated columns are harmless.", lambda t: issubclass(t, (Preprocessor, Inprocessor)))
def check_degenerate_columns(technique: type[Technique]) -> None:
    p = problem_for(technique)
    more = p.with_(
        X=p.X.assign(constant=1.0, twin=p.X["skill"]),
        X_new=p.X_new.assign(constant=1.0, twin=p.X_new["skill"]),
    )
    for name, values in outputs(instance(technique), more).items():
        assert np.isfinite(np.asarray(values, dtype=float)).all(), f"{name} is not finite"


@check(
    "Missing feature values are supported, or raise a clear error.",
    lambda t: issubclass(t, (Preprocessor, Inprocessor)),
)
def check_missing_features(technique: type[Technique]) -> None:
    p = problem_for(technique)
    rng = np.random.default_rng(5)
    holes = p.X.copy()
    holes["skill"] = holes["skill"].where(rng.random(len(holes)) > 0.1)
    holes["place"] = holes["place"].where(rng.random(len(holes)) > 0.1, None)
    _calm(technique, p.with_(X=holes), "missing feature values")


@check("Ten rows are supported, or raise a clear error.", _groups)
def check_ten_rows(technique: type[Technique]) -> None:
    p = problem_for(technique)
    middle = 0 if task_of(technique) in CLASSES else np.median(p.y)
    few = np.r_[np.flatnonzero(p.y <= middle)[:5], np.flatnonzero(p.y > middle)[:5]]
    _calm(technique, p.rows(few), "ten rows")


@check("Ten thousand rows are supported.", _groups)
def check_ten_thousand_rows(technique: type[Technique]) -> None:
    result = outputs(instance(technique), problem_for(technique, n=10_000))
    assert result, "nothing was returned"


def _calm(technique: type[Technique], p: Problem, what: str) -> None:
    """Assert that a technique either works or raises an error of fairmend that says what is wrong."""
    try:
        result = outputs(instance(technique), p)
    except PluginError:
        raise
    except FairmendError as error:
        assert "\n" not in str(error), f"the error for {what} has more than one line"
        return
    if looks(technique):
        return
    for name, values in result.items():
        if name == "features" and p.X.isna().to_numpy().any():
            continue
        assert not pd.isna(np.asarray(values, dtype=float)).any(), f"{name} holds NaN for {what}"
