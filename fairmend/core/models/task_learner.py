"""The base learner of each task, by name."""

from __future__ import annotations

from typing import Any

from fairmend.core.models.learners import make_learner
from fairmend.core.models.regressors import make_regressor
from fairmend.core.vocabulary import Task


def learner_for(task: Task, name: str = "gradient_boosting", *, seed: int = 0) -> Any:
    """Return an unfitted learner: a classifier, or a regressor where the outcome is a number.

    Raises
    ------
    UnknownNameError
        No learner of this task has this name.
    """
    make = make_regressor if task in ("regression", "ranking") else make_learner
    return make(name, seed=seed)
