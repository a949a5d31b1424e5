"""What an audit finds in predicted classes: gaps of each class against the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fairmend.auditing.candidate_findings import CandidateFinding, Reading, lacking
from fairmend.auditing.tasks.compared_groups import ComparedGroups
from fairmend.core.findings import Finding
from fairmend.core.metrics.estimate import GroupStatistic
from fairmend.core.metrics.inference.bootstrap import Interval, percentile_interval
from fairmend.core.types import Ints

OUTCOME, ERROR = "class-outcome-gap", "class-error-gap"


def multiclass_findings(compared: ComparedGroups) -> list[CandidateFinding | Finding]:
    """Compare the groups in each class against the rest, by those that have enough rows."""
    c = compared
    out: list[CandidateFinding | Finding] = [*c.lacking({OUTCOME: "selection_rate_difference"})]
    for code, name in enumerate(c.data.classes):
        if len(c.large) >= 2:
            out.append(_selection(c, name, code))
        if not c.subject.is_label and (found := _recall(c, name, code)) is not None:
            out.append(found)
    if not c.subject.is_label and not any(one.kind == ERROR for one in out):
        labels = [str(label) for label in c.groups.labels]
        out.append(lacking(ERROR, c.attribute, labels, c.fewest, "rows of each class", "recall_difference"))
    return out


def _selection(c: ComparedGroups, name: str, code: int) -> CandidateFinding:
    verb = "is on record for" if c.subject.is_label else "is predicted for"
    return _gap(
        c,
        OUTCOME,
        f"The class {name} {verb}",
        c.measured.statistics[f"selection_rate[{name}]"],
        "demographic_parity_difference",
        (name, code),
        np.ones(len(c.groups), dtype=bool),
        c.large,
    )


def _recall(c: ComparedGroups, name: str, code: int) -> CandidateFinding | None:
    rows = c.data.y == code
    support = np.bincount(c.groups.codes[rows], minlength=c.groups.n_groups)
    enough = np.flatnonzero(support >= c.rules.minimum_support.value)
    if len(enough) < 2:
        return None
    return _gap(
        c,
        ERROR,
        f"Where the class is {name}, it is predicted for",
        c.measured.statistics[f"recall[{name}]"],
        "equalized_odds_difference",
        (name, code),
        rows,
        enough,
    )


def _gap(
    c: ComparedGroups,
    kind: str,
    said: str,
    rate: GroupStatistic,
    measure: str,
    of_class: tuple[str, int],
    rows: NDArray[np.bool_],
    among: Ints,
) -> CandidateFinding:
    """Return the gap of a rate of one class over some rows, between the groups that have enough of them."""
    name, code = of_class
    low, high = _ends(rate, among)
    value, interval = _difference(rate, among)
    codes = c.groups.codes[rows]
    return CandidateFinding(
        kind=kind,
        text=(
            f"{said} {rate.values[low]:.1%} of {c.groups.labels[low]} against "
            f"{rate.values[high]:.1%} of {c.groups.labels[high]} ({c.attribute})"
        ),
        readings=(Reading(measure, value, interval),),
        support=int(np.bincount(codes, minlength=c.groups.n_groups)[among].min()),
        p_value=_independent(codes, c.subject.values[rows] == code, among),
        attribute=c.attribute,
        group=c.groups.labels[low],
        reference=c.groups.labels[high],
        outcome_class=name,
        optional=True,
    )


def _ends(rate: GroupStatistic, among: Ints) -> tuple[int, int]:
    values = rate.values[:-1][among]
    return int(among[int(np.nanargmin(values))]), int(among[int(np.nanargmax(values))])


def _difference(rate: GroupStatistic, among: Ints) -> tuple[float, Interval | None]:
    values, drawn = rate.values[:-1][among], rate.drawn[:, :-1][:, among]
    return float(values.max() - values.min()), percentile_interval(drawn.max(axis=1) - drawn.min(axis=1))


def _independent(codes: NDArray[np.integer], hit: NDArray[np.bool_], among: Ints) -> float:
    """Return the p-value of independence of group and hit, by the chi-squared test."""
    table = np.array([[int((hit & (codes == g)).sum()), int((~hit & (codes == g)).sum())] for g in among])
    if not (table.sum(axis=0) > 0).all():
        return float("nan")
    return float(stats.chi2_contingency(table, correction=False).pvalue)
