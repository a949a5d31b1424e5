"""The drawing of a causal graph: roles as colors, repaired features framed, causes on the left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from fairmend.core.causal.column_roles import COLUMN_ROLES, UNFAIR
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.text.escaping import one_line
from fairmend.reports.causal_picture import repaired, roles_of

if TYPE_CHECKING:
    from fairmend.pipeline.run.record import RunRecord

LONGEST_NAME = 40  # characters
MUTED, FAINT, STRONG, REPAIRED = "#a7adb5", "#dfe2e6", "#5b4fa3", "#0b6e4f"
FILLS: Mapping[str, str] = {
    "protected attribute": "#e3e0f5",
    "outcome": "#d9efe3",
    "mediator": "#fdf1d5",
    "mediator and proxy": "#f9dcb8",
    "proxy": "#f8dcd8",
    "resolving variable": "#dceefb",
    "resolved": "#eef6fc",
    "safe predictor": "#ffffff",
}
PER_COLUMN = 12
"""Nodes in one column of the drawing; more are drawn smaller."""


def causal_graph(graph: CausalGraph, record: RunRecord) -> Drawing:
    """Draw the causal graph of a run.

    Parameters
    ----------
    graph : CausalGraph
        The graph.
    record : RunRecord
        Its roles color the nodes; features that its final rule repairs have a frame.
    """
    return drawn(graph, roles_of(record), record.spec.roles.protected, marked=repaired(record))


def drawn(
    graph: CausalGraph,
    roles: Mapping[str, str],
    protected: Collection[str],
    *,
    marked: Collection[str] = (),
    captions: Mapping[str, str] = MappingProxyType({}),
    widths: Mapping[tuple[str, str], float] = MappingProxyType({}),
) -> Drawing:
    """Draw a causal graph.

    Parameters
    ----------
    graph : CausalGraph
        The graph.
    roles : mapping of str to str
        Role of each column, which colors its node.
    protected : collection of str
        Protected attributes; what starts from them is drawn strongly.
    marked : collection of str
        Repaired features, which have a frame.
    captions : mapping of str to str
        A line under the name of a column.
    widths : mapping of (str, str) to float
        Width of arrows, in points.
    """
    places = _layers(graph)
    depth = max(x for x, _ in places.values()) + 1
    widest = max(y for _, y in places.values()) * 2 + 1
    figure = Drawing(figsize=(min(3.0 * depth + 1, 14), min(max(0.6 * widest + 1, 3), 0.6 * 4 * PER_COLUMN)))
    axes = figure.subplots()
    axes.axis("off")
    axes.set_xlim(-0.5, depth - 0.5)
    axes.set_ylim(-(widest / 2), widest / 2)
    # Arrows end at the edge of a box that has been drawn before them; a second layer of boxes covers
    # the arrows that pass behind.
    boxes = _boxes(axes, places, roles, marked, captions, zorder=1)
    _boxes(axes, places, roles, marked, captions, zorder=4)
    for edge in graph.edges:
        unfair = edge.cause in protected or roles.get(edge.cause) in UNFAIR
        look: dict[str, Any] = (
            {"color": STRONG, "linewidth": 1.2} if unfair else {"color": FAINT, "linewidth": 0.8}
        )
        if edge.provenance in {"audit", "data"}:
            look["linestyle"] = "dashed"
        look["linewidth"] = widths.get((edge.cause, edge.effect), look["linewidth"])
        _arrow(
            axes, boxes[edge.cause], boxes[edge.effect], zorder=3 if unfair else 2, arrowstyle="-|>", **look
        )
    for left, right in graph.hidden:
        _arrow(axes, boxes[left], boxes[right], zorder=3, color=MUTED, arrowstyle="<|-|>", linestyle="dotted")
    for left, right in graph.undirected:
        _arrow(axes, boxes[left], boxes[right], zorder=3, color=MUTED, arrowstyle="-")
    _legend(axes, graph, roles, bool(marked))
    return figure


def _layers(graph: CausalGraph) -> dict[str, tuple[float, float]]:
    """Return a position for each node: its column is one after that of its last cause."""
    column: dict[str, int] = {}
    causes = {node: [e.cause for e in graph.edges if e.effect == node] for node in graph.nodes}
    while len(column) < len(graph.nodes):
        for node in graph.nodes:
            if node not in column and all(c in column for c in causes[node]):
                column[node] = max((column[c] + 1 for c in causes[node]), default=0)
    places: dict[str, tuple[float, float]] = {}
    for x in sorted(set(column.values())):
        members = [n for n in graph.nodes if column[n] == x]
        for y, node in enumerate(members):
            places[node] = (float(x), (len(members) - 1) / 2 - y)
    return places


def _boxes(
    axes: Axes,
    places: Mapping[str, tuple[float, float]],
    roles: Mapping[str, str],
    marked: Collection[str],
    captions: Mapping[str, str],
    zorder: int,
) -> dict[str, Text]:
    return {
        node: axes.text(
            x,
            y,
            one_line(node, LONGEST_NAME)
            + (" (repaired)" if node in marked else "")
            + (f"\n{captions[node]}" if node in captions else ""),
            ha="center",
            va="center",
            fontsize=9,
            bbox={
                "boxstyle": "round,pad=0.45",
                "facecolor": FILLS.get(roles.get(node, ""), "white"),
                "edgecolor": REPAIRED if node in marked else MUTED,
                "linewidth": 2.2 if node in marked else 1.0,
            },
            zorder=zorder,
        )
        for node, (x, y) in places.items()
    }


def _arrow(axes: Axes, start: Text, end: Text, zorder: int, **look: Any) -> None:
    (x0, y0), (x1, y1) = start.get_position(), end.get_position()
    # Arrows that pass over a column of nodes are bent, so that they do not run through its boxes.
    bend = 0.0 if 0 < abs(x1 - x0) <= 1 else (0.15 if y0 >= y1 else -0.15)
    axes.annotate(
        "",
        xy=(x1, y1),
        xytext=(x0, y0),
        arrowprops={
            "linewidth": 1,
            **look,
            "patchA": start.get_bbox_patch(),
            "patchB": end.get_bbox_patch(),
            "shrinkA": 0,
            "shrinkB": 1,
            "connectionstyle": f"arc3,rad={bend}",
        },
        zorder=zorder,
    )


def _legend(axes: Axes, graph: CausalGraph, roles: Mapping[str, str], marked: bool) -> None:
    drawn = {roles.get(node) for node in graph.nodes}
    handles: list[Any] = [
        Patch(facecolor=FILLS[role], edgecolor=MUTED, label=role)
        for role in COLUMN_ROLES
        if role in drawn and role in FILLS
    ]
    if marked:
        handles.append(Patch(facecolor="white", edgecolor=REPAIRED, linewidth=2.2, label="repaired"))
    if any(edge.provenance in {"audit", "data"} for edge in graph.edges):
        label = "assumed from audit and data"
        handles.append(Line2D([], [], color=STRONG, linestyle="dashed", label=label))
    if graph.hidden:
        handles.append(Line2D([], [], color=MUTED, linestyle="dotted", label="hidden common cause"))
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4, fontsize=8)
