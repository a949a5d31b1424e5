"""Stored runs: status, resume, approve, verify, report, predict."""

from __future__ import annotations

from typing import Any

import click

from fairmend import api
from fairmend.cli.options import examples, spares_inputs
from fairmend.cli.output import as_json, err, out, print_data, print_json
from fairmend.cli.pipelines import finish, print_next, report_option
from fairmend.cli.progress import Progress
from fairmend.core.text.escaping import one_line
from fairmend.core.text.words import plural
from fairmend.core.vocabulary import CONCERNS

concern_option = click.option(
    "--concern",
    type=click.Choice(CONCERNS),
    callback=lambda ctx, parameter, value: value or "",
    help="What the objection is about; fairmend resume answers it.",
)
answer_option = click.option(
    "--answer",
    default="",
    metavar="TEXT",
    help="How the objection of another person's rejection was resolved; required to override it.",
)


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@as_json
def status(run_id: str | None, as_json: bool) -> None:
    """List stored runs, or show the status of one and what it is waiting for; RUN may be 'latest'."""
    from rich.table import Table

    shown = api.status(run_id)
    if as_json:
        print_json(shown)
        return
    table = Table("run", "begun", "status", "why")
    for run in shown:
        table.add_row(run["run_id"], run["created"], run["status"], run["reason"])
    out().print(table)
    print_next([command for run in shown for command in run["next"]])


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--graph",
    metavar="FILE",
    help="A revised causal graph, for a run that waits, was escalated or was rejected; both graphs stay on record.",
)
@report_option
@as_json
def resume(run_id: str, graph: str | None, report: str | None, as_json: bool) -> int:
    """Resume an interrupted, waiting or rejected run; completed steps are loaded, not recomputed.

    A rejection is answered by its concern: the parts that it objects to are changed, and the result is presented
    again. Approvals hold for the rule they were given for.
    """
    with Progress(err()) as progress:
        record = api.resume(run_id, graph=graph, observer=progress.tell)
    return finish(record, report, as_json)


@click.command(
    epilog=examples(
        'approve latest --gate gate-4 --role "product owner" --by "Ada Example"',
    )
)
@click.argument("run_id", metavar="RUN")
@click.option("--gate", required=True, help="Gate, e.g. gate-4.")
@click.option("--role", required=True, help="Role of the person, e.g. 'product owner'.")
@click.option("--by", required=True, metavar="NAME", help="Name of the person who decides.")
@click.option("--reject", is_flag=True, help="Record a rejection instead of an approval.")
@click.option("--note", default="", help="Why.")
@concern_option
@answer_option
@as_json
def approve(run_id: str, reject: bool, as_json: bool, **decision: Any) -> None:
    """Approve or reject a gate; then continue with fairmend resume.

    A rejection stands until the same person approves, until another person approves and states how the
    objection was resolved (--answer), or until the run was changed to meet its --concern and is presented again.
    """
    decision["approved"] = not reject
    stored = api.approve(run_id, **decision)
    word = "rejected" if reject else "approved"
    if as_json:
        print_json({"run_id": stored.run_id, **decision})
    else:
        out().print(
            f"{decision['gate']} of {stored.run_id} {word} by {decision['by']} ({decision['role']}); "
            f"continue with: fairmend resume {stored.run_id}"
        )


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("option")
@click.option("--role", required=True, help="Role that the run was escalated to, e.g. 'executive sponsor'.")
@click.option("--by", required=True, metavar="NAME", help="Name of the person who decides.")
@click.option("--note", default="", metavar="TEXT", help="The rationale; required unless the run is stopped.")
@concern_option
@answer_option
@as_json
def choose(run_id: str, option: str, as_json: bool, **decision: Any) -> None:
    """Decide on an escalated or failed run, in a role that it was escalated to.

    OPTION is accept (the final rule as measured), the id of one of the measured options, send-back (with a
    --concern, which fairmend resume then answers) or stop.
    """
    stored = api.choose(run_id, option, **decision)
    if as_json:
        print_json({"run_id": stored.run_id, "option": option, **decision})
        return
    [now] = api.status(stored.run_id)
    out().print(f"{stored.run_id} is {now['status']}: {now['reason']}", soft_wrap=True, markup=False)
    print_next(now["next"])


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="PUBLIC",
    help="Accept only this key (hex digits, file, or name of a trusted key); repeatable.",
)
@click.option(
    "--anchor",
    metavar="HEAD|FILE",
    help="Check that this log head, saved elsewhere, is part of the record.",
)
@click.option(
    "--write-anchor", metavar="FILE", help="Write the log head to this file, to be kept outside the store."
)
@as_json
def verify(
    run_id: str, keys: tuple[str, ...], anchor: str | None, write_anchor: str | None, as_json: bool
) -> None:
    """Verify the signed log, the record and the files of a run; any change is an error.

    Your own key and the keys you trust (fairmend keys) are accepted. Only --anchor detects a store that was
    restored to an earlier state as a whole.
    """
    found = api.verify(run_id, keys=keys)
    if anchor is not None:
        found.check_anchor(anchor)
    if write_anchor is not None:
        found.write_anchor(write_anchor)
        err().print(f"wrote {write_anchor}")
    if as_json:
        print_json(found.to_json())
    else:
        out().print(
            f"{found.run_id}: {plural(len(found.entries), 'log entry', 'log entries')} and "
            f"{plural(found.files, 'file')} are unchanged, signed by {', '.join(found.signers)}; "
            f"the log ends with {found.head}",
            soft_wrap=True,
            markup=False,
        )


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--output", "-o", required=True, metavar="FOLDER", help="Write the report to this folder.")
def report(run_id: str, output: str) -> int:
    """Write the validation report of a stored run; an interrupted run is completed first."""
    record = api.load_run(run_id)
    if record is None:
        with Progress(err()) as progress:
            record = api.resume(run_id, observer=progress.tell)
    err().print(f"wrote {api.report(record, output)}")
    return record.exit_code


@click.command(
    epilog=examples(
        "predict latest --data new.csv --output decisions.csv",
    )
)
@click.argument("run_id", metavar="RUN")
@click.option("--data", required=True, metavar="DATA", help="CSV (also .csv.gz) or Parquet file of new rows.")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Write the score and decision for each row to this CSV (also .csv.gz) or Parquet file; default: CSV on stdout.",
)
@click.option(
    "--even-so",
    is_flag=True,
    help="Apply the rule even if the run is not deployable; the column run_status then says so in each row.",
)
@spares_inputs("output")
def predict(run_id: str, data: str, output: str | None, even_so: bool) -> None:
    """Apply the decision rule of a deployable run to new data: score and decision per row, 1 is favorable."""
    import warnings

    from fairmend.core.errors import DataWarning

    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always", DataWarning)
        found = api.predict(run_id, data, output=output, even_so=even_so)
    told = [str(w.message) for w in remarks if issubclass(w.category, DataWarning)]
    if "run_status" in found:
        told.insert(
            0, f"{run_id} is not deployable ({found['run_status'].iloc[0]}); do not use these decisions"
        )
    for text in dict.fromkeys(told):
        click.echo(f"fairmend: warning: {one_line(text, limit=1000)}", err=True)
    if output is None:
        print_data(found.to_csv(index=False))
    else:
        err().print(f"wrote {output}: {plural(len(found), 'row')}, {found['decision'].mean():.1%} favorable")
    if note := api.formula_note(found):
        err().print(f"Note: {note}")
