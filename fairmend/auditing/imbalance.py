"""Imbalance: of group sizes, or of the two outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.auditing.candidate_findings import CandidateFinding, Reading
from fairmend.auditing.severity_thresholds import Thresholds
from fairmend.core.metrics import Estimate, Measurement, wilson
from fairmend.core.text.words import plural


def representation(
    attribute: str, groups: Sequence[str], rows: NDArray[Any], rules: Thresholds, level: float = 0.95
) -> CandidateFinding:
    """Compare the smallest group with the largest one."""
    least, most = int(np.argmin(rows)), int(np.argmax(rows))
    few, many = int(rows[least]), int(rows[most])
    low, high = wilson(few, few + many, level)
    interval = (float(low / (1 - low)), float(high / (1 - high)))
    ample = few >= rules.ample_rows.value
    return CandidateFinding(
        kind="representation-imbalance",
        text=f"{groups[least]} has {plural(few, 'row')}, {groups[most]} has {many:,} ({attribute})",
        readings=(
            Reading(
                "ratio_to_largest_group",
                few / many,
                interval,
                ceiling="low" if ample else "high",
                is_fact=True,
            ),
        ),
        support=few,
        attribute=attribute,
        group=groups[least],
        reference=groups[most],
    )


def rarer_outcome(measured: Measurement) -> CandidateFinding:
    """Measure the share of the rarer outcome among all rows."""
    return _rarity(measured.figure("base_rate"), "all rows", None, None)


def rarer_outcome_in_group(attribute: str, measured: Measurement) -> list[CandidateFinding]:
    """Measure it in each group with enough rows, and return the group with the lowest share."""
    figures = [(group, f) for group, f in measured.by_group("base_rate").items() if f.enough]
    if not figures:
        return []
    group, figure = min(figures, key=lambda pair: min(pair[1].value, 1 - pair[1].value))
    return [_rarity(figure, group, attribute, group)]


def _rarity(figure: Estimate, where: str, attribute: str | None, group: str | None) -> CandidateFinding:
    favorable = figure.value <= 0.5
    share = figure.value if favorable else 1 - figure.value
    low, high = figure.interval if figure.interval is not None else (0.0, 1.0)
    interval = (low, high) if favorable else (1 - high, 1 - low)
    name = "favorable" if favorable else "unfavorable"
    return CandidateFinding(
        kind="class-imbalance",
        text=f"The {name} outcome makes up {share:.1%} of {where}" + (f" ({attribute})" if attribute else ""),
        readings=(Reading("minority_class_share", share, interval, is_fact=True),),
        support=figure.support,
        attribute=attribute,
        group=group,
    )
