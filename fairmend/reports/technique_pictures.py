"""What an evaluation found, as a picture or a table: reliability by group, and models against each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from fairmend.core.errors import UsageError
from fairmend.core.metrics.inference.intervals import wilson
from fairmend.core.text.escaping import one_line
from fairmend.core.text.words import plural
from fairmend.pipeline.run_technique import TechniqueResult
from fairmend.reports.figure_files import save_figure
from fairmend.reports.plots import AFTER, BEFORE, LEAST_ROWS_OF_A_BIN, LONGEST_NAME, MOST_PANELS, MUTED, STYLE

PICTURES = (".png", ".svg")


def reliability_table(figures: Mapping[str, Any]) -> pd.DataFrame | None:
    """Return one row per attribute, group and bin: rows, mean score, share of favorable outcomes; None without them."""
    parts = [
        pd.DataFrame(
            {"attribute": attribute, "group": group, "bin": range(1, len(bins["support"]) + 1), **bins}
        )
        for attribute, view in figures.get("by_attribute", {}).items()
        for group, bins in view.get("reliability", {}).get("by_group", {}).items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else None


def write_picture(done: TechniqueResult, path: str | Path) -> None:
    """Draw what an evaluation found, as PNG or SVG by the ending of the name.

    Raises
    ------
    UsageError
        There is nothing to draw, or the file cannot be written.
    """
    import matplotlib as mpl

    table = reliability_table(done.figures)
    with mpl.rc_context(rc={**STYLE, "svg.fonttype": "none"}):
        if table is not None:
            figure = reliability(table)
        elif "frontier" in done.figures and "objectives" in done.figures:
            figure = models(done.figures)
        else:
            raise UsageError(f"there is no picture of the results of {done.slug}; name a .json file")
        save_figure(figure, path, bbox_inches="tight")


def reliability(table: pd.DataFrame) -> Drawing:
    """Draw the share of favorable outcomes against the mean score of each bin, a panel for each group.

    Only the largest groups and bins with at least ten rows are shown.
    """
    groups = {key: rows for key, rows in table.groupby(["attribute", "group"], sort=False)}  # noqa: C416
    shown = sorted(groups, key=lambda key: -groups[key]["support"].sum())[:MOST_PANELS]
    columns = min(4, len(shown))
    lines = -(-len(shown) // columns)
    figure = Drawing(figsize=(2.6 * columns + 0.6, 2.6 * lines + 0.9), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, key in zip(panels, shown, strict=False):
        _panel(panel, groups[key], f"{key[0]}: {one_line(str(key[1]), LONGEST_NAME)}")
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    figure.supxlabel(f"Mean score per bin (bins with at least {LEAST_ROWS_OF_A_BIN} rows)", fontsize=10)
    figure.supylabel("Share with the favorable outcome, with 95 % intervals", fontsize=10)
    return figure


def _panel(panel: Axes, rows: pd.DataFrame, title: str) -> None:
    full = rows[rows["support"] >= LEAST_ROWS_OF_A_BIN].astype({"mean_score": float, "share": float})
    share, n = full["share"].to_numpy(), full["support"].to_numpy(dtype=float)
    low, high = wilson(share * n, n)
    panel.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    panel.errorbar(
        full["mean_score"],
        share,
        yerr=np.abs(np.stack([low, high]) - share),
        fmt="o-",
        color=AFTER,
        linewidth=1,
        elinewidth=0.8,
        markersize=4,
    )
    panel.set_title(f"{title}\n{plural(int(rows['support'].sum()), 'row')}", fontsize=9)
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1)
    panel.set_aspect("equal")
    panel.grid()


def models(figures: Mapping[str, Any]) -> Drawing:
    """Draw the compared models by their first two objectives; those on the frontier are filled and named."""
    across, up = (list(figures["objectives"]) * 2)[:2]
    figure = Drawing(figsize=(7.5, 5))
    axes = figure.subplots()
    for model in figures["models"]:
        on = model["non_dominated"]
        at = model["values"][across], model["values"][up]
        axes.plot(*at, "o", color=AFTER if on else BEFORE, fillstyle="full" if on else "none", markersize=7)
        axes.annotate(
            one_line(model["model"], LONGEST_NAME), at, xytext=(6, 4), textcoords="offset points", fontsize=9
        )
    for name, label in ((across, axes.set_xlabel), (up, axes.set_ylabel)):
        direction = "higher" if figures["objectives"][name] == "max" else "lower"
        label(f"{name.replace('_', ' ').capitalize()} ({direction} is better)")
    axes.set_title(
        f"{plural(len(figures['frontier']), 'model')} of {len(figures['models'])} on the Pareto frontier"
    )
    axes.grid()
    return figure
