"""Show what is installed, and how it fares."""

from __future__ import annotations

import click

from fairmend import api
from fairmend.cli.output import as_json, out, print_json


@click.group()
def plugin() -> None:
    """Show what is installed, and how it fares."""


@plugin.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List the plugins: name, source, version, techniques, and why one was left out."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    found = api.plugins()
    if as_json:
        print_json(found)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("name", "source", "version", "techniques", "health"):
        table.add_column(title, overflow="fold")
    for entry in found:
        table.add_row(
            entry["name"],
            entry["source"],
            entry["version"],
            str(entry["techniques"]),
            escape(entry["health"]),
        )
    out().print(table)
