"""Compose pipelines and run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fairmend import api
from fairmend.cli.options import (
    constraint_option,
    cv_option,
    examples,
    graph_option,
    learner_option,
    model_option,
    notion_option,
    operation_option,
    policy_option,
    required,
    role_options,
    roles_of,
    seed_option,
    spares_inputs,
    stream_option,
    utility_options,
)
from fairmend.cli.output import as_json, err, out, print_data, print_json, styled
from fairmend.cli.progress import Progress

if TYPE_CHECKING:
    from fairmend.api import RunRecord

UTILITY_NAMES = ("utility", "cost_fp", "cost_fn")

report_option = click.option(
    "--report", metavar="FOLDER", help="Write the validation report, its plots and the record to this folder."
)


@click.command(
    epilog=examples(
        "compose --findings audit.json --output pipeline.yaml --diagram pipeline.svg",
    )
)
@click.option(
    "--findings",
    metavar="AUDIT",
    help="Audit to start from: the JSON file written by fairmend audit; a sweep includes its own.",
)
@click.option(
    "--sweep",
    metavar="SWEEP",
    help="JSON file written by fairmend sweep, to start from the candidate it selected.",
)
@constraint_option
@notion_option
@policy_option
@learner_option
@seed_option
@utility_options
@operation_option
@click.option("--name", default="pipeline", show_default=True, help="Name of the pipeline.")
@click.option("--output", "-o", metavar="FILE", help="Write the pipeline to this file instead of stdout.")
@click.option(
    "--diagram",
    "drawings",
    multiple=True,
    metavar="FILE",
    help="Draw the pipeline with its gates, decisions and rollbacks: .mmd (Mermaid), .png or .svg; repeatable.",
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
    """Compose a pipeline from an audit: steps with reasons and alternatives, as YAML to review and edit."""
    for drawing in drawings:
        api.check_drawing_name(drawing)
    swept = None if sweep is None else api.load_sweep(sweep)
    source = findings or swept
    if source is None:
        raise click.UsageError("--findings or --sweep is required")
    if swept is not None:
        _settled(ctx, ("constraints", "notion", "learner", "seed", *UTILITY_NAMES), "sweep")
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


@click.command(
    epilog=examples(
        "run --data loans.csv --outcome approved --protected race,gender",
        "run pipeline.yaml --data loans.csv --report report",
        "run pipeline.yaml --data loans.csv --model model.skops -c retraining=false",
    )
)
@click.argument("pipeline", required=False)
@click.option("--data", required=True, metavar="DATA", help="CSV (also .csv.gz) or Parquet file.")
@role_options
@model_option
@click.option(
    "--scores",
    metavar="[FILE:]COLUMN",
    help="Predicted probabilities of the favorable outcome, instead of a model.",
)
@click.option(
    "--scores-threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Threshold on --scores at and above which a decision is favorable.",
)
@constraint_option
@notion_option
@policy_option
@learner_option
@seed_option
@utility_options
@click.option(
    "--assume-approved",
    is_flag=True,
    help="Assume every approval and mark the record accordingly; for demonstrations.",
)
@click.option(
    "--intervene",
    is_flag=True,
    help="Build a pipeline although the plain model meets the target, or the data cannot say (decision 0).",
)
@click.option(
    "--save/--no-save",
    "store",
    default=True,
    show_default=True,
    help="Store the run (in FAIRMEND_HOME, default .fairmend), so that it can be resumed, approved and deployed.",
)
@graph_option
@cv_option
@operation_option
@stream_option
@click.option(
    "--mlflow",
    metavar="[URI]",
    is_flag=False,
    flag_value="",
    help="Also log the run to MLflow, e.g. sqlite:///mlflow.db; without a URI, MLFLOW_TRACKING_URI is used.",
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
    """Run a pipeline on data; without a pipeline: audit, recommend, compose and run the result.

    The baseline is --model or --scores if given, otherwise a model is trained. Techniques that retrain
    use --learner, not your model; -c retraining=false keeps your model.

    Exit codes: 0 deployable, or no intervention needed; 1 error; 2 usage error; 3 waiting for approval;
    4 escalated, undecided, a gate failed, or the policy passed but requires too little for the result to be called
    deployable. resume and report also return 5: accepted by people although a required check did not pass.
    """
    roles = roles_of(options)
    if pipeline is None:
        roles = required(roles)
    else:
        _settled(ctx, ("constraints", "notion", "learner", "seed", "policy", *UTILITY_NAMES), "pipeline")
        options["policy"] = None
    with Progress(err()) as progress:
        record = api.run(pipeline, data, observer=progress.tell, **options, **roles)
    return finish(record, report, as_json)


def _settled(ctx: click.Context, names: tuple[str, ...], by: str) -> None:
    """Reject options that a composed pipeline or a sweep already sets."""
    for name in names:
        if ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            option = "constraint" if name == "constraints" else name.replace("_", "-")
            raise click.UsageError(
                f"--{option} is already set by the {by}; edit the file, or run without the {by}"
            )


@click.command()
@click.option(
    "--rows",
    type=click.IntRange(100, 5_000_000),
    default=20_000,
    show_default=True,
    help="Number of applications to generate.",
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
    help="Assume every approval, or stop where people must decide.",
)
@cv_option
@report_option
@as_json
def demo(rows: int, report: str | None, as_json: bool, **options: Any) -> int:
    """Run the full workflow on synthetic bank data with known bias; no data is needed."""
    with Progress(err()) as progress:
        example = api.load_dataset("bank", rows=rows, seed=options["seed"])
        kept = not options["assume_approved"]  # people can answer a stored run only
        record = api.run(None, example, observer=progress.tell, store=kept, **options)
    code = finish(record, report, as_json)
    err().print("Next, audit your own data: fairmend audit DATA.csv --outcome COLUMN --protected COLUMN")
    return code


def finish(record: RunRecord, report: str | None, as_json: bool) -> int:
    """Write and print the results of a run, and return its exit code."""
    if report is not None:
        err().print(f"wrote {api.report(record, report)}")
    if as_json:
        print_json(record.to_json())
    else:
        print_record(record)
    if record.status in {"waiting", "escalated", "rejected"} and record.head is None:
        err().print("The run was not stored, so nobody can decide on it; run with --save.")
    if record.head is not None:
        err().print(f"{record.run_id}: the signed record ends with {record.head}", soft_wrap=True)
    return record.exit_code


def print_next(commands: list[str]) -> None:
    """Print the commands that answer a run, each on a line of its own."""
    missing = [name for name in ("NAME", "TEXT", "FILE") if any(name in c.split() for c in commands)]
    if commands:
        out().print(f"Next (replace {', '.join(missing)}):" if missing else "Next:")
    for command in commands:
        out().print(f"  {command}", soft_wrap=True, markup=False, highlight=False)


def print_record(record: RunRecord) -> None:
    """Print the final rule, the verdict table, the outcome with its reason, and the next commands."""
    from fairmend.reports import findings_table, rest_of, rule_text, verdict_rows, verdict_table, worse

    console = out()
    compared = (record.baseline, record.final, record.tests, record.utility)
    console.print(f"Final rule of {record.run_id}: {rule_text(record)}")
    console.print(verdict_table(*compared))
    console.print(record.utility.line)
    console.print(f"Leveling down: {record.leveling_down.text}")
    if record.findings:
        console.print(findings_table(record.findings))
    if left := rest_of(record.findings):
        console.print(left)
    for line in record.cross_validation.lines if record.cross_validation is not None else ():
        console.print(line)
    console.print(f"Policy: {record.policy.text}")
    if record.policy.weaker_than_playbook:
        console.print("The policy requires less than the playbook:")
    for weakness in record.policy.weaker_than_playbook:
        console.print(f"  - {weakness}")
    price = worse(verdict_rows(*compared))
    told = f"; significantly worse than the baseline: {'; '.join(price)}" if price else ""
    console.print(styled((record.status, "bold"), f": {record.reason}{told}"))
    if record.escalation_options:
        console.print("Options:")
    for option in record.escalation_options:
        console.print(f"  - {option}")
    for note in record.notes:
        console.print(f"Note: {note}")
    print_next(record.next_commands())
    if record.status == "deployable" and record.head is not None:
        console.print("Next:")
        console.print(f"  fairmend report {record.run_id} --output FOLDER", soft_wrap=True)
        console.print(
            f"  fairmend predict {record.run_id} --data NEW.csv --output DECISIONS.csv", soft_wrap=True
        )
    if any(a.by == "assumed" for a in record.approvals):
        console.print("Note: approvals were assumed for this demonstration; nobody actually gave them.")
