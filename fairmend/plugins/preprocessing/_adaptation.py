"""What adaptation along a causal graph requires of the graph, the groups and the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
import pandas as pd

from fairmend.base import CausalGraph, Floats, Groups, InsufficientDataError, Ints, UsageError, unknown


def outcome_of(named: str | None, graph: CausalGraph, columns: Sequence[str]) -> str:
    """Return the outcome's node: the one given by name, otherwise the only one that is not a column.

    Raises
    ------
    UsageError
        Other nodes are not columns either, or the outcome causes something.
    """
    if named is not None and named not in graph.nodes:
        raise unknown("node of the causal graph", named, graph.nodes)
    others = [node for node in graph.nodes if node not in columns and node != named]
    if len(others) != (named is None):
        raise UsageError(
            "the causal graph must have the outcome as its only node that is neither a feature nor a protected "
            f"attribute; got {', '.join(others) or 'no such node'}: remove the other nodes, or name the outcome"
        )
    outcome = others[0] if named is None else named
    if effects := graph.children(outcome):
        raise UsageError(
            f"the outcome {outcome!r} must not cause features, but the graph has {outcome} -> {effects[0]}"
        )
    return outcome


def influenced(graph: CausalGraph, attributes: Sequence[str], resolving: Sequence[str]) -> list[str]:
    """Return the nodes that the attributes influence other than through resolving nodes, causes first.

    Raises
    ------
    UsageError
        No attribute is in the graph, or such a node has a hidden common cause with another.
    """
    held = [name for name in attributes if name in graph.nodes]
    if not held:
        raise UsageError(
            f"the causal graph must contain a protected attribute; it has none of {', '.join(attributes)}"
        )
    for name in resolving:
        if name not in graph.nodes:
            raise unknown("node of the causal graph", name, graph.nodes)
    parents = {node: graph.parents(node) for node in graph.nodes}
    reached: list[str] = []
    for node in TopologicalSorter(parents).static_order():
        if node not in {*held, *resolving} and any(p in held or p in reached for p in parents[node]):
            reached.append(node)
    for left, right in graph.hidden:
        if {left, right} & set(reached):
            raise UsageError(
                f"{left} and {right} have a hidden common cause, so that adapting one by its known causes is not "
                "valid; measure the cause, or declare the columns resolving"
            )
    return reached


def baseline_of(named: str | None, groups: Groups) -> int:
    """Return the index of the baseline group, by default the largest one."""
    if named is None:
        return int(np.argmax(groups.counts()))
    if named not in groups.labels:
        raise unknown("group", named, groups.labels)
    return groups.labels.index(named)


def cells_of_groups(groups: Groups, attributes: Sequence[str]) -> Ints:
    """Return for each group its index among the groups of a subset of the attributes."""
    out = np.zeros(groups.n_groups, dtype=np.int64)
    if attributes:
        out[groups.codes] = Groups.of(groups.frame[list(attributes)]).codes
    return out


def enough(node: str, group: str, rows: int, needed: int) -> None:
    """Raise if a group has too few rows."""
    if rows < needed:
        raise InsufficientDataError(
            f"{node!r} has {rows} values in the group {group!r}, and {needed} are needed; merge groups or lower min_group_rows"
        )


def fit_column(values: pd.Series[Any], y: Ints) -> dict[str, Any]:
    """Return how a column is encoded as numbers: categories are ordered by their share of favorable labels."""
    if pd.api.types.is_numeric_dtype(values):
        x = values.astype(float)
        return {
            "levels": None,
            "discrete": bool((x.dropna() % 1 == 0).all()),
            "median": float(np.nan_to_num(x.median())),
        }
    shares = pd.Series(y, index=values.index).groupby(values.astype(object).map(str)).mean()
    present = [
        name for name in shares.index if (values.astype(object).map(str)[values.notna()] == name).any()
    ]
    levels = sorted(present, key=lambda name: (shares[name], name))
    return {"levels": levels, "discrete": True, "median": (len(levels) - 1) / 2}


def encoded_column(values: pd.Series[Any], column: Mapping[str, Any]) -> Floats:
    """Return a column as numbers; missing values and categories not seen in fit are NaN."""
    if column["levels"] is None:
        return values.to_numpy(dtype=float, na_value=np.nan)
    place = {name: float(i) for i, name in enumerate(column["levels"])}
    texts = values.astype(object).map(str).where(values.notna())
    return texts.map(place).to_numpy(dtype=float, na_value=np.nan)


def decoded_column(now: Floats, before: Floats, values: pd.Series[Any], column: Mapping[str, Any]) -> Any:
    """Return a column with the changed values, in its own dtype if that can represent them."""
    changed = (now != before) & ~np.isnan(now)
    if not changed.any():
        return values
    if column["levels"] is None:
        new = pd.Series(np.where(changed, now, before), index=values.index)
        return new.astype(values.dtype) if column["discrete"] else new
    levels = np.array(column["levels"], dtype=object)
    out = values.astype(object).copy()
    out[changed] = levels[now[changed].astype(int)]
    return out.astype(values.dtype)


def side_by_side(
    encoded: Mapping[str, Floats], names: Sequence[str], columns: Mapping[str, Mapping[str, Any]], n: int
) -> Floats:
    """Return columns side by side, shape (n, k), with missing values imputed by the median of the fitting data."""
    parts = [np.where(np.isnan(encoded[c]), columns[c]["median"], encoded[c]) for c in names]
    return np.column_stack(parts) if parts else np.empty((n, 0))
