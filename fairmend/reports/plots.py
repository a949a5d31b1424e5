"""The plots of a validation report."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.metrics import Estimate, Measurement
from fairmend.core.metrics.inference.intervals import wilson
from fairmend.core.text.escaping import one_line
from fairmend.core.text.words import plural
from fairmend.pipeline.run.ablation import PLAIN, POST_ALONE
from fairmend.reports.causal_graph import causal_graph

if TYPE_CHECKING:
    from fairmend.pipeline.run.measured import GateMeasurement, Variant
    from fairmend.pipeline.run.record import RunRecord

BEFORE, AFTER, INK, MUTED = "#8a8f98", "#0b6e4f", "#1f2328", "#b5bac1"
MARKERS = "osD^vPX<>"
MOST_PANELS = 12
LEAST_ROWS_OF_A_BIN = 10
LONGEST_NAME = 40  # characters
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": "#e6e8eb",
    "legend.frameon": False,
    "savefig.dpi": 144,
    "text.parse_math": False,  # names may contain dollar signs
}


def write_plots(record: RunRecord, folder: Path) -> dict[str, str]:
    """Write the plots that the record allows, and return file name by title.

    Parameters
    ----------
    record : RunRecord
        The run.
    folder : Path
        Output folder, which must exist.
    """
    import matplotlib as mpl

    graph = record.graph or CausalGraph(())
    drawn: dict[str, tuple[str, Callable[[], Drawing]]] = {
        "Selection rates by group": (
            "selection-rates.png",
            lambda: selection_rates(record.baseline, record.final),
        ),
        "Reliability of the scores by group": (
            "reliability.png",
            lambda: reliability(record.baseline, record.final),
        ),
        "Accuracy and fairness of all candidates": ("trade-off.png", lambda: trade_off(record)),
        "Causal graph": ("causal-graph.png", lambda: causal_graph(graph, record)),
    }
    if record.final.scores is None or record.baseline.scores is None:
        del drawn["Reliability of the scores by group"]
    if not graph.nodes:
        del drawn["Causal graph"]
    if not record.gate_measurements:  # nothing was built
        del drawn["Accuracy and fairness of all candidates"]
    with mpl.rc_context(rc=STYLE):
        for name, draw in drawn.values():
            draw().savefig(folder / name, bbox_inches="tight", facecolor="white", metadata={"Software": None})
    return {title: name for title, (name, _) in drawn.items()}


def selection_rates(before: Measurement, after: Measurement) -> Drawing:
    """Draw the selection rate of each group before and after, with intervals."""
    groups = sorted(after.groups, key=lambda g: before.figure("selection_rate", g).value)
    figure = Drawing(figsize=(7.5, 1.3 + 0.55 * len(groups)))
    axes = figure.subplots()
    for shift, measured, color, label in ((0.13, before, BEFORE, "baseline"), (-0.13, after, AFTER, "final")):
        figures = [measured.figure("selection_rate", g) for g in groups]
        place = np.arange(len(groups)) + shift
        _whiskers(axes, figures, place, color, label)
    axes.set_yticks(
        np.arange(len(groups)),
        [f"{one_line(g, LONGEST_NAME)}\n{_rows(after.figure('selection_rate', g))}" for g in groups],
    )
    axes.set_xlim(left=0)
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.set_xlabel("Share of favorable decisions, with 95 % intervals (test data)")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure


def _rows(figure: Estimate) -> str:
    return plural(figure.support, "row") + ("" if figure.enough else ", too few")


def _whiskers(axes: Axes, figures: list[Estimate], place: Any, color: str, label: str) -> None:
    values = np.array([f.value for f in figures])
    ends = np.array([f.interval or (f.value, f.value) for f in figures])
    axes.errorbar(
        values,
        place,
        xerr=np.abs(ends.T - values),
        fmt="o",
        color=color,
        ecolor=color,
        elinewidth=1.6,
        capsize=3,
        markersize=6,
        label=label,
    )


def reliability(before: Measurement, after: Measurement) -> Drawing:
    """Draw the observed rate of the favorable outcome against the predicted score, by group.

    Only the largest groups and bins with at least ten rows are shown.
    """
    rows = after.scores.rows.sum(axis=(1, 2)) if after.scores is not None else np.zeros(0)
    shown = np.argsort(-rows, kind="stable")[:MOST_PANELS]
    columns = min(4, len(shown))
    lines = -(-len(shown) // columns)
    figure = Drawing(figsize=(2.6 * columns + 0.6, 2.6 * lines + 0.9), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, g in zip(panels, shown, strict=False):
        group = after.groups[g]
        panel.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
        _reliability_line(panel, before, g, color=BEFORE, label="baseline", markersize=6)
        _reliability_line(panel, after, g, color=AFTER, label="final", markersize=3)
        error = after.figure("expected_calibration_error", group).value
        panel.set_title(
            f"{one_line(group, LONGEST_NAME)}\n{plural(int(rows[g]), 'row')}, ECE {error:.3f}", fontsize=9
        )
        panel.set_xlim(0, 1)
        panel.set_ylim(0, 1)
        panel.set_aspect("equal")
        panel.grid()
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    figure.supxlabel(
        f"Mean score per bin (bins with at least {LEAST_ROWS_OF_A_BIN} rows; test data)", fontsize=10
    )
    figure.supylabel("Share with the favorable outcome", fontsize=10)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def _reliability_line(panel: Axes, measured: Measurement, g: int, **look: Any) -> None:
    if measured.scores is None:
        return
    weight, sums = measured.scores.sums[0][g], measured.scores.sums[1][g]
    total = weight.sum(axis=1)
    full = measured.scores.rows[g].sum(axis=1) >= LEAST_ROWS_OF_A_BIN
    observed, n = weight[full, 1] / total[full], total[full]
    low, high = wilson(observed * n, n)
    panel.errorbar(
        sums[full].sum(axis=1) / n,
        observed,
        yerr=np.abs(np.stack([low, high]) - observed),
        fmt="o-",
        linewidth=1,
        elinewidth=0.8,
        **look,
    )


def trade_off(record: RunRecord) -> Drawing:
    """Draw accuracy against fairness: candidates (validation data), and the result (test data)."""
    panels = (("Validation data: candidates", _tried(record)), ("Test data: result", _result(record)))
    figure = Drawing(figsize=(10.5, 4.8), layout="constrained")
    plots = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, (title, points) in zip(plots, panels, strict=True):
        _target_line(axes, record)
        for number, (label, (accuracy, fairness)) in enumerate(points.items()):
            axes.errorbar(
                [accuracy[0]],
                [fairness[0]],
                xerr=_reach(accuracy),
                yerr=_reach(fairness),
                fmt=MARKERS[number % len(MARKERS)],
                color={PLAIN: BEFORE, "final": AFTER}.get(label, f"C{number % 10}"),
                elinewidth=1,
                markersize=7,
                label="\n".join(textwrap.wrap(one_line(label), 52, break_on_hyphens=False)),
            )
        axes.set_title(title)
        axes.set_xlabel("Accuracy, with 95 % intervals")
        axes.grid()
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    plots[0].set_ylabel(_target_name(record).replace("_", " ").capitalize())
    return figure


def _target_line(axes: Axes, record: RunRecord) -> None:
    targets = {
        g.threshold: g.bound for g in record.gates if g.check == "fairness" and g.threshold is not None
    }
    if not targets:
        return
    threshold, bound = targets.popitem()
    axes.axhline(threshold, color=INK, linewidth=1, linestyle=":")
    axes.annotate(
        f"target {bound}",
        (1, threshold),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 3),
        textcoords="offset points",
        fontsize=8,
        ha="right",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
    )


Point = tuple[tuple[float, Any], tuple[float, Any]]


def _target_name(record: RunRecord) -> str:
    named = [g.measure for g in record.gates if g.check == "fairness"]
    return named[-1] if named else "demographic_parity_ratio"


def _tried(record: RunRecord) -> Mapping[str, Point]:
    """Return every attempt and variant with its metrics on validation data, without duplicates."""
    causal = {step.slug for step in record.spec.steps if step.stage == "causal"}
    labeled: list[tuple[str, int, GateMeasurement | Variant]] = [
        (" + ".join(s for s in one.steps if s not in causal) or PLAIN, one.iteration, one)
        for one in record.gate_measurements
    ]
    labeled += [(one.name, 0, one) for one in record.variants]
    points: dict[str, Point] = {}
    for label, iteration, one in labeled:
        point = ((one.accuracy, one.accuracy_interval), (one.fairness, one.fairness_interval))
        if point not in points.values():
            points[f"{label} (iteration {iteration})" if label in points else label] = point
    return points


def _result(record: RunRecord) -> Mapping[str, Point]:
    target = _target_name(record)
    points: dict[str, Point] = {}
    for label, measured in ((PLAIN, record.baseline), ("final", record.final)):
        accuracy, fairness = measured.figure("accuracy"), measured.figure(target)
        points[label] = ((accuracy.value, accuracy.interval), (fairness.value, fairness.interval))
    alone = record.reference_models.get(POST_ALONE)
    if alone is not None:
        points[POST_ALONE] = (
            (alone["accuracy"]["value"], alone["accuracy"]["interval"]),
            (alone[target]["value"], alone[target]["interval"]),
        )
    return points


def _reach(point: tuple[float, Any]) -> Any:
    value, interval = point
    return None if interval is None else np.abs(np.array([[interval[0]], [interval[1]]]) - value)
