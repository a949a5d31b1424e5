"""Causal graphs in GraphML, as graph editors write them."""

from __future__ import annotations

from typing import Any

from fairmend.core.errors import UsageError

_NAMES = ("label", "name")
"""Attributes that hold the name of a node whose id an editor made up."""


def parts_of_graphml(text: str, provenance: str = "expert") -> dict[str, Any]:
    """Return the arguments of ``CausalGraph.from_edges`` that a GraphML document describes.

    A node is named by its attribute ``label`` or ``name``, or else by its id; edges of an undirected graph
    have no direction.

    Raises
    ------
    UsageError
        The text is not GraphML, or declares entities.
    """
    import networkx as nx

    if "<!" in text.replace("<!--", ""):
        raise UsageError(
            "a GraphML file must not declare a document type or entities; remove what begins with '<!'"
        )
    try:
        graph = nx.parse_graphml(text, force_multigraph=True)
    except Exception as error:  # networkx raises what its XML parser and its types raise
        raise UsageError(
            f"cannot read the GraphML text ({type(error).__name__}); export it again, or give JSON, YAML or Graphviz"
        ) from error
    names = {
        node: next((str(data[key]) for key in _NAMES if data.get(key)), str(node))
        for node, data in graph.nodes(data=True)
    }
    ends = [
        (names[a], names[b], str(data.get("provenance", provenance))) for a, b, data in graph.edges(data=True)
    ]
    directed = graph.is_directed()
    return {
        "nodes": list(names.values()),
        "edges": ends if directed else [],
        "undirected": [] if directed else [(a, b) for a, b, _ in ends],
        "provenance": provenance,
    }
