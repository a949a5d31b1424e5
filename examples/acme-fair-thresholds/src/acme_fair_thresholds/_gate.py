"""A check for policies: the selection rate of the group that is selected least."""

from __future__ import annotations

from fairmend.pipeline.checks import Value
from fairmend.pipeline.view import View


def lowest_selection_rate(view: View) -> Value:
    """Return the lowest selection rate with its interval and support."""
    figures = view.current.measurement.by_group("selection_rate")
    group = min(figures, key=lambda name: figures[name].value)
    return Value.of(figures[group], group)
