"""Audit data, or decisions on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fairmend import api
from fairmend.cli.options import (
    examples,
    graph_option,
    learner_option,
    model_option,
    required,
    role_options,
    roles_of,
    seed_option,
    spares_inputs,
)
from fairmend.cli.output import as_json, err, out, print_json
from fairmend.cli.progress import Progress
from fairmend.core.text.words import plural

if TYPE_CHECKING:
    from fairmend.api import Audit


@click.command(
    epilog=examples(
        "audit loans.csv --outcome approved --protected race,gender --output audit.json",
        "audit loans.csv --outcome approved --protected race,gender --scores scores.csv:probability",
    )
)
@click.argument("data", metavar="DATA")
@role_options
@click.option("--predictions", metavar="[FILE:]COLUMN", help="Decisions of an existing model.")
@click.option(
    "--scores", metavar="[FILE:]COLUMN", help="Its predicted probabilities of the favorable outcome."
)
@model_option
@learner_option
@seed_option
@graph_option
@click.option("--output", "-o", metavar="FILE", help="Write the audit to this file, as JSON.")
@as_json
@spares_inputs("output")
def audit(data: str, output: str | None, as_json: bool, **options: Any) -> None:
    """Audit data, or the decisions of a model, for differences between groups.

    Without --model, --predictions or --scores, a reference model is trained and its out-of-sample decisions
    are audited.
    """
    roles = required(roles_of(options))
    with Progress(err()) as progress:
        found = api.audit(data, observer=progress.tell, **options, **roles)
    if output is not None:
        found.save(output)
        err().print(f"wrote {output}")
    if as_json:
        print_json(found.to_json())
    else:
        print_audit(found)


def print_audit(found: Audit) -> None:
    """Print the findings, most severe first, and the notes."""
    from rich import box
    from rich.table import Table

    console = out()
    task = found.roles.task or "binary"
    said = (
        f"favorable: {found.roles.favorable}"
        if found.roles.favorable is not None
        else "no class is favorable"
    )
    kind = "" if task == "binary" else f"; a {task} outcome"
    console.print(f"{plural(found.rows, 'row')}; {found.subject}{kind}; {said}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("severity", "finding", "description"):
        table.add_column(title, overflow="fold")
    shown = [f for f in found.findings if f.severity != "none"]
    for finding in shown:
        table.add_row(finding.severity, finding.kind, finding.text)
    console.print(table)
    if not shown:
        console.print("No findings at these thresholds.")
    if task != "binary":
        from fairmend.reports import task_audit_table

        for attribute, figures in found.measures.items():
            console.print(task_audit_table(figures, task, attribute))
    for note in found.notes:
        console.print(f"Note: {note}")
