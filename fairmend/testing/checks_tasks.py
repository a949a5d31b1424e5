"""Checks of effect beyond two outcomes: planted gaps of a task fall significantly, at a bounded cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.core.errors import FairmendError
from fairmend.core.metrics import (
    TaskMeasurement,
    measure_multiclass,
    measure_ranking,
    measure_regression,
    task_changes,
)
from fairmend.core.stages import Evaluator, Inprocessor, Operation, Postprocessor
from fairmend.core.technique import Technique
from fairmend.core.vocabulary import Task
from fairmend.testing.driving import applied, differ, instance, model_inputs, outputs, small_learner, task_of
from fairmend.testing.problems import SEED, Problem, problem
from fairmend.testing.suite import check

ROWS = 3000
CLASSES = ("low", "middle", "high")


@dataclass(frozen=True)
class PlantedGap:
    """A gap that is planted for a kind of finding, and the figure that must fall.

    Attributes
    ----------
    task : {"multiclass", "regression", "ranking"}
        Task of the problem.
    figure : str
        Comparison of the groups.
    options : dict
        Options of :func:`fairmend.testing.problems.draw`.
    """

    task: Task
    figure: str
    options: dict[str, Any] = field(default_factory=lambda: {"gap": 1.5})


PLANTED: dict[str, PlantedGap] = {
    "mean-prediction-gap": PlantedGap("regression", "mean_prediction_difference"),
    "distribution-gap": PlantedGap("regression", "ks_distance"),
    "error-gap": PlantedGap("regression", "mean_error_difference", {"gap": 0.0, "tilt": 1.2}),
    "exposure-gap": PlantedGap("ranking", "exposure_difference"),
    "underrepresentation-at-top": PlantedGap("ranking", "top_share_ratio_difference"),
    "class-outcome-gap": PlantedGap("multiclass", "selection_rate[high]_difference"),
    "class-error-gap": PlantedGap("multiclass", "recall[high]_difference", {"gap": 0.0, "tilt": 1.2}),
}
IN_TRAINING: dict[str, PlantedGap] = {
    **{kind: gap for kind, gap in PLANTED.items() if "tilt" not in gap.options},
    "error-gap": PlantedGap(
        "regression", "mean_absolute_error_difference", {"gap": 0.0, "label_gap": 3.0, "shares": (0.2, 0.8)}
    ),
    "class-error-gap": PlantedGap("multiclass", "recall[high]_difference"),
}
"""The same where a model is trained: gaps are planted in the data, not in the scores of an outside model."""
COSTS = {
    "regression": ("mean_absolute_error", 0.35),
    "ranking": ("ndcg", -0.15),
    "multiclass": ("accuracy", -0.15),
}
"""Maximum cost of a correction on planted data: increase of the error, or decrease of gain or accuracy."""


def _others(t: type[Technique]) -> list[Task]:
    """Return the tasks that a technique declares, but for the one by which all other checks are made."""
    return [task for task in t.metadata.tasks if task != task_of(t)]


@check(
    "Every declared task is supported: results on planted data are finite.",
    lambda t: not issubclass(t, Operation) and not t.reads("candidates") and bool(_others(t)),
)
def check_declared_tasks(technique: type[Technique]) -> None:
    for task in _others(technique):
        p = problem(task=task)
        try:
            found = outputs(instance(technique, task), p)
        except FairmendError as error:
            raise AssertionError(f"a {task} outcome is declared, and it says: {error}") from error
        assert found, f"a {task} outcome is declared, and it gives no figure"
        if issubclass(technique, Evaluator):
            fair = outputs(instance(technique, task), problem(task=task, gap=0.0, seed=SEED))
            assert differ(found, fair) is not None, (
                f"of a {task} outcome it gives the same with a gap and without"
            )
            continue
        for name, values in found.items():
            assert np.isfinite(np.asarray(values, dtype=float)).all(), (
                f"of a {task} outcome {name} holds values that are not finite"
            )


def _gaps(t: type[Technique]) -> list[PlantedGap]:
    planted = IN_TRAINING if issubclass(t, Inprocessor) else PLANTED
    return [
        planted[kind]
        for kind in t.metadata.addresses
        if kind in planted and planted[kind].task in t.metadata.tasks
    ]


@check(
    "On data with planted gaps of its task, the targeted metric falls significantly at a bounded cost.",
    lambda t: (
        issubclass(t, (Inprocessor, Postprocessor))
        and bool({"model", "scores", "ranking"} & set(t.metadata.modifies))
        and bool(_gaps(t))
    ),
)
def check_task_effect(technique: type[Technique]) -> None:
    faults = [fault for gap in _gaps(technique) if (fault := _fault(technique, gap))]
    assert not faults, "; ".join(faults)


def _fault(technique: type[Technique], gap: PlantedGap) -> str | None:
    p = problem(task=gap.task, n=ROWS, **gap.options)
    made = instance(technique)
    before, after = _trained(made, p) if isinstance(made, Inprocessor) else _adjusted(made, p)
    changes = task_changes(_measured(p, before), _measured(p, after))
    change = changes[gap.figure]
    if change.interval is None or change.interval[1] >= 0:
        return f"{gap.figure} does not fall significantly: {change.value:+.3f}, interval {change.interval}"
    name, limit = COSTS[gap.task]
    cost = changes[name].value
    if cost / limit > 1:
        return f"it costs {cost:+.3f} of {name}"
    return None


def _adjusted(made: Any, p: Problem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of the outside model, and what a technique of post-processing makes of them."""
    made.fit(p.scores, p.y, sensitive_features=p.sensitive, query=p.query, **model_inputs(made, p))
    found = applied(made, p)
    return p.scores_new, found["score"] if "score" in found else -found["place"].astype(float)


def _trained(made: Any, p: Problem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the predictions of a plain learner of the task, and of a technique of in-processing."""
    plain = small_learner(p.task).fit(p.X, p.y)
    made.fit(p.X, p.y, sensitive_features=p.sensitive)
    found = applied(made, p)
    if p.task == "multiclass":
        return plain.predict_proba(p.X_new), found["probability"]
    return plain.predict(p.X_new), found["prediction"]


def _measured(p: Problem, values: NDArray[np.float64]) -> TaskMeasurement:
    known: dict[str, Any] = {"sensitive_features": p.sensitive_new, "n_boot": 300}
    if p.task == "ranking":
        return measure_ranking(p.y_new, values, query=p.query_new, **known)
    if p.task == "multiclass":
        return measure_multiclass(p.y_new, values.argmax(axis=1), classes=CLASSES, y_score=values, **known)
    return measure_regression(p.y_new, values, **known)
