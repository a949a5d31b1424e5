"""How much of an effect runs through mediators, and how much hidden confounding would undo it.

Omitted-variable bias, robustness values and benchmark bounds follow C. Cinelli & C. Hazlett,
"Making sense of sensitivity" (JRSS B 2020), in short CH20; E-values follow T. VanderWeele & P. Ding,
"Sensitivity analysis in observational research" (Ann Intern Med 2017), in short VD17; mediation
follows J. Pearl, "Direct and indirect effects" (UAI 2001).

A robustness value lives on the scale of partial R2, an E-value on that of risk ratios: the two do
not compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairmend.core.algorithms.least_squares import LinearSystem
from fairmend.core.errors import InsufficientDataError, NotFeasibleError, ParameterError
from fairmend.core.types import Floats

# -- omitted-variable bias ---------------------------------------------------------------------


def partial_r2(t: ArrayLike, dof: ArrayLike) -> Floats:
    """Return the partial R2 of a regressor with the outcome, from its t-value (CH20, section 4.2).

    Parameters
    ----------
    t : array-like
        t-value of the coefficient.
    dof : array-like
        Residual degrees of freedom, above 0.

    Returns
    -------
    ndarray
        ``t**2 / (t**2 + dof)``, between 0 and 1; a 0-d array for scalars.
    """
    t_, dof_ = _array(t), _array(dof)
    _require(dof_ > 0, "dof", "above 0", dof)
    return t_**2 / (t_**2 + dof_)


def robustness_value(t: ArrayLike, dof: ArrayLike, q: ArrayLike = 1.0, alpha: float | None = None) -> Floats:
    """Return the strength of confounding that would take away a share ``q`` of an estimate.

    A confounder must explain at least this share of the residual variance of both treatment and
    outcome (CH20, section 4.1) to reduce the estimate by ``100 q`` per cent, or, with ``alpha``, to
    reduce it so far that it is no longer significant.

    Parameters
    ----------
    t : array-like
        t-value of the treatment's coefficient.
    dof : array-like
        Residual degrees of freedom; above 1 with ``alpha``.
    q : array-like
        Share of the estimate, at least 0.
    alpha : float, optional
        Level of the two-sided test, in (0, 1); nothing is tested if not given.

    Returns
    -------
    ndarray
        Between 0 and 1; a 0-d array for scalars.

    Notes
    -----
    With ``alpha`` and few degrees of freedom a confounder may need to be stronger with the treatment
    than with the outcome; the second expression covers this case.

    Examples
    --------
    >>> round(float(robustness_value(4.18445, 783)), 4)
    0.1388
    """
    dof_, q_ = _array(dof), _array(q)
    _require(q_ >= 0, "q", "at least 0", q)
    _require(dof_ > (0 if alpha is None else 1), "dof", "above 0, and above 1 with alpha", dof)
    f_q = q_ * np.abs(_array(t)) / np.sqrt(dof_)
    f_star = np.zeros_like(dof_)
    if alpha is not None:
        from scipy.special import stdtrit

        _require(np.asarray(0 < alpha < 1), "alpha", "between 0 and 1", alpha)
        f_star = np.abs(stdtrit(dof_ - 1, alpha / 2)) / np.sqrt(dof_ - 1)
    f = np.maximum(f_q - f_star, 0.0)
    # 2 f / (sqrt(f^2 + 4) + f) is (sqrt(f^4 + 4 f^2) - f^2) / 2 without the cancellation
    interior = 2 * f / (np.sqrt(f**2 + 4) + f)
    corner = (f_q**2 - f_star**2) / (1 + f_q**2)
    return np.where((f > 0) & (f_q * f_star > 1), corner, interior)


def omitted_variable_bias(std_error: ArrayLike, dof: ArrayLike, r2dz: ArrayLike, r2yz: ArrayLike) -> Floats:
    """Return the absolute bias that a confounder of given strength causes (CH20, equation 7).

    Parameters
    ----------
    std_error : array-like
        Standard error of the treatment's coefficient, at least 0.
    dof : array-like
        Residual degrees of freedom, above 0.
    r2dz : array-like
        Partial R2 of the confounder with the treatment, given the covariates, in [0, 1).
    r2yz : array-like
        Partial R2 of the confounder with the outcome, given treatment and covariates, in [0, 1].

    Returns
    -------
    ndarray
        In units of the coefficient; a 0-d array for scalars.
    """
    dz, yz = _strengths(r2dz, r2yz)
    _require(_array(dof) > 0, "dof", "above 0", dof)
    _require(_array(std_error) >= 0, "std_error", "at least 0", std_error)
    return _array(std_error) * np.sqrt(_array(dof)) * np.sqrt(yz * dz / (1 - dz))


def adjusted_estimate(
    estimate: ArrayLike,
    std_error: ArrayLike,
    dof: ArrayLike,
    r2dz: ArrayLike,
    r2yz: ArrayLike,
    *,
    reduce: bool = True,
) -> Floats:
    """Return the estimate had a confounder of given strength been in the regression.

    Parameters
    ----------
    estimate : array-like
        The treatment's coefficient; the other parameters are those of `omitted_variable_bias`.
    reduce : bool
        Whether the confounder would draw the estimate towards 0 (and beyond) or away from it.
    """
    signed = np.sign(_array(estimate)) * omitted_variable_bias(std_error, dof, r2dz, r2yz)
    return _array(estimate) - signed if reduce else _array(estimate) + signed


def adjusted_std_error(std_error: ArrayLike, dof: ArrayLike, r2dz: ArrayLike, r2yz: ArrayLike) -> Floats:
    """Return the standard error had a confounder of given strength been in the regression (CH20, eq. 8).

    Parameters are those of `omitted_variable_bias`, with ``dof`` above 1.
    """
    dz, yz = _strengths(r2dz, r2yz)
    _require(_array(dof) > 1, "dof", "above 1", dof)
    return _array(std_error) * np.sqrt((1 - yz) / (1 - dz) * _array(dof) / (_array(dof) - 1))


def benchmark_strength(
    r2dx: float, r2yx: float, kd: float = 1.0, ky: float | None = None
) -> tuple[float, float]:
    """Return the strength of a confounder so many times as strong as a measured covariate.

    Parameters
    ----------
    r2dx : float
        Partial R2 of the covariate with the treatment, given the other covariates, in [0, 1).
    r2yx : float
        Partial R2 of the covariate with the outcome, given treatment and other covariates, in [0, 1).
    kd, ky : float
        How many times as strong with the treatment and with the outcome; ``ky`` is ``kd`` if not given.

    Returns
    -------
    r2dz, r2yz : float
        Bounds on the confounder's partial R2 with treatment and outcome (CH20, section 4.4).

    Raises
    ------
    NotFeasibleError
        If no confounder can be that strong, because it would explain more than all variance.
    """
    ky = kd if ky is None else ky
    _require(np.asarray(0 <= r2dx < 1), "r2dx", "in [0, 1)", r2dx)
    _require(np.asarray(0 <= r2yx < 1), "r2yx", "in [0, 1)", r2yx)
    _require(np.asarray(kd >= 0 and ky >= 0), "kd and ky", "at least 0", (kd, ky))
    r2dz = kd * r2dx / (1 - r2dx)
    r2zx = kd * r2dx**2 / ((1 - kd * r2dx) * (1 - r2dx)) if kd * r2dx < 1 else 1.0
    if r2dz >= 1 or r2zx >= 1:
        raise NotFeasibleError(
            f"no confounder can be {kd:g} times as strong with the treatment as a covariate with partial R2 "
            f"{r2dx:.3g}; use a smaller multiple"
        )
    r2yz = (np.sqrt(ky) + np.sqrt(r2zx)) ** 2 / (1 - r2zx) * r2yx / (1 - r2yx)
    if r2yz > 1:
        raise NotFeasibleError(
            f"no confounder can be {ky:g} times as strong with the outcome as a covariate with partial R2 "
            f"{r2yx:.3g}; use a smaller multiple"
        )
    return float(r2dz), float(r2yz)


@dataclass(frozen=True)
class Benchmark:
    """What a confounder ``k`` times as strong as a measured covariate would do to the estimate.

    Attributes
    ----------
    covariate : str
        The measured covariate.
    k : float
        The multiple.
    r2dz, r2yz : float
        Partial R2 of such a confounder with treatment and outcome.
    estimate, std_error : float
        The treatment's coefficient with that confounder in the regression, drawn towards 0.
    """

    covariate: str
    k: float
    r2dz: float
    r2yz: float
    estimate: float
    std_error: float

    @property
    def t_value(self) -> float:
        """Estimate over standard error."""
        return self.estimate / self.std_error


def benchmark_bounds(
    system: LinearSystem,
    outcome: str,
    treatment: str,
    covariates: Sequence[str],
    *,
    benchmarks: Sequence[str] | None = None,
    multiples: Sequence[float] = (1.0, 2.0, 3.0),
) -> list[Benchmark]:
    """Compare hidden confounding with measured covariates, one by one (CH20, section 4.4).

    Parameters
    ----------
    system : LinearSystem
        Holds all the columns; what it absorbs is adjusted for, too.
    outcome, treatment : str
        Numeric columns, or columns with two levels.
    covariates : sequence of str
        Further regressors.
    benchmarks : sequence of str, optional
        Covariates to compare with; all if not given. A covariate with many levels counts as one.
    multiples : sequence of float
        How many times as strong.

    Returns
    -------
    list of Benchmark
        For each benchmark, the multiples in order; a multiple that no confounder can have is left out.

    Raises
    ------
    InsufficientDataError
        If the treatment's coefficient cannot be estimated.
    """
    fit = system.regress(outcome, [treatment, *covariates])
    name = system.design[system.places[treatment][0]]
    if name not in fit.coefficients:
        raise InsufficientDataError(
            f"the treatment {treatment!r} does not vary once the absorbed groups are given; got no coefficient"
        )
    effect = fit.coefficients[name]
    found = []
    for covariate in covariates if benchmarks is None else benchmarks:
        others = [c for c in covariates if c != covariate]
        r2dx = system.partial_r2(treatment, covariate, others)
        r2yx = system.partial_r2(outcome, covariate, [treatment, *others])
        for k in multiples:
            try:
                r2dz, r2yz = benchmark_strength(r2dx, r2yx, k)
            except NotFeasibleError:
                continue
            found.append(
                Benchmark(
                    covariate,
                    k,
                    r2dz,
                    r2yz,
                    float(adjusted_estimate(effect.estimate, effect.std_error, effect.dof, r2dz, r2yz)),
                    float(adjusted_std_error(effect.std_error, effect.dof, r2dz, r2yz)),
                )
            )
    return found


# -- E-values ----------------------------------------------------------------------------------


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
    ratio = _array(risk_ratio)
    _require(ratio > 0, "risk_ratio", "above 0", risk_ratio)
    ratio = np.maximum(ratio, 1 / ratio)
    return ratio + np.sqrt(ratio * (ratio - 1))


def e_value_of_interval(lower: ArrayLike, upper: ArrayLike) -> Floats:
    """Return the E-value of the limit of an interval that lies nearer 1; 1 if it holds 1 (VD17, table 1).

    Parameters
    ----------
    lower, upper : array-like
        Limits on the scale of risk ratios, above 0, lower not above upper.
    """
    low, high = _array(lower), _array(upper)
    _require((low > 0) & (low <= high), "lower", "above 0 and not above upper", (lower, upper))
    return e_value(np.where(low > 1, low, np.where(high < 1, high, 1.0)))


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

    _require(np.asarray(0 < confidence < 1), "confidence", "between 0 and 1", confidence)
    cells = np.array([[events, n], [reference_events, reference_n]], dtype=np.float64)
    _require(cells[:, 0] <= cells[:, 1], "events", "at most the people in the group", (events, n))
    if (cells <= 0).any():
        raise InsufficientDataError(
            f"a risk ratio needs events in both groups; got {events:g} of {n:g} and "
            f"{reference_events:g} of {reference_n:g}"
        )
    log_ratio = float(np.log(events / n) - np.log(reference_events / reference_n))
    half = float(ndtri((1 + confidence) / 2) * np.sqrt(np.sum(1 / cells[:, 0] - 1 / cells[:, 1])))
    return RiskRatio(*(float(np.exp(x)) for x in (log_ratio, log_ratio - half, log_ratio + half)))


def approximate_risk_ratio(
    value: ArrayLike, scale: Literal["odds ratio", "hazard ratio", "standardized difference"]
) -> Floats:
    """Return the risk ratio that another measure of a common outcome stands for (VD17, table 2).

    For a rare outcome, below about 15 %, odds and hazard ratios already are nearly risk ratios.

    Parameters
    ----------
    value : array-like
        The measure, or a limit of its interval.
    scale : {'odds ratio', 'hazard ratio', 'standardized difference'}
        A standardized difference is one of means, in standard deviations of the outcome.
    """
    measure = _array(value)
    if scale == "standardized difference":
        return np.exp(0.91 * measure)
    _require(measure > 0, scale, "above 0", value)
    if scale == "odds ratio":
        return np.sqrt(measure)
    if scale == "hazard ratio":
        return (1 - 0.5 ** np.sqrt(measure)) / (1 - 0.5 ** np.sqrt(1 / measure))
    raise ParameterError(
        f"scale must be 'odds ratio', 'hazard ratio' or 'standardized difference'; got {scale!r}"
    )


# -- mediation ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mediation:
    """Mean effects of a treatment that is switched on, in units of the outcome.

    Attributes
    ----------
    total : float
        ``E[Y_1 - Y_0]``, which is ``direct + indirect``.
    direct : float
        Natural direct effect ``E[Y_{1, M_0} - Y_0]``.
    indirect : float
        Total natural indirect effect ``E[Y_1 - Y_{1, M_0}]``.
    pure_indirect : float
        Pure natural indirect effect ``E[Y_{0, M_1} - Y_0]``; it differs from the total one where the
        mediators act otherwise with treatment than without.
    """

    total: float
    direct: float
    indirect: float
    pure_indirect: float


def linear_mediation(
    treatment: ArrayLike, mediators: ArrayLike, outcome: ArrayLike, covariates: ArrayLike | None = None
) -> Mediation:
    """Estimate natural effects through all mediators jointly, from linear models with interaction.

    With ``E[M | A, C] = b0 + b1 A + b2 C`` and ``E[Y | A, M, C] = t0 + t1 A + t2 M + t3 A M + t4 C``,
    the direct effect is ``t1 + t3 E[M | A = 0]``, the indirect one ``(t2 + t3) b1``, both at the mean
    of the covariates (T. VanderWeele, *Explanation in Causal Inference*, 2015, sections 2.2 and 5.1).

    Parameters
    ----------
    treatment : array-like of shape (n,)
        0 or 1.
    mediators : array-like of shape (n, m) or (n,)
        Numeric; a categorical mediator as indicators of all levels but one.
    outcome : array-like of shape (n,)
        Numeric; with 0 and 1, effects are risk differences of a linear probability model.
    covariates : array-like of shape (n, c) or (n,), optional
        Numeric confounders of treatment, mediators or outcome.

    Returns
    -------
    Mediation

    Raises
    ------
    ParameterError
        If the treatment is not 0 and 1.
    InsufficientDataError
        If a regressor is a combination of others, so that the effects are not determined.

    Notes
    -----
    The effects are causal only without hidden confounding of any pair of treatment, mediators and
    outcome, and without a confounder of mediators and outcome that the treatment influences.
    """
    a, y = _array(treatment), _array(outcome)
    n = len(a)
    _require(np.isin(a, (0.0, 1.0)), "treatment", "0 or 1", "other values")
    m = _array(mediators).reshape(n, -1)
    c = np.empty((n, 0)) if covariates is None else _array(covariates).reshape(n, -1)
    c = c - c.mean(axis=0)
    # centered, so that the intercept of the mediators is that of an average person without treatment
    b = _coefficients(np.column_stack([np.ones(n), a, c]), m)
    theta = _coefficients(np.column_stack([np.ones(n), a, m, a[:, None] * m, c]), y)
    m_0, b_1 = b[0], b[1]
    t_1, t_2, t_3 = theta[1], theta[2 : 2 + m.shape[1]], theta[2 + m.shape[1] : 2 + 2 * m.shape[1]]
    direct, indirect = float(t_1 + t_3 @ m_0), float((t_2 + t_3) @ b_1)
    return Mediation(direct + indirect, direct, indirect, float(t_2 @ b_1))


def _coefficients(x: Floats, y: Floats) -> Floats:
    solution, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    if rank < x.shape[1]:
        raise InsufficientDataError(
            f"mediation needs {x.shape[1]} independent regressors; got {rank}: some column is constant within a "
            "group or a combination of others, or there are too few rows"
        )
    return np.asarray(solution, dtype=np.float64)


# -- checks ------------------------------------------------------------------------------------


def _array(value: ArrayLike) -> Floats:
    return np.asarray(value, dtype=np.float64)


def _strengths(r2dz: ArrayLike, r2yz: ArrayLike) -> tuple[Floats, Floats]:
    dz, yz = _array(r2dz), _array(r2yz)
    _require((dz >= 0) & (dz < 1), "r2dz", "in [0, 1)", r2dz)
    _require((yz >= 0) & (yz <= 1), "r2yz", "in [0, 1]", r2yz)
    return dz, yz


def _require(holds: NDArray[np.bool_], name: str, range_: str, value: object) -> None:
    if not np.all(holds):
        raise ParameterError(f"{name} must be {range_}; got {str(value)[:80]}")
