"""The frontier of a sweep, and the candidate to begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.catalog.policy import PolicyCheck
from fairmend.core.data.dataset import Dataset
from fairmend.core.metrics import InferenceSettings, pareto
from fairmend.core.metrics.inference.bootstrap import percentile_interval
from fairmend.core.metrics.inference.joint_bootstrap import joint_replicates
from fairmend.core.metrics.rates import Metric
from fairmend.core.metrics.utility import rate_of
from fairmend.core.types import Floats
from fairmend.core.utility import Utility
from fairmend.pipeline.sweep.sweep_record import SweepCandidate
from fairmend.pipeline.sweep.trials import Trial


def place(
    trials: Sequence[Trial],
    data: Dataset,
    target: PolicyCheck,
    utility: Utility,
    settings: InferenceSettings,
) -> tuple[list[SweepCandidate], dict[str, Floats]]:
    """Return the candidates with their place on the frontier, and both figures resampled, by name."""
    known = [
        place
        for place, trial in enumerate(trials)
        if trial.decisions is not None
        and trial.candidate.fairness is not None
        and trial.candidate.fairness.defined
    ]
    candidates = [trial.candidate for trial in trials]
    if not known:
        return candidates, {}
    rate = rate_of(utility)
    assert rate is not None  # noqa: S101 - a sweep takes figures of decisions only
    length = np.array([candidates[i].changes for i in known])
    sign = np.array([1.0, 1.0 if target.upward else -1.0])
    points = np.array([[_value(candidates[i].worth), _value(candidates[i].fairness)] for i in known]) * sign
    decisions: NDArray[Any] = np.column_stack([trials[i].decisions for i in known])  # type: ignore[misc]
    drawn = sign * joint_replicates(
        data.y,
        decisions,
        data.sensitive,
        (Metric("utility", (rate,)), target.metric),
        n_boot=settings.n_boot,
        rng=np.random.default_rng(settings.seed),
        sample_weight=data.weights,
    )
    drawn = np.nan_to_num(drawn, nan=-np.inf)  # an undefined replicate is the worst
    share = np.mean([pareto.non_dominated(one) for one in drawn], axis=0)
    front = pareto.non_dominated(points) & _first_of_equals(points, length)
    for i, on, often in zip(known, front, share, strict=True):
        candidates[i] = candidates[i].model_copy(
            update={"on_frontier": bool(on), "share_on_frontier": round(float(often), 4)}
        )
    return candidates, {candidates[i].name: drawn[:, place] for place, i in enumerate(known)}


def _first_of_equals(points: Floats, length: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which points are the shortest of those that are equal to them, and of these the first."""
    order = np.argsort(length, kind="stable")
    _, first = np.unique(points[order], axis=0, return_index=True)
    out = np.zeros(len(points), dtype=bool)
    out[order[first]] = True
    return out


def _value(measured: Any) -> float:
    return float(measured.value)


WORTH = (
    ("pass every required check of the last gate, with the target met by its whole interval", True, True),
    ("pass every required check of the last gate", True, False),
    ("meet the target with its whole interval", False, True),
    ("meet the target", False, False),
)


def choose(
    candidates: Sequence[SweepCandidate],
    drawn: Mapping[str, Floats],
    target: PolicyCheck,
    utility: Utility | None = None,
) -> tuple[str | None, str]:
    """Return the name of the candidate to begin with, and why.

    Among those that meet the target in the soundest way any does, the one of greatest utility sets the mark; of
    those within noise of it, by the paired bootstrap, the one with the fewest steps is taken, one that
    decides for certain before one that draws, then the one of greater utility.

    Parameters
    ----------
    candidates : sequence of SweepCandidate
        What was tried.
    drawn : mapping of str to ndarray of shape (B, 2)
        Utility and the target's figure, up being better, of each candidate in the same resamples.
    target : PolicyCheck
        What was demanded.
    utility : Utility, optional
        What decisions are worth; accuracy by default.
    """
    worth = (utility or Utility()).text
    for words, passes, secure in WORTH:
        fit = [
            c
            for c in candidates
            if c.meets_target and c.name in drawn and (c.passes or not passes) and (c.secure or not secure)
        ]
        if not fit:
            continue
        best = max(fit, key=lambda c: _value(c.worth))
        near = [c for c in fit if within_noise(drawn[c.name][:, 0] - drawn[best.name][:, 0])]
        pick = min(near, key=lambda c: (len(c.steps), c.randomized, -_value(c.worth)))
        more = " with more steps" if len(pick.steps) < len(best.steps) else ""
        noise = f"; {best.name} has {_value(best.worth):.4f}{more}, which is within noise"
        return pick.name, (
            f"{len(fit)} of {len(candidates)} candidates {words}; of these {pick.name} is taken: {worth} "
            f"{_value(pick.worth):.4f}, {target.metric} {_value(pick.fairness):.3f}{noise if pick is not best else ''}"
        )
    return None, f"no candidate meets the target, {target.metric} {target.bound_text()}"


def within_noise(difference: Floats) -> bool:
    """Whether the interval of a difference, drawn in the same resamples, reaches zero."""
    interval = percentile_interval(difference)
    return interval is None or interval[1] >= 0


def notes_on(candidates: Sequence[SweepCandidate], confirmed: bool = False) -> list[str]:
    """Return what a reader of the figures must know; ``confirmed`` says what gives the verdict."""
    lacking = dict.fromkeys(group for c in candidates if c.fairness for group in c.fairness.lacking)
    rows = next((c.accuracy.support for c in candidates if c.accuracy), 0)
    verdict = "the confirmation" if confirmed else "a run of the pipeline"
    notes = [
        f"Figures are of {rows:,} validation rows. The best of many candidates looks better than it is; {verdict} "
        "gives the verdict, on test data."
    ]
    if lacking:
        notes.append(
            f"Too few rows in {', '.join(list(lacking)[:4])}: what is said of fairness is insufficient evidence."
        )
    failed = sum(c.status == "failed" for c in candidates)
    if failed:
        notes.append(f"{failed} of {len(candidates)} candidates failed; each says why.")
    return notes
