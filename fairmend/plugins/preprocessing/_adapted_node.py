"""A column adapted to a baseline group: Q(u | pa', a0) at u = F(v | pa, a)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np

from fairmend.base import CausalGraph, Floats, Groups, Ints
from fairmend.plugins.preprocessing._adaptation import cells_of_groups, enough, side_by_side
from fairmend.plugins.preprocessing._conditional_quantiles import fit_conditional, quantiles, ranks

Columns = Mapping[str, Mapping[str, Any]]
"""How columns are encoded as numbers, by name."""


class AdaptedNode(TypedDict):
    """The distribution of a column given its causes, in plain types, which a model file may hold.

    ``fitted`` has one for each cell: a group of the attributes among the causes. ``cell_of_group`` is the
    cell of each group of all attributes, and a ``discrete`` column takes observed values only.
    """

    causes: list[str]
    cell_of_group: Ints
    discrete: bool
    fitted: list[dict[str, Any]]


def fit_node(
    name: str,
    values: Mapping[str, Floats],
    graph: CausalGraph,
    groups: Groups,
    columns: Columns,
    *,
    least: int,
    min_samples_leaf: int,
    **forest: Any,
) -> AdaptedNode:
    """Return the distribution of a column given its causes, for each group of the attributes among them.

    Parameters
    ----------
    name : str
        The column, or the outcome.
    values : mapping of str to ndarray of shape (n,)
        Columns as numbers, NaN where missing.
    graph : CausalGraph
        The causes.
    groups : Groups
        Groups of the rows.
    columns : mapping
        How columns are encoded; the outcome is not among them.
    least : int
        Minimum rows per cell.
    min_samples_leaf : int
        Minimum rows per leaf, limited to a quarter of the cell.
    **forest
        Other settings of :func:`~._conditional_quantiles.fit_conditional`.
    """
    attributes, parents = list(map(str, groups.frame.columns)), graph.parents(name)
    causes = [p for p in parents if p not in attributes]
    cell_of_group = cells_of_groups(groups, [p for p in parents if p in attributes])
    discrete = name not in columns or bool(columns[name]["discrete"])
    v, cell = values[name], cell_of_group[groups.codes]
    pa = side_by_side(values, causes, columns, len(v))
    fitted = []
    for a in range(int(cell.max()) + 1):
        rows = (cell == a) & ~np.isnan(v)
        n = int(rows.sum())
        enough(name, groups.labels[groups.codes[cell == a][0]], n, least)
        leaf = min(min_samples_leaf, max(n // 4, 1))
        fitted.append(fit_conditional(pa[rows], v[rows], discrete=discrete, min_samples_leaf=leaf, **forest))
    return {"causes": causes, "cell_of_group": cell_of_group, "discrete": discrete, "fitted": fitted}


def adapted_values(
    name: str,
    node: AdaptedNode,
    before: Mapping[str, Floats],
    now: Mapping[str, Floats],
    groups: Groups,
    columns: Columns,
    *,
    baseline: int,
    within: Floats,
) -> Floats:
    """Return Q(u | pa', a0) at u = F(v | pa, a) for the rows whose a or pa differs from the baseline.

    Parameters
    ----------
    name, node : str, AdaptedNode
        The column and its fitted distributions.
    before, now : mapping of str to ndarray of shape (n,)
        Columns before adaptation, and with the causes adapted.
    groups : Groups
        Groups of the rows.
    columns : mapping
        How columns are encoded.
    baseline : int
        Index of the baseline group.
    within : ndarray of shape (n,)
        A number in [0, 1) per row, for values that occur more than once.
    """
    a, a0 = node["cell_of_group"][groups.codes], int(node["cell_of_group"][baseline])
    v, discrete = before[name], node["discrete"]
    pa, pa_new = (side_by_side(values, node["causes"], columns, len(v)) for values in (before, now))
    moved = ((a != a0) | (pa != pa_new).any(axis=1)) & ~np.isnan(v)
    out = v.copy()
    for place, distribution in enumerate(node["fitted"]):
        rows = np.flatnonzero(moved & (a == place))
        if len(rows):
            u = ranks(distribution, pa[rows], v[rows], within[rows])
            out[rows] = quantiles(node["fitted"][a0], pa_new[rows], u, discrete=discrete)
    return out
