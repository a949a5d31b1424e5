"""What an audit finds in rankings: unequal exposure, and groups that are rare at the top."""

from __future__ import annotations

import numpy as np
from scipy import stats

from fairmend.auditing.candidate_findings import CandidateFinding, Reading
from fairmend.auditing.severity_thresholds import Interval
from fairmend.auditing.tasks.compared_groups import ComparedGroups
from fairmend.core.data.dataset import Dataset
from fairmend.core.findings import Finding
from fairmend.core.metrics.estimate import GroupStatistic
from fairmend.core.metrics.inference.bootstrap import percentile_interval
from fairmend.core.metrics.tasks.ranking_by_group import top_places
from fairmend.core.types import Floats, Ints

EXPOSURE, TOP = "exposure-gap", "underrepresentation-at-top"


def ranking_findings(compared: ComparedGroups) -> list[CandidateFinding | Finding]:
    """Compare the groups that have enough rows, and name those that have not.

    Where people want to be at the bottom (``favorable: low``), the group that is most at the top is worst off.
    """
    out: list[CandidateFinding | Finding] = [
        *compared.lacking({EXPOSURE: "exposure_ratio", TOP: "top_share_ratio"})
    ]
    if len(compared.large) >= 2:
        low_is_good = compared.data.roles.favorable == "low"
        out += [_exposure(compared, low_is_good), _top(compared, low_is_good)]
    return out


def _exposure(c: ComparedGroups, low_is_good: bool) -> CandidateFinding:
    data, subject, groups, large = c.data, c.subject, c.groups, c.large
    statistic = c.measured.statistics["exposure"]
    value, interval = _ratio(statistic, large)
    shares = statistic.values[:-1][large]
    least, most = large[int(np.nanargmin(shares))], large[int(np.nanargmax(shares))]
    worst, best = (most, least) if low_is_good else (least, most)
    light = exposures(subject.values, data.query)
    samples = [light[groups.codes == g] for g in large]
    varied = [sample for sample in samples if np.ptp(sample) > 0]
    p_value = float(stats.alexandergovern(*varied).pvalue) if len(varied) > 1 else float("nan")
    return CandidateFinding(
        kind=EXPOSURE,
        text=(
            f"{groups.labels[least]} gets {statistic.values[least]:.2f} times an equal share of exposure, "
            f"{groups.labels[most]} {statistic.values[most]:.2f} times ({c.attribute})"
        ),
        readings=(Reading("exposure_ratio", value, interval),),
        support=c.support,
        p_value=p_value,
        attribute=c.attribute,
        group=groups.labels[worst],
        reference=groups.labels[best],
    )


def _ratio(statistic: GroupStatistic, large: Ints) -> tuple[float, Interval | None]:
    """Return the lowest over the highest value of these groups, with its percentile interval."""
    values, drawn = statistic.values[:-1][large], statistic.drawn[:, :-1][:, large]
    return float(values.min() / values.max()), percentile_interval(drawn.min(axis=1) / drawn.max(axis=1))


def _top(c: ComparedGroups, low_is_good: bool) -> CandidateFinding:
    data, subject, groups, large = c.data, c.subject, c.groups, c.large
    statistic = c.measured.statistics["top_share_ratio"]
    shares = statistic.values[:-1][large]
    at = large[int(np.nanargmax(shares) if low_is_good else np.nanargmin(shares))]
    value, interval = float(statistic.values[at]), statistic.single(int(at)).interval
    if low_is_good:  # more than an equal share is what is unfair, as its inverse
        value, interval = (
            1 / value,
            None if interval is None else (1 / interval[1], 1 / max(interval[0], 1e-9)),
        )
    inside = top_rows(subject.values, data.query)
    side = inside if not low_is_good else 1 - inside
    mine = groups.codes == at
    table = np.array(
        [[side[mine].sum(), (1 - side[mine]).sum()], [side[~mine].sum(), (1 - side[~mine]).sum()]]
    )
    p_value = float(stats.chi2_contingency(table).pvalue) if (table.sum(axis=0) > 0).all() else float("nan")
    where = "the top" if data.query is None else "the tops of their queries"
    return CandidateFinding(
        kind=TOP,
        text=(
            f"{groups.labels[at]} is {groups.counts()[at] / len(data):.1%} of the rows and "
            f"{inside[mine].sum() / inside.sum():.1%} of {where}, the first {_places(data)} places ({c.attribute})"
        ),
        readings=(Reading("equal_share_of_top" if low_is_good else "top_share_ratio", value, interval),),
        support=c.support,
        p_value=min(1.0, p_value * len(large)),
        attribute=c.attribute,
        group=groups.labels[at],
    )


def _places(data: Dataset) -> str:
    if data.query is None:
        return f"{top_places(len(data)):,}"
    tops = [top_places(int(n)) for n in np.bincount(data.query)]
    return f"{min(tops)}" if min(tops) == max(tops) else f"{min(tops)} to {max(tops)}"


def exposures(values: Floats, query: Ints | None) -> Floats:
    """Return the exposure of each row, ``1 / log2(1 + place)``, the mean over the places of equal values."""
    return _by_place(values, query, lambda n: 1 / np.log2(np.arange(2, n + 2)))


def top_rows(values: Floats, query: Ints | None) -> Floats:
    """Return the chance of each row to be among the top places of its query: 0, 1, or between for ties."""
    return _by_place(values, query, lambda n: (np.arange(n) < top_places(n)).astype(np.float64))


def _by_place(values: Floats, query: Ints | None, worth: object) -> Floats:
    """Return what the place of each row in its query is worth, the mean over places where values are equal."""
    out = np.empty(len(values))
    of = np.zeros(len(values), dtype=np.int64) if query is None else query
    for q in np.unique(of):
        rows = np.flatnonzero(of == q)
        _, at, size = np.unique(-values[rows], return_inverse=True, return_counts=True)
        total = np.concatenate([[0.0], np.cumsum(worth(len(rows)))])  # type: ignore[operator]
        ends = np.cumsum(size)
        out[rows] = ((total[ends] - total[ends - size]) / size)[at]
    return out
