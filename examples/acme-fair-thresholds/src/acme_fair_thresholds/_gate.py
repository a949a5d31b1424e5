"""A check for policies: the selection rate of the group that is selected least."""

from __future__ import annotations

from fairmend.pipeline.gates.checks import Value
from fairmend.pipeline.gates.gate_context import GateContext


def lowest_selection_rate(view: GateContext) -> Value:
    """Return the lowest selection rate with its interval and support."""
    figures = view.current.measurement.by_group("selection_rate")
    group = min(figures, key=lambda name: figures[name].value)
    return Value.of(figures[group], group)
