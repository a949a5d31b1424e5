"""Gaps between groups: in decisions, errors, outcomes and calibration."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fairmend.auditing.candidate_findings import ORDER, CandidateFinding, Reading, lacking
from fairmend.auditing.severity_thresholds import Thresholds
from fairmend.core.findings import Finding
from fairmend.core.metrics import GroupTable, Measurement, ScoreTable, metric, permutation_test
from fairmend.core.metrics.evaluation_tables import chance_level
from fairmend.core.metrics.inference.bootstrap import generators
from fairmend.core.metrics.inference.effective_sample_size import effective_support

PERMUTATIONS = 10_000
RIGHT_SCORES = 4_000
"""Number of simulated outcomes under perfectly calibrated scores."""


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
        The metrics that are graded; the most severe counts.
    cells : str
        Which rows a group must have enough of.
    text : callable
        Describes the worst-off and the best-off group.
    """

    kind: str
    tested: str
    measures: tuple[str, ...]
    cells: str
    text: Callable[[Measurement, str, str], str]


def _pair(measured: Measurement, rate: str, worst: str, best: str) -> str:
    one, other = (f"{measured.figure(rate, group).value:.1%} for {group}" for group in (worst, best))
    return f"{one} and {other}"


def _decisions(measured: Measurement, worst: str, best: str) -> str:
    return f"The selection rate is {_pair(measured, 'selection_rate', worst, best)}"


def _errors(measured: Measurement, worst: str, best: str) -> str:
    due, undue = (
        _pair(measured, rate, worst, best) for rate in ("true_positive_rate", "false_positive_rate")
    )
    return f"The true positive rate is {due}; the false positive rate is {undue}"


def _outcomes(measured: Measurement, worst: str, best: str) -> str:
    return f"The base rate of the favorable outcome is {_pair(measured, 'base_rate', worst, best)}"


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


def compare_groups(
    gap: Gap, attribute: str, measured: Measurement, rules: Thresholds, seed: int
) -> list[CandidateFinding | Finding]:
    """Compare the groups that have enough rows, and report those that do not.

    A small group at one end widens the interval of a gap so much that it would hide a significant gap
    between large ones. So the larger half of the groups is compared too, and so on down to the two
    largest; the most severe significant comparison counts, with its p-value times the number of comparisons.
    """
    support = np.min([effective_support(rate, measured.table) for rate in metric(gap.tested).rates], axis=0)
    enough = np.flatnonzero(support >= measured.min_support)
    few = [group for g, group in enumerate(measured.groups) if g not in enough]
    out: list[CandidateFinding | Finding] = []
    if few:
        out.append(lacking(gap.kind, attribute, few, int(support.min()), gap.cells, gap.tested))
    if len(enough) < 2:
        return out
    largest_first = enough[np.argsort(-support[enough], kind="stable")]
    halvings = range(int(np.log2(len(enough))) + 1)
    sizes = sorted({max(2, math.ceil(len(enough) / 2**i)) for i in halvings}, reverse=True)
    looks = [_look(gap, measured, np.sort(largest_first[:size])) for size in sizes]
    look = max(looks, key=lambda look: look.gravity(rules))
    test = permutation_test(
        look.part.table, gap.tested, n_permutations=PERMUTATIONS, studentized=True, seed=seed
    )
    out.append(
        CandidateFinding(
            kind=gap.kind,
            text=f"{gap.text(look.part, look.worst, look.best)} ({attribute})",
            readings=look.readings,
            support=int(support[look.keep].min()),
            p_value=min(1.0, test.p_value * len(looks)),
            attribute=attribute,
            group=look.worst,
            reference=look.best,
        )
    )
    return out


@dataclass(frozen=True, eq=False)
class Look:
    """A comparison of some of the groups."""

    keep: NDArray[np.intp]
    part: Measurement
    readings: tuple[Reading, ...]
    worst: str
    best: str

    def gravity(self, rules: Thresholds) -> int:
        """Return the severity of the comparison, 0 if the gap is not significant."""
        sure = [rules.measures[r.measure].supported_by(r.interval) for r in self.readings if r.interval]
        return max((ORDER.index(level) for level in sure), default=0)


def _look(gap: Gap, measured: Measurement, keep: NDArray[np.intp]) -> Look:
    part = among(measured, keep)
    figures = {name: part.figure(name) for name in gap.measures}
    tested = figures[gap.tested]
    return Look(
        keep,
        part,
        tuple(Reading(name, f.value, f.interval) for name, f in figures.items() if np.isfinite(f.value)),
        str(tested.worst_group),
        str(tested.best_group),
    )


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
    )


def group_miscalibration(
    attribute: str, measured: Measurement, counted: ScoreTable, rules: Thresholds, seed: int
) -> list[CandidateFinding | Finding]:
    """Check the calibration of the scores in each group with enough rows.

    Parameters
    ----------
    counted : ScoreTable
        The scores with each row counted once, for support and test.

    Notes
    -----
    The binned error e of a small group is biased upward even if scores are calibrated. So its bootstrap
    bias is subtracted (the value is ``2 e - mean(e*)``, the interval the basic one), and the test
    compares e with the error of calibrated scores in the same bins.
    """
    kind, name = "group-miscalibration", "expected_calibration_error"
    rows = counted.rows.sum(axis=(1, 2))
    few = [
        group for group, n in zip(measured.groups, rows, strict=True) if n < rules.calibration_support.value
    ]
    out: list[CandidateFinding | Finding] = []
    if few:
        out.append(lacking(kind, attribute, few, int(rows.min()), "rows", name))
    (rng,) = generators(seed, 1)
    p_values = chance_level(counted, RIGHT_SCORES, rng)[1]
    for g, group in enumerate(measured.groups):
        if group in few:
            continue
        plain, drawn = measured.figure(name, group).value, measured.drawn_scores[name][:, g]
        value = max(2 * plain - float(np.nanmean(drawn)), 0.0)
        low, high = (max(2 * plain - float(end), 0.0) for end in np.nanquantile(drawn, [0.975, 0.025]))
        reading = Reading(f"debiased_{name}", value, (min(low, value), max(high, value)))
        out.append(
            CandidateFinding(
                kind=kind,
                text=f"Scores for {group} ({attribute}) lie {plain:.3f} from the shares of favorable outcomes, before debiasing",
                readings=(reading,),
                support=int(rows[g]),
                p_value=float(p_values[g]),
                attribute=attribute,
                group=group,
                optional=True,
            )
        )
    return out
