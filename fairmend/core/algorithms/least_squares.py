"""Least squares from one pass over the data.

A QR decomposition of all columns at once leaves a small triangle R with R'R = X'X. Every regression
of some of the columns on others, and every partial R2, then costs only the number of columns
(G. Golub & C. Van Loan, *Matrix Computations*, section 5.3), with the precision of QR.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.errors import DataError, InsufficientDataError, MissingColumnError, UsageError, unknown
from fairmend.core.types import Floats

_DEPENDENT = 1e-9
"""A column whose relative residual is below this is a linear combination of the previous columns."""
_CHUNK = 2**22
"""Numeric columns decomposed at a time."""


@dataclass(frozen=True)
class Coefficient:
    """One coefficient of a linear regression.

    Attributes
    ----------
    estimate : float
        In units of the outcome per unit of the column.
    std_error : float
        Classical (homoskedastic) standard error.
    dof : int
        Residual degrees of freedom of the regression.
    """

    estimate: float
    std_error: float
    dof: int

    @property
    def t_value(self) -> float:
        """Estimate over standard error."""
        return self.estimate / self.std_error


@dataclass(frozen=True)
class LinearFit:
    """A regression of one column on others.

    Attributes
    ----------
    coefficients : dict of str to Coefficient
        By design column; without the constant, and without the columns in ``dropped``.
    rss : float
        Residual sum of squares.
    dof : int
        Residual degrees of freedom.
    dropped : tuple of str
        Design columns that are combinations of those before them.
    """

    coefficients: dict[str, Coefficient]
    rss: float
    dof: int
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class LinearSystem:
    """All that linear regressions among some columns need to know of the data.

    Numeric columns enter as they are; text, categorical and boolean ones as an indicator for each
    level but the first, missing values being a level. The constant, or the means of the groups of
    one absorbed column, are partialled out beforehand.

    Attributes
    ----------
    design : tuple of str
        Names of the design columns, such as ``age`` or ``race[Black]``.
    places : dict of str to tuple of int
        Where each column of the data stands in the design.
    triangle : ndarray of shape (k, k)
        R of the QR decomposition of the demeaned design.
    sizes : ndarray of shape (k,)
        Sum of squares of each design column before demeaning, by which rounding is judged.
    n_rows : int
        Rows of the data.
    n_means : int
        Means partialled out: 1 for the constant, or the number of absorbed groups.
    """

    design: tuple[str, ...]
    places: dict[str, tuple[int, ...]]
    triangle: Floats
    sizes: Floats
    n_rows: int
    n_means: int

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, columns: Sequence[str], *, absorb: str | None = None
    ) -> LinearSystem:
        """Read the columns once.

        Parameters
        ----------
        frame : pandas.DataFrame
            The data, one row a case.
        columns : sequence of str
            Columns that regressions will use.
        absorb : str, optional
            A column of groups, best the one with most levels, to adjust every regression for by
            partialling out its group means instead of an indicator for each group.

        Raises
        ------
        MissingColumnError
            If a column is not there.
        DataError
            If a numeric column has missing or infinite values.
        """
        for name in (*columns, *([absorb] if absorb else [])):
            if name not in frame.columns:
                raise MissingColumnError(str(unknown("column", name, map(str, frame.columns))))
        names, places, matrix = design_matrix(frame, columns)
        groups = pd.factorize(frame[absorb], use_na_sentinel=False)[0] if absorb else None
        sizes = np.einsum("ij,ij->j", matrix, matrix)
        _demean(matrix, groups)
        n_means = 1 if groups is None else int(groups.max(initial=-1)) + 1
        return cls(names, places, _triangle(matrix), sizes, len(frame), n_means)

    def regress(self, outcome: str, on: Sequence[str]) -> LinearFit:
        """Return the least-squares regression of a column on others, constant included.

        Parameters
        ----------
        outcome : str
            A column with one design column: numeric, or with two levels.
        on : sequence of str
            The regressors.

        Raises
        ------
        UsageError
            If the outcome has several design columns or is among the regressors.
        InsufficientDataError
            If no degree of freedom is left.
        """
        target, given = self._single(outcome), self._indices(on)
        r, kept = self._reduce(given, [target])
        k = len(kept)
        dof = self.n_rows - self.n_means - k
        if dof < 1:
            raise InsufficientDataError(
                f"a regression with {k + self.n_means} parameters needs more rows than that; got {self.n_rows}"
            )
        inverse = np.linalg.solve(r[:k, :k], np.eye(k))
        rss = float(np.sum(r[k:, k] ** 2))
        errors = np.sqrt(rss / dof * np.sum(inverse**2, axis=1))
        estimates = inverse @ r[:k, k]
        return LinearFit(
            coefficients={
                self.design[place]: Coefficient(float(b), float(se), dof)
                for place, b, se in zip(kept, estimates, errors, strict=True)
            },
            rss=rss,
            dof=dof,
            dropped=tuple(self.design[place] for place in given if place not in kept),
        )

    def partial_r2(self, outcome: str, of: str | Sequence[str], given: Sequence[str]) -> float:
        """Return the share of the outcome's variance, left by ``given``, that ``of`` explains.

        Parameters
        ----------
        outcome : str
            A column with one design column.
        of : str or sequence of str
            The column or columns whose share is asked for.
        given : sequence of str
            Columns already in the regression.

        Returns
        -------
        float
            Between 0 and 1; NaN if ``given`` leaves no variance.
        """
        added = [of] if isinstance(of, str) else list(of)
        target = self._single(outcome)
        base = self._indices(given)
        # With the added columns last, the triangle holds the residuals of both regressions.
        r, kept = self._reduce(list(dict.fromkeys([*base, *self._indices(added)])), [target])
        first = sum(place in set(base) for place in kept)
        left = r[first:, -1]
        before, after = float(left @ left), float(np.sum(r[len(kept) :, -1] ** 2))
        if before <= self._negligible(target):
            return float("nan")
        return max(0.0, 1 - after / before) if after > self._negligible(target) else 1.0

    def residual_products(
        self, columns: Sequence[str], given: Sequence[str]
    ) -> tuple[Floats, list[int], int]:
        """Return cross-products of what ``given`` leaves of some columns.

        Parameters
        ----------
        columns : sequence of str
            Columns whose residuals are wanted.
        given : sequence of str
            Columns, and always the constant, to regress them on.

        Returns
        -------
        products : ndarray of shape (p, p)
            Sums of products of residuals; exactly 0 for a column that ``given`` determines.
        owners : list of int of length p
            For each design column, the position in ``columns`` that it comes from.
        dof : int
            Rows minus fitted parameters.
        """
        owners = [i for i, name in enumerate(columns) for _ in self._indices([name])]
        products, rank = self._residual_products(self._indices(columns), given)
        return products, owners, self.n_rows - self.n_means - rank

    def _residual_products(self, targets: list[int], given: Sequence[str]) -> tuple[Floats, int]:
        r, kept = self._reduce(self._indices(given), targets)
        rest = r[len(kept) :, len(kept) :]
        products = rest.T @ rest
        gone = np.diag(products) <= [self._negligible(target) for target in targets]
        products[gone, :] = products[:, gone] = 0
        return products, len(kept)

    def _reduce(self, given: list[int], targets: list[int]) -> tuple[Floats, list[int]]:
        """Return R of (given, targets), and the given columns that are independent."""
        if shared := set(given) & set(targets):
            raise UsageError(f"{self.design[min(shared)]!r} cannot be explained by a regression on itself")
        kept: list[int] = []
        basis = np.zeros((len(self.triangle), len(given)), order="F")
        for place in given:
            rest, so_far = self.triangle[:, place].copy(), basis[:, : len(kept)]
            for _ in range(2):  # Gram-Schmidt is precise when done twice
                rest -= so_far @ (rest @ so_far)
            if (size := float(rest @ rest)) > self._negligible(place):
                basis[:, len(kept)] = rest / np.sqrt(size)
                kept.append(place)
        return _upper(self.triangle[:, [*kept, *targets]]), kept

    def _negligible(self, place: int) -> float:
        return float(_DEPENDENT**2 * self.sizes[place])

    def _indices(self, columns: Sequence[str]) -> list[int]:
        for name in columns:
            if name not in self.places:
                raise unknown("column of the linear system", name, self.places)
        return [place for name in dict.fromkeys(columns) for place in self.places[name]]

    def _single(self, column: str) -> int:
        places = self._indices([column])
        if len(places) != 1:
            raise UsageError(
                f"the outcome of a regression must be numeric or have two levels; {column!r} has {len(places) + 1}"
            )
        return places[0]


def design_matrix(
    frame: pd.DataFrame, columns: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]], Floats]:
    """Return the design columns of some columns of the data, without a constant.

    Parameters
    ----------
    frame : pandas.DataFrame
        The data.
    columns : sequence of str
        Numeric columns enter as they are, others as an indicator for each level but the first.

    Returns
    -------
    names : tuple of str
        Names of the design columns, such as ``age`` or ``race[Black]``.
    places : dict of str to tuple of int
        Where each column of the data stands in the design.
    matrix : ndarray of shape (n, k)
        The design.

    Raises
    ------
    DataError
        If a numeric column has missing or infinite values.
    """
    names: list[str] = []
    places: dict[str, tuple[int, ...]] = {}
    parts: list[Floats] = []
    for name in dict.fromkeys(columns):
        labels, values = _design(frame[name], name)
        places[name] = tuple(range(len(names), len(names) + len(labels)))
        names += labels
        parts.append(values)
    matrix = np.column_stack(parts) if parts else np.empty((len(frame), 0))
    return tuple(names), places, matrix


def _design(column: pd.Series[Any], name: str) -> tuple[list[str], Floats]:
    """Return the names and values of the design columns of one column of the data."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if not np.isfinite(values).all():
            raise DataError(
                f"column {name!r} must be finite numbers for a regression; got "
                f"{int((~np.isfinite(values)).sum())} missing or infinite: impute or remove them"
            )
        return [name], values[:, None]
    codes, levels = pd.factorize(column, sort=True, use_na_sentinel=False)
    indicators = (codes[:, None] == np.arange(1, len(levels))).astype(np.float64)
    return [f"{name}[{level}]" for level in levels[1:]], indicators


def _demean(matrix: Floats, groups: NDArray[np.int64] | None) -> None:
    """Subtract from every column its mean, or the mean of the row's group, in place."""
    if groups is None:
        matrix -= matrix.mean(axis=0, keepdims=True) if len(matrix) else 0.0
        return
    sizes = np.bincount(groups)
    for j in range(matrix.shape[1]):
        matrix[:, j] -= (np.bincount(groups, weights=matrix[:, j]) / sizes)[groups]


def _triangle(matrix: Floats) -> Floats:
    """Return the square R of a tall matrix, a block of rows at a time."""
    k = matrix.shape[1]
    r = np.zeros((k, k))
    step = max(_CHUNK // max(k, 1), k, 1)
    for start in range(0, len(matrix), step):
        r = _upper(np.vstack([r, matrix[start : start + step]]))
    return r


def _upper(matrix: Floats) -> Floats:
    r: Any = np.linalg.qr(matrix, mode="r")
    return np.asarray(r, dtype=np.float64)
