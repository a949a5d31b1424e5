"""Output streams: results to stdout, messages and progress to stderr; with --json only JSON on stdout.

All text goes through one console, which interprets no markup, prints control characters as escape codes and keeps
each text on one line, so that no group name or plugin message can control the terminal or imitate our output.
Data (JSON, YAML, CSV) are printed unchanged.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from fairmend.core.text.escaping import json_text, visible

as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document to stdout and nothing else."
)


class PlainConsole(Console):
    """A console that interprets no markup or control characters; styles come from :func:`styled`."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return text on one line, escaped before its width is measured, so that tables stay aligned."""
        return super().render_str(_line(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield rendered segments, escaped regardless of where they come from."""
        for segment in super().render(renderable, options):
            clean = segment.text if segment.control else visible(segment.text)
            yield Segment(clean, segment.style, segment.control)


def out() -> Console:
    """Return the console for results."""
    return _console(stderr=False)


def err() -> Console:
    """Return the console for messages and progress."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    options: dict[str, Any] = {"stderr": stderr, "highlight": False, "markup": False, "emoji": False}
    console = PlainConsole(**options)
    return console if console.is_terminal else PlainConsole(**options, width=max(console.width, 120))


def styled(*parts: str | tuple[str, str]) -> Text:
    """Return text from parts, each a string or a string with its style, such as ``("done", "bold")``."""
    return Text.assemble(*(_line(p) if isinstance(p, str) else (_line(p[0]), p[1]) for p in parts))


def lines(texts: Iterable[str]) -> Text:
    """Return text that keeps its line breaks; by default line breaks are replaced."""
    return Text("\n").join(styled(text) for text in texts)


def _line(text: str) -> str:
    return visible(text).replace("\n", " ")


def to_json(value: Any) -> str:
    """Return indented JSON; NaN is not allowed."""
    return json_text(value)


def print_json(value: Any) -> None:
    """Print JSON to stdout."""
    print_data(to_json(value) + "\n")


def print_line(text: str) -> None:
    """Print a line to stdout without wrapping it."""
    click.echo(_line(text))


def print_data(text: str) -> None:
    """Print data to stdout unchanged; as UTF-8 if the encoding of stdout cannot represent them."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        click.echo(text.encode("utf-8", errors="backslashreplace"), nl=False)
    else:
        click.echo(text, nl=False)
