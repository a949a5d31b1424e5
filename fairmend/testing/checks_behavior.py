"""Checks of behavior: seeds, inputs, order, names, weights, honesty of the declared needs."""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

from fairmend.core.errors import PluginError
from fairmend.core.safety.containment import captured
from fairmend.core.stages import (
    Evaluator,
    Inprocessor,
    Operation,
    Preprocessor,
)
from fairmend.core.stages._returned import RowCountError
from fairmend.core.technique import Technique
from fairmend.testing.applies import (
    CLASSES,
    acts,
    applies_later,
    changes,
    looks,
    reads_candidates,
    reads_weights,
    runs,
    tolerance_of,
)
from fairmend.testing.driving import (
    applied,
    differ,
    evaluate,
    instance,
    leaves,
    operation_inputs,
    outputs,
    problem_for,
    sensitive_for,
    task_of,
)
from fairmend.testing.suite import check


@check("One value is returned per row.", acts)
def check_row_counts(technique: type[Technique]) -> None:
    try:
        outputs(instance(technique), problem_for(technique))
    except RowCountError:
        raise
    except PluginError:
        return  # another fault of what is returned, which results_in_range reports


@check("Results are finite and in range.", runs)
def check_results_in_range(technique: type[Technique]) -> None:
    if looks(technique):
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


@check("The same seed gives the same result.", runs)
def check_same_seed_same_result(technique: type[Technique]) -> None:
    p = problem_for(technique)
    fault = differ(outputs(instance(technique), p), outputs(instance(technique), p), 1e-12)
    assert fault is None, fault


@check("Inputs are never modified.", runs)
def check_inputs_unmodified(technique: type[Technique]) -> None:
    p = copy.deepcopy(problem_for(technique))
    outputs(instance(technique), p)
    for name, before in vars(problem_for(technique)).items():
        after = getattr(p, name)
        same = after.equals(before) if isinstance(after, pd.DataFrame) else np.array_equal(after, before)
        assert same, f"{name} was modified"


@check(
    "Row order does not matter.",
    lambda t: runs(t) and not changes(t, "rows") and not reads_candidates(t),
)
def check_row_order(technique: type[Technique]) -> None:
    p = problem_for(technique)
    order = np.random.default_rng(1).permutation(len(p.y))
    a, b = outputs(instance(technique), p), outputs(instance(technique), p.rows(order))
    if hasattr(technique, "_change") and not hasattr(technique, "_transform"):
        a = {k: v[order] for k, v in a.items()}
    fault = differ(a, b, tolerance_of(technique))
    assert fault is None, f"after the rows were shuffled {fault}"


@check("The order of columns does not matter.", lambda t: issubclass(t, (Preprocessor, Inprocessor)))
def check_column_order(technique: type[Technique]) -> None:
    p = problem_for(technique)
    names = list(p.X.columns)[::-1]
    turned = p.with_(X=p.X[names], X_new=p.X_new[names])
    a, b = outputs(instance(technique), p), outputs(instance(technique), turned)
    fault = differ(a, b, tolerance_of(technique))
    if fault and "features" in a:  # those that keep their names come in the order of the columns
        fault = differ(a, {**b, "features": b["features"][:, ::-1]}, tolerance_of(technique))
    assert fault is None, f"with the columns in another order {fault}"


@check("The names of groups do not matter.", runs)
def check_group_names(technique: type[Technique]) -> None:
    p = problem_for(technique)
    names = {"a": "zebra", "b": "aardvark"}
    renamed = p.with_(sensitive=p.sensitive.replace(names), sensitive_new=p.sensitive_new.replace(names))
    a, b = outputs(instance(technique), p), outputs(instance(technique), renamed)
    tolerance = tolerance_of(technique)
    if looks(technique):
        # Intervals are drawn group by group, so that another order of groups gives other draws.
        a, b, tolerance = _by_value(a), _by_value(b), 0.05
    fault = differ(a, b, tolerance)
    assert fault is None, f"with other names of the same groups {fault}"


def _by_value(result: dict[str, Any]) -> dict[str, Any]:
    """Return the sizes of the figures in order: names, order and sign of a contrast may change with the groups' names."""
    sizes = np.sort(np.abs(np.concatenate(list(result.values())))) if result else np.empty(0)
    return {"figures": sizes}


@check("Integer weights act as repeated rows.", reads_weights)
def check_integer_weights(technique: type[Technique]) -> None:
    p = problem_for(technique)
    weight = np.random.default_rng(2).integers(1, 4, len(p.y))
    rows = np.repeat(np.arange(len(p.y)), weight)
    a = outputs(instance(technique), p, sample_weight=weight)
    b = outputs(instance(technique), p.rows(rows))
    if "weights" in a:
        a = {"weights": np.repeat(a["weights"] / weight, weight)}
    fault = differ(a, b, tolerance_of(technique))
    assert fault is None, f"with repeated rows instead of weights {fault}"


@check("An unfitted technique raises NotFittedError.", applies_later)
def check_unfitted_raises(technique: type[Technique]) -> None:
    try:
        applied(instance(technique), problem_for(technique))
    except NotFittedError:
        return
    raise AssertionError("an unfitted technique must raise scikit-learn's NotFittedError")


@check("Results are the same after saving and loading without pickle.", applies_later)
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
