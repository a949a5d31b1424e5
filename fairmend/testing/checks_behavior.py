"""Checks of behavior: seeds, inputs, order, names, weights, honesty of the declared needs."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import PluginError
from fairmend.core.safety.containment import captured
from fairmend.core.stages import (
    CausalAnalysis,
    Evaluator,
    Inprocessor,
    Operation,
    Postprocessor,
    Preprocessor,
)
from fairmend.core.stages._returned import RowCountError
from fairmend.core.technique import Technique
from fairmend.testing.driving import (
    applied,
    differ,
    evaluate,
    graph_of,
    instance,
    learner_for,
    leaves,
    operation_inputs,
    outputs,
    problem_for,
    sensitive_for,
    task_of,
)
from fairmend.testing.problems import Problem
from fairmend.testing.suite import check

CLASSES = {"binary", "multiclass"}
"""Tasks whose scores are probabilities."""


def _acts(t: type[Technique]) -> bool:
    return issubclass(t, (Preprocessor, Inprocessor, Postprocessor))


def _looks(t: type[Technique]) -> bool:
    return t.metadata.stage in {"causal", "evaluation"}


def _runs(t: type[Technique]) -> bool:
    return t.metadata.stage != "operations"


def _reads_candidates(t: type[Technique]) -> bool:
    return issubclass(t, Evaluator) and t.reads("candidates")


def _applies_later(t: type[Technique]) -> bool:
    return issubclass(t, (Inprocessor, Postprocessor)) or hasattr(t, "_transform")


def _reads_weights(t: type[Technique]) -> bool:
    return issubclass(t, (Inprocessor, Postprocessor)) or _changes(t, "weights")


def _changes(t: type[Technique], what: str) -> bool:
    """Whether a technique changes this of the training data alone."""
    return hasattr(t, "_change") and what in t.metadata.modifies


@check("One value is returned per row.", _acts)
def check_row_counts(technique: type[Technique]) -> None:
    try:
        outputs(instance(technique), problem_for(technique))
    except RowCountError:
        raise
    except PluginError:
        return  # another fault of what is returned, which results_in_range reports


@check("Results are finite and in range.", _runs)
def check_results_in_range(technique: type[Technique]) -> None:
    if _looks(technique):
        made = instance(technique)
        result = evaluate(made, problem_for(technique)) if isinstance(made, Evaluator) else None
        assert result is None or leaves(result), "the evaluation returns no number"
        return
    for name, values in outputs(instance(technique), problem_for(technique)).items():
        assert np.isfinite(np.asarray(values, dtype=float)).all(), f"{name} holds values that are not finite"
        if name in {"probability", "decision"} or (name == "score" and task_of(technique) in CLASSES):
            assert ((values >= 0) & (values <= 1)).all(), f"{name} is outside [0, 1]"
        if name == "weights":
            assert (values >= 0).all(), "a weight is negative"
            assert values.sum() > 0, "all weights are zero"


@check("Nothing is printed to stdout, which belongs to results.")
def check_prints_nothing(technique: type[Technique]) -> None:
    p = problem_for(technique)
    with captured() as printed:
        made = instance(technique)
        if isinstance(made, Operation):
            made.produce(**operation_inputs(technique))
        else:
            outputs(made, p)
        sys.stdout.flush()
        printed.seek(0)
        text = printed.read().decode("utf-8", "replace").strip()
    assert not text, f"it prints {' '.join(text.split())[:80]!r}; use the module logging, or return it"


@check("The same seed gives the same result.", _runs)
def check_same_seed_same_result(technique: type[Technique]) -> None:
    p = problem_for(technique)
    fault = differ(outputs(instance(technique), p), outputs(instance(technique), p), 1e-12)
    assert fault is None, fault


@check("Inputs are never modified.", _runs)
def check_inputs_unmodified(technique: type[Technique]) -> None:
    p = copy.deepcopy(problem_for(technique))
    outputs(instance(technique), p)
    for name, before in vars(problem_for(technique)).items():
        after = getattr(p, name)
        same = after.equals(before) if isinstance(after, pd.DataFrame) else np.array_equal(after, before)
        assert same, f"{name} was modified"


@check(
    "Row order does not matter.",
    lambda t: _runs(t) and not _changes(t, "rows") and not _reads_candidates(t),
)
def check_row_order(technique: type[Technique]) -> None:
    p = problem_for(technique)
    order = np.random.default_rng(1).permutation(len(p.y))
    a, b = outputs(instance(technique), p), outputs(instance(technique), p.rows(order))
    if hasattr(technique, "_change") and not hasattr(technique, "_transform"):
        a = {k: v[order] for k, v in a.items()}
    fault = differ(a, b, _tolerance(technique))
    assert fault is None, f"after the rows were shuffled {fault}"


def _tolerance(technique: type[Technique]) -> float:
    return 2e-3 if issubclass(technique, Inprocessor) else 1e-6


@check("The order of columns does not matter.", lambda t: issubclass(t, (Preprocessor, Inprocessor)))
def check_column_order(technique: type[Technique]) -> None:
    p = problem_for(technique)
    names = list(p.X.columns)[::-1]
    turned = p.with_(X=p.X[names], X_new=p.X_new[names])
    a, b = outputs(instance(technique), p), outputs(instance(technique), turned)
    if (
        "features" in a
        and a["features"].shape == b["features"].shape
        and a["features"].shape[1] == len(names)
    ):
        b = {**b, "features": b["features"][:, ::-1]}
    fault = differ(a, b, _tolerance(technique))
    assert fault is None, f"with the columns in another order {fault}"


@check("The names of groups do not matter.", _runs)
def check_group_names(technique: type[Technique]) -> None:
    p = problem_for(technique)
    names = {"a": "zebra", "b": "aardvark"}
    renamed = p.with_(sensitive=p.sensitive.replace(names), sensitive_new=p.sensitive_new.replace(names))
    a, b = outputs(instance(technique), p), outputs(instance(technique), renamed)
    tolerance = _tolerance(technique)
    if _looks(technique):
        # Intervals are drawn group by group, so that another order of groups gives other draws.
        a, b, tolerance = _by_value(a), _by_value(b), 0.05
    fault = differ(a, b, tolerance)
    assert fault is None, f"with other names of the same groups {fault}"


def _by_value(result: dict[str, Any]) -> dict[str, Any]:
    """Return the sizes of the figures in order: names, order and sign of a contrast may change with the groups' names."""
    sizes = np.sort(np.abs(np.concatenate(list(result.values())))) if result else np.empty(0)
    return {"figures": sizes}


@check("Integer weights act as repeated rows.", _reads_weights)
def check_integer_weights(technique: type[Technique]) -> None:
    p = problem_for(technique)
    weight = np.random.default_rng(2).integers(1, 4, len(p.y))
    rows = np.repeat(np.arange(len(p.y)), weight)
    a = outputs(instance(technique), p, sample_weight=weight)
    b = outputs(instance(technique), p.rows(rows))
    if "weights" in a:
        a = {"weights": np.repeat(a["weights"] / weight, weight)}
    fault = differ(a, b, _tolerance(technique))
    assert fault is None, f"with repeated rows instead of weights {fault}"


@check("An unfitted technique raises NotFittedError.", _applies_later)
def check_unfitted_raises(technique: type[Technique]) -> None:
    try:
        applied(instance(technique), problem_for(technique))
    except NotFittedError:
        return
    raise AssertionError("an unfitted technique must raise scikit-learn's NotFittedError")


@check(
    "A technique that needs no protected attribute at prediction ignores it.",
    lambda t: _applies_later(t) and not t.metadata.needs_protected_at_prediction,
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
    lambda t: _acts(t) and (not t.metadata.needs_labels or not t.metadata.needs_protected_at_fit),
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
    _applies_later,
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


@check("Only what the metadata declares is changed, and a run reports it.", _acts)
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


def case_of(p: Problem, learner: Any) -> Case:
    """Return a case with a baseline model: half of the new rows for calibration, half for validation."""
    later: Dataset = p.dataset(new=True)
    half = np.arange(len(later)) % 2 == 0
    start = Case(
        p.dataset(),
        later.take(np.flatnonzero(half)),
        later.take(np.flatnonzero(~half)),
        learner=learner,
        graph=graph_of(p),
        seed=0,
    )
    return start.retrained()


@check(
    "Ranks are preserved if the metadata says so.",
    lambda t: t.metadata.keeps_rank_order and _applies_later(t),
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


@check("Results are the same after saving and loading without pickle.", _applies_later)
def check_persistence(technique: type[Technique]) -> None:
    from fairmend.pipeline.storage.model_files import dump_model, load_model

    p = problem_for(technique)
    fitted = instance(technique)
    before = outputs(fitted, p)
    back = load_model(dump_model(fitted), [technique.__module__])
    fault = differ(before, applied(back, p), 1e-12)
    assert fault is None, f"after saving and loading {fault}"


@check(
    "fit and predict take sensitive_features as a keyword, as in Fairlearn.",
    lambda t: issubclass(t, Inprocessor) and task_of(t) in CLASSES,
)
def check_predict_classes(technique: type[Technique]) -> None:
    p = problem_for(technique)
    names = ["bad", "fair", "good"] if task_of(technique) == "multiclass" else ["bad", "good"]
    words = np.asarray(names)[p.y]
    fitted = instance(technique).fit(p.X, words, sensitive_features=p.sensitive)
    found = fitted.predict(p.X_new, **sensitive_for(fitted, p.sensitive_new))
    assert set(np.unique(found)) <= set(names), "predict must give the classes of y"
    assert list(fitted.classes_) == names
