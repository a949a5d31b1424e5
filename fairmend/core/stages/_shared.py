"""What several stages share: conditional verbs and the preparation of a technique for a case."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.utils.metaestimators import available_if

from fairmend.core.case import Case


def implements(verb: str) -> Any:
    """Offer a public verb only where the technique writes the private one."""
    return available_if(lambda technique: hasattr(technique, verb))


def prepared(technique: Any, case: Case, **extra: Any) -> Any:
    """Return an unfitted copy with the case's seed (where none is set) and, where it names no features, those to repair."""
    copy = clone(technique)
    parameters = copy.get_params(deep=False)
    if "random_state" in parameters and parameters["random_state"] is None:
        extra["random_state"] = case.seed
    if "features" in parameters and parameters["features"] is None and case.repair:
        extra["features"] = [c for c in case.repair if c in case.train.X.columns]
    return copy.set_params(**extra)
