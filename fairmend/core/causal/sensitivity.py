"""How much hidden confounding would undo an effect: omitted-variable bias of a regression.

Robustness values and benchmark bounds follow C. Cinelli & C. Hazlett, "Making sense of sensitivity"
(JRSS B 2020), in short CH20. A robustness value lives on the scale of partial R2, an E-value
(:mod:`.e_values`) on that of risk ratios: the two do not compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.algorithms.least_squares import LinearSystem
from fairmend.core.causal.argument_checks import as_floats, require
from fairmend.core.errors import InsufficientDataError, NotFeasibleError
from fairmend.core.types import Floats


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
    t_, dof_ = as_floats(t), as_floats(dof)
    require(dof_ > 0, "dof", "above 0", dof)
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
        Level of the two-sided test, in (0, 1); by default nothing is tested.

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
    dof_, q_ = as_floats(dof), as_floats(q)
    require(q_ >= 0, "q", "at least 0", q)
    require(dof_ > (0 if alpha is None else 1), "dof", "above 0, and above 1 with alpha", dof)
    f_q = q_ * np.abs(as_floats(t)) / np.sqrt(dof_)
    f_star = np.zeros_like(dof_)
    if alpha is not None:
        from scipy.special import stdtrit

        require(np.asarray(0 < alpha < 1), "alpha", "between 0 and 1", alpha)
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
    require(as_floats(dof) > 0, "dof", "above 0", dof)
    require(as_floats(std_error) >= 0, "std_error", "at least 0", std_error)
    return as_floats(std_error) * np.sqrt(as_floats(dof)) * np.sqrt(yz * dz / (1 - dz))


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
    signed = np.sign(as_floats(estimate)) * omitted_variable_bias(std_error, dof, r2dz, r2yz)
    return as_floats(estimate) - signed if reduce else as_floats(estimate) + signed


def adjusted_std_error(std_error: ArrayLike, dof: ArrayLike, r2dz: ArrayLike, r2yz: ArrayLike) -> Floats:
    """Return the standard error had a confounder of given strength been in the regression (CH20, eq. 8).

    Parameters are those of `omitted_variable_bias`, with ``dof`` above 1.
    """
    dz, yz = _strengths(r2dz, r2yz)
    require(as_floats(dof) > 1, "dof", "above 1", dof)
    return as_floats(std_error) * np.sqrt((1 - yz) / (1 - dz) * as_floats(dof) / (as_floats(dof) - 1))


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
        How many times as strong with the treatment and with the outcome; ``ky`` defaults to ``kd``.

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
    require(np.asarray(0 <= r2dx < 1), "r2dx", "in [0, 1)", r2dx)
    require(np.asarray(0 <= r2yx < 1), "r2yx", "in [0, 1)", r2yx)
    require(np.asarray(kd >= 0 and ky >= 0), "kd and ky", "at least 0", (kd, ky))
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
        Covariates to compare with; by default all. A covariate with many levels counts as one.
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


def _strengths(r2dz: ArrayLike, r2yz: ArrayLike) -> tuple[Floats, Floats]:
    dz, yz = as_floats(r2dz), as_floats(r2yz)
    require((dz >= 0) & (dz < 1), "r2dz", "in [0, 1)", r2dz)
    require((yz >= 0) & (yz <= 1), "r2yz", "in [0, 1]", r2yz)
    return dz, yz
