"""List installed plugins, check techniques, and create a new plugin package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fairmend import api
from fairmend.cli.output import as_json, err, out, print_json, styled
from fairmend.core.text.words import plural
from fairmend.core.vocabulary import STAGES

if TYPE_CHECKING:
    from fairmend.api import Conformance

MARKS = {
    "passed": styled(("·", "green")),
    "failed": styled(("F", "bold red")),
    "exempt": styled(("e", "yellow")),
    "same fault": styled(("f", "red")),
}


@click.group()
def plugin() -> None:
    """List installed plugins, check techniques, and create a new plugin package."""


@plugin.command("list")
@as_json
def list_(as_json: bool) -> int:
    """List plugins with source, version, contributions, and the reason if one was not loaded.

    Exit codes: 0 all plugins work; 1 at least one is broken, in whole or in part.
    """
    from rich import box
    from rich.table import Table

    found = api.plugins()
    code = 0 if all(entry["health"] == "ok" for entry in found) else 1
    if as_json:
        print_json(found)
        return code
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("name", "source", "version", "contributes", "health"):
        table.add_column(title, overflow="fold")
    for entry in found:
        given = ", ".join(
            plural(n, what.replace("_", " ").removesuffix("s")) for what, n in entry["contributes"].items()
        )
        table.add_row(
            entry["name"],
            entry["source"],
            entry["version"],
            given,
            entry["health"],
        )
    out().print(table)
    return code


@plugin.command()
@click.argument("target", metavar="[PACKAGE_OR_PATH]", required=False)
@click.option("--all", "everything", is_flag=True, help="Check every installed technique.")
@as_json
def check(target: str | None, everything: bool, as_json: bool) -> int:
    """Run the conformance suite on techniques and finding kinds.

    PACKAGE_OR_PATH is an installed plugin or distribution, a module, a package folder (installed or
    not), or a Python file. Exit codes: 0 all checks pass or are exempt; 1 error; 4 at least one check
    fails.
    """
    if everything == (target is not None):
        raise click.UsageError("expected either PACKAGE_OR_PATH or --all")
    console = err()
    with console.status(styled("checking")) as status:
        found = api.check_techniques(
            target,
            observer=lambda e: status.update(styled(f"checking {e['slug']} ({e['place']} of {e['of']})")),
        )
    if as_json:
        print_json([one.to_json() for one in found])
    else:
        _print_table(found)
    return 4 if any(one.failed for one in found) else 0


def _print_table(found: list[Conformance]) -> None:
    """Print a table of techniques by checks, then failures and exemptions with their reasons."""
    from rich.table import Table

    console = out()
    told = {outcome.check for one in found for outcome in one.outcomes}
    names = [check["name"] for check in api.conformance_checks() if check["name"] in told]
    names += dict.fromkeys(o.check for one in found for o in one.outcomes if o.check not in names)
    console.width = max(console.width, max(len(one.slug) for one in found) + 3 * len(names) + 10)
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("technique", no_wrap=True)
    for place in range(1, len(names) + 1):
        table.add_column(str(place), justify="center", min_width=2, no_wrap=True)
    table.add_column("passed", justify="right", no_wrap=True)
    for one in found:
        status = {o.check: MARKS[o.status] for o in one.outcomes}
        count = sum(o.status == "passed" for o in one.outcomes)
        table.add_row(one.slug, *(status.get(name, "") for name in names), f"{count}/{len(one.outcomes)}")
    console.print(table)
    console.print("Checks: " + ", ".join(f"{place} {name}" for place, name in enumerate(names, start=1)))
    console.print("Marks: · passed, F failed, f failed for the same reason, e exempt, blank not applicable.")
    for title, wanted in (("Failed", "failed"), ("Exempt", "exempt")):
        lines = [
            f"  {one.slug} {o.check}: {o.message}"
            for one in found
            for o in one.outcomes
            if o.status == wanted
        ]
        if lines:
            console.print(title, style="bold")
            for line in lines:
                console.print(line, soft_wrap=True)


@plugin.command()
@click.argument("name")
@click.option("--stage", type=click.Choice(STAGES), required=True, help="Stage of the technique.")
@click.option(
    "--folder",
    default=".",
    show_default=True,
    metavar="FOLDER",
    help="Folder in which to create the package.",
)
@as_json
def new(name: str, stage: str, folder: str, as_json: bool) -> None:
    """Create a plugin package with a working technique that passes the conformance suite, as a starting point.

    NAME consists of lower-case words joined by hyphens, starting with the owner, e.g. acme-my-technique.
    """
    written = api.new_plugin(name, stage, folder)
    if as_json:
        print_json({"folder": str(written.folder), "files": [str(f) for f in written.files]})
        return
    console = out()
    console.print(f"wrote {written.folder}:", soft_wrap=True)
    for file in written.files:
        console.print(f"  {file}", soft_wrap=True)
    console.print("Next:")
    console.print(f"  fairmend plugin check {written.folder}", soft_wrap=True)
    console.print(f"  pip install -e {written.folder}", soft_wrap=True)
    console.print(f"  fairmend technique show {written.slug}", soft_wrap=True)
