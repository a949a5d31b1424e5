"""Figures of regression, ranking and several classes as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fairmend.core.metrics import Estimate, TaskMeasurement
from fairmend.core.vocabulary import Task
from fairmend.reports.verdict import figure_text

if TYPE_CHECKING:
    from rich.table import Table

OVERALL: Mapping[Task, Mapping[str, str]] = {
    "regression": {
        "mean_absolute_error": "Mean absolute error",
        "root_mean_squared_error": "Root mean squared error",
        "r2": "R2",
        "mean_prediction_difference": "Gap of mean predictions",
        "mean_error_difference": "Gap of mean errors",
        "ks_distance": "KS distance of two groups",
        "wasserstein_distance": "Wasserstein distance of two groups",
    },
    "ranking": {
        "ndcg": "Gain (NDCG)",
        "ndkl": "Divergence (NDKL)",
        "exposure_difference": "Gap of exposure",
        "top_share_ratio_difference": "Gap of shares at the top",
    },
    "multiclass": {
        "accuracy": "Accuracy",
        "macro_recall": "Macro recall",
        "macro_f1": "Macro F1",
        "log_loss": "Log loss",
        "expected_calibration_error": "Calibration error (ECE)",
        "accuracy_difference": "Gap of accuracy",
        "macro_recall_difference": "Gap of macro recall",
    },
}
BY_GROUP: Mapping[Task, Mapping[str, str]] = {
    "regression": {
        "mean_prediction": "Mean prediction",
        "mean_error": "Mean error",
        "mean_absolute_error": "Mean absolute error",
        "ks_distance": "KS to all rows",
    },
    "ranking": {"exposure": "Exposure", "top_share_ratio": "Share of the top", "skew": "Skew"},
    "multiclass": {"macro_recall": "Macro recall", "expected_calibration_error": "ECE"},
}
"""Figures shown for each group; of several classes also the selection rate and the recall of each."""

MOST_COLUMNS = 5
"""Figures that stand side by side; more of them have a line each."""


def group_titles(task: Task, names: list[str]) -> dict[str, str]:
    """Return the figures to show by group, with their titles."""
    titles = {name: title for name, title in BY_GROUP[task].items() if name in names}
    for stem, title in (("selection_rate", "Predicted"), ("recall", "Recall")):
        titles |= {name: f"{title} {name[len(stem) :]}" for name in names if name.startswith(f"{stem}[")}
    return titles


def task_audit_table(figures: Mapping[str, Any], task: Task, attribute: str) -> Table:
    """Return what an audit measured of the groups of one attribute: a row per group, or a line per figure.

    Parameters
    ----------
    figures : mapping
        Of ``Audit.measures``.
    task : {"multiclass", "regression", "ranking"}
        The task of the outcome.
    attribute : str
        The attribute, for the title.
    """
    from rich import box
    from rich.table import Table

    groups = list(next(iter(figures.values()))["by_group"])
    titles = group_titles(task, list(figures))
    table = Table(title=f"Figures by {attribute}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    if len(titles) > MOST_COLUMNS:
        for title in ("figure", "group", "value", "rows"):
            table.add_column(
                title, justify="left" if title in ("figure", "group") else "right", overflow="fold"
            )
        for name, title in titles.items():
            for group in groups:
                found = figures[name]["by_group"][group]
                table.add_row(title, group, _cell(found), f"{found['support']:,}")
        return table
    for title in ("group", "rows", *titles.values()):
        table.add_column(title, justify="left" if title == "group" else "right", overflow="fold")
    for group in groups:
        row = [figures[name]["by_group"][group] for name in titles]
        table.add_row(group, f"{row[0]['support']:,}", *map(_cell, row))
    return table


def _cell(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "not defined"
    if not figure["enough"]:
        return "too few rows"
    return figure_text(Estimate(figure["value"], _interval(figure["interval"]), figure["support"], True))


def _interval(ends: Any) -> tuple[float, float] | None:
    if ends is None or None in ends:
        return None
    return (float(ends[0]), float(ends[1]))


def task_comparison_table(
    before: TaskMeasurement, after: TaskMeasurement, changes: Mapping[str, Estimate]
) -> Table:
    """Return figures before and after as a table: over all rows, then of each group.

    Parameters
    ----------
    before, after : TaskMeasurement
        Of the same rows.
    changes : mapping
        What :func:`fairmend.core.metrics.task_changes` found.
    """
    from rich import box
    from rich.table import Table

    rows = int(after.rows.sum())
    small = [group for group in after.groups if not after.figure(next(iter(after.statistics)), group).enough]
    table = Table(
        title=f"Before against after on {rows:,} test rows, with 95% intervals",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    if small:
        table.caption = f"Gaps pass over groups with too few rows: {', '.join(small)}"
        table.caption_justify = "left"
    table.add_column("", overflow="fold")
    for title in ("before", "after", "change", "rows"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, title in OVERALL[after.task].items():
        if name in after.statistics or name.rpartition("_")[0] in after.statistics:
            change = figure_text(changes[name]) if name in changes else ""
            table.add_row(
                title, figure_text(before.figure(name)), figure_text(after.figure(name)), change, f"{rows:,}"
            )
    table.add_section()
    for name, title in group_titles(after.task, list(after.statistics)).items():
        for group in after.groups:
            old, new = before.figure(name, group), after.figure(name, group)
            few = "" if new.enough else " (too few)"
            table.add_row(
                f"{title}: {group}", figure_text(old), figure_text(new), "", f"{new.support:,}{few}"
            )
    return table
