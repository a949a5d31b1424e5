"""The levels of severity, read from the catalog."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Self

import yaml
from pydantic import Field, model_validator

from fairmend.core.text.validation import ClosedModel
from fairmend.core.vocabulary import LEVELS, Severity

Interval = tuple[float, float]


class Bound(ClosedModel):
    """One constant of the audit, with its reason."""

    value: float = Field(description="the number")
    reason: str = Field(min_length=20, description="why this number")


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


class Thresholds(ClosedModel):
    """All thresholds of an audit."""

    minimum_support: Bound
    significance: Bound
    ample_rows: Bound
    calibration_support: Bound
    leakage_auc: Bound
    partial_r2: Bound
    measures: dict[str, Levels]


@cache
def thresholds() -> Thresholds:
    """Return the thresholds of ``audit_thresholds.yaml``."""
    text = resources.files("fairmend.catalog").joinpath("audit_thresholds.yaml").read_text(encoding="utf-8")
    return Thresholds(**yaml.safe_load(text))
