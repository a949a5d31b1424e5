"""The parts of a causal graph: edges, claims of independence, and the checks that all parts share."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, NamedTuple

from fairmend.core.errors import UsageError

if TYPE_CHECKING:
    from fairmend.core.causal.graph import CausalGraph

Names = str | Iterable[str]
"""One column, or several that act together."""


class Edge(NamedTuple):
    """A direct effect of ``cause`` on ``effect``, and where the claim comes from.

    The usual provenances are ``expert``, ``literature``, ``discovery`` and ``role``; any text will do.
    """

    cause: str
    effect: str
    provenance: str = "expert"


class Independence(NamedTuple):
    """The claim that ``x`` and ``y`` are independent within every level of ``given``."""

    x: str
    y: str
    given: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.x} _||_ {self.y}" + (f" | {', '.join(self.given)}" if self.given else "")


def column_names(names: Names) -> tuple[str, ...]:
    """Return one name or several as a tuple without repeats."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def refuse_repeats(kind: str, names: Iterable[str]) -> None:
    """Refuse names of which one comes twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UsageError(f"each {kind} must occur once; got {name!r} twice")
        seen.add(name)


def check_parts(graph: CausalGraph) -> None:
    """Refuse a graph whose nodes and edges do not go together."""
    for node in graph.nodes:
        if not isinstance(node, str) or not node:
            raise UsageError(f"a node of a causal graph must be a non-empty string; got {node!r}")
    arrows = [(edge.cause, edge.effect) for edge in graph.edges]
    refuse_repeats("node", graph.nodes)
    refuse_repeats("edge", [f"{cause} -> {effect}" for cause, effect in arrows])
    refuse_repeats("bidirected edge", [" <-> ".join(sorted(pair)) for pair in graph.hidden])
    refuse_repeats("undirected edge", [" -- ".join(sorted(pair)) for pair in graph.undirected])
    for ends in (*arrows, *graph.hidden, *graph.undirected):
        graph.check_known(ends)
    for edge in graph.edges:
        if not isinstance(edge.provenance, str):
            raise UsageError(
                f"the provenance of {edge.cause} -> {edge.effect} must be text; got {edge.provenance!r}"
            )
    for what, pairs in (
        ("a hidden common cause", graph.hidden),
        ("an undirected edge", graph.undirected),
    ):
        if same := [left for left, right in pairs if left == right]:
            raise UsageError(f"{what} needs two columns; got {same[0]!r} twice")
    for left, right in graph.undirected:
        if (left, right) in arrows or (right, left) in arrows:
            raise UsageError(f"{left} -- {right} is also a directed edge; keep one of the two")
    _refuse_cycle(graph.nodes, arrows)


def _refuse_cycle(nodes: Iterable[str], arrows: Iterable[tuple[str, str]]) -> None:
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(nodes, ()))
    for cause, effect in arrows:
        sorter.add(effect, cause)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise UsageError(
            f"a causal graph must have no cycle; got {cycle}: remove or reverse one edge"
        ) from None
