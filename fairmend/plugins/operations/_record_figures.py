"""Numbers of a run's record, formatted for documents, each with its place in the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Figures:
    """Numbers of a record as text; keeps track of what was shown and of its place in the record.

    Parameters
    ----------
    record : mapping
        The record of a run.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = record
        self.shown: dict[str, float | None] = {}

    def number(self, *path: str | int) -> str:
        """Return the number at a place of the record, with three decimals, or two significant digits if it is tiny."""
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
        """Return a metric with its interval, marked if it comes from too few rows."""
        figure: Any = self.record
        for step in path:
            figure = figure[step]
        text = self.number(*path, "value")
        if figure["interval"] is not None:
            text += f" [{self.number(*path, 'interval', 0)}, {self.number(*path, 'interval', 1)}]"
        return text if figure["enough"] else f"{text} (too few rows)"
