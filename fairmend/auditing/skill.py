"""Decisions that are fair for no reason: without skill, or the same for nearly everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.auditing.candidate_findings import CandidateFinding, Reading
from fairmend.core.metrics import Measurement
from fairmend.core.metrics.degenerate import Degeneracy, degeneracies


def without_skill(
    measured: Mapping[str, Measurement],
    y_true: NDArray[Any],
    y_score: NDArray[Any],
    sample_weight: NDArray[np.float64] | None = None,
) -> list[CandidateFinding]:
    """Return what makes figures of fairness say nothing; an empty list where nothing does.

    Parameters
    ----------
    measured : mapping of str to Measurement
        The audited decisions, by attribute and, for several, by their intersection.
    y_true, y_score : ndarray of shape (n,)
        Labels, and scores or decisions.
    sample_weight : ndarray of shape (n,), optional
        Weights of the rows.
    """
    found = []
    for place, (attribute, one) in enumerate(measured.items()):
        for cause in degeneracies(one, y_true, y_score, sample_weight=sample_weight):
            if cause.group is not None:
                found.append(_candidate(cause, attribute))
            elif place == 0:
                found.append(_candidate(cause, None))
    return found


def _candidate(cause: Degeneracy, attribute: str | None) -> CandidateFinding:
    of = "" if attribute is None else f" ({attribute})"
    is_fact = cause.kind == "degenerate-decisions"
    return CandidateFinding(
        kind=cause.kind,
        text=f"The audited rule {cause.text}{of}; its fairness metrics are not meaningful",
        readings=(Reading(cause.measure, cause.value, cause.interval, is_fact=is_fact),),
        support=cause.support,
        attribute=attribute,
        group=cause.group,
    )
