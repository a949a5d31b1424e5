"""Compare two models over repeated splits of one data set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.errors import InsufficientDataError, UsageError
from fairmend.core.metrics.tables import input_validation


@dataclass(frozen=True)
class ResampledTest:
    """The result of a corrected resampled t test.

    Attributes
    ----------
    mean : float
        Mean difference over the splits.
    statistic : float
        The t statistic, infinite when all differences are the same and not 0.
    p_value : float
        Two-sided.
    interval : (float, float)
        Confidence interval of the mean difference.
    n_splits : int
        Number of splits.
    """

    mean: float
    statistic: float
    p_value: float
    interval: tuple[float, float]
    n_splits: int


def corrected_resampled_ttest(
    differences: ArrayLike, n_train: float, n_test: float, *, level: float = 0.95
) -> ResampledTest:
    """Test whether a difference measured on repeated splits is 0 (Nadeau & Bengio 2003, section 3).

    Splits share training rows, so their results go together and the plain t test finds differences
    that are not there. The variance of the mean is taken as ``(1 / J + n_test / n_train) s^2``.

    Parameters
    ----------
    differences : array-like of shape (J,)
        Metric of one model minus that of the other, on the test part of each split.
    n_train, n_test : float
        Rows of the two parts; ``n_test = 0`` gives the plain t test.
    level : float
        Coverage of the interval.

    Returns
    -------
    ResampledTest

    Raises
    ------
    InsufficientDataError
        With fewer than two splits.
    UsageError
        When the sizes make no sense.

    Examples
    --------
    >>> round(corrected_resampled_ttest([0.02, 0.01, 0.03, 0.02], 900, 100).p_value, 3)
    0.027
    """
    from scipy.special import stdtr, stdtrit

    d = input_validation.numbers(differences, "differences")
    splits = len(d)
    if splits < 2:
        raise InsufficientDataError(f"a test over splits needs at least 2 of them, got {splits}")
    if n_train <= 0 or n_test < 0:
        raise UsageError(f"n_train must be positive and n_test not negative, got {n_train} and {n_test}")
    mean = float(d.mean())
    error = math.sqrt((1 / splits + n_test / n_train) * float(d.var(ddof=1)))
    without_spread = math.copysign(math.inf, mean) if mean else 0.0
    statistic = mean / error if error else without_spread
    half = float(stdtrit(splits - 1, (1 + level) / 2)) * error
    p = 2 * float(stdtr(splits - 1, -np.abs(statistic)))
    return ResampledTest(mean, statistic, p, (mean - half, mean + half), splits)
