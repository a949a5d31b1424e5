"""The roles that columns play in a causal graph.

Terms follow J. Pearl, *Causality* (2009); resolving variables and proxies follow N. Kilbertus et al.,
"Avoiding discrimination through causal reasoning" (2017); safe predictors follow M. Kusner et al.,
"Counterfactual fairness" (2017).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fairmend.core.causal.graph_parts import Names, column_names
from fairmend.core.errors import UsageError

if TYPE_CHECKING:
    from fairmend.core.causal.graph import CausalGraph


@dataclass(frozen=True)
class CausalRoles:
    """What each column is to the effect of the protected attributes on the outcome.

    A column may play several roles, a mediator that is also a collider for instance. All tuples keep
    the order of the graph's nodes.

    Attributes
    ----------
    protected : tuple of str
        The attributes A, taken together.
    outcome : str
        The outcome Y.
    descendants : tuple of str
        Whatever some A influences, directly or not, with Y if A influences it.
    mediators : tuple of str
        Columns on a directed path from some A to Y.
    confounders : tuple of str
        Common causes: columns with a directed path to A and one to Y that share only their start.
        So a confounder is always an ancestor of A.
    hidden_confounders : tuple of (str, str)
        Bidirected edges whose hidden cause is such a common cause.
    colliders : tuple of str
        Columns into which both arrows point on some path between A and Y: conditioning on one, or
        selecting rows by it, can open that path.
    resolving : tuple of str
        Columns declared to carry an influence of A that is accepted as not discriminatory.
    proxy_candidates : tuple of str
        Columns reached from A by a directed path that passes no resolving variable, and no Y.
    non_descendants : tuple of str
        Columns that no A influences. A predictor that reads only these is counterfactually fair.
    adjustment_sets : tuple of tuple of str
        Minimal backdoor sets, smallest first; ``((),)`` means that nothing needs adjusting, and
        ``()`` that no set of columns identifies the effect.
    """

    protected: tuple[str, ...]
    outcome: str
    descendants: tuple[str, ...]
    mediators: tuple[str, ...]
    confounders: tuple[str, ...]
    hidden_confounders: tuple[tuple[str, str], ...]
    colliders: tuple[str, ...]
    resolving: tuple[str, ...]
    proxy_candidates: tuple[str, ...]
    non_descendants: tuple[str, ...]
    adjustment_sets: tuple[tuple[str, ...], ...]

    def to_mapping(self) -> dict[str, Any]:
        """Return the roles as plain lists and strings, ready for JSON or YAML."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def derived_roles(graph: CausalGraph, protected: Names, outcome: str, resolving: Names) -> CausalRoles:
    """Return the roles that columns play; see :meth:`.graph.CausalGraph.roles`."""
    attributes, accepted = column_names(protected), column_names(resolving)
    graph.check_known([*attributes, outcome, *accepted])
    if not attributes or outcome in attributes:
        raise UsageError(
            f"roles need protected attributes other than the outcome {outcome!r}; got {attributes}"
        )
    descendants = graph.descendants(attributes)
    for name in accepted:
        if name not in descendants or name == outcome:
            raise UsageError(
                f"a resolving variable must be influenced by a protected attribute, but the graph has no "
                f"directed path from {' or '.join(attributes)} to {name!r}; add the edge or drop the role"
            )
    network, ordered = graph.network, graph.in_order
    sources, inner = set(attributes), set(graph.nodes) - set(attributes) - {outcome}
    common = _common_causes(network, sources, outcome)
    return CausalRoles(
        protected=ordered(attributes),
        outcome=outcome,
        descendants=descendants,
        mediators=ordered(set(descendants) & set(graph.ancestors(outcome))),
        confounders=ordered(common),
        hidden_confounders=tuple(pair for pair in graph.hidden if pair in common),
        colliders=ordered(node for node in inner if _is_collider(network, node, sources, outcome)),
        resolving=ordered(accepted),
        proxy_candidates=ordered(_unresolved(network, sources, {*accepted, outcome})),
        non_descendants=ordered(inner - set(descendants)),
        adjustment_sets=graph.adjustment_sets(attributes, outcome),
    )


def _common_causes(network: Any, sources: set[str], outcome: str) -> set[Any]:
    """Return the nodes, hidden ones as pairs, with separate directed paths to A and to Y."""
    import networkx as nx

    above = set().union(*(nx.ancestors(network, a) for a in sources)) - sources - {outcome}
    return {node for node in above if _forks(network, node, sources, outcome)}


def _is_collider(network: Any, node: str, sources: set[str], outcome: str) -> bool:
    """Return whether some path from A to Y meets two arrowheads at the node."""
    skeleton = network.to_undirected().to_directed()
    causes = set(network.predecessors(node))
    skeleton.remove_edges_from([(node, end) for end in set(skeleton[node]) - causes])
    return _forks(skeleton, node, sources, outcome)


def _unresolved(network: Any, sources: set[str], blocked: set[str]) -> set[str]:
    """Return the columns that A reaches by a directed path past none of the blocked columns."""
    import networkx as nx

    open_network = network.subgraph(set(network) - blocked)
    return set().union(*(nx.descendants(open_network, a) for a in sources)) - sources


def _forks(network: Any, start: Any, sources: set[str], outcome: str) -> bool:
    """Return whether two paths leave ``start``, one to A and one to Y, that share nothing else.

    By Menger's theorem they do when no single node cuts ``start`` off from the joint end of both.
    """
    from networkx.algorithms.connectivity import local_node_connectivity

    network = network.copy()
    network.remove_edges_from(list(network.out_edges({*sources, outcome})))
    network.add_edges_from((a, ("A",)) for a in sources)
    network.add_edges_from([(("A",), ("end",)), (outcome, ("end",))])
    return bool(local_node_connectivity(network, start, ("end",), cutoff=2) >= 2)


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
