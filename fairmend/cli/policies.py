"""Policies: show, check and compare them."""

from __future__ import annotations

from typing import Any

import click

from fairmend.cli.output import as_json, out, print_json
from fairmend.core.words import plural


@click.group()
def policy() -> None:
    """Show, check and compare the policies by which runs are judged."""


@policy.command()
@click.argument("name", default="playbook")
@as_json
def show(name: str, as_json: bool) -> None:
    """Show gates, bounds, sources and readings of a policy, by its name or file."""
    from rich.table import Table

    from fairmend.catalog.policy import load_policy

    found = load_policy(name)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    table = Table("check", "bound", "level", "source", "reading", title=f"{found.title} ({found.policy})")
    for notion, check in found.targets.items():
        table.add_row(
            f"target {notion}: {check.check}", check.bound_text(), "require", check.source, check.reading
        )
    for gate in found.gates:
        for check in gate.checks:
            table.add_row(
                f"{gate.id}.{check.id}: {check.check}",
                check.bound_text(),
                check.level,
                check.source,
                check.reading,
            )
    out().print(table)


@policy.command()
@click.argument("name")
def check(name: str) -> None:
    """Check a policy file against the schema, and that every quantity it names is measured."""
    from fairmend import api
    from fairmend.catalog.policy import load_policy
    from fairmend.core.errors import unknown
    from fairmend.pipeline.checks import CHECKS

    found = load_policy(name)
    known = {*CHECKS, *api.registry().named("fairmend_gates"), "target", "approval"}
    for one in found.checks():
        if one.check not in known:
            raise unknown("gate check", one.check, known)
    out().print(
        f"{found.policy} is valid: {plural(sum(len(g.checks) for g in found.gates), 'check')} at "
        f"{plural(len(found.gates), 'gate')}"
    )


@policy.command()
@click.argument("first")
@click.argument("second")
@as_json
def diff(first: str, second: str, as_json: bool) -> None:
    """Show in what two policies differ."""
    from rich.table import Table

    from fairmend.catalog.policy import load_policy

    a, b = (_flat(load_policy(name).model_dump(mode="json")) for name in (first, second))
    changed = {k: (a.get(k), b.get(k)) for k in sorted({*a, *b}) if a.get(k) != b.get(k)}
    if as_json:
        print_json({k: {first: x, second: y} for k, (x, y) in changed.items()})
        return
    table = Table("where", first, second)
    for place, (x, y) in changed.items():
        table.add_row(place, str(x), str(y))
    out().print(table)


def _flat(value: Any, place: str = "") -> dict[str, Any]:
    """Return the leaves of nested data by their path; items with an id are named by it."""
    if isinstance(value, dict):
        return {
            k: v for name, item in value.items() for k, v in _flat(item, f"{place}.{name}".strip(".")).items()
        }
    if isinstance(value, list):
        named = [
            (str(item.get("id", i)) if isinstance(item, dict) else str(i), item)
            for i, item in enumerate(value)
        ]
        return {k: v for name, item in named for k, v in _flat(item, f"{place}.{name}").items()}
    return {place: value}
