"""E-values: how strong hidden confounding must be to explain a risk ratio.

They follow T. VanderWeele & P. Ding, "Sensitivity analysis in observational research" (Ann Intern Med
2017), in short VD17.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.causal.argument_checks import as_floats, require
from fairmend.core.errors import InsufficientDataError
from fairmend.core.types import Floats


def e_value(risk_ratio: ArrayLike) -> Floats:
    """Return the E-value of a risk ratio (VD17, table 1).

    It is the least risk ratio that a hidden confounder would need with both treatment and outcome,
    beyond the measured covariates, to explain the whole association.

    Parameters
    ----------
    risk_ratio : array-like
        Above 0; a ratio and its inverse have the same E-value.

    Returns
    -------
    ndarray
        At least 1; a 0-d array for scalars.

    Examples
    --------
    >>> round(float(e_value(3.9)), 2)
    7.26
    """
    ratio = as_floats(risk_ratio)
    require(ratio > 0, "risk_ratio", "above 0", risk_ratio)
    ratio = np.maximum(ratio, 1 / ratio)
    return ratio + np.sqrt(ratio * (ratio - 1))


def e_value_of_interval(lower: ArrayLike, upper: ArrayLike) -> Floats:
    """Return the E-value of the limit of an interval that lies nearer 1; 1 if it holds 1 (VD17, table 1).

    Parameters
    ----------
    lower, upper : array-like
        Limits on the scale of risk ratios, above 0, lower not above upper.
    """
    low, high = as_floats(lower), as_floats(upper)
    require((low > 0) & (low <= high), "lower", "above 0 and not above upper", (lower, upper))
    return e_value(np.where(low > 1, low, np.where(high < 1, high, 1.0)))


def bias_factor(with_treatment: ArrayLike, with_outcome: ArrayLike) -> Floats:
    """Return the largest risk ratio that confounding of given strength can produce (P. Ding & T. VanderWeele 2016).

    Parameters
    ----------
    with_treatment, with_outcome : array-like
        Risk ratios of the confounder with treatment and outcome, at least 1.

    Returns
    -------
    ndarray
        At least 1; with both equal to an E-value, the risk ratio that it belongs to.
    """
    treatment, outcome = as_floats(with_treatment), as_floats(with_outcome)
    require(
        (treatment >= 1) & (outcome >= 1), "risk ratios of a confounder", "at least 1", (treatment, outcome)
    )
    return treatment * outcome / (treatment + outcome - 1)


@dataclass(frozen=True)
class RiskRatio:
    """A ratio of two rates, with its interval."""

    value: float
    lower: float
    upper: float


def risk_ratio(
    events: float, n: float, reference_events: float, reference_n: float, *, confidence: float = 0.95
) -> RiskRatio:
    """Return the ratio of two rates with its log-normal interval.

    Parameters
    ----------
    events, n : float
        Events and people among the treated.
    reference_events, reference_n : float
        Events and people in the reference group.
    confidence : float
        In (0, 1).

    Raises
    ------
    InsufficientDataError
        If a group has no events, so that the ratio or its logarithm does not exist.
    """
    from scipy.special import ndtri

    require(np.asarray(0 < confidence < 1), "confidence", "between 0 and 1", confidence)
    cells = np.array([[events, n], [reference_events, reference_n]], dtype=np.float64)
    require(cells[:, 0] <= cells[:, 1], "events", "at most the people in the group", (events, n))
    if (cells <= 0).any():
        raise InsufficientDataError(
            f"a risk ratio needs events in both groups; got {events:g} of {n:g} and "
            f"{reference_events:g} of {reference_n:g}"
        )
    log_ratio = float(np.log(events / n) - np.log(reference_events / reference_n))
    half = float(ndtri((1 + confidence) / 2) * np.sqrt(np.sum(1 / cells[:, 0] - 1 / cells[:, 1])))
    return RiskRatio(*(float(np.exp(x)) for x in (log_ratio, log_ratio - half, log_ratio + half)))


def risk_ratio_of_difference(d: float, std_error: float, *, confidence: float = 0.95) -> RiskRatio:
    """Return the approximate risk ratio of a standardized difference of means (VD17, table 2).

    Parameters
    ----------
    d, std_error : float
        Difference of the means of the outcome in standard deviations, and its standard error.
    confidence : float
        In (0, 1).
    """
    from scipy.special import ndtri

    require(np.asarray(0 < confidence < 1), "confidence", "between 0 and 1", confidence)
    half = float(ndtri((1 + confidence) / 2)) * std_error
    return RiskRatio(*(float(np.exp(0.91 * x)) for x in (d, d - half, d + half)))
