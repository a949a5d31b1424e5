"""A measured figure as a record holds it."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from fairmend.core.metrics import Estimate, MetricChange
from fairmend.core.text.validation import ClosedModel


class RecordedEstimate(ClosedModel):
    """A figure, or the change of one, with its interval."""

    value: float | None = Field(description="None where it is undefined")
    interval: tuple[float, float] | None = Field(default=None, description="95 % interval")
    support: int = Field(default=0, description="rows behind it")
    enough: bool = Field(default=True, description="whether every cell behind it has enough rows")
    lacking: tuple[str, ...] = Field(default=(), description="groups with too few rows")

    def text(self, digits: int = 3) -> str:
        """Return the figure with its interval, as people read it."""
        if self.value is None:
            return "not defined"
        ends = (
            "" if self.interval is None else " [" + ", ".join(f"{e:.{digits}f}" for e in self.interval) + "]"
        )
        return f"{self.value:.{digits}f}{ends}" + ("" if self.enough else " (too few rows)")

    def signed(self, digits: int = 3) -> str:
        """Return a change with its sign and interval, as people read it."""
        if self.value is None:
            return "not defined"
        ends = (
            "" if self.interval is None else " [" + ", ".join(f"{e:+.{digits}f}" for e in self.interval) + "]"
        )
        return f"{self.value:+.{digits}f}{ends}"

    @classmethod
    def of(cls, found: Estimate | MetricChange) -> Self:
        """Return a figure or change as it is recorded."""
        raw = found.to_json()
        value = raw["change"] if "change" in raw else raw["value"]
        return cls(
            value=value,
            interval=raw["interval"],
            support=raw["support"],
            enough=raw["enough"],
            lacking=raw.get("lacking", ()),
        )
