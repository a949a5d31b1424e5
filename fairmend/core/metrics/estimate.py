"""A measured number with its interval and support, and the comparison of one statistic over groups."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from fairmend.core.metrics.group_comparison import BETWEEN, Form, across, reference_place
from fairmend.core.metrics.inference.bootstrap import percentile_interval
from fairmend.core.types import Floats, Ints


def _plain(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


Number = Annotated[
    float,
    BeforeValidator(lambda raw: math.nan if raw is None else raw),
    PlainSerializer(_plain, return_type=float | None),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]}),
]
"""A number that is null in JSON where it is not finite."""


@dataclass(frozen=True)
class Estimate:
    """A measured number or difference, with its interval and the rows behind it.

    Attributes
    ----------
    value : float
        The number, NaN where undefined.
    interval : (float, float) or None
        Its confidence interval, None where there is none.
    support : int
        Rows it rests on; of a comparison, the rows of all groups together.
    enough : bool
        Whether every cell it depends on has at least the minimum number of rows.
    lacking : tuple of str
        The groups that have not; a comparison over them says nothing for or against them.
    worst_group, best_group : str or None
        Of a comparison, the groups at its two ends, from the point of view of a person decided on.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    value: Number
    interval: tuple[Number, Number] | None
    support: int
    enough: bool
    lacking: tuple[str, ...] = ()
    worst_group: str | None = None
    best_group: str | None = None

    @property
    def defined(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.value)

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval is on one side of zero."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def text(self, digits: int = 3) -> str:
        """Return the number with its interval, as people read it."""
        return f"{self._written(f'.{digits}f')}{'' if self.enough or not self.defined else ' (too few rows)'}"

    def signed(self, digits: int = 3) -> str:
        """Return a difference with its sign and interval, as people read it."""
        return self._written(f"+.{digits}f")

    def _written(self, form: str) -> str:
        if not self.defined:
            return "not defined"
        ends = "" if self.interval is None else f" [{', '.join(f'{end:{form}}' for end in self.interval)}]"
        return f"{self.value:{form}}{ends}"

    def to_json(self) -> dict[str, Any]:
        """Return the figure as plain JSON types; NaN and infinity become null."""
        written: dict[str, Any] = {
            "value": _plain(self.value),
            "interval": None if self.interval is None else [_plain(end) for end in self.interval],
            "support": int(self.support),
            "enough": self.enough,
        }
        if self.lacking:
            written["lacking"] = list(self.lacking)
        if self.worst_group is not None:
            written |= {"worst_group": self.worst_group, "best_group": self.best_group}
        return written


@dataclass(frozen=True, eq=False)
class GroupStatistic:
    """A statistic of each group and of all rows, with its replicates.

    Attributes
    ----------
    groups : tuple of str
        Labels of the G groups.
    values : ndarray of shape (G + 1,)
        The statistic of each group, then of all rows together.
    drawn : ndarray of shape (B, G + 1)
        Its replicates.
    rows : ndarray of int, shape (G,)
        Rows of each group.
    level : float
        Coverage of the intervals.
    min_support : int
        Rows that a group must have.
    high_is_good : bool
        Which end is the better one for a group.
    """

    groups: tuple[str, ...]
    values: Floats
    drawn: Floats
    rows: Ints
    level: float
    min_support: int
    high_is_good: bool

    def single(self, place: int | None) -> Estimate:
        """Return the statistic of the group of that number, or of all rows together."""
        at = -1 if place is None else place
        support = int(self.rows.sum() if place is None else self.rows[at])
        enough = support >= self.min_support
        interval = None if math.isnan(self.values[at]) else percentile_interval(self.drawn[:, at], self.level)
        lacking = () if place is None or enough else (self.groups[at],)
        return Estimate(float(self.values[at]), interval, support, enough, lacking)

    def compared(self, form: Form, reference: str = BETWEEN) -> Estimate:
        """Return the comparison over the groups."""
        to = reference_place(self.groups, reference)
        value, replicates = (
            across(every[..., :-1], every[..., -1], form, to, self.high_is_good)
            for every in (self.values, self.drawn)
        )
        lacking = tuple(g for g, rows in zip(self.groups, self.rows, strict=True) if rows < self.min_support)
        ends: list[str | None] = [None, None]
        if np.isfinite(self.values[:-1]).sum() >= 2:
            ends = [self.groups[int(at(self.values[:-1]))] for at in (np.nanargmin, np.nanargmax)]
        worst, best = ends if self.high_is_good else ends[::-1]
        interval = None if math.isnan(value) else percentile_interval(replicates, self.level)
        return Estimate(float(value), interval, int(self.rows.sum()), not lacking, lacking, worst, best)
