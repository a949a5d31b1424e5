"""How strongly measured covariates confound a contrast, on the scale of E-values, Ding & VanderWeele 2016."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fairmend.base import Floats, bias_factor
from fairmend.plugins.causal._outcome_means import Rows


def strength(has: Rows, y: Floats, group: Rows, base: Rows, lowered: bool) -> tuple[float, float]:
    """Return the risk ratios of a measured trait with the group and with the outcome.

    Parameters
    ----------
    has : ndarray of bool, shape (n,)
        Who has the trait.
    y : ndarray of float, shape (n,)
        The outcome, 0 or 1.
    group, base : ndarray of bool, shape (n,)
        Rows of the group and of the reference group.
    lowered : bool
        Whether the outcome is rarer in the group. A confounder that explains this is a value that is more
        frequent in the reference group, otherwise one that is more frequent in the group.
    """
    more, less = (base, group) if lowered else (group, base)
    shares = [(np.mean(has[more] == value), np.mean(has[less] == value)) for value in (True, False)]
    rates = [(y[rows & has].mean(), y[rows & ~has].mean()) for rows in (group, base)]
    with_outcome = max(max(a / b, b / a) for a, b in rates)
    return float(max(a / b for a, b in shares)), float(with_outcome)


def traits(column: pd.Series[Any]) -> list[Rows]:
    """Return who has a trait: a number above the median, or each level of a text."""
    if pd.api.types.is_numeric_dtype(column):
        return [(column > column.median()).to_numpy()]
    return [(column == level).to_numpy() for level in column.unique()]


def benchmarks(
    covariates: pd.DataFrame, y: Floats, group: Rows, base: Rows, *, lowered: bool, min_support: float
) -> list[dict[str, Any]]:
    """Return how strong each covariate is as a confounder, the strongest first.

    Parameters
    ----------
    covariates : DataFrame, n rows
        Measured covariates, numbers without gaps.
    y, group, base, lowered
        See :func:`strength`.
    min_support : float
        Rows of both groups that must have a trait and that must not have it.

    Returns
    -------
    list of dict
        ``covariate``, ``with_group``, ``with_outcome`` and ``bias_factor``: the largest risk ratio that an
        unmeasured confounder of this strength can produce.
    """
    found = []
    for name in covariates.columns:
        pairs = []
        for has in traits(covariates[name]):
            if min(np.sum(rows & side) for rows in (group, base) for side in (has, ~has)) >= min_support:
                with np.errstate(divide="ignore", invalid="ignore"):
                    pairs.append(strength(has, y, group, base, lowered))
        rated = [(float(bias_factor(*pair)), *pair) for pair in pairs if np.isfinite(pair).all()]
        if rated:
            factor, with_group, with_outcome = max(rated)
            found.append({"covariate": str(name), "with_group": with_group,
                          "with_outcome": with_outcome, "bias_factor": factor})  # fmt: skip
    return sorted(found, key=lambda benchmark: -benchmark["bias_factor"])
