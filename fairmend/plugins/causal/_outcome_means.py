"""Mean outcomes under a regression fitted to one group, with the influence of every row.

The mean of the outcome that a population would have under the regression of a group is the part that adjusted,
direct, indirect and unexplained differences have in common. Each mean keeps the influence of every row on
it (an M-estimator's "sandwich"), so that any sum or difference of means has a standard error without
resampling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.linear_model import LogisticRegression

from fairmend.base import Dataset, Floats, InsufficientDataError, design_matrix, groups_and_reference

Link = Literal["linear", "logistic"]
Rows = NDArray[np.bool_]
_SLIGHT = 1e4  # inverse penalty: finite coefficients where groups are separated, no effect elsewhere


@dataclass(frozen=True)
class Mean:
    """An estimate with the influence of every row on it, shape (n,); the squares sum to its variance."""

    value: float
    influence: Floats

    def __add__(self, other: Mean) -> Mean:
        return Mean(self.value + other.value, self.influence + other.influence)

    def __sub__(self, other: Mean) -> Mean:
        return Mean(self.value - other.value, self.influence - other.influence)

    def __rmul__(self, factor: float) -> Mean:
        return Mean(factor * self.value, factor * self.influence)

    def figures(self, alpha: float, units: NDArray[Any] | None = None) -> dict[str, Any]:
        """Return ``estimate``, ``se`` and normal ``interval``; rows that are copies count as one unit."""
        influence = self.influence if units is None else np.bincount(units, self.influence)
        se = float(np.sqrt(influence @ influence))
        half = -float(ndtri(alpha / 2)) * se
        return {"estimate": self.value, "se": se, "interval": [self.value - half, self.value + half]}


@dataclass(frozen=True)
class Design:
    """Regressors of all rows: a constant and standardized columns.

    Attributes
    ----------
    matrix : ndarray of shape (n, 1 + k)
        The constant first.
    places : dict of str to tuple of int
        Where each column of the data stands.
    """

    matrix: Floats
    places: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, frame: pd.DataFrame, columns: Sequence[str]) -> Design:
        """Return the design of some columns, numbers without gaps."""
        _, places, values = design_matrix(frame, columns)
        spread = values.std(axis=0)
        scaled = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        moved = {name: tuple(place + 1 for place in at) for name, at in places.items()}
        return cls(np.column_stack([np.ones(len(frame)), scaled]), moved)

    def only(self, column: str) -> Design:
        """Return the design with all regressors but those of one column set to 0."""
        kept = np.isin(np.arange(self.matrix.shape[1]), self.places[column])
        return Design(self.matrix * kept, self.places)

    def outside(self, of: Rows, fitted: Rows) -> float:
        """Return the share of some rows with values that others lack.

        A number lies outside the range of the others; a level is had by none of them, or by so few (1 %, at
        most 10 rows) that a coefficient for it says nothing.
        """
        X, few = self.matrix, min(int(fitted.sum()) // 100, 10)
        low, high = X[fitted].min(axis=0) - 1e-9, X[fitted].max(axis=0) + 1e-9
        lacking = ((low > X) | (high < X)).any(axis=1)
        for at in self.places.values():
            values = X[:, at]
            has = values > values.min(axis=0) + 1e-9
            if np.allclose(values[has], np.broadcast_to(values.max(axis=0), values.shape)[has]):  # indicators
                level = np.where(has.any(axis=1), has.argmax(axis=1) + 1, 0)  # 0 is the omitted one
                lacking |= np.bincount(level[fitted], minlength=len(at) + 1)[level] <= few
        return float(lacking[of].mean())


@dataclass(frozen=True)
class Regression:
    """A weighted linear or logistic regression on some rows.

    Attributes
    ----------
    design : Design
        Of all rows.
    coefficients : ndarray of shape (1 + k,)
        Of the design.
    link : {"linear", "logistic"}
        Kind of regression.
    bread : ndarray of shape (1 + k, 1 + k)
        Inverse of the (expected) second derivative of the loss.
    residuals : ndarray of shape (n,)
        Weighted residuals; 0 for rows that were not fitted.
    """

    design: Design
    coefficients: Floats
    link: Link
    bread: Floats
    residuals: Floats

    @classmethod
    def fit(cls, design: Design, y: Floats, rows: Rows, weights: Floats, link: Link) -> Regression:
        """Fit the rows of a group.

        Raises
        ------
        InsufficientDataError
            A logistic regression where all outcomes are equal.
        """
        X, t, w = design.matrix[rows], y[rows], weights[rows]
        if link == "linear":
            bread = _inverse((X * w[:, None]).T @ X)
            coefficients = bread @ (X.T @ (w * t))
        else:
            if t.min() == t.max():
                raise InsufficientDataError(f"all {len(t)} outcomes of a group are {t[0]:g}")
            model = LogisticRegression(C=_SLIGHT, solver="newton-cholesky", tol=1e-8, max_iter=200)
            model.fit(X[:, 1:], t, w) if X.shape[1] > 1 else model.fit(np.zeros((len(t), 1)), t, w)
            coefficients = np.r_[model.intercept_, model.coef_[0]][: X.shape[1]]
            p = _expit(X @ coefficients)
            bread = _inverse((X * (w * p * (1 - p))[:, None]).T @ X)
        fitted = cls(design, coefficients, link, bread, np.zeros(len(y)))
        fitted.residuals[rows] = w * (t - fitted.predict()[rows])
        return fitted

    def predict(self, design: Design | None = None) -> Floats:
        """Return the predictions for all rows, shape (n,)."""
        linear = (design or self.design).matrix @ self.coefficients
        return linear if self.link == "linear" else _expit(linear)

    def slopes(self, design: Design | None = None) -> Floats:
        """Return the derivative of each prediction by its linear predictor, shape (n,)."""
        p = self.predict(design)
        return np.ones(len(p)) if self.link == "linear" else p * (1 - p)

    def influence(self, gradient: Floats) -> Floats:
        """Return the influence of each row on a function of the coefficients with this gradient, shape (n,)."""
        moved = self.design.matrix @ (self.bread @ gradient)
        return np.asarray(moved * self.residuals)


def mean_outcome(model: Regression, population: Rows, weights: Floats, design: Design | None = None) -> Mean:
    """Return the mean outcome of a population under a regression: the sum over x of E[Y | g, x] P(x).

    Parameters
    ----------
    model : Regression
        Fitted to the rows of a group g.
    population : ndarray of bool, shape (n,)
        Whose regressors x are averaged over.
    weights : ndarray of float, shape (n,)
        Sample weights.
    design : Design, optional
        Other regressors than those of the fit, for all rows.
    """
    share = weights * population / weights[population].sum()
    predicted, slopes = model.predict(design), model.slopes(design)
    value = float(share @ predicted)
    gradient = (share * slopes) @ (design or model.design).matrix
    return Mean(value, share * (predicted - value) + model.influence(gradient))


def nested_mean(
    model: Regression, covariates: Design, mediated: Rows, population: Rows, weights: Floats
) -> Mean:
    """Return the mean outcome with the mediators of another group: the sum of E[Y | g, m, c] P(m | g', c) P(c).

    Parameters
    ----------
    model : Regression
        On mediators m and covariates c, fitted to the rows of group g.
    covariates : Design
        Of the covariates c alone.
    mediated : ndarray of bool, shape (n,)
        Rows of group g', whose mediators are taken.
    population : ndarray of bool, shape (n,)
        Whose covariates are averaged over.
    weights : ndarray of float, shape (n,)
        Sample weights.

    Notes
    -----
    The inner sum over m is the regression on c, among the rows of g', of what the model predicts for them;
    no model of the mediators is needed.
    """
    predicted = model.predict()
    second = Regression.fit(covariates, predicted, mediated, weights, "linear")
    outer = mean_outcome(second, population, weights)
    share = weights * population / weights[population].sum()
    moved = covariates.matrix @ (second.bread @ (share @ covariates.matrix)) * weights * mediated
    gradient = (moved * model.slopes()) @ model.design.matrix
    return Mean(outer.value, outer.influence + model.influence(gradient))


def group_mean(y: Floats, rows: Rows, weights: Floats) -> Mean:
    """Return the weighted mean outcome of some rows."""
    share = weights * rows / weights[rows].sum()
    value = float(share @ y)
    return Mean(value, share * (y - value))


def row_weights(data: Dataset) -> Floats:
    """Return the weights by which rows stand for people, 1 if there are none."""
    weights = data.population_weights
    return np.ones(len(data)) if weights is None else weights


def link_for(data: Dataset, model: str) -> Link:
    """Return the regression to use: if not said, logistic for a binary outcome and linear for a number."""
    if model == "linear":
        return "linear"
    return "logistic" if data.task == "binary" else "linear"


def rows_by_group(
    data: Dataset, attribute: str, reference: Mapping[str, str] | None
) -> tuple[dict[str, Rows], str]:
    """Return the rows of each group of an attribute, and its reference group: the largest if none is named."""
    groups, base = groups_and_reference(data, attribute, (reference or {}).get(attribute))
    return {label: groups.codes == code for code, label in enumerate(groups.labels)}, base


def contrasts(
    attribute: str,
    rows: Mapping[str, Rows],
    base: str,
    min_support: float,
    names: Sequence[str],
    figures: Callable[[str], Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return a record for each group but the reference: its figures, or why there are none.

    Parameters
    ----------
    attribute : str
        A protected attribute.
    rows : mapping of str to ndarray of bool
        The rows of each group.
    base : str
        The reference group.
    min_support : float
        Rows that both groups must have.
    names : sequence of str
        What a record holds; None where there is no evidence.
    figures : callable
        Takes the name of a group and returns its figures.
    """
    found = []
    for group in rows:
        if group == base:
            continue
        support = int(min(rows[group].sum(), rows[base].sum()))
        record: dict[str, Any] = {"attribute": attribute, "group": group, "reference": base}
        record |= {**dict.fromkeys(names), "support": support, "status": "insufficient evidence"}
        if support >= min_support:
            try:
                record |= {**figures(group), "status": "measured"}
            except InsufficientDataError as error:
                record["status"] = str(error)
        found.append(record)
    return found


def clearest(
    found: Sequence[Mapping[str, Any]], figures: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the contrast whose interval lies farthest from 0; None if nothing was measured."""
    measured = [contrast for contrast in found if contrast["status"] == "measured"]

    def distance(contrast: Mapping[str, Any]) -> float:
        low, high = figures(contrast)["interval"]
        return float(max(low, -high))

    return max(measured, key=distance, default=None)


def extrapolation(share: float) -> str:
    """Return what a sentence says about rows outside the support; nothing if there are few."""
    return f"; {share:.1%} of the rows are extrapolated to" if share > 0.1 else ""


def adjusted_summary(found: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence about the adjusted difference that is farthest from 0."""
    shown = clearest(found, lambda contrast: contrast)
    if shown is None:
        return f"None of {len(found)} contrasts has enough rows for an adjusted difference."
    low, high = shown["interval"]
    doubt = "" if shown["identified"] else ", which the graph does not identify"
    trimmed = shown.get("trimmed_share", 0.0)
    overlap = f"; {trimmed:.1%} of the rows have no counterpart" if trimmed > 0.01 else ""
    return (
        f"Clearest of {len(found)} adjusted differences: {shown['group']} against {shown['reference']} "
        f"{shown['estimate']:+.3f} [{low:+.3f}, {high:+.3f}]{doubt}; unadjusted "
        f"{shown['unadjusted']['estimate']:+.3f}{overlap}{extrapolation(shown.get('outside_support', 0.0))}."
    )


def _expit(x: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(x))


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.pinv(matrix, rcond=1e-11, hermitian=True))
