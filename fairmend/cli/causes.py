"""Say how disparities come about."""

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
from fairmend.core.errors import UsageError

if TYPE_CHECKING:
    from fairmend.api import CausalAssessment

SHOWN = 5  # contradictions, without --verbose


@click.command(
    epilog=examples(
        "causes loans.csv --outcome approved --protected race --mediators income,credit_score -o graph.dot",
        "causes loans.csv --outcome approved --protected race --graph graph.dot -o paths.png",
        "causes loans.csv --outcome approved --protected race --require race:zip_code --forbid zip_code:income",
    )
)
@click.argument("data", metavar="DATA")
@role_options
@graph_option
@click.option("--require", multiple=True, metavar="A:B", help="A is known to affect B; repeatable.")
@click.option("--forbid", multiple=True, metavar="A:B", help="A is known not to affect B; repeatable.")
@model_option
@learner_option
@seed_option
@click.option(
    "--output",
    "-o",
    multiple=True,
    metavar="FILE",
    help="Write the graph (.dot), its drawing (.png, .svg, .pdf) or everything (.json); repeatable.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show all columns, effects and contradictions.")
@as_json
@spares_inputs("output")
def causes(
    data: str,
    require: tuple[str, ...],
    forbid: tuple[str, ...],
    output: tuple[str, ...],
    verbose: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Say how disparities come about: directly, through mediators, or by common causes; and where to intervene.

    Without --graph, a causal graph is assumed from roles, audit and data. It is an assumption for experts to
    correct: write it (-o graph.dot), edit it, and pass it back (--graph graph.dot).
    """
    for name in output:
        api.check_causes_name(name)
    roles = required(roles_of(options))
    found = api.causes(
        data, require=[*map(_effect, require)], forbid=[*map(_effect, forbid)], **options, **roles
    )
    for name in output:
        api.save_causes(found, name)
        err().print(f"wrote {name}")
    if as_json:
        print_json(found.to_json())
    else:
        print_causes(found, verbose)


def _effect(text: str) -> tuple[str, str]:
    cause, _, effect = text.partition(":")
    if not cause or not effect:
        raise UsageError(f"an effect must be CAUSE:EFFECT, such as race:income, got {text!r}")
    return cause, effect


def print_causes(found: CausalAssessment, verbose: bool) -> None:
    """Print roles, effects, robustness and the recommendation."""
    from rich import box
    from rich.table import Table

    console = out()
    console.print(f"{found.source} graph: {len(found.graph.nodes)} columns, {len(found.graph.edges)} effects")
    roles: dict[str, list[str]] = {}
    for row in found.columns:
        roles.setdefault(row["role"], []).append(row["column"])
    for role, names in roles.items():
        console.print(f"  {role}: {', '.join(names)}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("disparity", "total", "direct", "indirect", "spurious", "robustness", "E-value"):
        table.add_column(title, overflow="fold")
    for one in found.disparities:
        against = f"{one.attribute}: {one.group} against {one.reference}"
        if not one.measured:
            table.add_row(against, f"too few rows ({one.support})")
            continue
        figures = [_interval(one.parts[name]) for name in ("total", "direct", "indirect", "spurious")]
        hidden = [_number(one.robustness_value), _number(one.e_value)]
        table.add_row(against, *figures, *hidden)
    console.print(table)
    shown = found.disparities if verbose else [one for one in [found.clearest] if one is not None]
    for one in shown:
        for name, effect in sorted(one.through.items(), key=lambda item: -abs(item[1]["estimate"])):
            console.print(f"  {one.group} against {one.reference} through {name}: {_interval(effect)}")
    console.print(str(found.counterfactual["text"]))
    for cause, affected in found.denied:
        console.print(f"Taken out, since the data deny it: {cause} affects {affected}")
    said = found.contradictions if verbose else found.contradictions[:SHOWN]
    for text in said:
        console.print(f"Contradiction: {text}")
    if more := len(found.contradictions) - len(said):
        console.print(f"{more} more contradictions: --verbose")
    for advice in found.recommended:
        named = f" ({', '.join(advice['columns'])})" if advice["columns"] else ""
        console.print(f"Intervene in {advice['stage']}{named}: {advice['reason']}")
    if not found.recommended:
        console.print("The data support no intervention by this graph.")


def _interval(effect: Any) -> str:
    low, high = effect["interval"]
    return f"{effect['estimate']:+.3f} [{low:+.3f}, {high:+.3f}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
