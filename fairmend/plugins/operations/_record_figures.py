"""Numbers of a run's record as documents show them, each with its place in the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Figures:
    """Numbers of a record as text; what was shown, and where in the record it stands, is remembered.

    Parameters
    ----------
    record : mapping
        The record of a run.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = record
        self.shown: dict[str, float | None] = {}

    def number(self, *path: str | int) -> str:
        """Return the number at a place of the record, fractions to three decimals, or to two digits where they are tiny."""
        value: Any = self.record
        for step in path:
            value = value[step]
        self.shown["/" + "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in path)] = value
        if value is None:
            return "not defined"
        if isinstance(value, int):
            return f"{value:,}"
        return f"{value:.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:.1e}"

    def estimate(self, *path: str | int) -> str:
        """Return a figure with its interval, marked where too few rows stand behind it."""
        figure: Any = self.record
        for step in path:
            figure = figure[step]
        text = self.number(*path, "value")
        if figure["interval"] is not None:
            text += f" [{self.number(*path, 'interval', 0)}, {self.number(*path, 'interval', 1)}]"
        return text if figure["enough"] else f"{text} (too few rows)"
