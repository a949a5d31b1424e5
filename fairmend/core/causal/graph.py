"""Causal graphs over column names.

A graph is an assumption: every edge says where it comes from, and :meth:`CausalGraph.implications`
says what the missing edges claim about the data. Hidden common causes are bidirected edges. An
undirected edge joins columns of which one causes the other, when it is not known which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fairmend.core.causal import graph_formats, orientation, separation
from fairmend.core.causal.causal_roles import CausalRoles, derived_roles
from fairmend.core.causal.graph_parts import (
    Edge,
    Independence,
    Names,
    check_parts,
    column_names,
    refuse_repeats,
)
from fairmend.core.errors import MissingColumnError, UsageError, unknown

__all__ = ["CausalGraph", "CausalRoles", "Edge", "Independence", "Names"]


@dataclass(frozen=True)
class CausalGraph:
    """An immutable causal graph over column names, without directed cycles.

    Use :meth:`from_edges`, :meth:`from_mapping`, :meth:`from_dot` or :meth:`from_roles`.

    Attributes
    ----------
    nodes : tuple of str
        Column names, in the order in which they were first named.
    edges : tuple of Edge
        Direct effects, each with its provenance.
    hidden : tuple of (str, str)
        Bidirected edges: pairs with a common cause that is not among the nodes.
    undirected : tuple of (str, str)
        Pairs of which one causes the other, when it is not known which, as in the class of graphs
        that data alone can distinguish (a CPDAG). What needs a direction rejects such a graph and
        names the pairs; :meth:`oriented` gives them one.

    Raises
    ------
    UsageError
        If a name is not a non-empty string or comes twice, an edge joins unknown nodes or comes
        twice, or the directed edges form a cycle; the message names it.

    Examples
    --------
    >>> graph = CausalGraph.from_edges([("race", "income"), ("income", "approved")])
    >>> graph.roles("race", "approved").mediators
    ('income',)
    """

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    hidden: tuple[tuple[str, str], ...] = ()
    undirected: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_parts(self)

    # -- constructors ----------------------------------------------------------------------------

    @classmethod
    def from_edges(
        cls,
        edges: Iterable[Sequence[str]],
        *,
        nodes: Iterable[str] = (),
        hidden: Iterable[Sequence[str]] = (),
        undirected: Iterable[Sequence[str]] = (),
        provenance: str = "expert",
    ) -> CausalGraph:
        """Build a graph from pairs ``(cause, effect)`` or triples ``(cause, effect, provenance)``.

        Parameters
        ----------
        edges : iterable of sequence of str
            The direct effects.
        nodes : iterable of str
            Columns to add, or to put first; those that edges name are added by themselves.
        hidden : iterable of pairs of str
            Columns with a common cause that is not in the data.
        undirected : iterable of pairs of str
            Columns of which one causes the other, when it is not known which.
        provenance : str
            Of the edges that come as pairs.

        Raises
        ------
        UsageError
            If an edge has not two or three parts, or the graph is not valid.
        """
        arrows = []
        for edge in edges:
            if isinstance(edge, str) or len(edge) not in (2, 3):
                raise UsageError(
                    f"an edge must be (cause, effect) or (cause, effect, provenance); got {edge!r}"
                )
            arrows.append(Edge(*edge) if len(edge) == 3 else Edge(edge[0], edge[1], provenance))
        both, lines = _pairs(hidden, "a hidden common cause"), _pairs(undirected, "an undirected edge")
        joined = [*((edge.cause, edge.effect) for edge in arrows), *both, *lines]
        named = [*nodes]
        ends = dict.fromkeys(end for pair in joined for end in pair)
        return cls((*named, *(end for end in ends if end not in named)), tuple(arrows), both, lines)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, provenance: str = "expert") -> CausalGraph:
        """Build a graph from the mapping that :meth:`to_mapping` returns, as read from JSON or YAML.

        Parameters
        ----------
        mapping : mapping
            ``edges``: a list of ``{"from": ..., "to": ..., "provenance": ...}``, of pairs or of
            triples; optional ``nodes``: a list of names; optional ``hidden_common_causes`` and
            ``undirected``: lists of pairs.
        provenance : str
            Of the edges that name none.

        Raises
        ------
        UsageError
            If a key is unknown or ``edges`` is missing, or the graph is not valid.
        """
        return cls.from_edges(**graph_formats.parts_of_mapping(mapping, provenance))

    @classmethod
    def from_dot(cls, text: str, *, provenance: str = "expert") -> CausalGraph:
        """Build a graph from a Graphviz ``digraph``.

        An edge's ``provenance`` attribute, or else its ``label``, is its provenance. An edge with
        ``dir=both`` is a hidden common cause, one with ``dir=back`` points from head to tail, and one
        with ``dir=none``, or written ``a -- b``, is undirected.

        Raises
        ------
        UsageError
            If the text is no ``digraph``, an edge has another ``dir``, or the graph is not valid.
        """
        return cls.from_edges(**graph_formats.parts_of_dot(text, provenance))

    @classmethod
    def from_roles(
        cls,
        protected: Names,
        *,
        outcome: str,
        mediators: Names = (),
        resolving: Names = (),
        proxies: Names = (),
        covariates: Names = (),
    ) -> CausalGraph:
        """Build the standard assumption graph, all of it marked with the provenance ``role``.

        Protected attributes act on the outcome directly and through mediators, resolving variables
        and proxies; covariates act on the mediators and the outcome.

        Raises
        ------
        UsageError
            If a column is both resolving and a proxy, or an attribute, covariate or outcome has
            a second role.
        """
        sources, others = column_names(protected), column_names(covariates)
        declared, suspect = column_names(resolving), column_names(proxies)
        between = tuple(dict.fromkeys((*column_names(mediators), *declared, *suspect)))
        if both := sorted(set(declared) & set(suspect)):
            raise UsageError(f"a column is either resolving or a proxy; {both[0]!r} is given as both")
        refuse_repeats("role of the column", (*sources, *others, *between, outcome))
        edges = [(a, m) for a in sources for m in between]
        edges += [(c, m) for c in others for m in column_names(mediators)]
        edges += [(x, outcome) for x in (*sources, *others, *between)]
        return cls.from_edges(edges, nodes=(*sources, *others, *between, outcome), provenance="role")

    # -- validation ------------------------------------------------------------------------------

    def validate(
        self, columns: Iterable[str], outcome: str | None = None, *, outcome_may_cause: bool = False
    ) -> None:
        """Check the graph against the columns of the data.

        Parameters
        ----------
        columns : iterable of str
            The columns that exist.
        outcome : str, optional
            The outcome: it must be a node, and must not cause other columns.
        outcome_may_cause : bool
            Allow the outcome to have effects among the columns.

        Raises
        ------
        MissingColumnError
            If a node is no column.
        UsageError
            If the outcome has other effects.
        """
        known = list(columns)
        for node in self.nodes:
            if node not in known:
                raise MissingColumnError(f"causal graph: {unknown('column', node, known)}")
        if outcome is not None:
            self.check_known([outcome])
            effects = [edge.effect for edge in self.edges if edge.cause == outcome]
            if effects and not outcome_may_cause:
                raise UsageError(
                    f"the outcome {outcome!r} must not cause other columns, but the graph has "
                    f"{outcome} -> {effects[0]}; reverse the edge or remove it"
                )

    def check_known(self, names: Iterable[str]) -> None:
        """Refuse names that are no nodes."""
        for name in names:
            if name not in self.nodes:
                raise unknown("node of the causal graph", name, self.nodes)

    # -- the graph as it is ----------------------------------------------------------------------

    @cached_property
    def network(self) -> Any:
        """The graph for networkx, with a node of its own for every hidden common cause.

        Raises
        ------
        UsageError
            If an edge is undirected.
        """
        import networkx as nx

        self._require_directions()
        network = nx.DiGraph()
        network.add_nodes_from(self.nodes)
        network.add_edges_from((edge.cause, edge.effect) for edge in self.edges)
        network.add_edges_from((pair, end) for pair in self.hidden for end in pair)
        return network

    def _require_directions(self) -> None:
        if self.undirected:
            open_ones = ", ".join(f"{a} -- {b}" for a, b in self.undirected[:6])
            more = f" and {len(self.undirected) - 6} more" if len(self.undirected) > 6 else ""
            raise UsageError(
                f"every edge of the causal graph must have a direction here, but {open_ones}{more} has none; give it "
                "one in the graph file (a -> b), or by 'required', 'forbidden' or 'tiers' of technique 52"
            )

    def in_order(self, names: Iterable[Any]) -> tuple[str, ...]:
        """Return the given columns in the order of the nodes, without hidden causes."""
        chosen = set(names)
        return tuple(node for node in self.nodes if node in chosen)

    def parents(self, node: str) -> tuple[str, ...]:
        """Return the direct causes of a column."""
        self.check_known([node])
        return self.in_order(self.network.predecessors(node))

    def children(self, node: str) -> tuple[str, ...]:
        """Return the direct effects of a column."""
        self.check_known([node])
        return self.in_order(self.network.successors(node))

    def ancestors(self, nodes: Names) -> tuple[str, ...]:
        """Return the columns with a directed path to one of the given columns, without these."""
        return self._reach(nodes, self.network.reverse(copy=False))

    def descendants(self, nodes: Names) -> tuple[str, ...]:
        """Return the columns that one of the given columns has a directed path to, without these."""
        return self._reach(nodes, self.network)

    def _reach(self, nodes: Names, network: Any) -> tuple[str, ...]:
        import networkx as nx

        starts = column_names(nodes)
        self.check_known(starts)
        return self.in_order(set().union(*(nx.descendants(network, s) for s in starts)) - set(starts))

    def oriented(self, arrows: Iterable[tuple[str, str]], *, provenance: str = "expert") -> CausalGraph:
        """Return the graph with undirected edges given a direction, and what follows from it.

        Parameters
        ----------
        arrows : iterable of (cause, effect)
            Directions for undirected edges.
        provenance : str
            Of these edges; those that follow from them by Meek's rules are marked ``derived``.

        Raises
        ------
        UsageError
            If a pair is not undirected in the graph, or the directions form a cycle.
        """
        return orientation.oriented(self, [(cause, effect) for cause, effect in arrows], provenance)

    # -- what it claims --------------------------------------------------------------------------

    def is_d_separated(self, x: Names, y: Names, given: Names = ()) -> bool:
        """Return whether the graph claims that ``x`` and ``y`` are independent given ``given``.

        Raises
        ------
        UnknownNameError
            If a name is no node.
        UsageError
            If a column stands on two sides, or a side is empty.
        """
        return separation.is_d_separated(self, x, y, given)

    def implications(self) -> tuple[Independence, ...]:
        """Return one conditional independence for each missing edge that implies one.

        The conditioning set is minimal: without any one of its columns the two are connected. With
        hidden common causes some missing edges imply nothing about the data and are left out.
        """
        return separation.implications(self)

    def is_adjustment_set(self, given: Names, treatment: Names, outcome: str) -> bool:
        """Return whether ``given`` meets the backdoor criterion (Pearl 2009, definition 3.3.1).

        No column of it may be influenced by the treatment, and it must block every path that enters
        the treatment. Several treatments are taken as one joint intervention.
        """
        return separation.is_adjustment_set(self, given, treatment, outcome)

    def adjustment_sets(
        self, treatment: Names, outcome: str, *, limit: int = 20
    ) -> tuple[tuple[str, ...], ...]:
        """Return the minimal backdoor adjustment sets, smallest first.

        A set is minimal when no part of it suffices. There can be exponentially many; the search
        ends after ``limit``.

        Returns
        -------
        tuple of tuple of str
            ``((),)`` if nothing needs adjusting; ``()`` if adjustment cannot identify the effect,
            for instance because a hidden cause acts on treatment and outcome.
        """
        return separation.adjustment_sets(self, treatment, outcome, limit)

    def roles(self, protected: Names, outcome: str, *, resolving: Names = ()) -> CausalRoles:
        """Derive what each column is to the effect of the protected attributes on the outcome.

        Parameters
        ----------
        protected : str or iterable of str
            The protected attributes, taken together.
        outcome : str
            The outcome.
        resolving : str or iterable of str
            Columns through which an influence of the attributes is accepted.

        Raises
        ------
        UnknownNameError
            If a name is no node.
        UsageError
            If the outcome is protected, or a resolving variable is not influenced by any of the
            protected attributes.
        """
        return derived_roles(self, protected, outcome, resolving)

    # -- export ----------------------------------------------------------------------------------

    def to_mapping(self) -> dict[str, Any]:
        """Return the graph as plain lists and strings, ready for JSON or YAML."""
        return graph_formats.as_mapping(self)

    def to_dot(self) -> str:
        """Return the graph as a Graphviz ``digraph``, which :meth:`from_dot` reads back."""
        return graph_formats.as_dot(self)

    def to_mermaid(self) -> str:
        """Return the graph as a Mermaid flowchart, for Markdown pages."""
        return graph_formats.as_mermaid(self)


def _pairs(pairs: Iterable[Sequence[str]], what: str) -> tuple[tuple[str, str], ...]:
    out = []
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2:
            raise UsageError(f"{what} must be a pair of columns; got {pair!r}")
        out.append((pair[0], pair[1]))
    return tuple(out)
