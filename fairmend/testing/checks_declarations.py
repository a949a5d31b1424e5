"""Checks of honesty: what a technique declares is what it reads, changes, draws and reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fairmend.core.stages import (
    CausalAnalysis,
    Evaluator,
    Inprocessor,
    Operation,
    Postprocessor,
)
from fairmend.core.technique import Technique
from fairmend.testing.applies import (
    acts,
    applies_later,
    case_of,
)
from fairmend.testing.driving import (
    applied,
    differ,
    evaluate,
    graph_of,
    instance,
    learner_for,
    operation_inputs,
    outputs,
    problem_for,
)
from fairmend.testing.suite import check


@check(
    "A technique that needs no protected attribute at prediction ignores it.",
    lambda t: applies_later(t) and not t.metadata.needs_protected_at_prediction,
)
def check_protected_withheld(technique: type[Technique]) -> None:
    p = problem_for(technique)
    fitted = instance(technique)
    withheld = outputs(fitted, p)
    fault = differ(withheld, applied(fitted, p, offer=True))
    assert fault is None, f"with the attribute given {fault}"
    other = p.with_(sensitive_new=p.sensitive_new.iloc[::-1].reset_index(drop=True))
    fault = differ(withheld, applied(fitted, other, offer=True))
    assert fault is None, f"with the attribute permuted {fault}"


@check(
    "A technique that declares no need for labels or the protected attribute does not use them.",
    lambda t: acts(t) and (not t.metadata.needs_labels or not t.metadata.needs_protected_at_fit),
)
def check_declared_needs(technique: type[Technique]) -> None:
    p = problem_for(technique)
    rng = np.random.default_rng(3)
    before = outputs(instance(technique), p)
    if not technique.metadata.needs_labels and not issubclass(technique, Inprocessor):
        fault = differ(before, outputs(instance(technique), p.with_(y=rng.permutation(p.y))))
        assert fault is None, f"with other labels {fault}"
    if not technique.metadata.needs_protected_at_fit:
        moved = p.sensitive.iloc[rng.permutation(len(p.y))].reset_index(drop=True)
        fault = differ(before, outputs(instance(technique), p.with_(sensitive=moved)))
        assert fault is None, f"with another protected attribute {fault}"


@check(
    "Predictions use neither the labels of the scored rows nor other scored rows.",
    applies_later,
)
def check_no_leakage(technique: type[Technique]) -> None:
    p = problem_for(technique)
    fitted = instance(technique)
    whole = outputs(fitted, p)
    fault = differ(whole, applied(fitted, p.with_(y_new=1 - p.y_new)))
    assert fault is None, f"with other labels of the new rows {fault}"
    half = len(p.y_new) // 2
    part = p.with_(
        X_new=p.X_new.iloc[:half],
        sensitive_new=p.sensitive_new.iloc[:half],
        scores_new=p.scores_new[:half],
        query_new=None if p.query_new is None else p.query_new[:half],
    )
    fault = differ({k: v[:half] for k, v in whole.items()}, applied(fitted, part))
    assert fault is None, f"scored without the rows that follow {fault}"


@check("Only what the metadata declares is changed, and a run reports it.", acts)
def check_changes_declared(technique: type[Technique]) -> None:
    case = case_of(problem_for(technique), learner_for(technique))
    made = instance(technique)
    after, effect = made.run(case)
    declared = set(technique.metadata.modifies)
    assert set(effect.kind.split(" and ")) <= declared, (
        f"the effect is on {effect.kind}, declared are {sorted(declared)}"
    )
    train, former = after.train, case.train
    if "rows" not in declared:
        assert len(train) == len(former), "the number of rows changed"
        if "features" not in declared:
            assert train.X.equals(former.X), "features changed, and the metadata does not say so"
        elif "features" in made.get_params(deep=False):
            _only_named_features(technique, former.X)
        if "labels" not in declared:
            assert np.array_equal(train.y, former.y), "labels changed, and the metadata does not say so"
        if "weights" not in declared:
            assert train.weights is former.weights, "weights changed, and the metadata does not say so"
    if not issubclass(technique, Postprocessor):
        return
    fitted = after.fitted()
    data = after.validation
    scores_changed = not np.allclose(
        fitted.scores(data.X, data.sensitive), case.fitted().scores(data.X, data.sensitive)
    )
    assert not scores_changed or "scores" in declared, "scores changed, and the metadata does not say so"


def _only_named_features(technique: type[Technique], X: pd.DataFrame) -> None:
    p = problem_for(technique)
    made = instance(technique, features=["mediator"])
    out = made.fit_transform(p.X, p.y, sensitive_features=p.sensitive)
    for name in X.columns:
        if name != "mediator":
            assert out[name].equals(p.X[name]), f"{name} changed, and only 'mediator' was named"


@check(
    "Ranks are preserved if the metadata says so.",
    lambda t: t.metadata.keeps_rank_order and applies_later(t),
)
def check_keeps_rank_order(technique: type[Technique]) -> None:
    p = problem_for(technique)
    groups = p.sensitive_new["group"].to_numpy()
    result = outputs(instance(technique), p)
    if "place" in result:
        # Places are kept within a query; those of the next query come after all of this one.
        query = np.zeros(len(p.scores_new)) if p.query_new is None else p.query_new
        spread = np.ptp(p.scores_new) + 1
        pairs = [("the ranking", p.scores_new - query * spread, -result["place"] - query * len(query))]
    elif "score" in result:
        pairs = [("the scores", p.scores_new, result["score"])]
    elif "decision" in result:
        pairs = [("the scores", p.scores_new, result["decision"])]
    else:
        numeric = [i for i, c in enumerate(p.X_new.columns) if pd.api.types.is_numeric_dtype(p.X_new[c])]
        before = p.X_new.to_numpy()
        pairs = [
            (str(p.X_new.columns[i]), before[:, i].astype(float), result["features"][:, i]) for i in numeric
        ]
    for name, old, new in pairs:
        for group in np.unique(groups):
            rows = groups == group
            order = np.argsort(old[rows], kind="stable")
            assert (np.diff(np.asarray(new)[rows][order]) >= -1e-9).all(), (
                f"the order of {name} changed within {group}"
            )


@check(
    "Decisions are deterministic unless the metadata says that they are randomized.",
    lambda t: issubclass(t, (Inprocessor, Postprocessor)),
)
def check_randomized_declared(technique: type[Technique]) -> None:
    decision = outputs(instance(technique), problem_for(technique)).get("decision")
    if decision is None or technique.metadata.randomized:
        return
    certain = np.isin(decision, (0.0, 1.0))
    assert certain.all(), f"{int((~certain).sum())} decisions are uncertain, and the metadata does not say so"


@check("Reports contain only numbers, texts, lists and mappings, ready for JSON.")
def check_plain_report(technique: type[Technique]) -> None:
    p = problem_for(technique)
    made = instance(technique)
    if isinstance(made, CausalAnalysis):
        report = dict(made.analyze(p.dataset(), graph_of(p)).result)
    elif isinstance(made, Evaluator):
        report = evaluate(made, p)
    elif isinstance(made, Operation):
        made_of = made.produce(**operation_inputs(type(made)))
        assert made_of.result or made_of.documents, "nothing was made"
        report = dict(made_of.result)
    else:
        report = dict(made.run(case_of(p, learner_for(technique)))[1].detail)
    odd = _odd(report)
    assert odd is None, f"the report holds {odd}"


def _odd(value: Any, path: str = "") -> str | None:
    """Return the first thing in a report that JSON does not know, with its path."""
    if value is None or isinstance(
        value, (str, bool, int, float, np.generic, np.ndarray, pd.DataFrame, pd.Series)
    ):
        return None
    if isinstance(value, Mapping):
        items = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        items = [(f"{path}[{place}]", item) for place, item in enumerate(value)]
    else:
        return f"a {type(value).__name__} at {path or 'its top'}"
    return next((odd for name, item in items if (odd := _odd(item, name)) is not None), None)
