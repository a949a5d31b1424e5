"""List, show and run single techniques."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from fairmend import api
from fairmend.cli.options import (
    examples,
    learner_option,
    names_of,
    role_options,
    roles_of,
    seed_option,
    spares_inputs,
    stream_option,
)
from fairmend.cli.output import as_json, err, lines, out, print_data, print_json, print_line, styled
from fairmend.core.errors import UsageError
from fairmend.core.text.words import plural
from fairmend.core.vocabulary import STAGES, TASKS, Task


@click.group()
def technique() -> None:
    """List, show and run single techniques."""


@technique.command("list")
@click.option("--stage", type=click.Choice(STAGES), help="Restrict to this stage.")
@click.option("--task", type=click.Choice(TASKS), help="Only what supports this kind of outcome.")
@as_json
def list_(stage: str | None, task: Task | None, as_json: bool) -> None:
    """List the installed techniques."""
    entries = [entry for entry in api.list_techniques(task=task) if stage in (None, entry["stage"])]
    if as_json:
        print_json(entries)
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("id", justify="right")
    for title in ("slug", "stage", "name"):
        table.add_column(title, overflow="fold")
    for entry in entries:
        table.add_row(str(entry["technique_id"]), entry["slug"], entry["stage"], entry["name"])
    out().print(table)


@technique.command()
@as_json
def learners(as_json: bool) -> None:
    """List the learners that --learner takes."""
    found = api.list_learners()
    if as_json:
        print_json(found)
        return
    for learner in found:
        out().print(f"{learner['name']}: {learner['text']}")


@technique.command()
@click.argument("name", metavar="ID")
@as_json
def show(name: str, as_json: bool) -> None:
    """Show what a technique does, requires and modifies; ID is its number or slug."""
    described = api.describe_technique(name)
    if as_json:
        print_json(described)
        return
    from rich import box
    from rich.table import Table

    console = out()
    console.print(
        styled(
            (described["name"], "bold"), "  ", (f"{described['technique_id']} · {described['slug']}", "dim")
        )
    )
    console.print(described["summary"])
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    shown = {
        k: v
        for k, v in described.items()
        if k not in {"name", "technique_id", "slug", "summary", "parameters"}
    }
    for key, value in shown.items():
        if value not in (None, "", [], {}):
            table.add_row(key.replace("_", " "), lines(_text(value).split("\n")))
    for parameter in described["parameters"]:
        default = f"default {parameter['default']!r}" if "default" in parameter else "required"
        table.add_row(f"-p {parameter['name']}", f"{default}; {parameter['accepts']}")
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return (
            "\n".join(_text(v) for v in value)
            if any(len(str(v)) > 30 for v in value)
            else ", ".join(map(_text, value))
        )
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_text(v)}" for k, v in value.items())
    return str(value)


@technique.command(
    "run",
    epilog=examples(
        "technique run disparate-impact-remover --data loans.csv --protected race --outcome approved --output new.csv",
        "technique run selection-rate-audit --data loans.csv --protected race --outcome approved",
    ),
)
@click.argument("name", metavar="ID")
@click.option("--data", metavar="DATA", help="CSV (also .csv.gz) or Parquet file.")
@click.option(
    "--record",
    metavar="FILE|RUN",
    help="For operations: the record of a run, as a JSON file or the id of a stored run.",
)
@stream_option
@role_options
@click.option("--features", callback=names_of, metavar="A,B", help="Features to transform; default: all.")
@click.option(
    "--param",
    "-p",
    "words",
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the technique, as NAME=VALUE; repeatable.",
)
@click.option("--predictions", metavar="[FILE:]COLUMN", help="Decisions of an existing model.")
@click.option(
    "--scores", metavar="[FILE:]COLUMN", help="Its predicted probabilities of the favorable outcome."
)
@click.option("--graph", metavar="FILE", help="Causal graph: JSON, YAML or Graphviz.")
@learner_option
@seed_option
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Write the result to this file: a table; for metrics JSON, or a picture (.png, .svg).",
)
@as_json
@spares_inputs("output")
def run_(
    name: str, data: str | None, words: tuple[str, ...], output: str | None, as_json: bool, **options: Any
) -> None:
    """Run a single technique; ID is its number or slug.

    Pre-processing writes the transformed table, and compares models trained with and without it on a
    seeded split. In- and post-processing train on such a split and write the score and decision of each
    held-out row. Evaluation and causal analysis print their
    results. Operations write documents from the record of a run, or watch decisions (--stream).
    """
    roles = roles_of(options)
    done = api.run_technique(name, data, parameters=parameters_of(words), output=output, **options, **roles)
    if output is not None:
        err().print(f"wrote {output}")
        if done.table is not None and (note := api.formula_note(done.table)):
            err().print(f"Note: {note}")
    if as_json:
        print_json(done.to_json())
        return
    if done.documents and output is None:
        for text in done.documents.values():
            print_data(text)
        return

    console = out()
    console.print(done.text)
    if done.documents:
        return
    if done.before is not None and done.after is not None and done.tests is not None:
        from fairmend.reports import verdict_table

        console.print(verdict_table(done.before, done.after, done.tests))
    elif done.task_before is not None and done.task_after is not None:
        from fairmend.reports import task_comparison_table

        console.print(task_comparison_table(done.task_before, done.task_after, done.changes))
    elif done.figures:
        print_figures(done.figures)


def print_figures(figures: Mapping[str, Any], depth: int = 0) -> None:
    """Print the result of an analysis, indented by structure, with one line per metric."""
    for name, value in figures.items():
        lead = f"{'  ' * depth}{name}:"
        if _is_figure(value) and "by_group" in value:
            print_line(f"{lead} {_short(value)}")
            print_figures(value["by_group"], depth + 1)
        elif isinstance(value, dict) and value and not _is_figure(value):
            print_line(lead)
            print_figures(value, depth + 1)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            print_line(lead)
            for entry in value:
                print_line(
                    f"{'  ' * (depth + 1)}- " + "; ".join(f"{k} {_short(v)}" for k, v in entry.items())
                )
        else:
            print_line(f"{lead} {_short(value)}")


def _is_figure(value: Any) -> bool:
    return isinstance(value, dict) and "value" in value and "interval" in value


def _short(value: Any) -> str:
    if _is_figure(value):
        interval = (
            "" if value["interval"] is None else f" [{', '.join(_short(v) for v in value['interval'])}]"
        )
        return f"{_short(value['value'])}{interval}, {plural(value.get('support', 0), 'row')}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(_short, value)) or "none"
    if isinstance(value, dict):
        return "(" + ", ".join(f"{k} {_short(v)}" for k, v in value.items()) + ")"
    return "not defined" if value is None else str(value)


def parameters_of(words: tuple[str, ...]) -> dict[str, Any]:
    """Parse parameters of the form ``name=value``; values are read as YAML."""
    from fairmend.core.text.strict_reading import parse_yaml

    out: dict[str, Any] = {}
    for word in words:
        name, found, text = word.partition("=")
        if not found or not name:
            raise UsageError(f"expected a parameter of the form NAME=VALUE, got {word!r}")
        if name in out:
            raise UsageError(f"the parameter {name!r} is given twice")
        out[name] = parse_yaml(text, f"the value of -p {name}")
    return out
