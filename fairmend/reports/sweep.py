"""The report of a sweep: the table of candidates and the frontier plot."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fairmend.core.data.files import write_text
from fairmend.core.errors import UsageError
from fairmend.core.text.escaping import json_text, markdown
from fairmend.core.text.words import plural
from fairmend.pipeline.sweep.sweep_record import SweepCandidate, ranked
from fairmend.reports.lda import lda_header, lda_html, lda_markdown, lda_rows, markdown_table
from fairmend.reports.verdict import OVERALL

if TYPE_CHECKING:
    from fairmend.pipeline.sweep.sweep_record import Sweep

HEADER = ("steps", "utility", "target metric", "frontier", "target", "reads group", "last gate", "seconds")


def sweep_header(sweep: Sweep) -> tuple[str, ...]:
    """Return the column titles of the table."""
    if sweep.lda is not None:
        return lda_header(sweep)
    measure = OVERALL.get(sweep.target.measure, sweep.target.measure.replace("_", " "))
    named = {"utility": sweep.worth, "target metric": measure}
    return tuple(named.get(title, title) for title in HEADER)


def sweep_rows(sweep: Sweep) -> list[tuple[str, ...]]:
    """Return the table of candidates: the selected one, the frontier, then the others by utility."""
    if sweep.lda is not None:
        return lda_rows(sweep)
    order = sorted(ranked(sweep.candidates), key=lambda c: c.name != sweep.selected)
    return [_cells(c, sweep) for c in order if c.status == "measured"]


def _cells(candidate: SweepCandidate, sweep: Sweep) -> tuple[str, ...]:
    worth, fairness = candidate.worth, candidate.fairness
    share = "" if candidate.share_on_frontier is None else f"{candidate.share_on_frontier:.0%}"
    return (
        candidate.name + (" (selected)" if candidate.name == sweep.selected else ""),
        worth.text(4) if worth else "",
        fairness.text(3) if fairness else "",
        f"yes, {share}" if candidate.on_frontier else share,
        "secure" if candidate.secure else "met" if candidate.meets_target else "no",
        "yes" if candidate.reads_protected else "no",
        "passes" if candidate.passes else ", ".join(candidate.failing),
        f"{candidate.seconds:.1f}",
    )


def write_sweep(sweep: Sweep, folder: str | Path) -> Path:
    """Write the report of a sweep.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    folder : str or Path
        Output folder, created if missing. Files of an earlier report are replaced.

    Returns
    -------
    Path
        The report in Markdown; the plot (``frontier.png``, ``frontier.svg``) and the record
        (``sweep.json``) are next to it. That of a search for a less discriminatory alternative is
        ``lda.md``, with ``lda.html`` next to it.

    Raises
    ------
    UsageError
        The folder cannot be created or written to.
    """
    from fairmend.reports.frontier import write_frontier

    target = Path(folder)
    name = "sweep.md" if sweep.lda is None else "lda.md"
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".part-") as made:
            parts = Path(made)
            write_frontier(sweep, parts)
            if sweep.lda is None:
                write_text(parts / name, sweep_text(sweep))
            else:
                write_text(parts / name, lda_markdown(sweep, sweep.lda))
                write_text(parts / "lda.html", lda_html(sweep, sweep.lda, parts))
            write_text(parts / "sweep.json", json_text(sweep.to_json()) + "\n")
            for part in sorted(parts.iterdir()):
                os.replace(part, target / part.name)
    except OSError as error:
        raise UsageError(f"the report cannot be written to {target}: {error.strerror or error}") from error
    return target / name


def sweep_text(sweep: Sweep) -> str:
    """Return the report in Markdown."""
    lines = [
        "# Sweep of techniques",
        "",
        f"{markdown(sweep.reason[0].upper() + sweep.reason[1:])}.",
        "",
        f"Target: {sweep.target.measure.replace('_', ' ')} {sweep.target.bound} ({sweep.notion.replace('_', ' ')}), policy "
        f"{markdown(sweep.policy['name'])}. Learner {markdown(sweep.learner)}, seed {sweep.seed}, at most {plural(sweep.depth, 'step')}.",
        "",
        "![Accuracy against fairness](frontier.png)",
        "",
        "Frontier: no other candidate is at least as good in both metrics and better in one; the share is the fraction of "
        "bootstrap resamples in which the candidate is on the frontier.",
        "",
        *markdown_table((sweep_header(sweep), *sweep_rows(sweep))),
    ]
    failed = [(c.name, c.reason) for c in sweep.candidates if c.status == "failed"]
    if failed:
        lines += ["", "## Failed", "", *markdown_table((("steps", "why"), *failed))]
    if sweep.excluded:
        excluded = [(f"{e.slug} ({e.technique_id})", e.reason) for e in sweep.excluded]
        lines += ["", "## Excluded", "", *markdown_table((("technique", "why"), *excluded))]
    lines += ["", "## Notes", "", *(f"- {markdown(note)}" for note in sweep.notes)]
    return "\n".join(lines) + "\n"
