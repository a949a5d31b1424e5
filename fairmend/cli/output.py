"""Where output goes: results to stdout, messages and progress to stderr, JSON alone on stdout.

What is shown passes one console, which takes no text for markup, shows control characters as their codes
and a text on one line: no name of a group and no message of a plugin acts on a terminal or poses as a line of ours. Data (JSON, YAML, CSV) are printed as they are.
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
    "--json", "as_json", is_flag=True, help="Print JSON to stdout, and nothing else there."
)


class PlainConsole(Console):
    """A console on which no text acts; styles are given as :func:`styled` text."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text on one line, cleaned before it is measured, so that tables stay aligned."""
        return super().render_str(_line(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is rendered, cleaned whatever way it took."""
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
    """Return text of parts, each a text or a text with its style, such as ``("done", "bold")``."""
    return Text.assemble(*(_line(p) if isinstance(p, str) else (_line(p[0]), p[1]) for p in parts))


def lines(texts: Iterable[str]) -> Text:
    """Return text of several lines; elsewhere a text of several lines is shown on one."""
    return Text("\n").join(styled(text) for text in texts)


def _line(text: str) -> str:
    return visible(text).replace("\n", " ")


def to_json(value: Any) -> str:
    """Return JSON as it is printed and written: indented, NaN not allowed."""
    return json_text(value)


def print_json(value: Any) -> None:
    """Print JSON to stdout."""
    print_data(to_json(value) + "\n")


def print_line(text: str) -> None:
    """Print a line to stdout, however long it is."""
    click.echo(_line(text))


def print_data(text: str) -> None:
    """Print data to stdout as they are; as UTF-8 where the encoding of stdout cannot hold them."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        click.echo(text.encode("utf-8", errors="backslashreplace"), nl=False)
    else:
        click.echo(text, nl=False)
