"""Compose pipelines and run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fairmend import api
from fairmend.cli.options import (
    constraint_option,
    cv_option,
    learner_option,
    model_option,
    notion_option,
    policy_option,
    required,
    role_options,
    roles_of,
    seed_option,
    spares_inputs,
)
from fairmend.cli.output import as_json, err, out, print_data, print_json, styled
from fairmend.cli.progress import Progress

if TYPE_CHECKING:
    from fairmend.api import RunRecord

report_option = click.option(
    "--report", metavar="FOLDER", help="Write the validation report, its plots and the record there."
)


@click.command()
@click.option("--findings", metavar="AUDIT", help="JSON file that an audit wrote; a sweep holds its own.")
@click.option("--sweep", metavar="SWEEP", help="JSON file that a sweep wrote, to begin with what it chose.")
@constraint_option
@notion_option
@policy_option
@learner_option
@seed_option
@click.option("--name", default="pipeline", show_default=True, help="What to call the pipeline.")
@click.option("--output", "-o", metavar="FILE", help="Write the pipeline there; else it is printed.")
@click.option(
    "--diagram",
    "drawings",
    multiple=True,
    metavar="FILE",
    help="Draw it with its gates, decisions and rollbacks: .mmd (Mermaid), .png or .svg; may be repeated.",
)
@as_json
@spares_inputs("output", "drawings")
@click.pass_context
def compose(
    ctx: click.Context,
    /,
    findings: str | None,
    sweep: str | None,
    constraints: Any,
    notion: Any,
    output: str | None,
    drawings: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Compose a pipeline from an audit: steps with reasons and alternatives, as YAML to read and edit."""
    for drawing in drawings:
        api.check_drawing_name(drawing)
    swept = None if sweep is None else api.load_sweep(sweep)
    source = findings or swept
    if source is None:
        raise click.UsageError("give --findings, or a --sweep")
    if swept is not None:
        _settled(ctx, ("constraints", "notion", "learner", "seed"), "sweep")
    spec = api.compose(source, sweep=swept, constraints=constraints, notion=notion, **options)
    if output is not None:
        spec.save(output)
        err().print(f"wrote {output}: {', '.join(step.slug for step in spec.steps)}")
    for drawing in drawings:
        err().print(f"wrote {api.draw(spec, drawing)}")
    if as_json:
        print_json(spec.to_json())
    elif output is None:
        print_data(spec.to_yaml())


@click.command()
@click.argument("pipeline", required=False)
@click.option("--data", required=True, metavar="DATA", help="CSV (also .csv.gz) or Parquet file.")
@role_options
@model_option
@click.option(
    "--scores",
    metavar="[FILE:]COLUMN",
    help="Instead of a model its probabilities of the favorable outcome.",
)
@click.option(
    "--scores-threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Where decisions on --scores become favorable.",
)
@constraint_option
@notion_option
@policy_option
@learner_option
@seed_option
@click.option(
    "--assume-approved",
    is_flag=True,
    help="Take every approval as given and mark the record so; for demonstrations.",
)
@click.option(
    "--save/--no-save",
    "store",
    default=True,
    show_default=True,
    help="Keep the run (in FAIRMEND_HOME, else .fairmend), so that it can be resumed, approved and deployed.",
)
@cv_option
@click.option(
    "--mlflow",
    metavar="[URI]",
    is_flag=False,
    flag_value="",
    help="Also log the run to MLflow, e.g. sqlite:///mlflow.db; without URI, to MLFLOW_TRACKING_URI.",
)
@report_option
@as_json
@spares_inputs("report")
@click.pass_context
def run(
    ctx: click.Context,
    /,
    pipeline: str | None,
    data: str,
    report: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Run a pipeline on data; without one: audit, recommend, compose, and run what comes of it.

    The baseline is --model or --scores, else a model is trained. Techniques that retrain train the
    learner, not your model; -c retraining=false keeps your model.

    Exit codes: 0 deployable; 1 an error; 2 usage; 3 waits for an approval; 4 escalated, a gate failed, or
    the policy was passed and demands too little to call the result deployable.
    """
    roles = roles_of(options)
    if pipeline is None:
        roles = required(roles)
    else:
        _settled(ctx, ("constraints", "notion", "learner", "seed", "policy"), "pipeline")
        options["policy"] = None
    with Progress(err()) as progress:
        record = api.run(pipeline, data, observer=progress.tell, **options, **roles)
    return finish(record, report, as_json)


def _settled(ctx: click.Context, names: tuple[str, ...], by: str) -> None:
    """Refuse options that a composed pipeline, or a sweep, has settled already."""
    for name in names:
        if ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            option = name.removesuffix("s") if name == "constraints" else name
            raise click.UsageError(f"--{option} is settled by the {by}; edit the file, or leave the {by} out")


@click.command()
@click.option(
    "--rows",
    type=click.IntRange(100, 5_000_000),
    default=30_000,
    show_default=True,
    help="Applications to draw.",
)
@constraint_option
@notion_option
@policy_option
@learner_option
@seed_option
@click.option(
    "--assume-approved/--wait-for-approval",
    default=True,
    show_default=True,
    help="Take every approval as given, or end where people must decide.",
)
@cv_option
@report_option
@as_json
def demo(rows: int, report: str | None, as_json: bool, **options: Any) -> int:
    """Run the whole way on an invented bank whose bias is known; no data is needed."""
    with Progress(err()) as progress:
        example = api.load_dataset("bank", rows=rows, seed=options["seed"])
        record = api.run(None, example, observer=progress.tell, **options)
    return finish(record, report, as_json)


def finish(record: RunRecord, report: str | None, as_json: bool) -> int:
    """Write and print what a run leaves behind, and return its exit code."""
    if report is not None:
        err().print(f"wrote {api.report(record, report)}")
    if as_json:
        print_json(record.to_json())
    else:
        print_record(record)
    if record.head is not None:
        err().print(f"{record.run_id}: the signed record ends with {record.head}", soft_wrap=True)
    return record.exit_code


def print_record(record: RunRecord) -> None:
    """Print the verdict table, where the run ended and why, and on escalation the options."""
    from fairmend.reports import findings_table, rest_of, verdict_rows, verdict_table, worse

    console = out()
    console.print(verdict_table(record.baseline, record.final, record.tests))
    price = worse(verdict_rows(record.baseline, record.final, record.tests))
    if price:
        console.print(f"Worse beyond chance: {'; '.join(price)}")
    if record.findings:
        console.print(findings_table(record.findings))
    if left := rest_of(record.findings):
        console.print(left)
    for line in record.cross_validation.lines if record.cross_validation is not None else ():
        console.print(line)
    console.print(f"Policy: {record.policy.text}")
    if record.policy.weaker_than_playbook:
        console.print("The policy demands less than the playbook:")
    for weakness in record.policy.weaker_than_playbook:
        console.print(f"  - {weakness}")
    console.print(styled((record.status, "bold"), f": {record.reason}"))
    if record.escalation_options:
        console.print("Options:")
    for option in record.escalation_options:
        console.print(f"  - {option}")
    for note in record.notes:
        console.print(f"Note: {note}")
    if any(a.by == "assumed" for a in record.approvals):
        console.print("Note: approvals were assumed for this demonstration; nobody has given them.")
