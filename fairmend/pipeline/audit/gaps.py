"""Gaps between groups: in decisions, in errors, in outcomes, and in what a score means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fairmend.core.findings import Finding
from fairmend.core.measure import GroupTable, Measurement, ScoreTable, holm, metric, permutation_test
from fairmend.core.measure.audit import chance_level
from fairmend.core.measure.bootstrap import generators
from fairmend.pipeline.audit.evidence import Evidence, Reading, lacking

DRAWS = 10_000
"""Permutations of a test, and draws of scores that are right."""


@dataclass(frozen=True)
class Gap:
    """A comparison of groups that is a kind of finding.

    Attributes
    ----------
    kind : str
        Kind of finding.
    tested : str
        The difference whose permutation test says whether there is any gap.
    measures : tuple of str
        The comparisons that are graded; the gravest counts.
    cells : str
        What a group must have enough of.
    text : callable
        Describes the worst-off and the best-off group.
    """

    kind: str
    tested: str
    measures: tuple[str, ...]
    cells: str
    text: Callable[[Measurement, str, str], str]


def _pair(measured: Measurement, rate: str, worst: str, best: str) -> str:
    one, other = (f"{measured.figure(rate, group).value:.1%} of {group}" for group in (worst, best))
    return f"{one} against {other}"


def _decisions(measured: Measurement, worst: str, best: str) -> str:
    return f"The favourable decision goes to {_pair(measured, 'selection_rate', worst, best)}"


def _errors(measured: Measurement, worst: str, best: str) -> str:
    due, undue = (
        _pair(measured, rate, worst, best) for rate in ("true_positive_rate", "false_positive_rate")
    )
    return f"The favourable decision goes to {due} where the outcome is favourable, and to {undue} elsewhere"


def _outcomes(measured: Measurement, worst: str, best: str) -> str:
    return f"The favourable outcome is on record for {_pair(measured, 'base_rate', worst, best)}"


OUTCOME = Gap(
    "outcome-disparity",
    "demographic_parity_difference",
    ("demographic_parity_ratio", "demographic_parity_difference"),
    "rows",
    _decisions,
)
ERROR_RATE = Gap(
    "error-rate-disparity",
    "equalized_odds_difference",
    ("equalized_odds_difference",),
    "rows of either outcome",
    _errors,
)
BASE_RATE = Gap("base-rate-difference", "base_rate_difference", ("base_rate_difference",), "rows", _outcomes)


def compare_groups(gap: Gap, attribute: str, measured: Measurement, seed: int) -> list[Evidence | Finding]:
    """Compare the groups that have enough rows, and name those that have not."""
    support = np.min([rate.support(measured.table.rows) for rate in metric(gap.tested).rates], axis=0)
    keep = np.flatnonzero(support >= measured.min_support)
    few = [group for g, group in enumerate(measured.groups) if g not in keep]
    out: list[Evidence | Finding] = []
    if few:
        out.append(lacking(gap.kind, attribute, few, int(support.min()), gap.cells, gap.tested))
    if len(keep) < 2:
        return out
    part = among(measured, keep)
    figures = {name: part.figure(name) for name in gap.measures}
    known = {name: f for name, f in figures.items() if np.isfinite(f.value)}
    worst, best = (str(g) for g in (figures[gap.tested].worst_group, figures[gap.tested].best_group))
    out.append(
        Evidence(
            kind=gap.kind,
            text=f"{gap.text(part, worst, best)} ({attribute})",
            readings=tuple(Reading(name, f.value, f.interval) for name, f in known.items()),
            support=int(support[keep].min()),
            p_value=permutation_test(
                part.table, gap.tested, n_permutations=DRAWS, studentized=True, seed=seed
            ).p_value,
            attribute=attribute,
            group=worst,
            reference=best,
        )
    )
    return out


def among(measured: Measurement, keep: NDArray[np.intp]) -> Measurement:
    """Return the decision figures of some of the groups, with the same replicates."""
    table = measured.table
    return replace(
        measured,
        table=GroupTable(
            tuple(table.groups[g] for g in keep),
            table.rows[keep],
            None if table.moments is None else table.moments[:, keep],
        ),
        scores=None,
        drawn=measured.drawn[:, keep],
        drawn_scores={},
    )


def group_miscalibration(
    attribute: str, measured: Measurement, counted: ScoreTable, seed: int
) -> list[Evidence | Finding]:
    """Ask of each group whether a score of p means a chance of p; the group where it least does counts.

    Parameters
    ----------
    counted : ScoreTable
        The scores with each row counted once, for support and test.

    Notes
    -----
    The binned error e of a small group is too high even where scores are right. So its bootstrap
    bias is taken off (the value is ``2 e - mean(e*)``, the interval the basic one), and the test
    compares e with the error of right scores in the same bins.
    """
    kind, name = "group-miscalibration", "expected_calibration_error"
    rows = counted.rows.sum(axis=(1, 2))
    keep = np.flatnonzero(rows >= measured.min_support)
    few = [group for g, group in enumerate(measured.groups) if g not in keep]
    out: list[Evidence | Finding] = []
    if few:
        out.append(lacking(kind, attribute, few, int(rows.min()), "rows", name))
    if not len(keep):
        return out
    plain = np.array([measured.figure(name, measured.groups[g]).value for g in keep])
    drawn = measured.drawn_scores[name][:, keep]
    debiased = np.maximum(2 * plain - drawn.mean(axis=0), 0.0)
    low, high = np.maximum(2 * plain - np.quantile(drawn, [0.975, 0.025], axis=0), 0.0)
    (rng,) = generators(seed, 1)
    p_values = holm(chance_level(counted, DRAWS, rng)[1][keep])
    at = int(np.argmax(debiased))
    group = measured.groups[keep[at]]
    value = float(debiased[at])
    out.append(
        Evidence(
            kind=kind,
            text=(
                f"Scores mean least what they say for {group} ({attribute}): "
                f"the mean distance of score and share of favourable outcomes is {plain[at]:.3f} before debiasing"
            ),
            readings=(
                Reading(f"debiased_{name}", value, (float(min(low[at], value)), float(max(high[at], value)))),
            ),
            support=int(rows[keep[at]]),
            p_value=float(p_values[at]),
            attribute=attribute,
            group=group,
        )
    )
    return out
