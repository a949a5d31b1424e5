"""Runs that are kept: status, resume, approve, verify, report, predict."""

from __future__ import annotations

from typing import Any

import click

from fairmend import api
from fairmend.cli.options import spares_inputs
from fairmend.cli.output import as_json, err, out, print_data, print_json
from fairmend.cli.pipelines import finish, report_option
from fairmend.cli.progress import Progress
from fairmend.core.text.escaping import one_line
from fairmend.core.text.words import plural


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@as_json
def status(run_id: str | None, as_json: bool) -> None:
    """List the runs that are kept, or show how one stands and what it waits for; RUN may be 'latest'."""
    from rich.table import Table

    shown = api.status(run_id)
    if as_json:
        print_json(shown)
        return
    table = Table("run", "begun", "status", "why")
    for run in shown:
        table.add_row(*run.values())
    out().print(table)


@click.command()
@click.argument("run_id", metavar="RUN")
@report_option
@as_json
def resume(run_id: str, report: str | None, as_json: bool) -> int:
    """Go on with a run that was cut off or waited; what was finished is read, not computed."""
    with Progress(err()) as progress:
        record = api.resume(run_id, observer=progress.tell)
    return finish(record, report, as_json)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--gate", required=True, help="Which gate, e.g. gate-4.")
@click.option("--role", required=True, help="In which role, e.g. 'product owner'.")
@click.option("--by", required=True, metavar="NAME", help="Who decides.")
@click.option("--reject", is_flag=True, help="Record a rejection instead of an approval.")
@click.option("--note", default="", help="Why.")
@click.option(
    "--answer",
    default="",
    metavar="TEXT",
    help="How the objection of another person's rejection was answered, which this approval overrules.",
)
@as_json
def approve(
    run_id: str, gate: str, role: str, by: str, reject: bool, note: str, answer: str, as_json: bool
) -> None:
    """Record a person's decision on a gate; fairmend resume then goes on.

    A rejection holds until the same person approves, or another person's approval says how the objection was
    answered (--answer).
    """
    decision: dict[str, Any] = {
        "gate": gate,
        "role": role,
        "by": by,
        "approved": not reject,
        "note": note,
        "answer": answer,
    }
    stored = api.approve(run_id, **decision)
    word = "rejected" if reject else "approved"
    if as_json:
        print_json({"run_id": stored.run_id, **decision})
    else:
        out().print(
            f"{gate} of {stored.run_id} {word} by {by} ({role}); go on with: fairmend resume {stored.run_id}"
        )


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="PUBLIC",
    help="Believe this key alone (digits, file, or name of a trusted key); may be repeated.",
)
@click.option(
    "--anchor",
    metavar="HEAD|FILE",
    help="Check that a head that was kept elsewhere is part of the record.",
)
@click.option("--write-anchor", metavar="FILE", help="Write the head there, to be kept out of the store.")
@as_json
def verify(
    run_id: str, keys: tuple[str, ...], anchor: str | None, write_anchor: str | None, as_json: bool
) -> None:
    """Check the signed log of a run, its record and its files; anything changed is an error.

    Believed are your own key and those you trust (fairmend keys). A store that was set back to an earlier
    state as a whole is found by --anchor alone.
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
@click.option("--output", "-o", required=True, metavar="FOLDER", help="Write the report there.")
def report(run_id: str, output: str) -> int:
    """Write the validation report of a run that is kept; one that was cut off is brought to its end first."""
    record = api.load_run(run_id)
    if record is None:
        with Progress(err()) as progress:
            record = api.resume(run_id, observer=progress.tell)
    err().print(f"wrote {api.report(record, output)}")
    return record.exit_code


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--data", required=True, metavar="DATA", help="CSV (also .csv.gz) or Parquet file of new rows.")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Write score and decision a row there, as CSV (also .csv.gz) or Parquet; else to stdout, as CSV.",
)
@click.option(
    "--even-so",
    is_flag=True,
    help="Apply the rule also of a run that is not deployable; a column run_status then says so in each row.",
)
@spares_inputs("output")
def predict(run_id: str, data: str, output: str | None, even_so: bool) -> None:
    """Apply the rule of a deployable run to new rows: the score and the decision, 1 the favorable one."""
    import warnings

    from fairmend.core.errors import DataWarning

    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always", DataWarning)
        found = api.predict(run_id, data, output=output, even_so=even_so)
    told = [str(w.message) for w in remarks if issubclass(w.category, DataWarning)]
    if "run_status" in found:
        told.insert(
            0, f"{run_id} is not deployable ({found['run_status'].iloc[0]}); nothing may rest on this"
        )
    for text in dict.fromkeys(told):
        click.echo(f"fairmend: warning: {one_line(text, limit=1000)}", err=True)
    if output is None:
        print_data(found.to_csv(index=False))
    else:
        err().print(f"wrote {output}: {plural(len(found), 'row')}, {found['decision'].mean():.1%} favorable")
    if note := api.formula_note(found):
        err().print(f"Note: {note}")
