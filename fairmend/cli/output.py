"""Where output goes: results to stdout, messages and progress to stderr, JSON alone on stdout."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console

as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON to stdout, and nothing else there."
)


def out() -> Console:
    """Return the console for results."""
    return _console(stderr=False)


def err() -> Console:
    """Return the console for messages and progress."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, width=max(console.width, 120))
    return console


def to_json(value: Any) -> str:
    """Return JSON as it is printed and written: indented, NaN not allowed."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def print_json(value: Any) -> None:
    """Print JSON to stdout."""
    click.echo(to_json(value))
