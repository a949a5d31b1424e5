"""Sweep over techniques and their combinations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fairmend import api
from fairmend.cli.options import (
    constraint_option,
    examples,
    learner_option,
    names_of,
    notion_option,
    policy_option,
    required,
    role_options,
    roles_of,
    seed_option,
    spares_inputs,
    utility_options,
)
from fairmend.cli.output import as_json, err, out, print_json, styled
from fairmend.cli.progress import Progress

if TYPE_CHECKING:
    from fairmend.api import Sweep


SHOWN = 6  # columns that fit on a terminal; the report has all of them


@click.command(
    epilog=examples(
        "sweep --data loans.csv --outcome approved --protected race,gender --output sweep",
    )
)
@click.option("--data", required=True, metavar="DATA", help="CSV (also .csv.gz) or Parquet file.")
@role_options
@click.option(
    "--findings",
    metavar="AUDIT",
    help="JSON file written by fairmend audit; by default the data are audited.",
)
@constraint_option
@notion_option
@policy_option
@learner_option
@seed_option
@utility_options
@click.option(
    "--depth",
    type=click.IntRange(1, 3),
    default=2,
    show_default=True,
    help="Maximum number of techniques in a combination.",
)
@click.option(
    "--exclude", "without", callback=names_of, metavar="ID,ID", help="Techniques to exclude, by id or slug."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Number of processes; default: one per core, or one per thread of the cluster.",
)
@click.option("--dask", metavar="ADDRESS", help="Compute on the Dask cluster with this scheduler address.")
@click.option(
    "--save/--no-save",
    "store",
    default=True,
    show_default=True,
    help="Store results (in FAIRMEND_HOME, default .fairmend), so that an interrupted sweep can be resumed.",
)
@click.option("--recompute", "fresh", is_flag=True, help="Discard stored results and recompute everything.")
@click.option(
    "--lda",
    is_flag=True,
    help="Search a less discriminatory alternative to the plain model: also vary features, settings of the "
    "learner, monotone constraints and seeds, and allow no rule that reads the protected attributes.",
)
@click.option(
    "--candidates",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="With --lda: number of candidates; default: 100.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 0.5, max_open=True),
    metavar="LOSS",
    help="With --lda: loss of utility (accuracy by default) and of AUC that counts as none; default: 0.01.",
)
@click.option(
    "--monotone",
    callback=names_of,
    metavar="A=+,B=-",
    help="With --lda: signs of monotone constraints; default: those of the associations with the outcome.",
)
@click.option("--output", "-o", metavar="FILE", help="Write the sweep to this file, as JSON.")
@click.option(
    "--pipeline",
    metavar="FILE",
    help="Write a pipeline that starts with the selected candidate to this file.",
)
@click.option("--report", metavar="FOLDER", help="Write the table and the frontier plot to this folder.")
@as_json
@spares_inputs("output", "pipeline", "report")
def sweep(
    output: str | None,
    pipeline: str | None,
    report: str | None,
    as_json: bool,
    jobs: int | None,
    without: tuple[str, ...] | None,
    monotone: tuple[str, ...] | None,
    **options: Any,
) -> int:
    """Try every applicable technique and sensible combinations, and find the Pareto-optimal ones.

    All metrics are computed on rows that no candidate was fitted on; the verdict on test data comes from running the pipeline.
    A repeated sweep computes only what is missing.

    With --lda the alternative is chosen on these rows and compared with the plain model on the test data, once.

    Exit codes: 0 at least one candidate meets the target (with --lda: an alternative was found and confirmed);
    1 error; 2 usage error; 4 none.
    """
    roles = required(roles_of(options))
    with Progress(err()) as progress:
        found = api.sweep(
            jobs=-1 if jobs is None else jobs,
            without=without or (),
            monotone=monotone or (),
            observer=progress.tell,
            **options,
            **roles,
        )
    if output is not None:
        found.save(output)
        err().print(f"wrote {output}")
    if pipeline is not None:
        _write_pipeline(found, pipeline, options["policy"])
    if report is not None:
        err().print(f"wrote {api.report(found, report)}")
    if as_json:
        print_json(found.to_json())
    else:
        print_sweep(found)
    return found.exit_code


def _write_pipeline(found: Sweep, path: str, policy: str) -> None:
    if found.pick is None:
        err().print(f"{path} was not written: {found.reason}")
        return
    if found.pick.variant is not None:
        err().print(f"{path} was not written: the alternative is another model, {found.pick.name}")
        return
    api.compose(found, policy=policy).save(path)
    err().print(f"wrote {path}")


def print_sweep(found: Sweep) -> None:
    """Print the candidates with their metrics, failures, exclusions, and the selected candidate."""
    from rich import box
    from rich.table import Table

    from fairmend.reports import VERDICT, sweep_header, sweep_rows

    console = out()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, title in enumerate(sweep_header(found)[:SHOWN]):
        table.add_column(title, overflow="fold", no_wrap=place > 0 and title != VERDICT)
    for row in sweep_rows(found):
        table.add_row(*row[:SHOWN])
    console.print(table)
    for candidate in found.candidates:
        if candidate.status == "failed":
            console.print(f"Failed: {candidate.name}: {candidate.reason}")
    for excluded in found.excluded:
        console.print(f"Excluded: {excluded.slug} ({excluded.technique_id}): {excluded.reason}")
    for note in found.notes:
        console.print(f"Note: {note}")
    console.print(styled((found.selected or "none", "bold"), f": {found.reason}"))
