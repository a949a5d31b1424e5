"""The choice among measured alternatives: what is deployed is not dominated beyond noise by any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fairmend.core.metrics.inference.bootstrap import Interval
from fairmend.core.metrics.pareto import non_dominated
from fairmend.core.text.words import plural
from fairmend.pipeline.gates.utility import difference
from fairmend.pipeline.run.ablation import FULL, Candidate
from fairmend.pipeline.run.measured import Variant
from fairmend.pipeline.run.state_machine import StateMachine

NOISE = 0.02
"""Probabilities from some thousand draws are not told apart below this."""
MOST_OPTIONS = 5


@dataclass(frozen=True)
class Edge:
    """What one alternative has over another on the same rows; better is positive.

    Attributes
    ----------
    utility, fairness : float
        Differences of the utility and of the target's figure.
    utility_interval, fairness_interval : (float, float) or None
        Their paired intervals.
    """

    utility: float
    fairness: float
    utility_interval: Interval | None
    fairness_interval: Interval | None

    @property
    def dominates(self) -> bool:
        """Whether it is at least as good in both, and better in one beyond noise."""
        sure = [ends is not None and ends[0] > 0 for ends in (self.utility_interval, self.fairness_interval)]
        return self.utility >= 0 and self.fairness >= 0 and any(sure)

    @property
    def loses_utility(self) -> bool:
        """Whether its utility is lower beyond noise."""
        return self.utility_interval is not None and self.utility_interval[1] < 0


Compared = Callable[[str, str], Edge]
"""What the first alternative has over the second, by their names."""


def pick(variants: Mapping[str, Variant], over: Compared, wanted: float, at_most: float) -> str | None:
    """Return the name of the alternative to deploy; None where none passes every required check.

    Parameters
    ----------
    variants : mapping of str to Variant
        The alternatives.
    over : callable
        Compares two of them.
    wanted : float
        Probability with which the target is to hold in the population.
    at_most : float
        Utility that this may cost.

    Notes
    -----
    Of those that pass: within what may be spent, those whose target holds with the probability wanted, or
    else the highest; of these, those that no alternative dominates beyond noise; of these, those whose
    utility is within noise of the best. Then: does not read the protected attribute for a decision; fewer
    steps; not randomized; utility.
    """
    sound = {name: v for name, v in variants.items() if v.passes}
    if not sound:
        return None
    highest = max(v.utility for v in sound.values())
    affordable = {name: v for name, v in sound.items() if v.utility >= highest - at_most}
    attained = max(v.probability or 0.0 for v in affordable.values())
    least = min(wanted, attained - NOISE)
    sure = [name for name, v in affordable.items() if (v.probability or 0.0) >= least]
    kept = [one for one in sure if not any(over(other, one).dominates for other in sound if other != one)]
    best = max(kept or sure, key=lambda name: sound[name].utility)
    close = [name for name in kept or sure if name == best or not over(name, best).loses_utility]
    return min(close, key=lambda name: _preference(sound[name]))


def _preference(variant: Variant) -> tuple[bool, int, bool, float]:
    return variant.reads_protected, len(variant.steps), variant.randomized, -variant.utility


def choose(machine: StateMachine, candidates: Mapping[str, Candidate]) -> tuple[str, str] | None:
    """Return the name of the alternative to deploy, and why; None where none passes every required check.

    Parameters
    ----------
    machine : StateMachine
        After its run.
    candidates : mapping of str to Candidate
        What was measured.
    """
    margin = machine.policy.judgment.margin
    variants = {name: c.variant for name, c in candidates.items()}
    wanted, at_most = (margin.probability, margin.at_most) if margin is not None else (0.0, 1.0)
    name = pick(variants, lambda a, b: _edge(machine, candidates[a], candidates[b]), wanted, at_most)
    if name is None:
        return None
    chosen, passing = variants[name], sum(v.passes for v in variants.values())
    metric = machine.policy.target(machine.spec.notion).metric
    told = f"{metric} {chosen.fairness:.3f} at {machine.utility.text} {chosen.utility:.4f}"
    if chosen.probability is not None:
        told += f", the target holds in the population with probability {chosen.probability:.2f}"
    if name != FULL and FULL in variants:
        told += f"; the full pipeline has {variants[FULL].fairness:.3f} at {variants[FULL].utility:.4f}"
    reads = "reads" if chosen.reads_protected else "does not read"
    return name, (
        f"{name} passes every required check with {plural(len(chosen.steps), 'step')}: {told}; it {reads} the protected "
        f"attribute for a decision; {passing} of {plural(len(variants), 'measured alternative')} pass"
    )


def _edge(machine: StateMachine, one: Candidate, other: Candidate) -> Edge:
    """Return what one candidate has over another."""
    a, b = (machine.judged(c.applied) for c in (one, other))
    target = machine.policy.target(machine.spec.notion)
    utility = difference(machine.utility, b, a)
    fairness = a.against(b, n_permutations=1)[target.metric]
    sign = 1 if target.upward else -1
    ends = fairness.interval
    return Edge(
        utility.change,
        sign * fairness.change,
        utility.interval,
        None if ends is None else (min(sign * e for e in ends), max(sign * e for e in ends)),
    )


def on_the_frontier(variants: Mapping[str, Variant], upward: bool) -> list[str]:
    """Return the alternatives that no other has more utility and fairness than, by utility; at most five.

    Parameters
    ----------
    variants : mapping of str to Variant
        The alternatives; those without a defined figure are left out.
    upward : bool
        Whether greater values of the target's figure are better.
    """
    known = [name for name, v in variants.items() if np.isfinite([v.utility, v.fairness]).all()]
    if not known:
        return []
    sign = 1 if upward else -1
    points = np.array([[variants[n].utility, sign * variants[n].fairness] for n in known])
    best = [name for name, kept in zip(known, non_dominated(points), strict=True) if kept]
    places = {(variants[n].utility, variants[n].fairness): n for n in reversed(best)}  # one of equal ones
    order = sorted(places.values(), key=lambda n: -variants[n].utility)
    if len(order) <= MOST_OPTIONS:
        return order
    return [order[i] for i in np.linspace(0, len(order) - 1, MOST_OPTIONS).round().astype(int)]
