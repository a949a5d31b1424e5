"""Policies: show, check and compare them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fairmend.cli.output import as_json, out, print_json
from fairmend.core.text.words import plural

if TYPE_CHECKING:
    from fairmend.catalog.policy import Weakness


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
    """Check a policy file: schema, metrics, bounds and decisions, and where it demands less than the playbook."""
    from fairmend.catalog.policy import load_policy, not_deployable, weaker_than
    from fairmend.pipeline.run.record import PolicyRecord

    found = load_policy(name)
    checks = plural(sum(len(gate.checks) for gate in found.gates), "check")
    out().print(f"{PolicyRecord.of(found).text} is valid: {checks} at {plural(len(found.gates), 'gate')}")
    _tell_weaker(weaker_than(found, load_policy("playbook")), "It demands less than the playbook:")
    for notion in found.targets:
        if lacking := not_deployable(found, notion):
            out().print(f"No run for {notion} can end as deployable: {'; '.join(lacking)}")


@policy.command()
@click.argument("first")
@click.argument("second")
@as_json
def diff(first: str, second: str, as_json: bool) -> None:
    """Show in what two policies differ, and where each demands less than the other."""
    from rich.table import Table

    from fairmend.catalog.policy import load_policy, weaker_than

    one, two = load_policy(first), load_policy(second)
    a, b = (_flat(found.model_dump(mode="json", exclude={"file"})) for found in (one, two))
    changed = {k: (a.get(k), b.get(k)) for k in sorted({*a, *b}) if a.get(k) != b.get(k)}
    weaker = {"first": weaker_than(one, two), "second": weaker_than(two, one)}
    if as_json:
        print_json(
            {
                "changed": [{"place": k, "first": x, "second": y} for k, (x, y) in changed.items()],
                "weaker": {which: [w.to_json() for w in found] for which, found in weaker.items()},
            }
        )
        return
    table = Table("where", first, second)
    for place, (x, y) in changed.items():
        table.add_row(place, str(x), str(y))
    out().print(table)
    _tell_weaker(weaker["first"], f"{first} demands less than {second}:")
    _tell_weaker(weaker["second"], f"{second} demands less than {first}:")


def _tell_weaker(found: list[Weakness], title: str) -> None:
    if found:
        out().print(title)
    for weakness in found:
        out().print(f"  - {weakness}")


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
