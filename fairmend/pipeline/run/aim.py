"""Aim with a margin: the mildest setting of a rule with which the target holds on new data, too.

A rule tuned to the bound itself misses it on new data every other time. The margin is not a number that
someone adds to the bound, but what the size of the data asks for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fairmend.catalog.policy import Margin, PolicyCheck
from fairmend.core.errors import FairmendError, StoreError
from fairmend.core.metadata import Adjustment, TechniqueMetadata
from fairmend.core.metrics import Measurement
from fairmend.core.metrics.inference.predictive import probability_to_hold
from fairmend.core.metrics.rates import split_form
from fairmend.core.technique import Technique
from fairmend.pipeline.gates.utility import value as utility_value
from fairmend.pipeline.spec import Choice

if TYPE_CHECKING:
    from fairmend.pipeline.run.run_state import RunState
    from fairmend.pipeline.storage.step_cache import StepResult

FINER = 4  # settings tried for each step of an adjustment
MOST_SETTINGS = 40
COMPARED = ("ratio", "difference")  # forms of a target that compare groups


@dataclass(frozen=True)
class Setting:
    """One setting of a rule, measured.

    Attributes
    ----------
    value : float
        Value of the parameter.
    probability : float
        With which the target holds in the population.
    on_test : float
        With which it holds on new data of the size of the test part.
    utility : float
        What its decisions are worth.
    """

    value: float
    probability: float
    on_test: float
    utility: float


@dataclass(frozen=True)
class Aim:
    """How a rule was tuned.

    Attributes
    ----------
    slug, parameter : str
        The technique, and its tuned parameter.
    mildest, value : float
        The parameter without a margin, and with it.
    probability : float
        With which the target holds in the population.
    on_test : float
        With which it holds on new data of the size of the test part.
    wanted : float
        What the policy asks for.
    rows : int
        The size of the test part.
    cost : float
        Utility given up for the margin.
    limited : bool
        Whether a stricter setting would cost more than the policy allows, or there is none.
    """

    slug: str
    parameter: str
    mildest: float
    value: float
    probability: float
    on_test: float
    wanted: float
    rows: int
    cost: float
    limited: bool

    @property
    def text(self) -> str:
        """What was done, as a sentence."""
        told = (
            f"{self.parameter} {self.value:g}: the target holds in the population with probability "
            f"{self.probability:.2f}, on {self.rows:,} new rows with {self.on_test:.2f}"
        )
        if not self.limited:
            return told
        return f"{told}; {self.wanted:g} is not reached at the cost that the policy allows"

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return asdict(self)


def probability_of(
    measured: Measurement, target: PolicyCheck, rows: int | None, seed: int, *, tuned: bool = False
) -> float | None:
    """Return the probability with which a rule meets the target on new data; None where groups are not compared.

    Without a number of rows it is that of the population.
    """
    if split_form(target.metric)[1] not in COMPARED or rows == 0:
        return None
    try:
        found = probability_to_hold(measured, target.metric, target.holds, rows, tuned=tuned, seed=seed)
    except LookupError:  # a plugin's metric, not one of decisions
        return None
    return None if math.isnan(found) else found


def tuned_parameter(metadata: TechniqueMetadata, target: PolicyCheck) -> Adjustment | None:
    """Return the adjustment that tightens a decision rule; None where it has none, or needs more than scores."""
    if metadata.stage != "post-processing" or "decisions" not in metadata.modifies or metadata.needs_model:
        return None
    named = metadata.target_parameters.get(target.metric)
    return next((a for a in metadata.adjustments if named is None or a.parameter == named), None)


def settings_of(
    adjustment: Adjustment, technique: Technique, given: bool, target: PolicyCheck
) -> list[float]:
    """Return the values of the parameter to try, the mildest first.

    Parameters
    ----------
    adjustment : Adjustment
        The parameter, its range and its direction.
    technique : Technique
        With the parameters of the plan.
    given : bool
        Whether the plan names the value: then it is the mildest, else the mild end of the range is.
    target : PolicyCheck
        The target, at whose bound the parameter starts where it is that bound.
    """
    up = adjustment.stronger > 0
    strictest = adjustment.maximum if up else adjustment.minimum
    now = technique.get_params(deep=False).get(adjustment.parameter)
    mildest = float(now) if given and now is not None else (adjustment.minimum if up else adjustment.maximum)
    if not given and technique.metadata.target_parameters.get(target.metric) == adjustment.parameter:
        mildest = float(target.threshold or mildest)
    step = abs(adjustment.stronger) / FINER
    count = max(0, math.ceil(round(abs(strictest - mildest) / step, 9)))
    count = 0 if (strictest - mildest) * (1 if up else -1) <= 0 else min(count, MOST_SETTINGS)
    values = [mildest + (strictest - mildest) * i / count for i in range(count)] if count else [mildest]
    return [round(v, 6) for v in ([*values, strictest] if count else values)]


def aim(
    values: Sequence[float], measure: Callable[[float], Setting], margin: Margin
) -> tuple[Setting, float, bool]:
    """Return the mildest setting with which the target holds with the probability wanted.

    Parameters
    ----------
    values : sequence of float
        The settings, the mildest first.
    measure : callable
        Measures one; each costs a fit on scores, so few are tried.
    margin : Margin
        The probability wanted, and what it may cost.

    Returns
    -------
    setting : Setting
        The chosen one.
    cost : float
        Utility given up against the mildest.
    limited : bool
        Whether the probability is not reached in the population, for the cost or for want of a stricter
        setting.

    Notes
    -----
    The setting suffices for the population first; it is then moved on, as far as the cost allows, so that
    the target also shows on new data of the size of the test part. The probabilities and the cost grow with
    the setting, but for noise, so each is found by bisection.
    """
    known: dict[int, Setting] = {}

    def at(place: int) -> Setting:
        if place not in known:
            known[place] = measure(values[place])
        return known[place]

    def first(holds: Callable[[int], bool], high: int) -> int:
        """Return the first place up to ``high`` where it holds; it holds at ``high``."""
        low = 0
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(middle) else (middle + 1, high)
        return high

    def cost(place: int) -> float:
        return at(0).utility - at(place).utility

    last = len(values) - 1
    place = first(lambda i: at(i).probability >= margin.probability, last)
    if cost(place) > margin.at_most:
        place = max(first(lambda i: cost(i) > margin.at_most, place) - 1, 0)
    at(place)
    affordable = [i for i in sorted(known) if cost(i) <= margin.at_most]
    sure = [i for i in affordable if known[i].probability >= margin.probability]
    if not sure:
        chosen = max(affordable, key=lambda i: (known[i].probability, known[i].on_test))
        return known[chosen], cost(chosen), True
    place = first(lambda i: i >= sure[0] and at(i).on_test >= margin.probability, last)
    if cost(place) > margin.at_most:
        place = max(first(lambda i: cost(i) > margin.at_most, place) - 1, sure[0])
    return at(place), cost(place), False


def aimed_step(machine: RunState, applied: StepResult, choice: Choice) -> tuple[Choice, Aim | None]:
    """Return a step with the setting that its margin asks for; the step as it is where there is nothing to tune.

    Parameters
    ----------
    machine : RunState
        Its policy has the margin and the target.
    applied : StepResult
        The case before the step.
    choice : Choice
        The step as planned.

    Raises
    ------
    FairmendError
        The technique fails in the mildest setting.
    """
    margin, target = machine.policy.judgment.margin, machine.policy.target(machine.spec.notion)
    if margin is None:
        return choice, None
    adjustment = tuned_parameter(machine.registry.card(choice.technique).metadata, target)
    if adjustment is None or split_form(target.metric)[1] not in COMPARED:
        return choice, None
    name = adjustment.parameter
    technique = machine.registry.technique(choice.technique).with_parameters(**choice.parameters)
    values = settings_of(adjustment, technique, name in choice.parameters, target)

    def set_to(value: float) -> Choice:
        return choice.model_copy(update={"parameters": {**choice.parameters, name: value}})

    def measured(value: float) -> Setting:
        try:
            evaluation = machine.judged(machine.tracer.apply(applied, set_to(value)))
        except StoreError:
            raise
        except FairmendError:
            if value == values[0]:
                raise
            return Setting(value, 0.0, 0.0, -math.inf)
        sure, on_test = (
            probability_of(evaluation.measurement, target, rows, machine.settings.seed, tuned=True) or 0.0
            for rows in (None, machine.test_rows)
        )
        return Setting(value, sure, on_test, utility_value(machine.utility, evaluation).value)

    setting, cost, limited = aim(values, measured, margin)
    found = Aim(
        choice.slug,
        name,
        values[0],
        setting.value,
        setting.probability,
        setting.on_test,
        margin.probability,
        machine.test_rows,
        cost,
        limited,
    )
    return set_to(setting.value), found
