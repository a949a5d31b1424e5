"""Findings of contributed kinds: their own measure before and after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fairmend.auditing.candidate_findings import Reading
from fairmend.auditing.contributed_kinds import REPLICATES, ContributedKind, RuledRows, size_of
from fairmend.core.errors import FairmendError
from fairmend.core.findings import Finding
from fairmend.core.metrics.inference.bootstrap import Interval, generators, percentile_interval
from fairmend.core.metrics.inference.permutation import p_value
from fairmend.pipeline.finding_outcomes.before_after import (
    BeforeAfter,
    FindingChange,
    NotMeasurable,
    unchanged,
)


def contributed(one: ContributedKind, finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Measure a finding under the baseline and under the final rule.

    Notes
    -----
    Rows are resampled for the intervals; for the p-value decisions, scores and features as the models read
    them are swapped in each row with probability 1/2. There are at most 500 replicates of each.
    """
    groups = both.views[str(finding.attribute)]
    if finding.group is not None and finding.group not in groups.labels:
        return NotMeasurable(f"no rows of {finding.group} in the test data")
    members = (
        groups.counts() if finding.group is None else groups.counts()[[groups.labels.index(finding.group)]]
    )
    support = int(members.min())
    if support < both.settings.min_support:
        return NotMeasurable(f"too few rows of {finding.group or 'a group'} in the test data", support)
    try:
        raw = one.call(lambda: _figures(one, finding, both), "the measure")
    except FairmendError as error:
        return NotMeasurable(str(error), support)
    metric = one.kind.metric
    if not raw["changed"]:
        return unchanged(metric, raw["before"], support, "no step changes what it measures")
    return FindingChange(
        metric,
        raw["before"],
        raw["after"],
        support,
        raw["after"] - raw["before"],
        _pair(raw["interval"]),
        raw["p_value"],
        (Reading(metric, raw["after"], _pair(raw["left"])),),
    )


def _figures(one: ContributedKind, finding: Finding, both: BeforeAfter) -> dict[str, Any]:
    """Return the figures as plain values; called where the kind's code may run."""
    attribute = str(finding.attribute)
    before, after = _sides(attribute, both)
    value = [size_of(one, finding, attribute, side) for side in (before, after)]
    known = {"before": value[0], "after": value[1]}
    if _same(before, after):
        return {**known, "changed": False}
    boot_rng, swap_rng = generators(both.settings.seed, 2)
    n_boot = min(both.settings.n_boot, REPLICATES)
    drawn = np.array(
        [
            [size_of(one, finding, attribute, side.take(rows)) for side in (before, after)]
            for rows in before.draws(n_boot, boot_rng)
        ]
    )
    n_swaps = min(both.settings.n_permutations, REPLICATES)
    coins = (swap_rng.random(len(both.test)) < 0.5 for _ in range(n_swaps))
    swapped = np.array(
        [
            size_of(one, finding, attribute, _mixed(after, before, coin))
            - size_of(one, finding, attribute, _mixed(before, after, coin))
            for coin in coins
        ]
    )
    return {
        **known,
        "changed": True,
        "interval": percentile_interval(drawn[:, 1] - drawn[:, 0]),
        "left": percentile_interval(drawn[:, 1]),
        "p_value": p_value(value[1] - value[0], swapped),
    }


def _sides(attribute: str, both: BeforeAfter) -> tuple[RuledRows, RuledRows]:
    """Return the test rows under both rules; features as the models read them where both read the same."""
    groups = both.views[attribute]
    before = RuledRows.of(both.test, groups, both.before.decisions, both.before.scores)
    after = RuledRows.of(both.test, groups, both.after.decisions, both.after.scores)
    read = both.read_before, both.read_after
    if set(read[0].columns) == set(read[1].columns) == set(both.test.X.columns):
        before, after = replace(before, X=read[0]), replace(after, X=read[1][list(read[0].columns)])
    return before, after


def _same(before: RuledRows, after: RuledRows) -> bool:
    return (
        np.array_equal(before.y_pred, after.y_pred)
        and np.array_equal(before.y_score, after.y_score)  # type: ignore[arg-type]
        and before.X.equals(after.X)
    )


def _mixed(one: RuledRows, other: RuledRows, coin: np.ndarray[Any, np.dtype[np.bool_]]) -> RuledRows:
    """Return rows with what they have under the other rule where the coin says so."""
    scores = None
    if one.y_score is not None and other.y_score is not None:
        scores = np.where(coin, other.y_score, one.y_score)
    X = one.X if one.X.equals(other.X) else one.X.where(~coin, other.X)
    return replace(one, y_pred=np.where(coin, other.y_pred, one.y_pred), y_score=scores, X=X)


def _pair(ends: Any) -> Interval | None:
    return None if ends is None else (float(ends[0]), float(ends[1]))
