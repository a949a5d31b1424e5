"""What an audit finds in predicted classes: gaps of each class against the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fairmend.auditing.candidate_findings import CandidateFinding, Reading, lacking
from fairmend.auditing.severity_thresholds import Thresholds
from fairmend.auditing.tasks.predictions import TaskPredictions
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.findings import Finding
from fairmend.core.metrics import TaskMeasurement
from fairmend.core.metrics.estimate import GroupStatistic
from fairmend.core.metrics.inference.bootstrap import Interval, percentile_interval
from fairmend.core.types import Ints

OUTCOME, ERROR = "class-outcome-gap", "class-error-gap"


def multiclass_findings(
    attribute: str,
    data: Dataset,
    subject: TaskPredictions,
    groups: Groups,
    measured: TaskMeasurement,
    rules: Thresholds,
) -> list[CandidateFinding | Finding]:
    """Compare the groups in each class against the rest, by those that have enough rows."""
    least = rules.minimum_support.value
    out: list[CandidateFinding | Finding] = []
    large = np.flatnonzero(groups.counts() >= least)
    few = [label for g, label in enumerate(groups.labels) if g not in large]
    if few:
        out.append(
            lacking(OUTCOME, attribute, few, int(groups.counts().min()), "rows", "selection_rate_difference")
        )
    for code, name in enumerate(data.classes):
        if len(large) >= 2:
            out.append(_selection(attribute, name, code, subject, groups, measured, large))
        if not subject.is_label:
            support = np.bincount(groups.codes[data.y == code], minlength=groups.n_groups)
            enough = np.flatnonzero(support >= least)
            if len(enough) >= 2:
                out.append(_recall(attribute, name, code, data, subject, groups, measured, enough, support))
    if not subject.is_label and not any(one.kind == ERROR for one in out):
        labels = [str(label) for label in groups.labels]
        out.append(
            lacking(
                ERROR,
                attribute,
                labels,
                int(groups.counts().min()),
                "rows of each class",
                "recall_difference",
            )
        )
    return out


def _selection(
    attribute: str,
    name: str,
    code: int,
    subject: TaskPredictions,
    groups: Groups,
    measured: TaskMeasurement,
    large: Ints,
) -> CandidateFinding:
    rate = measured.statistics[f"selection_rate[{name}]"]
    low, high = _ends(rate, large)
    value, interval = _difference(rate, large)
    verb = "is on record for" if subject.is_label else "is predicted for"
    return CandidateFinding(
        kind=OUTCOME,
        text=(
            f"The class {name} {verb} {rate.values[low]:.1%} of {groups.labels[low]} against "
            f"{rate.values[high]:.1%} of {groups.labels[high]} ({attribute})"
        ),
        readings=(Reading("demographic_parity_difference", value, interval),),
        support=int(groups.counts()[large].min()),
        p_value=_independent(groups.codes, subject.values == code, large),
        attribute=attribute,
        group=groups.labels[low],
        reference=groups.labels[high],
        outcome_class=name,
        optional=True,
    )


def _recall(
    attribute: str,
    name: str,
    code: int,
    data: Dataset,
    subject: TaskPredictions,
    groups: Groups,
    measured: TaskMeasurement,
    enough: Ints,
    support: Ints,
) -> CandidateFinding:
    recall = measured.statistics[f"recall[{name}]"]
    low, high = _ends(recall, enough)
    value, interval = _difference(recall, enough)
    rows = data.y == code
    return CandidateFinding(
        kind=ERROR,
        text=(
            f"Where the class is {name}, it is predicted for {recall.values[low]:.1%} of {groups.labels[low]} against "
            f"{recall.values[high]:.1%} of {groups.labels[high]} ({attribute})"
        ),
        readings=(Reading("equalized_odds_difference", value, interval),),
        support=int(support[enough].min()),
        p_value=_independent(groups.codes[rows], subject.values[rows] == code, enough),
        attribute=attribute,
        group=groups.labels[low],
        reference=groups.labels[high],
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
