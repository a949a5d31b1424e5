"""The chosen alternative against the plain model on the test rows."""

from __future__ import annotations

import math

from fairmend.core.data.dataset import Dataset
from fairmend.core.metrics import Estimate
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.pipeline.sweep.alternatives.choice import losses
from fairmend.pipeline.sweep.alternatives.comparison import IMPACT, performance_change, performance_metrics
from fairmend.pipeline.sweep.alternatives.record import Confirmation, GroupRates
from fairmend.pipeline.sweep.combinations import Combination
from fairmend.pipeline.sweep.trials import Bench

SHOWN = ("accuracy", "balanced_accuracy", "selection_rate")


def confirm(bench: Bench, chosen: Combination, test: Dataset, margin: float) -> Confirmation:
    """Compare the chosen alternative with the plain model on the test rows, both fitted on all other rows.

    It is confirmed where the whole paired interval of each metric of performance lies above the margin's
    loss, and that of the change of disparity on the better side of zero: the rows had no part in the choice,
    so nothing is corrected.
    """
    plain, tracer = bench.tracer(None), bench.tracer(chosen.variant)
    rules = plain.deployed(plain.root), tracer.deployed(tracer.replay(chosen.steps))
    before, after = (ModelEvaluation(case.fitted(), test, bench.settings) for case in rules)
    target = bench.policy.target(bench.start[0].notion)
    performance = performance_change(before, after, bench.utility)
    disparity = after.against(before, n_permutations=1)[target.metric].difference
    failing = [
        *(why for _, why in losses(performance, margin, performance_metrics(bench.utility))),
        *_not_less(disparity, target.upward),
    ]
    figures = dict.fromkeys((*SHOWN, target.metric, IMPACT))
    return Confirmation(
        confirmed=not failing,
        reason="; ".join(failing) or "no worse in performance, and significantly less disparate",
        rows=len(test),
        before={name: before.measurement.figure(name) for name in figures},
        after={name: after.measurement.figure(name) for name in figures},
        performance_change=performance,
        disparity_change=disparity,
        groups=_by_group(before, after),
    )


def _not_less(disparity: Estimate, upward: bool) -> list[str]:
    """Return why less disparity was not shown on the test rows, if it was not."""
    told = f"change {disparity.signed(3)}"
    if not (disparity.defined and disparity.enough):
        groups = ", ".join(disparity.lacking[:4])
        return [f"insufficient evidence on disparity: too few test rows in {groups or 'some groups'}"]
    if disparity.value * (1 if upward else -1) <= 0:
        return [f"disparity is not less: {told}"]
    if not disparity.excludes_zero:
        return [f"less disparity is within noise: {told}"]
    return []


def _by_group(before: ModelEvaluation, after: ModelEvaluation) -> dict[str, GroupRates]:
    rates = [one.measurement.by_group("selection_rate") for one in (before, after)]
    tops = [max((r.value for r in by.values() if math.isfinite(r.value)), default=math.nan) for by in rates]

    def impact(which: int, group: str) -> float | None:
        value = rates[which][group].value / tops[which] if tops[which] > 0 else math.nan
        return value if math.isfinite(value) else None

    return {
        group: GroupRates(
            before=rates[0][group],
            after=rates[1][group],
            impact_before=impact(0, group),
            impact_after=impact(1, group),
        )
        for group in rates[0]
    }
