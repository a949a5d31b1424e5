"""What a causal graph claims: d-separation, its testable implications, and backdoor adjustment."""

from __future__ import annotations

from collections import deque
from itertools import combinations
from typing import TYPE_CHECKING, Any

from fairmend.core.causal.graph_parts import Independence, Names, column_names, refuse_repeats
from fairmend.core.errors import UsageError

if TYPE_CHECKING:
    from fairmend.core.causal.graph import CausalGraph


def is_d_separated(graph: CausalGraph, x: Names, y: Names, given: Names) -> bool:
    """Return whether the graph claims an independence; see :meth:`.graph.CausalGraph.is_d_separated`."""
    import networkx as nx

    sides = [column_names(x), column_names(y), column_names(given)]
    graph.check_known(name for side in sides for name in side)
    refuse_repeats("column of the independence", [name for side in sides for name in side])
    if not sides[0] or not sides[1]:
        raise UsageError("d-separation needs at least one column on either side; got none")
    return bool(nx.is_d_separator(graph.network, *(set(side) for side in sides)))


def implications(graph: CausalGraph) -> tuple[Independence, ...]:
    """Return what the missing edges imply; see :meth:`.graph.CausalGraph.implications`."""
    import networkx as nx

    adjacent = {frozenset((e.cause, e.effect)) for e in graph.edges} | {frozenset(h) for h in graph.hidden}
    found = []
    for x, y in combinations(graph.nodes, 2):
        if frozenset((x, y)) not in adjacent:
            observed = set(graph.nodes) - {x, y}
            given = nx.find_minimal_d_separator(graph.network, x, y, restricted=observed)
            if given is not None:
                found.append(Independence(x, y, graph.in_order(given)))
    return tuple(found)


def _backdoor(graph: CausalGraph, treatment: Names, outcome: str) -> tuple[Any, set[str], set[str]]:
    """Return the graph without the arrows out of the treatment, the treatment, allowed columns."""
    treated = set(column_names(treatment))
    graph.check_known([*treated, outcome])
    if not treated or outcome in treated:
        raise UsageError(f"the treatment must be other columns than the outcome {outcome!r}")
    network = graph.network.copy()
    network.remove_edges_from(list(network.out_edges(treated)))
    return network, treated, set(graph.nodes) - treated - {outcome} - set(graph.descendants(treated))


def is_adjustment_set(graph: CausalGraph, given: Names, treatment: Names, outcome: str) -> bool:
    """Return whether columns meet the backdoor criterion; see :meth:`.graph.CausalGraph.is_adjustment_set`."""
    import networkx as nx

    chosen = set(column_names(given))
    graph.check_known(chosen)
    network, treated, allowed = _backdoor(graph, treatment, outcome)
    return chosen <= allowed and bool(nx.is_d_separator(network, treated, {outcome}, chosen))


def adjustment_sets(
    graph: CausalGraph, treatment: Names, outcome: str, limit: int
) -> tuple[tuple[str, ...], ...]:
    """Return the minimal backdoor sets; see :meth:`.graph.CausalGraph.adjustment_sets`."""
    import networkx as nx

    network, treated, allowed = _backdoor(graph, treatment, outcome)
    found: dict[tuple[str, ...], None] = {}
    # Another minimal set lacks some column of the one just found, so forbid these in turn.
    waiting, seen = deque([frozenset(allowed)]), {frozenset(allowed)}
    while waiting and len(found) < limit:
        candidates = waiting.popleft()
        separator = nx.find_minimal_d_separator(network, treated, {outcome}, restricted=set(candidates))
        if separator is not None:
            columns = graph.in_order(separator)
            found.setdefault(columns)
            smaller = [candidates - {column} for column in columns]
            waiting.extend(fewer for fewer in smaller if fewer not in seen)
            seen.update(smaller)
    return tuple(sorted(found, key=lambda columns: (len(columns), [graph.nodes.index(c) for c in columns])))
