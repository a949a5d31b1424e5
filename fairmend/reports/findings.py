"""Audit findings re-measured on the test data, and the target in cross-validation, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairmend.core.text.escaping import one_line
from fairmend.pipeline.finding_outcomes import FindingOutcome
from fairmend.pipeline.run.cv_results import CrossValidation
from fairmend.reports.verdict import p_text

if TYPE_CHECKING:
    from rich.table import Table

OF_ONE_GROUP = {"group-miscalibration", "intersectional-disparity", "class-imbalance", "degenerate-decisions"}
STYLES = {"fixed": "green", "improved": "green", "worse": "red", "insufficient evidence": "yellow"}


def finding_rows(findings: Sequence[FindingOutcome]) -> list[dict[str, str]]:
    """Return the findings that the audit raised or that changed, as text.

    The p-values are corrected for all findings of the run.
    """
    return [
        {
            "verdict": found.verdict,
            "finding": _name(found),
            "severity": found.severity,
            "measure": found.measure.replace("_", " "),
            "before": _number(found.before),
            "after": _number(found.after),
            "p": p_text(found.p_holm),
            "text": found.text,
        }
        for found in findings
        if found.matters
    ]


def _name(found: FindingOutcome) -> str:
    of = found.attribute or ""
    if found.kind in OF_ONE_GROUP and found.group is not None:
        of += f": {found.group}"
    return " ".join(word for word in (found.kind, found.column, f"({of})" if of else "") if word)


def rest_of(findings: Sequence[FindingOutcome]) -> str:
    """Return a sentence with the number of omitted findings; empty if there are none."""
    left = sum(not found.matters for found in findings)
    if not left:
        return ""
    return f"Not shown: {left} that the audit had not raised and that did not change significantly."


def findings_table(findings: Sequence[FindingOutcome]) -> Table:
    """Return the verdict on each finding as a table for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="Audit findings re-measured on test data; p corrected for all findings",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    for title in ("finding", "measure"):
        table.add_column(title, overflow="fold")
    for title in ("before", "after", "p"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in finding_rows(findings):
        style = STYLES.get(row["verdict"], "")
        cells = [Text(one_line(row[name])) for name in ("finding", "measure", "before", "after", "p")]
        table.add_row(Text(row["verdict"], style=style), *cells)
    return table


def fold_rows(found: CrossValidation) -> list[dict[str, str]]:
    """Return each fold of a cross-validation as text."""
    words = {True: "held", False: "missed", None: "insufficient evidence"}
    return [
        {
            "fold": f"{fold.repetition}.{fold.fold}",
            "rows": f"{fold.n_train:,} / {fold.n_test:,}",
            **{
                f"{name} {when}": _number(values.get(measure))
                for name, measure in (("accuracy", "accuracy"), ("target", found.target))
                for when, values in (("before", fold.before), ("after", fold.after))
            },
            "outcome": "failed" if fold.failed else words[fold.held],
            "reason": fold.reason,
        }
        for fold in found.folds
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
