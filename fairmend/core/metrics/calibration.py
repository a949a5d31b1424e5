"""Calibration of scores: functions of group x score bin x label.

All functions take the sums of a :class:`.tables.ScoreTable`, shape (..., 3, G, K, 2) (weights,
weighted scores, weighted squared scores), and return one number a group, shape (..., G). Sum the
groups first, keeping the axis, for the pooled figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairmend.core.metrics.auc import logit_interval
from fairmend.core.metrics.tables import input_validation
from fairmend.core.metrics.tables.contingency import ScoreTable
from fairmend.core.types import Floats


def _signed(sums: Floats) -> tuple[Floats, Floats]:
    """Return (label sum - score sum) and the weight of each bin, both (..., G, K)."""
    weight = sums[..., 0, :, :, :].sum(axis=-1)
    return sums[..., 0, :, :, 1] - sums[..., 1, :, :, :].sum(axis=-1), weight


def expected_calibration_error(sums: Floats) -> Floats:
    """Return the weighted mean over bins of |share of label 1 - mean score| (Naeini et al. 2015)."""
    gap, weight = _signed(sums)
    return _over(np.abs(gap).sum(axis=-1), weight.sum(axis=-1))


def maximum_calibration_error(sums: Floats) -> Floats:
    """Return the largest |share of label 1 - mean score| over the bins that have rows."""
    gap, weight = _signed(sums)
    per_bin = np.where(weight > 0, np.abs(gap) / np.where(weight > 0, weight, 1.0), -np.inf)
    worst = per_bin.max(axis=-1)
    return np.where(np.isfinite(worst), worst, np.nan)


def mean_calibration_error(sums: Floats) -> Floats:
    """Return share of label 1 - mean score, signed: positive where the scores are too low."""
    gap, weight = _signed(sums)
    return _over(gap.sum(axis=-1), weight.sum(axis=-1))


def brier(sums: Floats) -> Floats:
    """Return the mean squared distance of score and label (Brier 1950)."""
    total = sums[..., 0, :, :, :].sum(axis=(-2, -1))
    ones = sums[..., 0, :, :, 1].sum(axis=-1)
    cross = sums[..., 1, :, :, 1].sum(axis=-1)
    return _over(sums[..., 2, :, :, :].sum(axis=(-2, -1)) - 2 * cross + ones, total)


def debiased_calibration_error(sums: Floats) -> Floats:
    """Return the squared calibration error less its sampling bias (Kumar et al. 2019, definition 5.1).

    The weighted mean over bins of ``(y - s)^2 - y (1 - y) / (n - 1)``, y the share of label 1 and
    s the mean score of the bin; about 0 for calibrated scores, and then negative half the time.

    Notes
    -----
    Sums must be of unweighted rows. Bins with one row are left out, for they have no variance.
    """
    gap, n = _signed(sums)
    size = np.where(n > 0, n, 1.0)
    share = sums[..., 0, :, :, 1] / size
    noise = share * (1 - share) / np.maximum(n - 1, 1.0)
    usable = n > 1
    error = np.where(usable, ((gap / size) ** 2 - noise) * n, 0.0).sum(axis=-1)
    return _over(error, np.where(usable, n, 0.0).sum(axis=-1))


def reliability(table: ScoreTable) -> dict[str, Any]:
    """Return the reliability table: of each group and bin the rows, mean score and share of label 1.

    Returns
    -------
    dict
        ``edges`` of the bins, and ``by_group``: label to lists ``support``, ``mean_score`` and
        ``share``, one number a bin, None in empty bins.
    """
    weight = table.counts.sum(axis=-1)
    mean, share = _over(table.scores[0].sum(axis=-1), weight), _over(table.counts[..., 1], weight)

    def listed(values: Floats) -> list[float | None]:
        return [None if np.isnan(value) else float(value) for value in values]

    by_group = {
        group: {
            "support": table.rows[g].sum(axis=-1).tolist(),
            "mean_score": listed(mean[g]),
            "share": listed(share[g]),
        }
        for g, group in enumerate(table.groups)
    }
    return {"edges": table.edges.tolist(), "by_group": by_group}


def log_loss(
    y_true: ArrayLike, y_score: ArrayLike, groups: Any, *, sample_weight: ArrayLike | None = None
) -> dict[str, float]:
    """Return the mean negative log likelihood of the labels in each group.

    Parameters
    ----------
    y_true, y_score, groups, sample_weight
        See :meth:`.tables.ScoreTable.from_arrays`.

    Returns
    -------
    dict
        Group to loss. Scores of 0 and 1 are moved by the machine precision of float64.
    """
    label, score, codes, labels, weight = _scored(y_true, y_score, groups, sample_weight)
    tiny = np.finfo(np.float64).eps
    clipped = np.clip(score, tiny, 1 - tiny)
    loss = -np.where(label == 1, np.log(clipped), np.log1p(-clipped))
    total = input_validation.sums_by(codes, weight, len(labels))
    sums = input_validation.sums_by(codes, weight * loss, len(labels))
    return dict(zip(labels, _over(sums, total).tolist(), strict=True))


def roc_auc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: Any,
    *,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> dict[str, tuple[float, tuple[float, float] | None]]:
    """Return the area under the ROC curve of each group, with DeLong's interval.

    Parameters
    ----------
    y_true, y_score, groups, sample_weight
        See :meth:`.tables.ScoreTable.from_arrays`; scores need not be probabilities.
    level : float
        Coverage aimed at.

    Returns
    -------
    dict
        Group to (area, interval). The area is NaN and the interval None in a group with one label
        only; the interval is normal on the logit scale, with the variance of DeLong et al. (1988).
    """
    label, score, codes, labels, weight = _scored(y_true, y_score, groups, sample_weight, bounded=False)
    return {
        name: _auc(label[codes == g], score[codes == g], weight[codes == g], level)
        for g, name in enumerate(labels)
    }


def _auc(
    label: NDArray[np.int8], score: Floats, weight: Floats, level: float
) -> tuple[float, tuple[float, float] | None]:
    values, place = np.unique(score, return_inverse=True)
    ones = input_validation.sums_by(place, weight * label, len(values))
    zeros = input_validation.sums_by(place, weight * (1 - label), len(values))
    if not ones.sum() or not zeros.sum():
        return float("nan"), None
    below = (np.cumsum(zeros) - zeros / 2) / zeros.sum()
    above = 1 - (np.cumsum(ones) - ones / 2) / ones.sum()
    area = float((ones * below).sum() / ones.sum())
    if not 0 < area < 1:
        return area, None
    spread = 0.0
    for own, placement in ((label == 1, below), (label == 0, above)):
        w = weight[own]
        effective = w.sum() ** 2 / (w**2).sum()
        if effective <= 1:
            return area, None
        mean_square = float((w * (placement[place[own]] - area) ** 2).sum() / w.sum())
        spread += mean_square / (effective - 1)
    return area, logit_interval(area, spread, level)


def _scored(
    y_true: ArrayLike, y_score: ArrayLike, groups: Any, sample_weight: ArrayLike | None, bounded: bool = True
) -> tuple[NDArray[np.int8], Floats, NDArray[np.intp], tuple[str, ...], Floats]:
    label = input_validation.binary(y_true, "y_true")
    score = (
        input_validation.probabilities(y_score, "y_score")
        if bounded
        else input_validation.numbers(y_score, "y_score")
    )
    weight = input_validation.weights(sample_weight)
    codes, labels = input_validation.groups(groups)
    n = input_validation.same_length(
        y_true=label, y_score=score, sensitive_features=codes, sample_weight=weight
    )
    return label, score, codes, labels, np.ones(n) if weight is None else weight


def _over(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=np.asarray(bottom) > 0)
