"""The probability that a bound holds on new data of a given size (cf. Thomas et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fairmend.core.errors import UsageError
from fairmend.core.metrics.inference.bootstrap import generators, replicates
from fairmend.core.metrics.measurement import Measurement
from fairmend.core.metrics.rates import metric
from fairmend.core.types import Floats


def predictive_draws(
    measured: Measurement, name: str, rows: int | None, *, tuned: bool = False, seed: int = 0
) -> Floats:
    """Return draws of a comparison of groups as new data of that many rows would show it.

    Parameters
    ----------
    measured : Measurement
        The decisions of a rule on data that it was not fitted on.
    name : str
        A difference or a ratio, such as ``"demographic_parity_ratio"``.
    rows : int or None
        Rows of the new data; None for the whole population.
    tuned : bool
        Whether the rule was tuned so that the figure takes its value on these rows.
    seed : int
        The same seed gives the same draws.

    Returns
    -------
    ndarray of shape (B,)
        NaN where a draw leaves the comparison undefined.

    Raises
    ------
    UsageError
        The metric compares no groups.

    Notes
    -----
    Let R be the figure on the n observed rows, R* that of a resample of n rows, and T that of a resample
    of m rows, the new data's number, both drawn from the observed table; of a ratio, their logarithms. A
    draw is R + (T - R*). Its variance is that of the figure at n rows, for what is not known of the
    rule, plus that at m rows and at the groups' sizes there, for the new sample. Its mean corrects for a
    bias that a percentile interval doubles: the ratio of the lowest to the highest of several measured
    rates lies below that of the true rates, by b(n), and resampling lowers it by about b(n) once more. So
    b(n) is taken off and b(m), which a figure of m rows does have, is put on.

    For a tuned rule, the measured figure is what was requested, and the true one
    deviates: rates that were made equal on these rows are unequal by chance elsewhere. A draw is then the
    figure of m rows drawn from a resample of n rows. With weights or copies of rows it is R* + (T - R),
    which counts the bias of a ratio near 1 as b(n) + b(m) instead of that of both errors together, and so
    errs on the safe side. In the population T is R.
    """
    found = metric(name)
    if found.ideal is None:
        raise UsageError(f"{name} does not compare groups; ask for one of its forms, such as {name}_ratio")
    if rows is None:
        here, resampled = (found.of(t) for t in (measured.table.counts, measured.drawn))
        return _moved(here, here, resampled, found.form == "difference", tuned)
    *_, rng = generators(seed, 3)  # the first two made the replicates of the measurement
    if tuned and measured.table.moments is None and measured.table.clusters is None:
        counts = measured.drawn
        shares = counts.reshape(len(counts), -1) / measured.table.n_rows
        return np.asarray(found.of(rng.multinomial(rows, shares).astype(float).reshape(counts.shape)))
    again = replicates(measured.table, len(measured.drawn), rng, rows=rows)
    here, new, resampled = (found.of(t) for t in (measured.table.counts, again, measured.drawn))
    return _moved(new, here, resampled, found.form == "difference", tuned)


def _moved(new: Floats, here: Floats, resampled: Floats, additive: bool, tuned: bool) -> Floats:
    """Return figures of new data, shifted by the distance of a resample from the observed rows."""
    if additive:
        return np.asarray(new + (resampled - here if tuned else here - resampled))
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = resampled / here if tuned else here / resampled
        return np.asarray(np.where(np.isfinite(quotient), new * quotient, np.nan))


def probability_to_hold(
    measured: Measurement,
    name: str,
    holds: Callable[[float], bool],
    rows: int | None,
    *,
    tuned: bool = False,
    seed: int = 0,
) -> float:
    """Return the probability with which a bound holds on new data of that many rows.

    Parameters
    ----------
    measured, name, rows, tuned, seed
        As for :func:`predictive_draws`.
    holds : callable
        Whether a value meets the bound.

    Examples
    --------
    >>> from fairmend.core.metrics import measure
    >>> y, group = [0, 1] * 400, ["F"] * 400 + ["M"] * 400
    >>> alike = measure(y, y, sensitive_features=group)
    >>> probability_to_hold(alike, "demographic_parity_ratio", lambda ratio: ratio >= 0.8, 200) > 0.8
    True
    """
    drawn = predictive_draws(measured, name, rows, tuned=tuned, seed=seed)
    return float(np.mean([holds(float(value)) for value in drawn])) if len(drawn) else float("nan")
