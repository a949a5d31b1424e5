"""Checks of effect: on planted bias the targeted metric improves significantly, at a bounded cost."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.metrics import compare
from fairmend.core.stages import Evaluator, Inprocessor, Postprocessor, Preprocessor
from fairmend.core.technique import Technique
from fairmend.testing.applies import case_of
from fairmend.testing.driving import differ, evaluate, instance, leaves, small_learner
from fairmend.testing.problems import PLANTED, planted, problem
from fairmend.testing.suite import check

ROWS = 4000
DEAREST = 0.15  # points of accuracy that a correction may cost on planted data
FIGURES = {
    "demographic_parity": "demographic_parity_difference",
    "equal_opportunity": "equal_opportunity_difference",
    "equalized_odds": "equalized_odds_difference",
}
ERRORS = ("equalized_odds", "equal_opportunity")


def _acts_on_planted(t: type[Technique]) -> bool:
    return issubclass(t, (Preprocessor, Inprocessor, Postprocessor)) and bool(
        set(t.metadata.addresses) & set(PLANTED)
    )


@check(
    "On data with planted bias of each addressed kind, the targeted metric improves significantly.",
    _acts_on_planted,
)
def check_effect(technique: type[Technique]) -> None:
    faults = []
    for kind in technique.metadata.addresses:
        if kind in PLANTED:
            for notion in _notions(technique.metadata, kind):
                fault = _fault(technique, kind, notion)
                if fault:
                    faults.append(f"{kind}: {fault}")
    assert not faults, "; ".join(faults)


@dataclass(frozen=True)
class _Start:
    """A case with planted bias, and what its plain model decides on the validation data."""

    case: Case
    decisions: NDArray[np.int64]
    scores: NDArray[np.float64]


@lru_cache(maxsize=32)
def _start(kind: str, notion: str, make: Callable[[], Any]) -> _Start:
    case = case_of(problem(n=ROWS, **planted(kind, notion)), make())
    data, model = case.validation, case.fitted()
    return _Start(case, model.predict(data.X, data.sensitive), model.scores(data.X, data.sensitive))


def _fault(technique: type[Technique], kind: str, notion: str) -> str | None:
    start = _start(kind, notion, getattr(technique, "test_learner", small_learner))
    made = instance(technique, **technique.metadata.notion_parameters.get(notion, {}))  # type: ignore[call-overload]
    # A copy, for a technique that writes into its input must not spoil the data of the next.
    after, effect = made.run(copy.deepcopy(start.case))
    if effect.changed_nothing:
        return "it changed nothing"
    data, model = start.case.validation, after.fitted()
    decisions = model.predict(data.X, data.sensitive)
    cost = float((start.decisions == data.y).mean() - (decisions == data.y).mean())
    if cost > DEAREST:
        return f"it costs {cost:.3f} of accuracy"
    if notion == "calibration":
        name = "calibration error of the worst group"
        low, high = _calibration_gain(data, start.scores, model.scores(data.X, data.sensitive))
    else:
        name = "recall" if notion == "rare class" else FIGURES[notion]
        low, high = _gain(data, start.decisions, decisions, name)
    if low <= 0:
        return f"the gain in {name} is not significant ({low:.3f} to {high:.3f})"
    return None


def _notions(metadata: TechniqueMetadata, kind: str) -> list[str]:
    """Return the notions that a finding of this kind is held against for this technique."""
    targets = set(metadata.targets)
    if kind == "group-miscalibration" or targets == {"calibration"}:
        return ["calibration"]
    if kind == "class-imbalance":
        return ["rare class"]
    if kind == "error-rate-disparity":
        return [n for n in ERRORS if n in targets] or ["equalized_odds"]
    return [next((n for n in FIGURES if n in targets), "demographic_parity")]


def _gain(data: Dataset, before: NDArray[np.int64], now: NDArray[np.int64], name: str) -> tuple[float, float]:
    change = compare(
        data.y,
        before,
        now,
        sensitive_features=data.sensitive,
        metrics=[name],
        n_permutations=1,
        min_support=1,
    )[name]
    low, high = change.interval or (0.0, 0.0)
    return (low, high) if name == "recall" else (-high, -low)


def _calibration_gain(
    data: Dataset, before: NDArray[np.float64], now: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the interval of the fall in calibration error of the group that is worst before."""
    groups = data.groups
    errors = [_error(data.y[groups.codes == g], before[groups.codes == g]) for g in range(groups.n_groups)]
    rows = np.flatnonzero(groups.codes == int(np.argmax(errors)))
    rng = np.random.default_rng(0)
    falls = []
    for _ in range(300):
        drawn = rng.choice(rows, len(rows))
        falls.append(_error(data.y[drawn], before[drawn]) - _error(data.y[drawn], now[drawn]))
    low, high = np.quantile(falls, [0.025, 0.975])
    return float(low), float(high)


def _error(y: NDArray[Any], score: NDArray[np.float64]) -> float:
    place = np.minimum((score * 10).astype(int), 9)
    gaps = np.bincount(place, weights=score - y, minlength=10)
    return float(np.abs(gaps).sum() / max(len(y), 1))


@check(
    "An evaluation distinguishes biased predictions from fair ones.",
    lambda t: issubclass(t, Evaluator) and not t.reads("candidates"),
)
def check_sees_bias(technique: type[Technique]) -> None:
    biased = leaves(evaluate(instance(technique), problem(n=ROWS, gap=1.5, tilt=1.0)))
    fair = leaves(evaluate(instance(technique), problem(n=ROWS, gap=0.0)))
    assert differ(biased, fair, 1e-3) is not None, (
        "the results are the same for biased and for fair predictions"
    )
