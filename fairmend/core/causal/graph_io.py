"""Where causal graphs come from: edges, mappings, files, or the roles of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.graphml_reader import parts_of_graphml
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import UsageError
from fairmend.core.text.strict_reading import MOST_YAML_BYTES, parse_yaml, read_text


def read_graph(source: Any) -> CausalGraph:
    """Return the graph that some source describes.

    Parameters
    ----------
    source : CausalGraph, mapping, sequence of edges, or path
        A mapping as :meth:`.graph.CausalGraph.from_mapping` reads it, or one that holds it under
        ``graph``, as the result of an analysis does; pairs (cause, effect) or triples with a
        provenance; or a file: ``.dot`` or ``.gv`` for Graphviz, ``.graphml``, JSON or YAML with any of these.

    Raises
    ------
    UsageError
        The source is none of these or cannot be read, or the graph is not valid.
    """
    if isinstance(source, CausalGraph):
        return source
    if isinstance(source, str | Path):
        return _read_file(Path(source))
    if isinstance(source, Mapping):
        return CausalGraph.from_mapping(source.get("graph", source))
    if isinstance(source, Iterable):
        return CausalGraph.from_edges(source)
    raise UsageError(
        f"a causal graph must come as edges, a mapping or a file, got {type(source).__name__}; "
        "give pairs (cause, effect) or a path to a .json, .yaml or .dot file"
    )


def _read_file(path: Path) -> CausalGraph:
    if not path.is_file():
        raise UsageError(f"there is no graph file {path}; give JSON, YAML, GraphML or Graphviz (.dot)")
    what = f"the causal graph {path}"
    text = read_text(path, what, MOST_YAML_BYTES)
    if path.suffix in {".dot", ".gv"}:
        return CausalGraph.from_dot(text)
    if path.suffix == ".graphml":
        return CausalGraph.from_edges(**parts_of_graphml(text))
    content = parse_yaml(text, what)  # JSON is YAML
    return read_graph(content if isinstance(content, Mapping | list) else {"edges": content})


def expert_graph(source: Any, data: Dataset) -> CausalGraph:
    """Return an expert's graph that fits a data set, checked before anything is computed with it.

    Parameters
    ----------
    source : CausalGraph, mapping, sequence of edges, or path
        As for :func:`read_graph`.
    data : Dataset
        The data with their roles.

    Raises
    ------
    MissingColumnError
        A node is no column of the data.
    UsageError
        The source cannot be read, the graph has a cycle or an edge without direction, lacks a protected
        attribute or the outcome, or contradicts the declared roles.
    """
    graph = read_graph(source)
    check_roles(graph, data.roles)
    return fitted_graph(graph, data)


def check_roles(graph: CausalGraph, roles: Roles) -> None:
    """Check an expert's graph against declared roles, without data.

    Raises
    ------
    UsageError
        As for :func:`expert_graph`.
    """
    for what, name in (*(("protected attribute", a) for a in roles.protected), ("outcome", roles.outcome)):
        if name not in graph.nodes:
            raise UsageError(
                f"the causal graph must contain the {what} {name!r}; add it with its edges, or as a node of its own "
                "if nothing leads to it or from it"
            )
    graph.validate(graph.nodes, roles.outcome)
    graph.roles(roles.protected, roles.outcome, resolving=roles.resolving)


def standard_graph(data: Dataset) -> CausalGraph:
    """Return the graph that the roles of a data set assume, see :meth:`.graph.CausalGraph.from_roles`.

    Features without a role are covariates.
    """
    roles = data.roles
    known = [str(column) for column in data.X.columns if column not in roles.protected]
    named = {
        role: [c for c in getattr(roles, role) if c in known]
        for role in ("mediators", "resolving", "proxies")
    }
    taken = {column for columns in named.values() for column in columns}
    return CausalGraph.from_roles(
        roles.protected, outcome=roles.outcome, covariates=[c for c in known if c not in taken], **named
    )


def fitted_graph(graph: CausalGraph, data: Dataset) -> CausalGraph:
    """Return a graph checked against a data set, with nodes for attributes, resolving columns and outcome.

    Raises
    ------
    MissingColumnError
        A node is no column of the data.
    UsageError
        The outcome causes other columns.
    """
    nodes = dict.fromkeys((*graph.nodes, *data.roles.protected, *data.roles.resolving, data.roles.outcome))
    graph = CausalGraph.from_edges(graph.edges, nodes=nodes, hidden=graph.hidden, undirected=graph.undirected)
    graph.validate([str(column) for column in data.frame.columns], data.roles.outcome)
    return graph
