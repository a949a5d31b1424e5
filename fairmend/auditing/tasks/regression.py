"""What an audit finds in predictions of a number: gaps of means, of errors, of distributions."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from scipy import stats

from fairmend.auditing.candidate_findings import CandidateFinding, Reading
from fairmend.auditing.tasks.compared_groups import ComparedGroups
from fairmend.auditing.tasks.predictions import TaskPredictions
from fairmend.core.data.dataset import Dataset
from fairmend.core.findings import Finding
from fairmend.core.metrics import Estimate, TaskMeasurement
from fairmend.core.types import Floats

MEAN, ERROR, DISTRIBUTION = "mean-prediction-gap", "error-gap", "distribution-gap"


def regression_findings(compared: ComparedGroups) -> list[CandidateFinding | Finding]:
    """Compare the groups that have enough rows, and name those that have not.

    Gaps of means are in standard deviations of the outcome, so that their levels hold for any unit. A distance
    of two samples of one distribution is above 0, so its bootstrap bias is taken off as for the calibration
    error (:func:`fairmend.auditing.group_gaps.group_miscalibration`).
    """
    attribute, data, subject, groups = compared.attribute, compared.data, compared.subject, compared.groups
    measured, large = compared.measured, compared.large
    kinds = (MEAN, DISTRIBUTION) if subject.is_label else (MEAN, ERROR, DISTRIBUTION)
    out: list[CandidateFinding | Finding] = [*compared.lacking(dict.fromkeys(kinds, "mean_prediction"))]
    if len(large) < 2:
        return out
    samples = {str(groups.labels[g]): subject.values[groups.codes == g] for g in large}
    out.append(_mean(attribute, data, subject, measured, samples))
    if not subject.is_label:
        errors = {str(groups.labels[g]): (subject.values - data.y)[groups.codes == g] for g in large}
        out.append(_error(attribute, data, measured, errors))
    out.append(_distribution(attribute, measured, samples))
    return out


def _mean(
    attribute: str, data: Dataset, subject: TaskPredictions, part: TaskMeasurement, samples: dict[str, Floats]
) -> CandidateFinding:
    gap = part.figure("mean_prediction_difference")
    low, high = _ends(part, "mean_prediction", samples)
    worst, best = (low, high) if data.roles.favorable != "low" else (high, low)
    what = "Recorded outcomes" if subject.is_label else "Predictions"
    one, other = (part.figure("mean_prediction", group).value for group in (worst, best))
    return CandidateFinding(
        kind=MEAN,
        text=f"{what} average {one:.3g} for {worst} and {other:.3g} for {best} ({attribute})",
        readings=(_in_deviations("standardized_mean_prediction_difference", gap, data),),
        support=min(map(len, samples.values())),
        p_value=_equal_means(list(samples.values())),
        attribute=attribute,
        group=worst,
        reference=best,
    )


def _error(
    attribute: str, data: Dataset, part: TaskMeasurement, errors: dict[str, Floats]
) -> CandidateFinding:
    size, lean = part.figure("mean_absolute_error_ratio"), part.figure("mean_error_difference")
    worst, best = _ends(part, "mean_absolute_error", errors)[::-1]
    one, other = (part.figure("mean_absolute_error", group).value for group in (worst, best))
    under, over = _ends(part, "mean_error", errors)
    low, high = (part.figure("mean_error", group).value for group in (under, over))
    samples = list(errors.values())
    p_values = [_equal_means([np.abs(e) for e in samples]), _equal_means(samples)]
    return CandidateFinding(
        kind=ERROR,
        text=(
            f"Predictions are off by {one:.3g} on average for {worst} and by {other:.3g} for {best}; they lean by "
            f"{low:+.3g} for {under} and by {high:+.3g} for {over} ({attribute})"
        ),
        readings=(
            Reading("absolute_error_ratio", size.value, size.interval),
            _in_deviations("standardized_mean_error_difference", lean, data),
        ),
        support=min(map(len, samples)),
        p_value=min(1.0, 2 * float(np.nanmin(p_values))) if np.isfinite(p_values).any() else float("nan"),
        attribute=attribute,
        group=worst,
        reference=best,
    )


def _distribution(attribute: str, part: TaskMeasurement, samples: dict[str, Floats]) -> CandidateFinding:
    plain = part.figure("ks_distance")
    value = float(np.nanmean(part.statistics["ks_distance"].drawn[:, -1]))
    _, worst = _ends(part, "ks_distance", samples)
    others = {name: sample for name, sample in samples.items() if name != worst}
    tests = {name: stats.ks_2samp(samples[worst], sample) for name, sample in others.items()}
    farthest = max(tests, key=lambda name: float(tests[name].statistic))
    return CandidateFinding(
        kind=DISTRIBUTION,
        text=(
            f"The distribution of predictions differs most between {worst} and {farthest}: Wasserstein distance "
            f"{part.figure('wasserstein_distance').value:.3g}, KS distance {plain.value:.3f} before debiasing ({attribute})"
        ),
        readings=(Reading("ks_distance", value, plain.interval),),
        support=min(map(len, samples.values())),
        p_value=min(1.0, float(tests[farthest].pvalue) * len(samples) * (len(samples) - 1) / 2),
        attribute=attribute,
        group=worst,
        reference=farthest,
    )


def _ends(part: TaskMeasurement, name: str, among: Collection[str]) -> tuple[str, str]:
    """Return which of these groups have the lowest and the highest figure."""
    values = {group: part.figure(name, group).value for group in among}
    return min(values, key=values.__getitem__), max(values, key=values.__getitem__)


def _in_deviations(name: str, gap: Estimate, data: Dataset) -> Reading:
    spread = float(np.std(data.y)) or 1.0
    interval = None if gap.interval is None else (gap.interval[0] / spread, gap.interval[1] / spread)
    return Reading(name, gap.value / spread, interval)


def _equal_means(samples: list[Floats]) -> float:
    """Return the p-value of equal means of groups whose variances may differ (Alexander & Govern 1994)."""
    varied = [sample for sample in samples if len(sample) > 2 and np.ptp(sample) > 0]
    if len(varied) < 2:
        return float("nan")
    return float(stats.alexandergovern(*varied).pvalue)
