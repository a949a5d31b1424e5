"""Kinds of audit finding: what one means, how it is found, and how large it is.

A kind may bring its detector and its measure. Both read what they name, as the private methods of techniques
do: ``detect`` says where to look, ``measure`` how large the finding is on some rows under some decisions. The
audit calls both, and a run calls the measure again, with the decisions of the baseline and of the final rule.
Intervals and tests are made by whoever calls them, by resampling rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, model_validator

from fairmend.core.injection import Reads, Verb, read_function
from fairmend.core.text.validation import ClosedModel
from fairmend.core.vocabulary import LEVELS, Notion, Severity, Task

Interval = tuple[float, float]

_ROWS = ("groups", "attribute", "X", "y_true", "y_pred", "y_score", "sample_weight", "query")
DETECT = Verb("detect", _ROWS, "fit")
MEASURE = Verb("measure", ("finding", *_ROWS), "fit")


class Levels(ClosedModel):
    """Thresholds for low, medium and high severity; if they decrease, lower values are worse."""

    low: float = Field(description="low severity from here")
    medium: float = Field(description="medium severity from here")
    high: float = Field(description="high severity from here")
    reason: str = Field(min_length=20, description="why these numbers")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not (self.low < self.medium < self.high or self.low > self.medium > self.high):
            raise ValueError(
                f"levels must be increasing or decreasing, got {self.low}, {self.medium}, {self.high}"
            )
        return self

    @property
    def rising(self) -> bool:
        """Whether larger is worse."""
        return self.low < self.high

    def reached(self, value: float, limit: float) -> bool:
        """Whether a value breaches a limit; a ratio of exactly 0.8 satisfies the four-fifths rule."""
        return value >= limit if self.rising else value < limit

    def grade(self, value: float) -> Severity:
        """Return the highest level that the value reaches, or ``none``."""
        reached = [name for name in LEVELS if self.reached(value, getattr(self, name))]
        return reached[-1] if reached else "none"

    def supported_by(self, interval: Interval) -> Severity:
        """Return the highest level that the whole interval reaches, or ``none``."""
        return self.grade(interval[0] if self.rising else interval[1])

    def open_to(self, interval: Interval) -> bool:
        """Whether the interval reaches as far as high."""
        return self.reached(interval[1] if self.rising else interval[0], self.high)


@dataclass(frozen=True)
class Detection:
    """One thing that a detector wants measured.

    Attributes
    ----------
    text : str
        What it is about, as the beginning of a sentence; the figures follow it.
    support : int
        Rows of the smallest cell behind it.
    group, reference : str or None
        The group that fares worst, and the one that it is compared with.
    column : str or None
        The feature concerned.
    """

    text: str
    support: int
    group: str | None = None
    reference: str | None = None
    column: str | None = None


Detect = Callable[..., Iterable[Detection]]
Measure = Callable[..., float]
Planted = Callable[[int], Mapping[str, Any]]


class FindingKind(ClosedModel):
    """A kind of audit finding: what it means, how people speak of it, and how it is found and measured."""

    kind: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="name in lower case with hyphens")
    title: str = Field(description="title for people")
    description: str = Field(description="one or two sentences: what was found, and why it matters")
    phrases: tuple[str, ...] = Field(default=(), description="other words for it, for the search")
    notions: tuple[Notion, ...] = Field(default=(), description="fairness notions it violates")
    stages: tuple[str, ...] = Field(
        default=(), description="stages where it is usually mitigated, best first"
    )
    tasks: tuple[Task, ...] = Field(default=("binary",), description="tasks whose audit checks for it")
    detect: Detect | None = Field(
        default=None, exclude=True, description="returns candidate findings; called once per attribute"
    )
    measure: Measure | None = Field(
        default=None, exclude=True, description="returns the size of a finding on given rows"
    )
    levels: Levels | None = Field(
        default=None, exclude=True, description="levels of the metric for low, medium and high"
    )
    planted: Planted | None = Field(
        default=None,
        exclude=True,
        description="generates data with the finding, by seed, for conformance: frame, roles, predictions, scores",
    )

    @model_validator(mode="after")
    def _found_and_measured(self) -> Self:
        brought = [name for name in ("detect", "measure", "levels") if getattr(self, name) is not None]
        if brought and len(brought) < 3:
            raise ValueError(
                f"{self.kind} has {' and '.join(brought)}; detect, measure and levels must be given together"
            )
        _ = self.reads
        return self

    @property
    def metric(self) -> str:
        """Name of its measure."""
        return self.kind.replace("-", "_")

    @property
    def reads(self) -> dict[str, Reads]:
        """What its detector and its measure name.

        Raises
        ------
        PluginError
            One of them names something that there is not.
        """
        verbs = [(self.detect, DETECT), (self.measure, MEASURE)]
        return {
            verb.name: read_function(f"{self.kind}.{verb.name}", function, verb)
            for function, verb in verbs
            if function is not None
        }
