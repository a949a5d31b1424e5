"""Causal graphs over column names, and the roles that columns play in them.

A graph is an assumption: every edge says where it comes from, and :meth:`CausalGraph.implications`
says what the missing edges claim about the data. Hidden common causes are bidirected edges.

Terms follow J. Pearl, *Causality* (2009); resolving variables and proxies follow N. Kilbertus et al.,
"Avoiding discrimination through causal reasoning" (2017); safe predictors follow M. Kusner et al.,
"Counterfactual fairness" (2017).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from typing import Any, NamedTuple

from fairmend.core.causal.dot_reader import read_dot
from fairmend.core.errors import MissingColumnError, UsageError, unknown

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


@dataclass(frozen=True)
class CausalGraph:
    """An immutable, acyclic causal graph over column names.

    Use :meth:`from_edges`, :meth:`from_mapping`, :meth:`from_dot` or :meth:`from_roles`.

    Attributes
    ----------
    nodes : tuple of str
        Column names, in the order in which they were first named.
    edges : tuple of Edge
        Direct effects, each with its provenance.
    hidden : tuple of (str, str)
        Bidirected edges: pairs with a common cause that is not among the nodes.

    Raises
    ------
    UsageError
        If a name is not a non-empty string or comes twice, an edge joins unknown nodes or comes
        twice, or the edges form a cycle; the message names it.

    Examples
    --------
    >>> graph = CausalGraph.from_edges([("race", "income"), ("income", "approved")])
    >>> graph.roles("race", "approved").mediators
    ('income',)
    """

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    hidden: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for node in self.nodes:
            if not isinstance(node, str) or not node:
                raise UsageError(f"a node of a causal graph must be a non-empty string; got {node!r}")
        _refuse_repeats("node", self.nodes)
        _refuse_repeats("edge", [f"{edge.cause} -> {edge.effect}" for edge in self.edges])
        _refuse_repeats("bidirected edge", [" <-> ".join(sorted(pair)) for pair in self.hidden])
        for ends in (*((edge.cause, edge.effect) for edge in self.edges), *self.hidden):
            self._known(ends)
        for edge in self.edges:
            if not isinstance(edge.provenance, str):
                raise UsageError(
                    f"the provenance of {edge.cause} -> {edge.effect} must be text; got {edge.provenance!r}"
                )
        for left, right in self.hidden:
            if left == right:
                raise UsageError(f"a hidden common cause needs two columns; got {left!r} twice")
        self._refuse_cycle()

    # -- constructors ----------------------------------------------------------------------------

    @classmethod
    def from_edges(
        cls,
        edges: Iterable[Sequence[str]],
        *,
        nodes: Iterable[str] = (),
        hidden: Iterable[Sequence[str]] = (),
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
        pairs = []
        for pair in hidden:
            if isinstance(pair, str) or len(pair) != 2:
                raise UsageError(f"a hidden common cause must be a pair of columns; got {pair!r}")
            pairs.append((pair[0], pair[1]))
        ends = [end for edge in arrows for end in (edge.cause, edge.effect)]
        ends += [end for pair in pairs for end in pair]
        named = [*nodes]
        return cls(
            (*named, *(end for end in dict.fromkeys(ends) if end not in named)), tuple(arrows), tuple(pairs)
        )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, provenance: str = "expert") -> CausalGraph:
        """Build a graph from the mapping that :meth:`to_mapping` returns, as read from JSON or YAML.

        Parameters
        ----------
        mapping : mapping
            ``edges``: a list of ``{"from": ..., "to": ..., "provenance": ...}``, of pairs or of
            triples; optional ``nodes``: a list of names; optional ``hidden_common_causes``: a list
            of pairs.
        provenance : str
            Of the edges that name none.

        Raises
        ------
        UsageError
            If a key is unknown or ``edges`` is missing, or the graph is not valid.
        """
        if not isinstance(mapping, Mapping) or "edges" not in mapping:
            raise UsageError(f"a causal graph must be a mapping with the key 'edges'; got {_short(mapping)}")
        _refuse_unknown_keys("a causal graph", mapping, {"nodes", "edges", "hidden_common_causes"})
        edges = []
        for edge in _list(mapping, "edges"):
            if isinstance(edge, Mapping):
                _refuse_unknown_keys("an edge", edge, {"from", "to", "provenance"})
                if not {"from", "to"} <= edge.keys():
                    raise UsageError(f"an edge must have the keys 'from' and 'to'; got {_short(edge)}")
                edge = (edge["from"], edge["to"], edge.get("provenance", provenance))
            edges.append(_column_names(edge, "an edge"))
        return cls.from_edges(
            edges,
            nodes=_column_names(_list(mapping, "nodes"), "the nodes"),
            hidden=[
                _column_names(pair, "a hidden common cause")
                for pair in _list(mapping, "hidden_common_causes")
            ],
            provenance=provenance,
        )

    @classmethod
    def from_dot(cls, text: str, *, provenance: str = "expert") -> CausalGraph:
        """Build a graph from a Graphviz ``digraph``.

        An edge's ``provenance`` attribute, or else its ``label``, is its provenance. An edge with
        ``dir=both`` is a hidden common cause, one with ``dir=back`` points from head to tail.

        Raises
        ------
        UsageError
            If the text is no ``digraph``, an edge has no direction, or the graph is not valid.
        """
        drawing = read_dot(text)
        edges, hidden = [], []
        for tail, head, attributes in drawing.edges:
            direction = attributes.get("dir", "forward")
            source = attributes.get("provenance") or attributes.get("label") or provenance
            if direction == "both":
                hidden.append((tail, head))
            elif direction in ("forward", "back"):
                edges.append((tail, head, source) if direction == "forward" else (head, tail, source))
            else:
                raise UsageError(
                    f"the edge {tail} -> {head} must have dir forward, back or both; got {direction!r}"
                )
        return cls.from_edges(edges, nodes=drawing.nodes, hidden=hidden)

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
        sources, others = _names(protected), _names(covariates)
        declared, suspect = _names(resolving), _names(proxies)
        between = tuple(dict.fromkeys((*_names(mediators), *declared, *suspect)))
        if both := sorted(set(declared) & set(suspect)):
            raise UsageError(f"a column is either resolving or a proxy; {both[0]!r} is given as both")
        _refuse_repeats("role of the column", (*sources, *others, *between, outcome))
        edges = [(a, m) for a in sources for m in between]
        edges += [(c, m) for c in others for m in _names(mediators)]
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
            If the outcome has effects that were not asked for.
        """
        known = list(columns)
        for node in self.nodes:
            if node not in known:
                raise MissingColumnError(f"causal graph: {unknown('column', node, known)}")
        if outcome is not None:
            self._known([outcome])
            if (effects := self.children(outcome)) and not outcome_may_cause:
                raise UsageError(
                    f"the outcome {outcome!r} must not cause other columns, but the graph has "
                    f"{outcome} -> {effects[0]}; turn the edge round or remove it"
                )

    def _known(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.nodes:
                raise unknown("node of the causal graph", name, self.nodes)

    def _refuse_cycle(self) -> None:
        sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(self.nodes, ()))
        for edge in self.edges:
            sorter.add(edge.effect, edge.cause)
        try:
            sorter.prepare()
        except CycleError as error:
            cycle = " -> ".join(error.args[1])
            raise UsageError(
                f"a causal graph must have no cycle; got {cycle}: remove or turn one edge"
            ) from None

    # -- the graph as it is ----------------------------------------------------------------------

    @cached_property
    def _network(self) -> Any:
        """The graph for networkx, with a node of its own for every hidden common cause."""
        import networkx as nx

        network = nx.DiGraph()
        network.add_nodes_from(self.nodes)
        network.add_edges_from((edge.cause, edge.effect) for edge in self.edges)
        network.add_edges_from((pair, end) for pair in self.hidden for end in pair)
        return network

    def _ordered(self, names: Iterable[Any]) -> tuple[str, ...]:
        """Return the given columns in the order of the nodes, without hidden causes."""
        chosen = set(names)
        return tuple(node for node in self.nodes if node in chosen)

    def parents(self, node: str) -> tuple[str, ...]:
        """Return the direct causes of a column."""
        self._known([node])
        return self._ordered(edge.cause for edge in self.edges if edge.effect == node)

    def children(self, node: str) -> tuple[str, ...]:
        """Return the direct effects of a column."""
        self._known([node])
        return self._ordered(edge.effect for edge in self.edges if edge.cause == node)

    def ancestors(self, nodes: Names) -> tuple[str, ...]:
        """Return the columns with a directed path to one of the given columns, without these."""
        return self._reach(nodes, self._network.reverse(copy=False))

    def descendants(self, nodes: Names) -> tuple[str, ...]:
        """Return the columns that one of the given columns has a directed path to, without these."""
        return self._reach(nodes, self._network)

    def _reach(self, nodes: Names, network: Any) -> tuple[str, ...]:
        import networkx as nx

        starts = _names(nodes)
        self._known(starts)
        return self._ordered(set().union(*(nx.descendants(network, s) for s in starts)) - set(starts))

    # -- independence ----------------------------------------------------------------------------

    def is_d_separated(self, x: Names, y: Names, given: Names = ()) -> bool:
        """Return whether the graph claims that ``x`` and ``y`` are independent given ``given``.

        Raises
        ------
        UnknownNameError
            If a name is no node.
        UsageError
            If a column stands on two sides, or a side is empty.
        """
        import networkx as nx

        sides = [_names(x), _names(y), _names(given)]
        self._known(name for side in sides for name in side)
        _refuse_repeats("column of the independence", [name for side in sides for name in side])
        if not sides[0] or not sides[1]:
            raise UsageError("d-separation needs at least one column on either side; got none")
        return bool(nx.is_d_separator(self._network, *(set(side) for side in sides)))

    def implications(self) -> tuple[Independence, ...]:
        """Return one conditional independence for each missing edge that implies one.

        The conditioning set is minimal: without any one of its columns the two are connected. With
        hidden common causes some missing edges imply nothing about the data and are left out.
        """
        import networkx as nx

        adjacent = {frozenset((e.cause, e.effect)) for e in self.edges} | {frozenset(h) for h in self.hidden}
        found = []
        for x, y in combinations(self.nodes, 2):
            if frozenset((x, y)) not in adjacent:
                observed = set(self.nodes) - {x, y}
                given = nx.find_minimal_d_separator(self._network, x, y, restricted=observed)
                if given is not None:
                    found.append(Independence(x, y, self._ordered(given)))
        return tuple(found)

    # -- adjustment ------------------------------------------------------------------------------

    def _backdoor(self, treatment: Names, outcome: str) -> tuple[Any, set[str], set[str]]:
        """Return the graph without the arrows out of the treatment, the treatment, allowed columns."""
        treated = set(_names(treatment))
        self._known([*treated, outcome])
        if not treated or outcome in treated:
            raise UsageError(f"the treatment must be other columns than the outcome {outcome!r}")
        network = self._network.copy()
        network.remove_edges_from(list(network.out_edges(treated)))
        return network, treated, set(self.nodes) - treated - {outcome} - set(self.descendants(treated))

    def is_adjustment_set(self, given: Names, treatment: Names, outcome: str) -> bool:
        """Return whether ``given`` meets the backdoor criterion (Pearl 2009, definition 3.3.1).

        No column of it may be influenced by the treatment, and it must block every path that enters
        the treatment. Several treatments are taken as one joint intervention.
        """
        import networkx as nx

        chosen = set(_names(given))
        self._known(chosen)
        network, treated, allowed = self._backdoor(treatment, outcome)
        return chosen <= allowed and bool(nx.is_d_separator(network, treated, {outcome}, chosen))

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
        import networkx as nx

        network, treated, allowed = self._backdoor(treatment, outcome)
        found: dict[tuple[str, ...], None] = {}
        # Another minimal set lacks some column of the one just found, so forbid these in turn.
        waiting, seen = deque([frozenset(allowed)]), {frozenset(allowed)}
        while waiting and len(found) < limit:
            candidates = waiting.popleft()
            separator = nx.find_minimal_d_separator(network, treated, {outcome}, restricted=set(candidates))
            if separator is not None:
                found.setdefault(self._ordered(separator))
                smaller = [candidates - {column} for column in self._ordered(separator)]
                waiting.extend(fewer for fewer in smaller if fewer not in seen)
                seen.update(smaller)
        return tuple(
            sorted(found, key=lambda columns: (len(columns), [self.nodes.index(c) for c in columns]))
        )

    # -- roles -----------------------------------------------------------------------------------

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
        attributes, accepted = _names(protected), _names(resolving)
        self._known([*attributes, outcome, *accepted])
        if not attributes or outcome in attributes:
            raise UsageError(
                f"roles need protected attributes other than the outcome {outcome!r}; got {attributes}"
            )
        descendants = self.descendants(attributes)
        for name in accepted:
            if name not in descendants or name == outcome:
                raise UsageError(
                    f"a resolving variable must be influenced by a protected attribute, but the graph has no "
                    f"directed path from {' or '.join(attributes)} to {name!r}; add the edge or drop the role"
                )
        sources, inner = set(attributes), set(self.nodes) - set(attributes) - {outcome}
        common = self._common_causes(sources, outcome)
        return CausalRoles(
            protected=self._ordered(attributes),
            outcome=outcome,
            descendants=descendants,
            mediators=self._ordered(set(descendants) & set(self.ancestors(outcome))),
            confounders=self._ordered(common),
            hidden_confounders=tuple(pair for pair in self.hidden if pair in common),
            colliders=self._ordered(node for node in inner if self._is_collider(node, sources, outcome)),
            resolving=self._ordered(accepted),
            proxy_candidates=self._unresolved(sources, {*accepted, outcome}),
            non_descendants=self._ordered(inner - set(descendants)),
            adjustment_sets=self.adjustment_sets(attributes, outcome),
        )

    def _common_causes(self, sources: set[str], outcome: str) -> set[Any]:
        """Return the nodes, hidden ones as pairs, with separate directed paths to A and to Y."""
        import networkx as nx

        above = set().union(*(nx.ancestors(self._network, a) for a in sources)) - sources - {outcome}
        return {node for node in above if _forks(self._network, node, sources, outcome)}

    def _is_collider(self, node: str, sources: set[str], outcome: str) -> bool:
        """Return whether some path from A to Y meets two arrowheads at the node."""
        skeleton = self._network.to_undirected().to_directed()
        causes = set(self._network.predecessors(node))
        skeleton.remove_edges_from([(node, end) for end in set(skeleton[node]) - causes])
        return _forks(skeleton, node, sources, outcome)

    def _unresolved(self, sources: set[str], blocked: set[str]) -> tuple[str, ...]:
        """Return the columns that A reaches by a directed path past none of the blocked columns."""
        import networkx as nx

        open_network = self._network.subgraph(set(self._network) - blocked)
        return self._ordered(set().union(*(nx.descendants(open_network, a) for a in sources)) - sources)

    # -- export ----------------------------------------------------------------------------------

    def to_mapping(self) -> dict[str, Any]:
        """Return the graph as plain lists and strings, ready for JSON or YAML."""
        return {
            "nodes": list(self.nodes),
            "edges": [{"from": e.cause, "to": e.effect, "provenance": e.provenance} for e in self.edges],
            "hidden_common_causes": [list(pair) for pair in self.hidden],
        }

    def to_dot(self) -> str:
        """Return the graph as a Graphviz ``digraph``, which :meth:`from_dot` reads back."""
        lines = [f"  {_quoted(node)};" for node in self.nodes]
        lines += [
            f"  {_quoted(e.cause)} -> {_quoted(e.effect)} [provenance={_quoted(e.provenance)}];"
            for e in self.edges
        ]
        lines += [f"  {_quoted(a)} -> {_quoted(b)} [dir=both, style=dashed];" for a, b in self.hidden]
        return "\n".join(["digraph causal {", "  rankdir=LR;", *lines, "}", ""])

    def to_mermaid(self) -> str:
        """Return the graph as a Mermaid flowchart, for Markdown pages."""
        name = {node: f"n{i}" for i, node in enumerate(self.nodes)}
        lines = [f'  {name[node]}["{_mermaid(node)}"]' for node in self.nodes]
        lines += [f'  {name[e.cause]} -->|"{_mermaid(e.provenance)}"| {name[e.effect]}' for e in self.edges]
        lines += [f"  {name[a]} <-.-> {name[b]}" for a, b in self.hidden]
        return "\n".join(["flowchart LR", *lines, ""])


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


def _names(names: Names) -> tuple[str, ...]:
    """Return one name or several as a tuple without repeats."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _refuse_repeats(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UsageError(f"each {kind} must come once; got {name!r} twice")
        seen.add(name)


def _refuse_unknown_keys(owner: str, mapping: Mapping[str, Any], known: set[str]) -> None:
    for key in mapping:
        if key not in known:
            raise UsageError(f"{owner} takes the keys {', '.join(sorted(known))}; got {key!r}")


def _column_names(values: Any, what: str) -> list[str]:
    """Return the names of columns, which must be texts."""
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
        raise UsageError(f"{what} must be a list of column names; got {_short(values)}")
    return list(values)


def _list(mapping: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = mapping.get(key, ())
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UsageError(f"{key!r} of a causal graph must be a list; got {_short(value)}")
    return value


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mermaid(text: str) -> str:
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("\n", " ")
