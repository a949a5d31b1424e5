"""Directions that follow from other directions: Meek's rules.

C. Meek (1995), "Causal inference and causal explanation with background knowledge", UAI.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fairmend.core.causal.graph_parts import Edge
from fairmend.core.errors import UsageError

if TYPE_CHECKING:
    from fairmend.core.causal.graph import CausalGraph

Arrow = tuple[str, str]


def closed_under_meek(
    arrows: Iterable[Arrow], lines: Iterable[frozenset[str]], other: Iterable[frozenset[str]] = ()
) -> tuple[set[Arrow], set[frozenset[str]]]:
    """Return arrows and undirected lines once every direction that follows has been drawn.

    A line is directed where the other direction would make a new unshielded collider (rule 1) or a
    directed cycle (rule 2), or would force one of these whichever way further lines go (rules 3, 4).
    Where what is known contradicts itself, no direction is drawn that closes a directed cycle.

    Parameters
    ----------
    arrows : iterable of (cause, effect)
        What is known.
    lines : iterable of frozenset of two str
        Adjacent columns without a direction.
    other : iterable of frozenset of two str
        Pairs that are adjacent in another way, such as by a hidden common cause.

    Examples
    --------
    >>> closed_under_meek([("a", "b")], [frozenset("bc")])[0] == {("a", "b"), ("b", "c")}
    True
    """
    known, open_lines = set(arrows), set(lines)
    adjacent = {frozenset(arrow) for arrow in known} | open_lines | set(other)
    while found := {arrow for line in open_lines for arrow in _implied(line, known, open_lines, adjacent)}:
        # One at a time: where what is known contradicts itself, both directions of a line may be implied.
        arrow = min(found)
        known.add(arrow)
        open_lines.discard(frozenset(arrow))
    return known, open_lines


def _implied(
    line: frozenset[str], known: set[Arrow], lines: set[frozenset[str]], adjacent: set[frozenset[str]]
) -> list[Arrow]:
    """Return the direction of a line that a rule demands, if any does."""
    return [
        (a, b)
        for a, b in (sorted(line), sorted(line, reverse=True))
        if _must_point(a, b, known, lines, adjacent) and not leads(b, a, known)
    ]


def leads(start: str, end: str, arrows: set[Arrow]) -> bool:
    """Return whether a directed path leads from one column to another.

    Examples
    --------
    >>> leads("a", "c", {("a", "b"), ("b", "c")}), leads("c", "a", {("a", "b"), ("b", "c")})
    (True, False)
    """
    reached, waiting = {start}, [start]
    while waiting:
        now = waiting.pop()
        further = {effect for cause, effect in arrows if cause == now} - reached
        reached |= further
        waiting += further
    return end in reached


def _must_point(
    a: str, b: str, known: set[Arrow], lines: set[frozenset[str]], adjacent: set[frozenset[str]]
) -> bool:
    into_a = {c for c, e in known if e == a}
    into_b = {c for c, e in known if e == b}
    beside_a = {next(iter(line - {a})) for line in lines if a in line}
    if any(frozenset((c, b)) not in adjacent for c in into_a):
        return True
    if any((a, c) in known for c in into_b):
        return True
    ends = sorted(beside_a & into_b)
    if any(frozenset((c, d)) not in adjacent for i, c in enumerate(ends) for d in ends[i + 1 :]):
        return True
    # c -> d -> b with a beside c, a and d adjacent, c and b not
    return any(
        (c, d) in known and frozenset((a, d)) in adjacent and frozenset((c, b)) not in adjacent
        for d in into_b
        for c in beside_a
    )


def oriented(graph: CausalGraph, arrows: Sequence[Arrow], provenance: str) -> CausalGraph:
    """Return the graph with some edges directed; see :meth:`.graph.CausalGraph.oriented`."""
    lines = {frozenset(pair) for pair in graph.undirected}
    for cause, effect in arrows:
        graph.check_known([cause, effect])
        if frozenset((cause, effect)) not in lines:
            raise UsageError(
                f"{cause} -> {effect} needs an undirected edge {cause} -- {effect}, and the graph has none"
            )
    known = [(edge.cause, edge.effect) for edge in graph.edges]
    remaining = lines - {frozenset(arrow) for arrow in arrows}
    hidden = [frozenset(pair) for pair in graph.hidden]
    found, open_lines = closed_under_meek([*known, *arrows], remaining, hidden)
    edges = [*graph.edges, *(Edge(*arrow, provenance) for arrow in arrows)]
    edges += [Edge(*arrow, "derived") for arrow in sorted(found - {*known, *arrows})]
    undirected = tuple(pair for pair in graph.undirected if frozenset(pair) in open_lines)
    return type(graph)(graph.nodes, tuple(edges), graph.hidden, undirected)
