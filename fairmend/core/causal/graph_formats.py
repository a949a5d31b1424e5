"""Causal graphs as mappings for JSON and YAML, in Graphviz's DOT, and in Mermaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairmend.core.causal.dot_reader import read_dot
from fairmend.core.errors import UsageError

if TYPE_CHECKING:
    from fairmend.core.causal.graph import CausalGraph

_PAIRS = {
    "hidden_common_causes": "a hidden common cause",
    "undirected": "an undirected edge",
}


def parts_of_mapping(mapping: Mapping[str, Any], provenance: str) -> dict[str, Any]:
    """Return the arguments of ``CausalGraph.from_edges`` that a mapping describes."""
    if not isinstance(mapping, Mapping) or "edges" not in mapping:
        raise UsageError(f"a causal graph must be a mapping with the key 'edges'; got {short(mapping)}")
    _refuse_unknown_keys("a causal graph", mapping, {"nodes", "edges", *_PAIRS})
    edges = []
    for edge in _list(mapping, "edges"):
        if isinstance(edge, Mapping):
            _refuse_unknown_keys("an edge", edge, {"from", "to", "provenance"})
            if not {"from", "to"} <= edge.keys():
                raise UsageError(f"an edge must have the keys 'from' and 'to'; got {short(edge)}")
            edge = (edge["from"], edge["to"], edge.get("provenance", provenance))
        edges.append(_texts(edge, "an edge"))
    pairs = {key: [_texts(pair, what) for pair in _list(mapping, key)] for key, what in _PAIRS.items()}
    return {
        "edges": edges,
        "nodes": _texts(_list(mapping, "nodes"), "the nodes"),
        "hidden": pairs["hidden_common_causes"],
        "undirected": pairs["undirected"],
        "provenance": provenance,
    }


def parts_of_dot(text: str, provenance: str) -> dict[str, Any]:
    """Return the arguments of ``CausalGraph.from_edges`` that a Graphviz ``digraph`` describes."""
    drawing = read_dot(text)
    edges: list[tuple[str, str, str]] = []
    pairs: dict[str, list[tuple[str, str]]] = {"both": [], "none": []}
    for tail, head, attributes in drawing.edges:
        direction = attributes.get("dir", "forward")
        source = attributes.get("provenance") or attributes.get("label") or provenance
        if direction in pairs:
            pairs[direction].append((tail, head))
        elif direction in ("forward", "back"):
            edges.append((tail, head, source) if direction == "forward" else (head, tail, source))
        else:
            raise UsageError(
                f"the edge {tail} -> {head} must have dir forward, back, both or none; got {direction!r}"
            )
    return {"edges": edges, "nodes": drawing.nodes, "hidden": pairs["both"], "undirected": pairs["none"]}


def as_mapping(graph: CausalGraph) -> dict[str, Any]:
    """Return the graph as plain lists and strings."""
    return {
        "nodes": list(graph.nodes),
        "edges": [{"from": e.cause, "to": e.effect, "provenance": e.provenance} for e in graph.edges],
        "hidden_common_causes": [list(pair) for pair in graph.hidden],
        "undirected": [list(pair) for pair in graph.undirected],
    }


def as_dot(graph: CausalGraph) -> str:
    """Return the graph as a Graphviz ``digraph``."""
    lines = [f"  {_quoted(node)};" for node in graph.nodes]
    lines += [
        f"  {_quoted(e.cause)} -> {_quoted(e.effect)} [provenance={_quoted(e.provenance)}];"
        for e in graph.edges
    ]
    lines += [f"  {_quoted(a)} -> {_quoted(b)} [dir=both, style=dashed];" for a, b in graph.hidden]
    lines += [f"  {_quoted(a)} -> {_quoted(b)} [dir=none];" for a, b in graph.undirected]
    return "\n".join(["digraph causal {", "  rankdir=LR;", *lines, "}", ""])


def as_mermaid(graph: CausalGraph) -> str:
    """Return the graph as a Mermaid flowchart."""
    name = {node: f"n{i}" for i, node in enumerate(graph.nodes)}
    lines = [f'  {name[node]}["{_mermaid(node)}"]' for node in graph.nodes]
    lines += [f'  {name[e.cause]} -->|"{_mermaid(e.provenance)}"| {name[e.effect]}' for e in graph.edges]
    lines += [f"  {name[a]} <-.-> {name[b]}" for a, b in graph.hidden]
    lines += [f"  {name[a]} --- {name[b]}" for a, b in graph.undirected]
    return "\n".join(["flowchart LR", *lines, ""])


def short(value: object) -> str:
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _refuse_unknown_keys(owner: str, mapping: Mapping[str, Any], known: set[str]) -> None:
    for key in mapping:
        if key not in known:
            raise UsageError(f"{owner} takes the keys {', '.join(sorted(known))}; got {key!r}")


def _texts(values: Any, what: str) -> list[str]:
    """Return the names of columns, which must be texts."""
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
        raise UsageError(f"{what} must be a list of column names; got {short(values)}")
    return list(values)


def _list(mapping: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = mapping.get(key, ())
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UsageError(f"{key!r} of a causal graph must be a list; got {short(value)}")
    return value


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mermaid(text: str) -> str:
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("\n", " ")
