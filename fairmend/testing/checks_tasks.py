"""Checks of effect beyond two outcomes: planted gaps of a task fall significantly, at a bounded cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.core.metrics import (
    TaskMeasurement,
    measure_multiclass,
    measure_ranking,
    measure_regression,
    task_changes,
)
from fairmend.core.stages import Postprocessor
from fairmend.core.technique import Technique
from fairmend.core.vocabulary import Task
from fairmend.testing.driving import applied, instance, model_inputs
from fairmend.testing.problems import Problem, problem
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
COSTS = {
    "regression": ("mean_absolute_error", 0.35),
    "ranking": ("ndcg", -0.15),
    "multiclass": ("accuracy", -0.15),
}
"""What a correction may cost on planted data: a rise of the error, or a fall of gain or accuracy."""


def _gaps(t: type[Technique]) -> list[PlantedGap]:
    return [
        PLANTED[kind]
        for kind in t.metadata.addresses
        if kind in PLANTED and PLANTED[kind].task in t.metadata.tasks
    ]


@check(
    "On planted gaps of its task the targeted metric falls significantly, at a bounded cost.",
    lambda t: (
        issubclass(t, Postprocessor)
        and bool({"scores", "ranking"} & set(t.metadata.modifies))
        and bool(_gaps(t))
    ),
)
def check_task_effect(technique: type[Technique]) -> None:
    faults = [fault for gap in _gaps(technique) if (fault := _fault(technique, gap))]
    assert not faults, "; ".join(faults)


def _fault(technique: type[Technique], gap: PlantedGap) -> str | None:
    p = problem(task=gap.task, n=ROWS, **gap.options)
    made = instance(technique)
    made.fit(p.scores, p.y, sensitive_features=p.sensitive, query=p.query, **model_inputs(made, p))
    found = applied(made, p)
    values = found["score"] if "score" in found else -found["place"].astype(float)
    changes = task_changes(_measured(p, p.scores_new), _measured(p, values))
    change = changes[gap.figure]
    if change.interval is None or change.interval[1] >= 0:
        return f"{gap.figure} does not fall significantly: {change.value:+.3f}, interval {change.interval}"
    name, limit = COSTS[gap.task]
    cost = changes[name].value
    if cost / limit > 1:
        return f"it costs {cost:+.3f} of {name}"
    return None


def _measured(p: Problem, values: NDArray[np.float64]) -> TaskMeasurement:
    known: dict[str, Any] = {"sensitive_features": p.sensitive_new, "n_boot": 300}
    if p.task == "ranking":
        return measure_ranking(p.y_new, values, query=p.query_new, **known)
    if p.task == "multiclass":
        return measure_multiclass(p.y_new, values.argmax(axis=1), classes=CLASSES, y_score=values, **known)
    return measure_regression(p.y_new, values, **known)
