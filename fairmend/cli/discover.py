"""Search the catalog and rank techniques for an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fairmend import api
from fairmend.cli.options import constraint_option, examples, notion_option, policy_option
from fairmend.cli.output import as_json, out, print_json, styled
from fairmend.core.vocabulary import STAGES, Notion

if TYPE_CHECKING:
    from fairmend.api import Answer

top_option = click.option(
    "--top", type=click.IntRange(min=1), default=10, show_default=True, help="Maximum number of techniques."
)


@click.command(
    epilog=examples(
        'query "approval rates differ between men and women"',
        'query "equal error rates" --stage post-processing -c retraining=false',
    )
)
@click.argument("text")
@click.option("--stage", type=click.Choice(STAGES), help="Restrict to this stage.")
@constraint_option
@top_option
@click.option("--encoder", metavar="NAME", help="Encoder of texts: of a plugin, or of sentence-transformers.")
@as_json
def query(
    text: str,
    stage: str | None,
    constraints: tuple[str, ...],
    top: int,
    encoder: str | None,
    as_json: bool,
) -> None:
    """Find techniques for a question in plain words.

    Constraints are hard limits; techniques that they exclude are listed with the reason.
    """
    limits = (*constraints, f"stage={stage}") if stage else constraints
    answer = api.query(text, constraints=limits, top=top, encoder=encoder)
    if as_json:
        print_json(answer.to_json())
    else:
        print_answer(answer)


@click.command(
    epilog=examples(
        "recommend --findings audit.json -c protected_at_prediction=false",
    )
)
@click.option(
    "--findings",
    required=True,
    metavar="AUDIT",
    help="Audit to start from: the JSON file written by fairmend audit.",
)
@constraint_option
@notion_option
@click.option("--top", type=click.IntRange(min=1), help="Maximum number of techniques to print.")
@as_json
def recommend(
    findings: str, constraints: tuple[str, ...], notion: Notion, top: int | None, as_json: bool
) -> None:
    """Rank the techniques that address the findings of an audit."""
    found = api.recommend(findings, constraints=constraints, notion=notion)
    if as_json:
        print_json(found.to_json())
    else:
        print_answer(found, top)


@click.command(
    epilog=examples(
        "explain group-thresholds --findings audit.json",
    )
)
@click.argument("name", metavar="ID")
@click.option(
    "--findings",
    required=True,
    metavar="AUDIT",
    help="Audit to start from: the JSON file written by fairmend audit.",
)
@constraint_option
@notion_option
@policy_option
@as_json
def explain(
    name: str,
    findings: str,
    constraints: tuple[str, ...],
    notion: Notion,
    policy: str,
    as_json: bool,
) -> None:
    """Say why a technique is, or is not, in the pipeline that an audit calls for; ID is its number or slug."""
    found = api.explain(name, findings, constraints=constraints, notion=notion, policy=policy)
    if as_json:
        print_json(found.to_json())
        return
    console = out()
    console.print(styled((f"{found.slug} ({found.technique_id})", "bold"), f": {found.outcome}"))
    for reason in found.reasons:
        console.print(reason)
    if found.ahead:
        console.print(f"Ranked above it: {', '.join(found.ahead)}")


def print_answer(answer: Answer, top: int | None = None) -> None:
    """Print techniques with their reasons, then the excluded ones."""
    from rich.padding import Padding

    console = out()
    if not answer.results:
        console.print("No technique in the catalog matches this query.")
    for place, result in enumerate(answer.results[:top], start=1):
        console.print(
            styled(
                (f"{place:>2}. {result.name}", "bold"),
                "  ",
                (f"{result.technique_id} · {result.stage} · score {result.score:.2f}", "dim"),
            )
        )
        for sentence in (*result.why, result.citation):
            console.print(Padding(sentence, (0, 0, 0, 4)))
    if answer.excluded:
        console.print()
        console.print("Excluded", style="bold")
        for left_out in answer.excluded:
            console.print(f"    {left_out.slug} ({left_out.technique_id}): {left_out.reason}")
