"""Which techniques a check is meant for, and the case on which steps are checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.stages import Evaluator, Inprocessor, Postprocessor, Preprocessor
from fairmend.core.technique import Technique
from fairmend.testing.driving import graph_of
from fairmend.testing.problems import Problem

CLASSES = {"binary", "multiclass"}
"""Tasks whose scores are probabilities."""


def acts(t: type[Technique]) -> bool:
    """Whether a technique changes data, models or what they say."""
    return issubclass(t, (Preprocessor, Inprocessor, Postprocessor))


def looks(t: type[Technique]) -> bool:
    """Whether a technique analyzes or evaluates."""
    return t.metadata.stage in {"causal", "evaluation"}


def runs(t: type[Technique]) -> bool:
    """Whether a technique runs on data; operations work on records."""
    return t.metadata.stage != "operations"


def reads_candidates(t: type[Technique]) -> bool:
    """Whether an evaluation compares models in a table."""
    return issubclass(t, Evaluator) and t.reads("candidates")


def applies_later(t: type[Technique]) -> bool:
    """Whether a technique is applied to rows that it was not fitted on."""
    return issubclass(t, (Inprocessor, Postprocessor)) or hasattr(t, "_transform")


def reads_weights(t: type[Technique]) -> bool:
    """Whether sample weights matter to a technique."""
    return issubclass(t, (Inprocessor, Postprocessor)) or changes(t, "weights")


def changes(t: type[Technique], what: str) -> bool:
    """Whether a technique changes this of the training data alone."""
    return hasattr(t, "_change") and what in t.metadata.modifies


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


def tolerance_of(technique: type[Technique]) -> float:
    """Return how far results that should be equal may differ; trained models stop near their optimum."""
    return 2e-3 if issubclass(technique, Inprocessor) else 1e-6
