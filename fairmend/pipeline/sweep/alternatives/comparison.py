"""A candidate against the plain model on the same rows: performance, disparity, adverse impact."""

from __future__ import annotations

from fairmend.core.metrics import Estimate
from fairmend.core.metrics.degenerate import degeneracies
from fairmend.core.utility import Utility
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.pipeline.gates.utility import BALANCED, difference
from fairmend.pipeline.sweep.alternatives.record import Alternative

AREA = Utility(metric="auc")
IMPACT = "demographic_parity_ratio"
"""The adverse-impact ratio, by the name that metrics have here."""


def performance_metrics(utility: Utility) -> tuple[str, ...]:
    """Return the metrics in which an alternative must be no worse: one of decisions and one of scores."""
    return utility.name, AREA.name


def performance_change(
    before: ModelEvaluation, after: ModelEvaluation, utility: Utility
) -> dict[str, Estimate]:
    """Return the paired changes of performance and of balanced accuracy.

    Where one outcome is rare, accuracy hides the loss of all skill; balanced accuracy shows it.
    """
    named = {one.name: one for one in (utility, AREA, BALANCED)}
    return {name: difference(one, before, after).difference for name, one in named.items()}


def as_alternative(before: ModelEvaluation, after: ModelEvaluation, utility: Utility) -> Alternative:
    """Return how a model compares with the plain one."""
    weak = degeneracies(after.measurement, after.data.y, after.scores, sample_weight=after.data.weights)
    return Alternative(
        performance_change=performance_change(before, after, utility),
        adverse_impact_ratio=after.measurement.figure(IMPACT),
        selection_rate=after.measurement.figure("selection_rate"),
        degenerate="; ".join(one.text for one in weak),
    )
