"""The PC algorithm in its order-independent form: a skeleton by tests, then directions by rules.

P. Spirtes, C. Glymour & R. Scheines (2000), *Causation, prediction, and search*, section 5.4.2; D. Colombo &
M. H. Maathuis (2014), "Order-independent constraint-based causal structure learning", JMLR 15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from fairmend.base import CausalGraph, Edge, closed_under_meek, leads
from fairmend.plugins.causal._background_knowledge import Arrow, Knowledge

PValue = Callable[[str, str, tuple[str, ...]], float]


@dataclass(frozen=True)
class Skeleton:
    """Which columns are adjacent, and what separates the others.

    Attributes
    ----------
    adjacent : frozenset of frozenset of two str
        Pairs that no set separates.
    separators : dict of frozenset of two str to (frozenset of str, float)
        For each other pair, the separating columns and the p-value of that test.
    n_tests : int
        Number of tests.
    """

    adjacent: frozenset[frozenset[str]]
    separators: dict[frozenset[str], tuple[frozenset[str], float]]
    n_tests: int


def skeleton(
    nodes: Sequence[str],
    p_value: PValue,
    alpha: float,
    *,
    most: int | None = None,
    kept: Iterable[frozenset[str]] = (),
) -> Skeleton:
    """Return the pairs of columns that no set of their neighbors separates.

    Neighbors are those at the start of each level, and if several sets separate a pair, the one with the
    largest p-value is used, so that the order of the columns does not matter.

    Parameters
    ----------
    nodes : sequence of str
        The columns.
    p_value : callable
        The p-value of the independence of two columns given others; NaN where it cannot be tested.
    alpha : float
        Level: a larger p-value separates.
    most : int, optional
        Maximum number of columns to condition on.
    kept : iterable of frozenset of two str
        Pairs that stay adjacent regardless of the data.
    """
    fixed, n_tests, size = set(kept), 0, 0
    beside = {node: set(nodes) - {node} for node in nodes}
    separators: dict[frozenset[str], tuple[frozenset[str], float]] = {}
    while (most is None or size <= most) and any(len(others) > size for others in beside.values()):
        level = {node: sorted(others) for node, others in beside.items()}
        for x, y in combinations(sorted(nodes), 2):
            if y not in level[x] or frozenset((x, y)) in fixed:
                continue
            given = {
                chosen
                for a, b in ((x, y), (y, x))
                for chosen in combinations([node for node in level[a] if node != b], size)
            }
            n_tests += len(given)
            found = [(p, chosen) for chosen in sorted(given) if (p := p_value(x, y, chosen)) > alpha]
            if found:
                p, chosen = max(found)
                separators[frozenset((x, y))] = frozenset(chosen), p
                beside[x].discard(y)
                beside[y].discard(x)
        size += 1
    adjacent = frozenset(frozenset((x, y)) for x in nodes for y in beside[x])
    return Skeleton(adjacent, separators, n_tests)


def directed(
    nodes: Sequence[str], found: Skeleton, knowledge: Knowledge
) -> tuple[CausalGraph, list[tuple[str, str, str]]]:
    """Return the graph with every direction implied by background knowledge, colliders and Meek's rules.

    Returns
    -------
    graph : CausalGraph
        Other pairs are undirected.
    contradicted : list of (str, str, str)
        Colliders ``a -> b <- c`` that the tests support but that were dropped, because they contradict
        background knowledge or a collider with stronger support.
    """
    allows = knowledge.allows
    hidden = {pair for pair in found.adjacent if not any(allows(*ends) for ends in _both_ways(pair))}
    lines = set(found.adjacent) - hidden
    arrows = {ends for pair in lines for ends in _both_ways(pair) if not allows(*ends[::-1])}
    contradicted = []
    for a, b, c in _colliders(nodes, found, lines):
        into = {(a, b), (c, b)}
        opposed = any(not allows(*arrow) or leads(b, arrow[0], arrows) for arrow in into)
        if opposed:
            contradicted.append((a, b, c))
        else:
            arrows |= into
    closed, left = closed_under_meek(arrows, lines - {frozenset(arrow) for arrow in arrows}, hidden)
    edges = [Edge(*arrow, "expert" if arrow in knowledge.required else "discovery") for arrow in closed]
    graph = CausalGraph(tuple(nodes), tuple(sorted(edges)), _pairs(hidden), _pairs(left))
    return graph, contradicted


def _colliders(
    nodes: Sequence[str], found: Skeleton, lines: set[frozenset[str]]
) -> list[tuple[str, str, str]]:
    """Return paths a - b - c in which b does not separate a and c, clearest separation first."""
    beside = {node: sorted(next(iter(line - {node})) for line in lines if node in line) for node in nodes}
    paths = [
        (a, b, c)
        for b in nodes
        for a, c in combinations(beside[b], 2)
        if frozenset((a, c)) not in found.adjacent and b not in found.separators[frozenset((a, c))][0]
    ]
    return sorted(paths, key=lambda path: (-found.separators[frozenset((path[0], path[2]))][1], path))


def _both_ways(pair: frozenset[str]) -> tuple[Arrow, Arrow]:
    a, b = sorted(pair)
    return (a, b), (b, a)


def _pairs(pairs: Iterable[frozenset[str]]) -> tuple[Arrow, ...]:
    return tuple(sorted(_both_ways(pair)[0] for pair in pairs))
