"""Decision problems with known truth: data drawn from a stated distribution P(x, a) P(y | x, a).

A problem is a seeded set of parameters. It yields a table of any number of rows, and a large fresh
sample of the same distribution with the exact probability of the favorable outcome of each row, the
groups in equal numbers and weighted by their share, so that figures of small groups are precise, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

Floats = NDArray[np.float64]
GROUPS = ("A", "B", "C", "D")
WEIGHTS = np.array(
    [0.7, 0.5, 0.4, 0.3]
)  # of the signal in the features x1 to x4; their squares sum to about 1
FRESH_ROWS = 200_000
RARER_OUTCOME = 25  # rows that the rarer outcome has at least, in expectation

# Kinds of problem, with their share of a drawn collection. The null kinds have nothing to mend.
KINDS = {
    "difference in features": 0.18,
    "difference in labels": 0.14,
    "label bias": 0.14,
    "miscalibration": 0.14,
    "proxies": 0.15,
    "no signal": 0.05,
    "null: no difference": 0.10,
    "null: already fair": 0.10,
}
NOTIONS = ("demographic_parity", "equal_opportunity", "equalized_odds")


@dataclass(frozen=True)
class Sample:
    """A large fresh sample: the rows, the probability of a favorable outcome, and the weight of each row."""

    frame: pd.DataFrame
    probability: Floats
    weight: Floats


@dataclass(frozen=True)
class Problem:
    """A distribution to draw from.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    seed : int
        Seed of its draws.
    rows : int
        Rows of the table that the machine gets.
    base_rate : float
        Probability of the (recorded) favorable outcome.
    shares : tuple of float
        Shares of the groups; the first is the largest.
    signal : float
        Slope of the log-odds over the standardized signal.
    shifts : tuple of float
        Shift of the signal features per group.
    offsets : tuple of float
        Shift of the log-odds per group that the features do not explain.
    slopes : tuple of float
        Factor on the slope per group: what a model that does not read the group must miss.
    denied : tuple of float
        Share of the favorable outcomes per group that the record denies (label bias).
    proxy : float
        Distance between the groups in a feature that carries nothing else; 0 for none.
    notion : str
        What the run aims at.
    """

    kind: str
    seed: int
    rows: int
    base_rate: float
    shares: tuple[float, ...]
    signal: float
    shifts: tuple[float, ...]
    offsets: tuple[float, ...]
    slopes: tuple[float, ...]
    denied: tuple[float, ...]
    proxy: float
    notion: str

    def table(self) -> pd.DataFrame:
        """Return the table that the machine gets: features, ``group`` and ``outcome``."""
        rng = np.random.default_rng([self.seed, 1])
        groups = rng.choice(len(self.shares), self.rows, p=self.shares)
        for group in range(len(self.shares)):  # a group of a handful of rows still exists
            groups[group * 3 : group * 3 + 3] = group
        frame, probability = self._drawn(groups, rng)
        return frame.assign(outcome=(rng.random(self.rows) < probability).astype(int))

    def fresh(self, rows: int = FRESH_ROWS, salt: int = 2) -> Sample:
        """Return a large sample of the same distribution, the groups in equal numbers."""
        rng = np.random.default_rng([self.seed, salt])
        each = rows // len(self.shares)
        groups = np.repeat(np.arange(len(self.shares)), each)
        frame, probability = self._drawn(groups, rng)
        # The outcome is drawn, too, so that the table can be read like the first one.
        frame = frame.assign(outcome=(rng.random(len(groups)) < probability).astype(int))
        return Sample(frame, probability, np.asarray(self.shares)[groups] / each)

    def _drawn(self, groups: NDArray[Any], rng: np.random.Generator) -> tuple[pd.DataFrame, Floats]:
        x = rng.normal(size=(len(groups), 4)) + np.asarray(self.shifts)[groups, None] * WEIGHTS
        noise = rng.normal(size=(len(groups), 2))
        region = np.array(["north", "east", "south", "west"])[np.digitize(x[:, 3] + noise[:, 1], (-1, 0, 1))]
        frame = pd.DataFrame(x, columns=["x1", "x2", "x3", "x4"]).assign(noise=noise[:, 0], region=region)
        if self.proxy:
            frame["proxy"] = rng.normal(size=len(groups)) + self.proxy * groups
        frame["group"] = np.asarray(GROUPS)[groups]
        return frame, self._probability(x, groups, self._intercept)

    def _probability(self, x: Floats, groups: NDArray[Any], intercept: float) -> Floats:
        signal = x @ WEIGHTS + 0.3 * x[:, 0] * x[:, 1]
        slope = self.signal * np.asarray(self.slopes)[groups]
        likely = expit(intercept + np.asarray(self.offsets)[groups] + slope * signal)
        return likely * (1 - np.asarray(self.denied)[groups])

    @property
    def _intercept(self) -> float:
        """The intercept that gives the base rate."""
        rng = np.random.default_rng([self.seed, 0])
        groups = rng.choice(len(self.shares), 20_000, p=self.shares)
        x = rng.normal(size=(len(groups), 4)) + np.asarray(self.shifts)[groups, None] * WEIGHTS
        highest = float((1 - np.asarray(self.denied)[groups]).mean())
        wanted = min(self.base_rate, 0.97 * highest)
        return float(brentq(lambda b: self._probability(x, groups, b).mean() - wanted, -40, 40))


def mixed(number: int) -> Iterator[str]:
    """Yield kinds of problem by their shares; the first ones are the same whatever the number."""
    kinds, shares = list(KINDS), np.array(list(KINDS.values()))
    owed = np.zeros(len(kinds))
    for _ in range(number):
        owed += shares
        at = int(owed.argmax())
        owed[at] -= 1
        yield kinds[at]


def problem(
    kind: str,
    seed: int,
    *,
    rows: tuple[int, int] = (500, 100_000),
    base_rates: tuple[float, float] = (0.02, 0.95),
    least_share: float = 0.01,
) -> Problem:
    """Return a problem of a kind; everything the kind leaves open is drawn from these ranges."""
    rng = np.random.default_rng([seed, 3])
    size = round(math.exp(rng.uniform(*map(math.log, rows))))
    base_rate = float(expit(rng.uniform(*map(logit, base_rates))))
    base_rate = float(np.clip(base_rate, RARER_OUTCOME / size, 1 - RARER_OUTCOME / size))
    n_groups = int(rng.choice([2, 2, 3, 4]))
    smallest = math.exp(rng.uniform(math.log(least_share), math.log(1 / n_groups)))
    middle = rng.dirichlet(np.full(n_groups - 1, 4.0)) * (1 - smallest)
    shares = tuple(sorted((float(s) for s in (*middle, smallest)), reverse=True))
    signal = math.exp(rng.uniform(math.log(0.6), math.log(4.0)))
    behind = np.linspace(0, 1, n_groups)  # how far a group lies behind the largest
    if rng.random() < 0.25:
        behind = -behind  # the largest group is not always the favored one
    difference = float(rng.uniform(0.4, 1.4))
    notion = str(rng.choice(NOTIONS, p=[0.5, 0.25, 0.25]))
    none = tuple(0.0 for _ in shares)
    plain = Problem(
        kind, seed, size, base_rate, shares, signal, none, none, tuple(1.0 for _ in shares), none, 0.0, notion
    )
    match kind:
        case "difference in features":
            return replace(plain, shifts=_each(-difference * behind))
        case "difference in labels":
            return replace(
                plain, shifts=_each(-0.3 * difference * behind), offsets=_each(-1.2 * difference * behind)
            )
        case "label bias":
            denied = 0.45 * difference / 1.4 * (behind - behind.min())
            return replace(plain, shifts=_each(-0.4 * difference * behind), denied=_each(denied))
        case "miscalibration":
            return replace(
                plain, slopes=_each(1 - 0.7 * np.abs(behind)), shifts=_each(-0.5 * difference * behind)
            )
        case "proxies":
            offsets = _each(-1.2 * difference * behind)
            return replace(plain, offsets=offsets, proxy=float(rng.uniform(1.0, 3.0)))
        case "no signal":
            return replace(plain, signal=0.0)
        case "null: no difference":
            return plain
        case "null: already fair":
            # A difference that leaves the model within any target: rates a few percent apart.
            base_rate = float(rng.uniform(0.3, 0.9))
            return replace(plain, base_rate=base_rate, shifts=_each(-0.04 * behind), signal=max(signal, 1.0))
    raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")


def _each(values: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
