"""Policies: show, validate and compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fairmend import api
from fairmend.cli.output import as_json, out, print_json
from fairmend.core.text.words import plural

if TYPE_CHECKING:
    from fairmend.api import Weakness


@click.group()
def policy() -> None:
    """Show, validate and compare the policies that runs are evaluated against."""


@policy.command()
@click.argument("name", default="playbook")
@as_json
def show(name: str, as_json: bool) -> None:
    """Show the gates, bounds, sources and interpretation of a policy, given by name or file."""
    from rich.table import Table

    found = api.load_policy(name)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    table = Table("check", "bound", "level", "source", "reading", title=f"{found.title} ({found.policy})")
    for notion, check in found.targets.items():
        table.add_row(
            f"target {notion}: {check.metric}", check.bound_text(), "require", check.source, check.reading
        )
    for gate in found.gates:
        for check in gate.checks:
            table.add_row(
                f"{gate.id}.{check.id}: {check.metric}",
                check.bound_text(),
                check.level,
                check.source,
                check.reading,
            )
    out().print(table)


@policy.command()
@click.argument("name")
def check(name: str) -> None:
    """Validate a policy file: schema, metrics, bounds and decisions, and where it requires less than the playbook."""
    found = api.load_policy(name)
    identity = api.identify_policy(found)
    checks = plural(sum(len(gate.checks) for gate in found.gates), "check")
    out().print(f"{identity.text} is valid: {checks} at {plural(len(found.gates), 'gate')}")
    _tell_weaker(identity.weaker_than_playbook, "It requires less than the playbook:")
    for notion, lacking in api.not_deployable(found).items():
        out().print(f"No run that targets {notion} can be deployable: {'; '.join(lacking)}")


@policy.command()
@click.argument("first")
@click.argument("second")
@as_json
def diff(first: str, second: str, as_json: bool) -> None:
    """Show the differences between two policies, and where each requires less than the other."""
    from rich.table import Table

    found = api.compare_policies(first, second)
    if as_json:
        print_json(found.to_json())
        return
    table = Table("where", first, second)
    for place, (x, y) in found.changed.items():
        table.add_row(place, str(x), str(y))
    out().print(table)
    _tell_weaker(found.first_weaker, f"{first} requires less than {second}:")
    _tell_weaker(found.second_weaker, f"{second} requires less than {first}:")


def _tell_weaker(found: Sequence[Weakness], title: str) -> None:
    if found:
        out().print(title)
    for weakness in found:
        out().print(f"  - {weakness}")
