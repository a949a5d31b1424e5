"""Groups against a reference group: adjusted contrasts, and what hidden confounding would do to them.

The formulas are those of :mod:`fairmend.core.causal.sensitivity`; here they meet a data set and a causal graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.algorithms.least_squares import Coefficient, LinearSystem
from fairmend.core.causal.covariates import chosen_covariates, groups_and_reference
from fairmend.core.causal.e_values import RiskRatio, e_value, e_value_of_interval, risk_ratio
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.sensitivity import benchmark_bounds, partial_r2, robustness_value
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.errors import InsufficientDataError

FIGURES = (
    "estimate", "se", "t", "dof", "sigma2", "interval", "partial_r2", "robustness_value", "robustness_value_alpha",
    "risk_ratio", "risk_ratio_interval", "e_value", "e_value_limit",
)  # fmt: skip


def adjusted_contrast(
    system: LinearSystem,
    outcome: str,
    treatment: str,
    covariates: Sequence[str] = (),
    *,
    beside: Sequence[str] = (),
    q: float = 1.0,
    alpha: float = 0.05,
    multiples: Sequence[float] = (1.0, 2.0, 3.0),
) -> dict[str, Any]:
    """Return an adjusted difference and how strong hidden confounding would have to be to undo it.

    Parameters
    ----------
    system : LinearSystem
        Holds all the columns.
    outcome, treatment : str
        Numeric columns, or columns with two levels.
    covariates : sequence of str
        Further regressors, each of them a benchmark.
    beside : sequence of str
        Regressors that are no benchmarks, such as the indicators of other groups.
    q : float
        Share of the estimate that the robustness value is to explain away.
    alpha : float
        Level of the tests; the interval covers 1 - alpha.
    multiples : sequence of float
        How many times as strong as a covariate a hidden confounder is supposed to be.

    Returns
    -------
    dict
        ``estimate``, ``se``, ``t``, ``dof``, ``sigma2`` (residual variance), ``interval``, ``partial_r2``, ``robustness_value``,
        ``robustness_value_alpha`` and ``bounds`` (covariate, k, r2dz, r2yz, estimate, se, t).

    Raises
    ------
    InsufficientDataError
        The covariates determine the treatment, or the outcome does not vary.
    """
    from scipy.special import stdtrit

    fit = system.regress(
        outcome, [*beside, *covariates, treatment]
    )  # last, so that what they determine is dropped
    effect = fit.coefficients.get(system.design[system.places[treatment][0]])
    if effect is None or fit.dof < 2 or not effect.std_error > 0:
        raise InsufficientDataError(
            f"the effect of {treatment!r} is not identified: the covariates determine it, or {outcome!r} does not vary"
        )
    half = -float(stdtrit(effect.dof, alpha / 2)) * effect.std_error
    bounds = benchmark_bounds(
        system, outcome, treatment, [*beside, *covariates], benchmarks=covariates, multiples=multiples
    )
    return {
        "estimate": effect.estimate,
        "se": effect.std_error,
        "t": effect.t_value,
        "dof": effect.dof,
        "sigma2": fit.rss / fit.dof,
        "interval": [effect.estimate - half, effect.estimate + half],
        "partial_r2": float(partial_r2(effect.t_value, effect.dof)),
        "robustness_value": float(robustness_value(effect.t_value, effect.dof, q)),
        "robustness_value_alpha": float(robustness_value(effect.t_value, effect.dof, q, alpha)),
        "bounds": [
            {
                "covariate": bound.covariate,
                "k": bound.k,
                "r2dz": bound.r2dz,
                "r2yz": bound.r2yz,
                "estimate": bound.estimate,
                "se": bound.std_error,
                "t": bound.t_value,
            }
            for bound in bounds
        ],
    }


def standardized_risk_ratio(
    effect: Coefficient,
    sigma2: float,
    y: NDArray[Any],
    treated: NDArray[np.bool_],
    *,
    adjusted: bool,
    confidence: float = 0.95,
) -> RiskRatio:
    """Return the ratio of the rates if all people were treated and if none were.

    Parameters
    ----------
    effect : Coefficient
        Of the treatment, in a linear regression of y with a constant (or an indicator) for each group.
    sigma2 : float
        Residual variance of that regression.
    y : ndarray of int, shape (n,)
        The outcome, 0 or 1, of the treated and the reference.
    treated : ndarray of bool, shape (n,)
        Who is treated.
    adjusted : bool
        Whether the regression has covariates.
    confidence : float
        Coverage of the interval.

    Raises
    ------
    InsufficientDataError
        One of the two rates is not above 0.

    Notes
    -----
    With coefficient b, the rate without treatment is r0 = mean(y) - b mean(treated), with it r1 = r0 + b,
    whatever the covariates, since the residuals of each group sum to 0. The interval is normal on the
    log scale by the delta method: given the covariates, mean(y) and b are uncorrelated. Without
    covariates the two rates are those of the groups, and their interval that of
    :func:`.causal.risk_ratio`.
    """
    if not adjusted:
        counts = float(y[treated].sum()), int(treated.sum()), float(y[~treated].sum()), int((~treated).sum())
        return risk_ratio(*counts, confidence=confidence)
    from scipy.special import ndtri

    n, share = len(y), float(treated.mean())
    r0 = float(y.mean()) - effect.estimate * share
    r1 = r0 + effect.estimate
    if min(r0, r1) <= 0:
        raise InsufficientDataError(f"a risk ratio needs rates above 0; got {r1:.3g} and {r0:.3g}")
    of_mean = sigma2 / n * (1 / r1 - 1 / r0) ** 2
    of_b = (effect.std_error * ((1 - share) / r1 + share / r0)) ** 2
    half = float(ndtri((1 + confidence) / 2)) * math.sqrt(of_mean + of_b)
    return RiskRatio(r1 / r0, r1 / r0 * math.exp(-half), r1 / r0 * math.exp(half))


def group_contrasts(
    frame: pd.DataFrame,
    outcome: str,
    groups: Groups,
    reference: str,
    covariates: Sequence[str] = (),
    *,
    min_support: int = 30,
    q: float = 1.0,
    alpha: float = 0.05,
    multiples: Sequence[float] = (1.0, 2.0, 3.0),
) -> list[dict[str, Any]]:
    """Return :func:`adjusted_contrast` of every group with a reference group, with its E-values.

    All groups share one regression, with an indicator for each but the reference.

    Parameters
    ----------
    frame : DataFrame, n rows
        Outcome (0 or 1) and covariates, see :func:`.covariates.regressors`.
    outcome : str
        Column of the outcome.
    groups : Groups
        Of the n rows.
    reference : str
        Label of the reference group.
    covariates, q, alpha, multiples
        See :func:`adjusted_contrast`.
    min_support : int
        Rows that a group and its reference must have.

    Returns
    -------
    list of dict
        ``group``, ``reference``, the figures of :func:`adjusted_contrast`, ``risk_ratio``,
        ``risk_ratio_interval``, ``e_value``, ``e_value_limit`` (of the limit nearer 1), ``support`` (rows
        of the smaller group) and ``status``: "measured", or why there are no figures. The last four
        figures are None where a rate is 0.
    """
    against = groups.labels.index(reference)
    names = {g: f"is {label}" for g, label in enumerate(groups.labels) if g != against}
    indicators = {name: (groups.codes == g).astype(float) for g, name in names.items()}
    joined = pd.concat([frame, pd.DataFrame(indicators, index=frame.index)], axis=1)
    system = LinearSystem.from_frame(joined, [outcome, *names.values(), *covariates])
    size, y = groups.counts().astype(int), frame[outcome].to_numpy()
    found = []
    for g, name in names.items():
        support = int(min(size[g], size[against]))
        figures: dict[str, Any] = {**dict.fromkeys(FIGURES), "bounds": []}
        status = "insufficient evidence" if support < min_support else "measured"
        if status == "measured":
            others = [other for other in names.values() if other != name]
            try:
                figures |= adjusted_contrast(
                    system, outcome, name, covariates, beside=others, q=q, alpha=alpha, multiples=multiples
                )
                rows = np.isin(groups.codes, (g, against))
                figures |= _e_values(figures, y[rows], groups.codes[rows] == g, bool(covariates), alpha)
            except InsufficientDataError as error:
                status = str(error)
        found.append(
            {
                "group": groups.labels[g],
                "reference": reference,
                **figures,
                "support": support,
                "status": status,
            }
        )
    return found


def _e_values(
    figures: dict[str, Any], y: NDArray[Any], treated: NDArray[np.bool_], adjusted: bool, alpha: float
) -> dict[str, Any]:
    """Return the risk ratio of a contrast and its E-values; nothing where a rate is 0."""
    effect = Coefficient(figures["estimate"], figures["se"], figures["dof"])
    try:
        ratio = standardized_risk_ratio(
            effect, figures["sigma2"], y, treated, adjusted=adjusted, confidence=1 - alpha
        )
    except InsufficientDataError:
        return {}
    return {
        "risk_ratio": ratio.value,
        "risk_ratio_interval": [ratio.lower, ratio.upper],
        "e_value": float(e_value(ratio.value)),
        "e_value_limit": float(e_value_of_interval(ratio.lower, ratio.upper)),
    }


def attribute_contrasts(
    data: Dataset,
    attribute: str,
    graph: CausalGraph,
    *,
    covariates: Sequence[str] | None = None,
    reference: str | None = None,
    min_support: int = 30,
    q: float = 1.0,
    alpha: float = 0.05,
    multiples: Sequence[float] = (1.0, 2.0, 3.0),
) -> list[dict[str, Any]]:
    """Return :func:`group_contrasts` of an attribute, adjusted as a causal graph says.

    Parameters
    ----------
    data : Dataset
        The data; its weights are not used.
    attribute : str
        A protected attribute.
    graph : CausalGraph
        Decides what to adjust for, see :func:`.covariates.adjustment`.
    covariates : sequence of str, optional
        What to adjust for instead; all of them are kept, see :func:`.covariates.unshared`.
    reference : str, optional
        The reference group; by default the largest.
    min_support : int
        Rows that both groups must have.
    q, alpha, multiples
        See :func:`adjusted_contrast`.

    Returns
    -------
    list of dict
        As :func:`group_contrasts`, with ``attribute``, ``covariates``, ``identified`` and ``notes``.

    Raises
    ------
    UnknownNameError
        There is no such group or covariate.
    """
    chosen = chosen_covariates(data, attribute, graph, covariates)
    groups, base = groups_and_reference(data, attribute, reference)
    found = group_contrasts(
        chosen.frame, data.roles.outcome, groups, base, chosen.names,
        min_support=min_support, q=q, alpha=alpha, multiples=multiples,
    )  # fmt: skip
    return [{"attribute": attribute, **contrast, **chosen.to_json()} for contrast in found]
