"""Tests of conditional independence, for columns of any type.

All of them take their figures from one pass over the data: a table of counts where every column is
discrete, a small triangle (see :mod:`fairmend.core.algorithms.least_squares`) everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.algorithms.least_squares import LinearSystem
from fairmend.core.causal.graph import CausalGraph, Independence
from fairmend.core.errors import MissingColumnError, UsageError, unknown
from fairmend.core.metrics import holm

Method = Literal["g-test", "fisher-z", "wilks"]


@dataclass(frozen=True)
class IndependenceTest:
    """The outcome of one test.

    Attributes
    ----------
    claim : Independence
        What was tested.
    method : {'g-test', 'fisher-z', 'wilks'}
        Which test.
    statistic : float
        G or Wilks' chi-square; for Fisher's z the standard normal deviate.
    dof : int
        Degrees of freedom of the chi-square, or ``n - k - 3`` for Fisher's z.
    p_value : float
        NaN if a column does not vary given the others, so that nothing can be tested.
    effect : float
        Strength between 0 and 1, whatever the number of rows: ``sqrt(1 - exp(-2 I))`` with the
        conditional mutual information ``I`` that the test estimates (E. Linfoot 1957). For Fisher's z
        it is the absolute partial correlation, for Wilks' test ``sqrt(1 - Lambda)``.
    adjusted_p_value : float
        After Holm's correction for all tests made together; the p-value itself for a single test.
    """

    claim: Independence
    method: Method
    statistic: float
    dof: int
    p_value: float
    effect: float
    adjusted_p_value: float


def conditional_independence(
    frame: pd.DataFrame, x: str, y: str, given: Sequence[str] = ()
) -> IndependenceTest:
    """Test whether two columns are independent within every level of others.

    Text, categorical and boolean columns, and numeric ones with at most two values, are discrete.
    If all are, it is the G-test (likelihood ratio) in every stratum of ``given``. If ``x`` and ``y``
    are numeric or have two levels, it is Fisher's z of their partial correlation. Otherwise it is
    Wilks' Lambda between the residuals of their indicators, with Bartlett's correction
    (K. Mardia, J. Kent & J. Bibby, *Multivariate Analysis*, 1979, section 10.2.1).

    Parameters
    ----------
    frame : pandas.DataFrame
        The data; numeric columns without missing values. A missing text is a level of its own.
    x, y : str
        Two columns.
    given : sequence of str
        Columns to condition on.

    Returns
    -------
    IndependenceTest

    Raises
    ------
    MissingColumnError
        If a column is not there.
    UsageError
        If a column is named twice.
    DataError
        If a numeric column has missing values.

    Notes
    -----
    The last two look for linear dependence after linear adjustment: a curved relation can be missed
    as dependence, and an adjustment that should be curved can leave a dependence that is not there.
    """
    claim = Independence(x, y, tuple(given))
    return IndependenceTester(frame, (x, y, *given)).test(claim)


def check_implications(
    graph: CausalGraph, frame: pd.DataFrame, *, claims: Sequence[Independence] | None = None
) -> tuple[IndependenceTest, ...]:
    """Test on data what the missing edges of a causal graph imply.

    Parameters
    ----------
    graph : CausalGraph
        Its nodes are columns of the data.
    frame : pandas.DataFrame
        The data.
    claims : sequence of Independence, optional
        What to test; by default all that the graph implies.

    Returns
    -------
    tuple of IndependenceTest
        In the order of the claims, with p-values adjusted by Holm's method.
    """
    wanted = graph.implications() if claims is None else tuple(claims)
    tester = IndependenceTester(
        frame, tuple(dict.fromkeys(c for claim in wanted for c in (claim.x, claim.y, *claim.given)))
    )
    results = [tester.test(claim) for claim in wanted]
    adjusted = holm([result.p_value for result in results])
    return tuple(
        replace(result, adjusted_p_value=float(p)) for result, p in zip(results, adjusted, strict=True)
    )


class IndependenceTester:
    """Columns prepared once for many tests of :func:`conditional_independence`.

    Parameters
    ----------
    frame : pandas.DataFrame
        The data.
    columns : tuple of str
        The columns that tests will name.
    """

    def __init__(self, frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
        for name in columns:
            if name not in frame.columns:
                raise MissingColumnError(str(unknown("column", name, map(str, frame.columns))))
        self.frame, self.columns = frame, columns
        self.codes = {
            name: _codes(frame[name]) for name in dict.fromkeys(columns) if _is_discrete(frame[name])
        }

    @cached_property
    def system(self) -> LinearSystem:
        """All columns, decomposed once."""
        return LinearSystem.from_frame(self.frame, self.columns)

    def test(self, claim: Independence) -> IndependenceTest:
        """Return the outcome of the test of a claim."""
        columns = (claim.x, claim.y, *claim.given)
        if len(set(columns)) < len(columns):
            raise UsageError(f"an independence needs each column once; got {', '.join(columns)}")
        if all(name in self.codes for name in columns):
            return self._g_test(claim)
        return self._residual_test(claim)

    def _g_test(self, claim: Independence) -> IndependenceTest:
        from scipy.special import chdtrc, xlogy

        x, y = self.codes[claim.x], self.codes[claim.y]
        stratum = np.zeros(len(x), dtype=np.int64)
        for name in claim.given:
            stratum = _codes(stratum * (int(self.codes[name].max(initial=0)) + 1) + self.codes[name])
        shape = tuple(int(c.max(initial=-1)) + 1 for c in (stratum, x, y))
        counts = np.bincount(np.ravel_multi_index((stratum, x, y), shape), minlength=int(np.prod(shape)))
        table = counts.reshape(shape).astype(np.float64)
        of_x, of_y, of_both = table.sum(axis=2), table.sum(axis=1), table.sum(axis=(1, 2))
        # G = 2 sum n log(n n_s / (n_x n_y)), gathered by margin; empty cells add nothing
        logs = xlogy(table, table).sum() + xlogy(of_both, of_both).sum()
        g = max(0.0, 2 * float(logs - xlogy(of_x, of_x).sum() - xlogy(of_y, of_y).sum()))
        rows, columns = (of_x > 0).sum(axis=1), (of_y > 0).sum(axis=1)
        dof = int(np.sum((rows - 1) * (columns - 1)))
        p = float(chdtrc(dof, g)) if dof > 0 else float("nan")
        effect = float(np.sqrt(-np.expm1(-g / len(x)))) if dof > 0 else float("nan")
        return IndependenceTest(claim, "g-test", g, dof, p, effect, p)

    def _residual_test(self, claim: Independence) -> IndependenceTest:
        from scipy.special import chdtrc, ndtr

        products, owners, left = self.system.residual_products([claim.x, claim.y], claim.given)
        deviation = np.sqrt(np.diag(products))
        correlation = products / np.outer(*(np.where(deviation > 0, deviation, 1.0),) * 2)
        in_x = np.array(owners) == 0
        white_x, white_y = _whitening(correlation[in_x][:, in_x]), _whitening(correlation[~in_x][:, ~in_x])
        p_x, p_y = white_x.shape[1], white_y.shape[1]
        method: Method = "fisher-z" if len(owners) == 2 else "wilks"
        # left is n - 1 - k, with k columns conditioned on
        if p_x * p_y == 0 or left - 2 < 1 or left <= (p_x + p_y + 1) / 2:
            nan = float("nan")
            return IndependenceTest(claim, method, nan, 0, nan, nan, nan)
        canonical = np.linalg.svd(white_x.T @ correlation[in_x][:, ~in_x] @ white_y)[1]
        with np.errstate(divide="ignore"):
            log_wilks = float(np.sum(np.log1p(-(np.clip(canonical, 0.0, 1.0) ** 2))))
        effect = float(np.sqrt(-np.expm1(log_wilks)))
        if method == "fisher-z":
            with np.errstate(divide="ignore"):
                z = float(np.arctanh(np.copysign(effect, correlation[0, 1])) * np.sqrt(left - 2))
            p = float(2 * ndtr(-abs(z)))
            return IndependenceTest(claim, method, z, left - 2, p, effect, p)
        statistic = -(left - (p_x + p_y + 1) / 2) * log_wilks
        p = float(chdtrc(p_x * p_y, statistic))
        return IndependenceTest(claim, method, statistic, p_x * p_y, p, effect, p)


def _whitening(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return combinations of the columns that are uncorrelated, as many as the columns span."""
    values, vectors = np.linalg.eigh(correlation)
    kept = values > 1e-10
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]), dtype=np.float64)


def _is_discrete(column: pd.Series[Any]) -> bool:
    return (
        not pd.api.types.is_numeric_dtype(column)
        or pd.api.types.is_bool_dtype(column)
        or column.nunique(dropna=False) <= 2
    )


def _codes(column: Any) -> NDArray[np.int64]:
    return np.asarray(pd.factorize(column, use_na_sentinel=False)[0], dtype=np.int64)
