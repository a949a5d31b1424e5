"""Write a page for each built-in technique, and their index, from what the classes say: make pages."""

from __future__ import annotations

import inspect
import json
import re
from itertools import groupby
from pathlib import Path
from statistics import mean, median
from typing import Any

import jinja2

from fairmend.catalog.findings import fairmend_finding_kinds
from fairmend.catalog.references import cite
from fairmend.catalog.registry import BUILTINS, Registry, TechniqueEntry
from fairmend.core.vocabulary import STAGES

DOCS = Path(__file__).resolve().parent
FOLDER = DOCS / "techniques"
EVIDENCE = DOCS.parent / "fairmend" / "catalog" / "evidence"
NEEDS = {
    "needs_labels": "labels, to fit",
    "needs_scores": "scores of a model",
    "needs_features": "the features",
    "needs_learner": "a learner, which it trains",
    "needs_model": "the fitted model itself",
    "needs_graph": "a causal graph",
    "needs_protected_at_fit": "the protected attribute, to fit",
    "needs_protected_at_prediction": "the protected attribute, for every decision",
}
FIGURES = ("before", "after", "accuracy_before", "accuracy_after")
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
PARAMETER = re.compile(r"^(\w+(?:, \w+)*) : .*\n((?:(?: {4}.*)?(?:\n|\Z))*)", re.MULTILINE)
ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")


def sections(text: str) -> dict[str, str]:
    """Return the sections of a numpydoc docstring by title, as Markdown; what stands before them is ``""``."""
    parts = SECTION.split(ROLE.sub(r"`\1`", text).replace("``", "`"))
    return dict(zip(["", *parts[1::2]], (part.strip() for part in parts[::2]), strict=True))


def meanings(section: str) -> dict[str, str]:
    """Return what each parameter means, in one line."""
    return {
        name: " ".join(match[2].split())
        for match in PARAMETER.finditer(section)
        for name in match[1].split(", ")
    }


def command(card: TechniqueEntry) -> str:
    """Return how the technique is run alone on the example bank, a table of models, or a record."""
    metadata = card.metadata
    start = f"fairmend technique run {metadata.slug}"
    if card.load().reads("candidates"):
        return f"{start} --data models.csv"
    if metadata.stage == "operations":
        return f"{start} --record run.json -o {metadata.slug}.md"
    outcome = "approved" if "binary" in metadata.tasks else f"credit_score --task {metadata.tasks[0]}"
    attribute = "gender" if metadata.arity == ("binary",) else "race"
    parts = [f"{start} --data loans.csv --outcome {outcome} --protected {attribute} --ignore application_id"]
    if metadata.stage == "causal":
        parts.append("--mediators income,credit_score")
    if metadata.stage in {"pre-processing", "in-processing", "post-processing"}:
        parts.append("-o changed.csv" if metadata.stage == "pre-processing" else "-o decisions.csv")
    if metadata.needs_model:
        parts.append("--learner decision_tree")
    defaults = {p["name"]: p.get("default") for p in card.parameters}
    parts += [f"-p {name}={name}.csv" for name in metadata.required_parameters]
    for adjustment in metadata.adjustments[:1]:
        parts.append(f"-p {adjustment.parameter}={defaults[adjustment.parameter]}")
    return " \\\n  ".join([parts[0], " ".join(parts[1:])]) if parts[1:] else parts[0]


def evidence(slug: str) -> list[dict[str, str]]:
    """Return what a technique achieved by data set, attribute and metric: means over the seeds."""
    path = EVIDENCE / f"{slug}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    out = []
    for (data, attribute, notion), same in groupby(rows, lambda r: (r["data"], r["attribute"], r["notion"])):
        every = list(same)
        done = [row for row in every if row["status"] == "measured"]
        said = {
            "data": f"{data}, by {attribute}",
            "metric": f"{notion.replace('_', ' ')} ({every[0]['metric'].replace('_', ' ')} {every[0]['bound']})",
            "reached": f"{sum(row['reached'] for row in done)} of {len(every)}",
            "seconds": f"{median(row['seconds'] for row in done):.1f}" if done else "",
            **{name: mean_estimate([row[name] for row in done]) for name in FIGURES},
        }
        out.append(said)
    return out


def mean_estimate(figures: list[dict[str, Any]]) -> str:
    """Return the mean of figures and of the ends of their intervals."""
    values = [f["value"] for f in figures if f["value"] is not None]
    ends = [f["interval"] for f in figures if f["interval"] is not None and None not in f["interval"]]
    interval = f" [{', '.join(f'{mean(side):.3f}' for side in zip(*ends, strict=True))}]" if ends else ""
    return f"{mean(values):.3f}{interval}" if values else "not defined"


def facts(card: TechniqueEntry, titles: dict[str, str], slugs: dict[Any, str]) -> dict[str, Any]:
    """Return all that a page says of a technique."""
    metadata, said = card.metadata, sections(inspect.getdoc(card.load()) or "")
    meaning = meanings(said.get("Parameters", ""))
    return {
        "m": metadata,
        "notes": said.get("Notes", ""),
        "example": said.get("Examples", ""),
        "needs": ["the record of a run"] * card.load().reads("record")
        + [text for field, text in NEEDS.items() if getattr(metadata, field)]
        + [f"the parameter `{name}`" for name in metadata.required_parameters],
        "findings": [f"{titles[kind]} (`{kind}`)" for kind in metadata.addresses],
        "parameters": [{**p, "meaning": meaning.get(p["name"], "")} for p in card.parameters],
        "alternatives": [(key, slugs.get(key)) for key in metadata.alternatives],
        "command": command(card),
        "reference": cite(metadata.citation),
        "evidence": evidence(metadata.slug),
    }


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file."""
    found = Registry.installed()
    cards = [card for card in found.cards() if card.plugin in BUILTINS]
    titles = {kind.kind: kind.title for kind in fairmend_finding_kinds()}
    slugs = {card.metadata.technique_id: card.metadata.slug for card in cards}
    environment = jinja2.Environment(  # noqa: S701 - Markdown of our own, not HTML of others
        loader=jinja2.FileSystemLoader(DOCS / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page = environment.get_template("technique.md.j2")
    out = {f"{card.metadata.slug}.md": page.render(facts(card, titles, slugs)) for card in cards}
    by_stage = {s: [c.metadata for c in cards if c.metadata.stage == s] for s in STAGES}
    out["README.md"] = environment.get_template("index.md.j2").render(stages=by_stage)
    return out


def main() -> None:
    """Write the pages, and remove those of techniques that are gone."""
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
