"""Structural equations along a causal graph: what rows would be, had something about them been different.

A number is a linear function of its causes plus noise; a category has a probability for each value, given
its causes. The three steps of a counterfactual (J. Pearl, *Causality*, 2009, section 7.1) are then one: the
noise of a row is what is observed less what its causes predict, and it stays.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from zlib import crc32

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.graph_parts import Names
from fairmend.core.data.row_random import row_hash, uniform_by_row
from fairmend.core.errors import InsufficientDataError, NotFeasibleError
from fairmend.core.models.learners import make_learner
from fairmend.core.models.regressors import TabularRegressor
from fairmend.core.types import Floats, Ints

MOST_LEVELS = 50
"""Categories beyond the most frequent ones have no equation: they stay as they are."""
LEAST_IN_CELL = 5
"""Rows of each combination of causes from which shares are used as they are, without a model."""
Arrow = tuple[str, str]


class Equation(Protocol):
    """How a column follows from its causes."""

    def moved(self, values: pd.Series[Any], before: pd.DataFrame, after: pd.DataFrame, u: Floats) -> Any:
        """Return the values that rows would have with other causes, given a uniform number per row."""

    def expected(self, causes: pd.DataFrame) -> Floats:
        """Return the mean of a number, or the probability of the last category, given the causes."""


@dataclass(frozen=True)
class LinearEquation:
    """A number: a linear function of its causes, plus noise that does not depend on them."""

    model: TabularRegressor

    def expected(self, causes: pd.DataFrame) -> Floats:
        """Return the mean given the causes."""
        return self.model.predict(causes)

    def moved(self, values: pd.Series[Any], before: pd.DataFrame, after: pd.DataFrame, u: Floats) -> Any:
        """Return the values with other causes and the same noise."""
        return values + (self.expected(after) - self.expected(before))


@dataclass(frozen=True)
class Shares:
    """The shares of categories within each combination of some discrete causes.

    Attributes
    ----------
    values : dict of str to list
        The values of each cause.
    table : ndarray of shape (combinations, categories)
        The shares.
    """

    values: dict[str, list[Any]]
    table: Floats

    def cells(self, causes: pd.DataFrame) -> Ints:
        """Return the place of each row in the table."""
        place = np.zeros(len(causes), dtype=np.int64)
        for name, known in self.values.items():
            place = place * len(known) + pd.Index(known).get_indexer(pd.Index(causes[name]))
        return place

    def predict_proba(self, causes: pd.DataFrame) -> Floats:
        """Return the share of each category, shape (n, categories)."""
        return np.asarray(self.table[self.cells(causes)])


@dataclass(frozen=True)
class CategoricalEquation:
    """A category, with a probability for each of its values that depends on its causes.

    Attributes
    ----------
    levels : ndarray
        The values; missing ones are NaN.
    model : Shares or fitted classifier
        Gives the probability of each level, shape (n, levels).
    """

    levels: Any
    model: Any

    def probability(self, causes: pd.DataFrame) -> Floats:
        """Return the probability of each level given the causes."""
        return np.asarray(self.model.predict_proba(causes))

    def expected(self, causes: pd.DataFrame) -> Floats:
        """Return the probability of the last level: of two numbers, the larger one."""
        return self.probability(causes)[:, -1]

    def moved(self, values: pd.Series[Any], before: pd.DataFrame, after: pd.DataFrame, u: Floats) -> Any:
        """Return categories with the distribution that other causes imply, and as few changes as possible.

        Data do not determine who would change category. This is the maximal coupling: a category whose
        probability falls from p to q is left with probability 1 - q / p, for those whose probability rises.
        """
        codes = pd.Index(self.levels).get_indexer(pd.Index(values))
        rows, known = np.arange(len(codes)), codes >= 0
        p, q = self.probability(before), self.probability(after)
        with np.errstate(divide="ignore", invalid="ignore"):
            stay = np.where(known, q[rows, codes] / p[rows, codes], 1.0)
            rest = np.clip((u - stay) / (1 - stay), 0.0, 1.0)
        rise = np.cumsum(np.maximum(q - p, 0.0), axis=1)
        drawn = (rise <= (rest * rise[:, -1])[:, None]).sum(axis=1).clip(max=len(self.levels) - 1)
        chosen = pd.Series(self.levels[np.where(u < stay, codes, drawn)], index=values.index)
        return chosen.where(known, values)


@dataclass(frozen=True)
class StructuralEquations:
    """The equations of everything that some columns influence.

    Attributes
    ----------
    equations : dict of str to Equation
        By column, causes before effects.
    parents : dict of str to list of str
        The direct causes of these columns.
    """

    equations: dict[str, Equation]
    parents: dict[str, list[str]]

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        graph: CausalGraph,
        sources: Names,
        *,
        weights: Floats | None = None,
        leave_out: Collection[str] = (),
    ) -> StructuralEquations:
        """Estimate the equation of every column that the sources influence.

        Parameters
        ----------
        frame : DataFrame
            The data: the columns of the graph, without those to leave out.
        graph : CausalGraph
            Its edges have directions.
        sources : str or iterable of str
            Where interventions will take place.
        weights : ndarray of float, shape (n,), optional
            Sample weights.
        leave_out : collection of str
            Columns without an equation, such as the outcome where only features matter.

        Raises
        ------
        NotFeasibleError
            A hidden cause that a column shares with one of its causes makes its equation unidentifiable.
        """
        import networkx as nx

        below = set(graph.descendants(sources)) - set(leave_out)
        for pair in graph.hidden:
            for cause, effect in (pair, pair[::-1]):
                if effect in below and cause in graph.ancestors(effect):
                    raise NotFeasibleError(
                        f"the equation of {effect!r} cannot be estimated: the graph has a hidden common cause with "
                        f"{cause!r}, which influences it; measure that cause, or leave out the column"
                    )
        order = [node for node in nx.topological_sort(graph.network) if node in below]
        parents = {node: list(graph.parents(node)) for node in order}
        equations = {node: equation(frame[node], frame[parents[node]], weights) for node in order}
        return cls(equations, parents)

    def to_state(self) -> dict[str, Any]:
        """Return the equations in plain types and fitted models, which a model file may hold."""
        state: dict[str, Any] = {}
        for node, rule in self.equations.items():
            model = getattr(rule, "model", None)
            held = {"values": model.values, "table": model.table} if isinstance(model, Shares) else model
            levels = rule.levels.tolist() if isinstance(rule, CategoricalEquation) else None
            state[node] = {"parents": self.parents[node], "levels": levels, "model": held}
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> StructuralEquations:
        """Return the equations that :meth:`to_state` described."""
        equations: dict[str, Equation] = {}
        for node, one in state.items():
            model: Any = Shares(**one["model"]) if isinstance(one["model"], dict) else one["model"]
            if one["levels"] is None:
                equations[node] = LinearEquation(model)
            else:
                equations[node] = CategoricalEquation(pd.Index(one["levels"]).to_numpy(), model)
        return cls(equations, {node: list(one["parents"]) for node, one in state.items()})

    def counterfactual(
        self,
        frame: pd.DataFrame,
        changed: Mapping[str, Any],
        *,
        edges: Collection[Arrow] | None = None,
        separately: bool = True,
    ) -> pd.DataFrame:
        """Return the rows as they would be had columns had other values.

        Parameters
        ----------
        frame : DataFrame
            The rows as they are.
        changed : mapping of str to value or array
            Columns to their other values, which override their equations.
        edges : collection of (cause, effect), optional
            The edges out of the changed columns along which their other values count; along all others
            they keep their own, and so they do in the result. By default all.
        separately : bool
            Whether equal rows are drawn separately where categories change. Otherwise the result of a row
            depends on nothing but the row.

        Returns
        -------
        DataFrame
            With the same rows and columns.
        """
        there = _columns(changed, frame)
        hashes = row_hash(frame[sorted(set(frame.columns) - set(there.columns), key=str)])
        if separately:
            hashes = hashes ^ row_hash(pd.Series(hashes).groupby(hashes).cumcount())
        world = frame if edges is not None else frame.assign(**there)
        for node, rule in self.equations.items():
            if node in there.columns:
                continue
            before, after = frame[self.parents[node]], self._causes(node, world, there, edges)
            if after.equals(before):
                continue
            u = uniform_by_row(hashes, crc32(node.encode()))
            world = world.assign(**{node: rule.moved(frame[node], before, after, u)})
        return world

    def expected(
        self,
        column: str,
        frame: pd.DataFrame,
        changed: Mapping[str, Any],
        *,
        edges: Collection[Arrow] | None = None,
    ) -> Floats:
        """Return the mean of a column for each row, as it would be had columns had other values.

        Parameters
        ----------
        column : str
            A number, or a category with two values, of which the mean is the probability of the larger.
        frame, changed, edges
            As for :meth:`counterfactual`.
        """
        above = {node: rule for node, rule in self.equations.items() if node != column}
        world = replace(self, equations=above).counterfactual(frame, changed, edges=edges)
        return self.equations[column].expected(self._causes(column, world, _columns(changed, frame), edges))

    def _causes(
        self, node: str, world: pd.DataFrame, there: pd.DataFrame, edges: Collection[Arrow] | None
    ) -> pd.DataFrame:
        """Return the causes of a column, with the other values of those that count along their edge."""
        causes = self.parents[node]
        passed = [c for c in causes if c in there and (edges is None or (c, node) in edges)]
        return world[causes].assign(**{c: there[c] for c in passed})

    def residuals(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the noise of the numbers: what their causes leave unexplained."""
        linear = {c: e for c, e in self.equations.items() if isinstance(e, LinearEquation)}
        return pd.DataFrame(
            {c: frame[c] - rule.expected(frame[self.parents[c]]) for c, rule in linear.items()},
            index=frame.index,
        )


def _columns(changed: Mapping[str, Any], frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(value, index=frame.index) for name, value in changed.items()})


def is_discrete(column: pd.Series[Any]) -> bool:
    """Whether a column is a category: a text, a boolean, or a number with at most two values."""
    number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return not number or column.nunique() <= 2


def equation(values: pd.Series[Any], causes: pd.DataFrame, weights: Floats | None = None) -> Equation:
    """Estimate how a column follows from its causes.

    A number is regressed on them. The probabilities of a category are shares where the causes are categories
    and all their combinations have rows, otherwise those of a multinomial logistic regression.

    Raises
    ------
    InsufficientDataError
        A number is missing in all rows.
    """
    if not is_discrete(values):
        known = values.notna().to_numpy()
        if not known.any():
            raise InsufficientDataError(f"the equation of {values.name!r} needs values; all are missing")
        linear = TabularRegressor(LinearRegression(), "one-hot")
        return LinearEquation(linear.fit(causes[known], values[known], _rows(weights, known)))
    levels = pd.Index(values.value_counts(dropna=False).index[:MOST_LEVELS])
    levels = levels.sort_values(na_position="first")
    codes = levels.get_indexer(pd.Index(values))
    known = codes >= 0
    if len(levels) == 1:
        return CategoricalEquation(levels.to_numpy(), Shares({}, np.ones((1, 1))))
    model: Any = _shares(causes[known], codes[known], len(levels), _rows(weights, known))
    if model is None:
        model = make_learner("logistic_regression").fit(causes[known], codes[known], _rows(weights, known))
    return CategoricalEquation(levels.to_numpy(), model)


def _rows(weights: Floats | None, known: Any) -> Floats | None:
    return None if weights is None else weights[known]


def _shares(causes: pd.DataFrame, codes: Ints, n_levels: int, weights: Floats | None) -> Shares | None:
    """Return the shares of each category within each combination of causes; None where some are too rare."""
    if not all(is_discrete(causes[c]) for c in causes):
        return None
    values = {str(c): causes[c].unique().tolist() for c in causes}
    cells = math.prod(map(len, values.values()))
    if cells * LEAST_IN_CELL > len(causes):
        return None
    at = Shares(values, np.empty((0, 0))).cells(causes)
    if np.bincount(at, minlength=cells).min() < LEAST_IN_CELL:
        return None
    table = np.bincount(at * n_levels + codes, weights, minlength=cells * n_levels).reshape(cells, n_levels)
    total = table.sum(axis=1, keepdims=True)
    return Shares(values, table / total) if total.all() else None
