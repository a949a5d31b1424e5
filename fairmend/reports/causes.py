"""The drawing of an assessment of causes: which paths carry the clearest disparity, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fairmend.core.text.escaping import one_line
from fairmend.reports.causal_graph import drawn
from fairmend.reports.figure_files import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fairmend.pipeline.causal_assessment import CausalAssessment

THINNEST, THICKEST = 0.8, 6.0


def paths(found: CausalAssessment) -> Figure:
    """Draw the graph; arrows into and out of a mediator are as thick as what runs through it.

    Parameters
    ----------
    found : CausalAssessment
        Its clearest disparity is drawn.
    """
    roles = {one["column"]: one["role"] for one in found.columns}
    protected = {name for name, role in roles.items() if role == "protected attribute"}
    shown = found.clearest
    if shown is None:
        return drawn(found.graph, roles, protected)
    sizes = {name: abs(effect["estimate"]) for name, effect in shown.through.items()}
    most = max([*sizes.values(), abs(shown.parts["direct"]["estimate"])], default=1.0) or 1.0
    widths = {}
    for edge in found.graph.edges:
        pair = (edge.cause, edge.effect)
        if edge.cause == shown.attribute and edge.effect in roles:
            size = sizes.get(
                edge.effect,
                abs(shown.parts["direct"]["estimate"]) if _is_outcome(roles, edge.effect) else 0.0,
            )
        elif edge.cause in sizes and _is_outcome(roles, edge.effect):
            size = sizes[edge.cause]
        else:
            continue
        widths[pair] = THINNEST + (THICKEST - THINNEST) * size / most
    captions = {name: f"{effect['estimate']:+.3f} through it" for name, effect in shown.through.items()}
    figure = drawn(found.graph, roles, protected, captions=captions, widths=widths)
    figure.suptitle(one_line(shown.text, 200), fontsize=10)
    return figure


def _is_outcome(roles: dict[str, str], name: str) -> bool:
    return roles.get(name) == "outcome"


def write_paths(found: CausalAssessment, path: str | Path) -> None:
    """Write the drawing as PNG, SVG or PDF, by the ending of the name.

    Raises
    ------
    UsageError
        The file cannot be written.
    """
    save_figure(paths(found), path, dpi=144, bbox_inches="tight")
