"""How a result shows itself: a few lines in a terminal, a small table in a notebook, a frame, a file."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.core.text.escaping import json_text, one_line

if TYPE_CHECKING:
    import pandas as pd

LONGEST_FACT = 70  # characters of a fact on its line
MOST_ROWS = 10  # of the table in a notebook; to_frame gives all


class Displayed:
    """A result that people look at.

    A subclass says what stands in its few lines (``facts``), what in the rows of its table (``records``),
    and what it is in JSON (``to_json``).
    """

    def facts(self) -> dict[str, object]:
        """Return what is most worth knowing, by what to call it."""
        raise NotImplementedError

    def records(self) -> list[dict[str, Any]]:
        """Return the rows of the table, each with the same columns."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        raise NotImplementedError

    def __repr__(self) -> str:
        facts = {name: one_line(value, LONGEST_FACT) for name, value in self.facts().items()}
        return "\n".join([type(self).__name__, *(f"  {name}: {value}" for name, value in facts.items())])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        rows = self.records()
        facts = "".join(_row((name, value)) for name, value in self.facts().items())
        table = "".join(_row(row.values()) for row in rows[:MOST_ROWS])
        head = _row(rows[0], "th") if rows else ""
        rest = f"<p>{len(rows) - MOST_ROWS} more rows: to_frame()</p>" if len(rows) > MOST_ROWS else ""
        return f"<b>{type(self).__name__}</b><table>{facts}</table><table>{head}{table}</table>{rest}"

    def to_frame(self) -> pd.DataFrame:
        """Return the rows of the table as a frame."""
        import pandas as pd

        return pd.DataFrame(self.records())

    def save(self, path: str | Path) -> None:
        """Write the record to a file as JSON.

        Raises
        ------
        UsageError
            The file cannot be written.
        """
        from fairmend.core.data.files import write_text

        write_text(path, json_text(self.to_json()) + "\n")


def figure_record(name: str, figure: Mapping[str, Any]) -> dict[str, Any]:
    """Return a figure in the form of JSON as a row: its name, value, ends of the interval and support."""
    lower, upper = figure.get("interval") or (None, None)
    value = figure["value"] if "value" in figure else figure.get("change")
    return {
        "metric": name,
        "value": value,
        "lower": lower,
        "upper": upper,
        "support": figure.get("support"),
    }


def _row(cells: Any, tag: str = "td") -> str:
    return f"<tr>{''.join(f'<{tag}>{_cell(cell)}</{tag}>' for cell in cells)}</tr>"


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    return escape(one_line(text, LONGEST_FACT))
