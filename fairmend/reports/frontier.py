"""The plot of a sweep: utility against fairness, with intervals and the frontier."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from fairmend.core.text.escaping import one_line
from fairmend.pipeline.sweep.sweep_record import PLAIN, SweepCandidate
from fairmend.reports.plots import AFTER, BEFORE, INK, MUTED, STYLE
from fairmend.reports.verdict import OVERALL

if TYPE_CHECKING:
    from fairmend.core.text.escaping import one_line
from fairmend.core.text.words import plural
from fairmend.pipeline.sweep.sweep_record import Sweep

ACCENT = "#3b5bdb"
MOST_NUMBERED = 16
ROOM = 11.0  # points (1/72 inch) of clearance around a number
# Candidate offsets of a number from its point, in points (1/72 inch), nearest first.
SIDES: list[tuple[float, float]] = [
    (round(far * x, 1), round(far * y, 1))
    for far in (12, 20, 30)
    for x, y in ((0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7), (1, 0.2), (-1, 0.2), (0.2, 1), (0.2, -1))
]


def write_frontier(sweep: Sweep, folder: Path) -> list[str]:
    """Write the plot as PNG and SVG into an existing folder, and return the file names."""
    import matplotlib as mpl

    names = ["frontier.png", "frontier.svg"]
    with mpl.rc_context(rc={**STYLE, "svg.hashsalt": "fairmend"}):
        figure = frontier(sweep)
        for name in names:
            about: dict[str, Any] = {"Software": None} if name.endswith("png") else {"Date": None}
            figure.savefig(folder / name, bbox_inches="tight", facecolor="white", metadata=about)
    return names


def frontier(sweep: Sweep) -> Drawing:
    """Draw every candidate, the frontier with its intervals, the target, the plain model and the selected candidate.

    Important points are numbered in the plot and named beside it, so that labels do not overlap.
    """
    drawn = [c for c in sweep.measured if _point(c) is not None]
    named = _named(sweep, drawn)
    others = [c for c in drawn if c not in named]
    entries = _legend(named, others, sweep)
    lines = sum(1 + str(entry.get_label()).count("\n") for entry in entries)
    figure = Drawing(figsize=(8.5, max(6.0, 0.19 * lines)))
    axes = figure.subplots()
    if others:
        axes.plot(*_columns(others), "o", color=MUTED, markersize=4, alpha=0.8)
    _staircase(axes, [c for c in drawn if c.on_frontier], sweep.target.upward)
    for candidate in reversed(named):
        _bars(axes, candidate, sweep)
    axes.axhline(sweep.target.threshold, color=INK, linewidth=1, linestyle=":", zorder=1)
    if not sweep.target.upward:
        axes.invert_yaxis()
    measure = OVERALL.get(sweep.target.measure, sweep.target.measure.replace("_", " "))
    rows = next((c.worth.support for c in drawn if c.worth), 0)
    axes.set_xlabel(
        f"{sweep.worth[0].upper()}{sweep.worth[1:]} on {rows:,} validation rows, with 95 % intervals"
    )
    axes.set_ylabel(f"{measure} (target {sweep.target.bound}; up is fairer)")
    axes.set_title(
        f"{plural(len(drawn), 'candidate')}; {sum(c.on_frontier for c in drawn)} of them on the frontier"
    )
    axes.grid()
    axes.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        fontsize=8,
        labelspacing=0.6,
        borderaxespad=0,
    )
    _numbers(figure, axes, named, others)
    return figure


def _point(candidate: SweepCandidate) -> tuple[float, float] | None:
    worth, fairness = candidate.worth, candidate.fairness
    if worth is None or fairness is None or not (worth.defined and fairness.defined):
        return None
    return worth.value, fairness.value


def _columns(candidates: Sequence[SweepCandidate]) -> Any:
    return np.array([_point(c) for c in candidates], dtype=float).T


def _named(sweep: Sweep, drawn: Sequence[SweepCandidate]) -> list[SweepCandidate]:
    """Return the candidates to number: plain model, selected candidate, and as much of the frontier as fits."""
    first = [c for c in drawn if c.name in {PLAIN, sweep.selected}]
    rest = [c for c in sweep.frontier if c in drawn and c not in first]
    return [*first, *rest[: MOST_NUMBERED - len(first)]]


def _color(candidate: SweepCandidate, sweep: Sweep) -> str:
    if candidate.name == sweep.selected:
        return AFTER
    return ACCENT if candidate.on_frontier else BEFORE


def _staircase(axes: Axes, front: Sequence[SweepCandidate], upward: bool) -> None:
    """Draw the frontier: the best fairness at each utility."""
    if not front:
        return
    worth, fairness = _columns(sorted(front, key=lambda c: _point(c) or (0.0, 0.0)))
    axes.step(worth, fairness, where="pre", color=ACCENT, linewidth=1.8, zorder=3)


def _marker(candidate: SweepCandidate, sweep: Sweep) -> str:
    return {PLAIN: "s", sweep.selected: "D"}.get(candidate.name, "o")


def _bars(axes: Axes, candidate: SweepCandidate, sweep: Sweep) -> None:
    point = _point(candidate)
    if point is None:
        return
    reach = [
        None if found is None or found.interval is None else np.abs(np.array(found.interval) - value)[:, None]
        for found, value in zip((candidate.worth, candidate.fairness), point, strict=True)
    ]
    color = _color(candidate, sweep)
    faint = 0.9 if candidate.name in {PLAIN, sweep.selected} else 0.3
    axes.errorbar(
        *point, xerr=reach[0], yerr=reach[1], fmt="none", ecolor=color, elinewidth=1, alpha=faint, zorder=2
    )
    size = 9 if candidate.name == sweep.selected else 7
    axes.plot(*point, _marker(candidate, sweep), color=color, markersize=size, zorder=4)


def _legend(named: Sequence[SweepCandidate], others: Sequence[SweepCandidate], sweep: Sweep) -> list[Line2D]:
    """Return the legend of numbers and lines."""
    entries = []
    for number, candidate in enumerate(named, start=1):
        worth, fairness = _point(candidate) or (np.nan, np.nan)
        mark = ", selected" if candidate.name == sweep.selected else ""
        reads = ", reads the protected attribute" if candidate.reads_protected else ""
        wrapped = textwrap.wrap(
            f"{number}  {one_line(candidate.name)}", 52, break_on_hyphens=False, subsequent_indent="    "
        )
        label = "\n".join([*wrapped, f"    {worth:.4f}, {fairness:.3f}{mark}{reads}"])
        look: Any = {"color": _color(candidate, sweep), "marker": _marker(candidate, sweep)}
        entries.append(Line2D([], [], linestyle="none", markersize=7, label=label, **look))
    if others:
        entries.append(
            Line2D([], [], linestyle="none", marker="o", markersize=4, color=MUTED, label="other candidates")
        )
    entries.append(Line2D([], [], color=ACCENT, linewidth=1.8, label="frontier"))
    entries.append(
        Line2D([], [], color=INK, linewidth=1, linestyle=":", label=f"target {sweep.target.bound}")
    )
    return entries


def _numbers(
    figure: Drawing, axes: Axes, named: Sequence[SweepCandidate], others: Sequence[SweepCandidate]
) -> None:
    """Place the numbers beside their points, each at the first free offset."""
    figure.draw_without_rendering()  # fixes the layout, so that distances on the page are known
    points = axes.transData.transform(_columns([*named, *others]).T) * 72 / figure.dpi
    taken = [*points]
    for number, point in enumerate(points[: len(named)], start=1):
        away = [point + side for side in SIDES]
        free = [min(np.hypot(*(spot - other)) for other in taken) for spot in away]
        best = int(np.argmax(np.minimum(free, ROOM)))
        taken.append(away[best])
        axes.annotate(
            str(number),
            _point(named[number - 1]) or (0.0, 0.0),
            xytext=SIDES[best],
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold",
            zorder=5,
            bbox={"boxstyle": "circle,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )
