"""Causal graphs against networkx and against brute force over paths and subsets."""

from __future__ import annotations

import json
import pickle
from itertools import combinations, pairwise, product

import networkx as nx
import numpy as np
import pytest
import yaml

from fairmend.core.causal.graph import CausalGraph, Edge, Independence
from fairmend.core.causal.orientation import closed_under_meek
from fairmend.core.errors import MissingColumnError, UnknownNameError, UsageError

WALKTHROUGH = """
digraph loan {                      // the graph of the playbook
  rankdir=LR; node [shape=box];
  race -> {education zip_code} -> income -> credit_score -> approved;
  race -> redlining -> credit_score
  gender -> employment_history -> income [label="literature"];
  income:e -> approved;             # income also counts by itself
}
"""


def random_graph(seed: int, *, nodes: int = 7, density: float = 0.35, hidden: int = 0) -> CausalGraph:
    rng = np.random.default_rng(seed)
    names = [f"v{i}" for i in rng.permutation(nodes)]
    edges = [(a, b) for a, b in combinations(names, 2) if rng.random() < density]
    pairs = list(combinations(sorted(names), 2))
    chosen = rng.choice(len(pairs), size=hidden, replace=False) if hidden else []
    return CausalGraph.from_edges(edges, nodes=names, hidden=[pairs[i] for i in chosen])


def with_hidden_nodes(graph: CausalGraph) -> nx.DiGraph:
    network = nx.DiGraph()
    network.add_nodes_from(graph.nodes)
    network.add_edges_from(edge[:2] for edge in graph.edges)
    for a, b in graph.hidden:
        network.add_edges_from([(f"U({a},{b})", a), (f"U({a},{b})", b)])
    return network


def paths(network: nx.DiGraph, start: str, end: str) -> list[list[str]]:
    return list(nx.all_simple_paths(network.to_undirected(), start, end))


def open_path(network: nx.DiGraph, path: list[str], given: set[str]) -> bool:
    """Whether the definition of d-separation leaves this path open."""
    for before, node, after in zip(path, path[1:], path[2:], strict=False):
        collider = network.has_edge(before, node) and network.has_edge(after, node)
        if collider and not ({node} | nx.descendants(network, node)) & given:
            return False
        if not collider and node in given:
            return False
    return True


def subsets(items: set[str]) -> list[set[str]]:
    return [set(c) for size in range(len(items) + 1) for c in combinations(sorted(items), size)]


def brute_roles(graph: CausalGraph, a: str, y: str) -> dict[str, set[str]]:
    network = with_hidden_nodes(graph)
    to_y = list(nx.all_simple_paths(network, a, y))
    common = set()
    for node in set(network) - {a, y}:
        left = [p for p in nx.all_simple_paths(network, node, a) if y not in p]
        right = [p for p in nx.all_simple_paths(network, node, y) if a not in p]
        if any(set(p) & set(q) == {node} for p in left for q in right):
            common.add(node)
    colliders = {
        path[i]
        for path in paths(network, a, y)
        for i in range(1, len(path) - 1)
        if network.has_edge(path[i - 1], path[i]) and network.has_edge(path[i + 1], path[i])
    }
    descendants = nx.descendants(network, a)
    return {
        "descendants": descendants,
        "mediators": {node for path in to_y for node in path[1:-1]},
        "confounders": common & set(graph.nodes),
        "colliders": colliders,
        "non_descendants": set(graph.nodes) - descendants - {a, y},
    }


def brute_backdoor(graph: CausalGraph, a: str, y: str) -> list[set[str]]:
    """All sets that meet the backdoor criterion, by its definition on every path."""
    network = with_hidden_nodes(graph)
    entering = [p for p in paths(network, a, y) if network.has_edge(p[1], a)]
    allowed = set(graph.nodes) - {a, y} - nx.descendants(network, a)
    return [z for z in subsets(allowed) if not any(open_path(network, p, z) for p in entering)]


@pytest.mark.parametrize("hidden", [0, 2])
@pytest.mark.parametrize("seed", range(12))
def test_roles_agree_with_path_enumeration(seed: int, hidden: int) -> None:
    graph = random_graph(seed, hidden=hidden)
    for a, y in [("v0", "v1"), ("v2", "v5"), (graph.nodes[1], graph.nodes[-1])]:
        roles = graph.roles(a, y)
        for name, expected in brute_roles(graph, a, y).items():
            assert set(getattr(roles, name)) == expected, (name, a, y)
        assert set(roles.confounders) <= set(graph.ancestors(a))
        assert set(roles.proxy_candidates) == set(roles.descendants) - {y} - set(graph.descendants(y)) | {
            d
            for d in roles.descendants
            if d != y and any(y not in p for p in nx.all_simple_paths(with_hidden_nodes(graph), a, d))
        }


@pytest.mark.parametrize("hidden", [0, 2])
@pytest.mark.parametrize("seed", range(12))
def test_adjustment_sets_are_all_the_minimal_backdoor_sets(seed: int, hidden: int) -> None:
    graph = random_graph(seed, hidden=hidden)
    for a, y in [("v0", "v1"), (graph.nodes[1], graph.nodes[-1])]:
        valid = brute_backdoor(graph, a, y)
        if graph.adjustment_sets(a, y, limit=1000) and y not in graph.parents(a):
            assert valid
        minimal = {frozenset(z) for z in valid if not any(w < z for w in valid)}
        assert {frozenset(z) for z in graph.adjustment_sets(a, y, limit=1000)} == minimal
        for z in subsets(set(graph.nodes) - {a, y}):
            assert graph.is_adjustment_set(z, a, y) == (z in valid)


@pytest.mark.parametrize("hidden", [0, 2])
@pytest.mark.parametrize("seed", range(6))
def test_d_separation_agrees_with_its_definition(seed: int, hidden: int) -> None:
    graph = random_graph(seed, nodes=6, hidden=hidden)
    network = with_hidden_nodes(graph)
    for x, y in combinations(graph.nodes, 2):
        for given in subsets(set(graph.nodes) - {x, y}):
            blocked = not any(open_path(network, path, given) for path in paths(network, x, y))
            assert graph.is_d_separated(x, y, given) == blocked


@pytest.mark.parametrize("hidden", [0, 3])
@pytest.mark.parametrize("seed", range(8))
def test_each_missing_edge_implies_an_independence_with_a_minimal_set(seed: int, hidden: int) -> None:
    graph = random_graph(seed, nodes=6, hidden=hidden)
    claimed = {frozenset((i.x, i.y)): set(i.given) for i in graph.implications()}
    adjacent = {frozenset(e[:2]) for e in graph.edges} | {frozenset(h) for h in graph.hidden}
    for x, y in combinations(graph.nodes, 2):
        separators = [z for z in subsets(set(graph.nodes) - {x, y}) if graph.is_d_separated(x, y, z)]
        pair = frozenset((x, y))
        assert (pair in claimed) == bool(separators)
        if pair in claimed:
            given = claimed[pair]
            assert pair not in adjacent
            assert given in separators
            assert not any(z < given for z in separators)
        elif not hidden:
            assert pair in adjacent


def test_ancestors_and_descendants_agree_with_networkx() -> None:
    graph = random_graph(3, nodes=30, density=0.1)
    network = with_hidden_nodes(graph)
    for node in graph.nodes:
        assert set(graph.ancestors(node)) == nx.ancestors(network, node)
        assert set(graph.descendants(node)) == nx.descendants(network, node)
        assert set(graph.parents(node)) == set(network.predecessors(node))
        assert set(graph.children(node)) == set(network.successors(node))


def test_several_protected_attributes_are_one_joint_treatment() -> None:
    graph = CausalGraph.from_edges(
        [("u", "a"), ("u", "y"), ("a", "b"), ("a", "m"), ("b", "y"), ("m", "y"), ("w", "b"), ("w", "y")]
    )
    roles = graph.roles(["a", "b"], "y")
    assert roles.descendants == ("y", "m")
    assert roles.mediators == ("m",)
    assert roles.confounders == ("u", "w")
    assert roles.adjustment_sets == (("u", "w"),)
    assert graph.is_adjustment_set(["w", "u"], ["a", "b"], "y")
    assert not graph.is_adjustment_set("w", ["b", "a"], "y")


def test_walkthrough_roles() -> None:
    graph = CausalGraph.from_dot(WALKTHROUGH)
    roles = graph.roles(["race", "gender"], "approved", resolving="employment_history")
    between = {"education", "zip_code", "redlining", "employment_history", "income", "credit_score"}
    assert set(roles.mediators) == between
    assert set(roles.proxy_candidates) == between - {"employment_history"}
    assert roles.confounders == ()
    assert roles.non_descendants == ()
    assert roles.adjustment_sets == ((),)
    # a variable reached only through an accepted one has an accepted reason
    assert graph.roles("gender", "approved", resolving="employment_history").proxy_candidates == ()
    # race does not act on the employment history: the role contradicts the graph
    with pytest.raises(UsageError, match="no directed path from race to 'employment_history'"):
        graph.roles("race", "approved", resolving=["employment_history"])


def test_upstream_of_a_confounder_is_none_itself() -> None:
    graph = CausalGraph.from_edges([("z", "w"), ("w", "a"), ("w", "y"), ("a", "y")])
    assert graph.roles("a", "y").confounders == ("w",)
    assert graph.roles("a", "y").adjustment_sets == (("w",),)


def test_m_bias_needs_nothing_and_the_collider_breaks_it() -> None:
    graph = CausalGraph.from_edges([("a", "y"), ("c", "d")], nodes="acy", hidden=[("a", "c"), ("c", "y")])
    roles = graph.roles("a", "y")
    assert roles.colliders == ("c",)
    assert roles.confounders == roles.hidden_confounders == ()
    assert roles.adjustment_sets == ((),)
    assert not graph.is_adjustment_set("c", "a", "y")
    assert not graph.is_adjustment_set("d", "a", "y")


def test_hidden_common_cause_of_treatment_and_outcome_is_reported_as_unidentified() -> None:
    roles = CausalGraph.from_edges([("a", "y")], hidden=[("y", "a")]).roles("a", "y")
    assert roles.hidden_confounders == (("y", "a"),)
    assert roles.adjustment_sets == ()


def test_limit_bounds_the_search() -> None:
    chains = [(f"{z}{i}", f"{z}{i + 1}") for z in "pqrstuv" for i in range(3)]
    ends = [edge for z in "pqrstuv" for edge in ((f"{z}0", "a"), (f"{z}3", "y"))]
    graph = CausalGraph.from_edges(chains + ends)
    found = graph.adjustment_sets("a", "y", limit=30)
    assert len(found) == len(set(found)) == 30
    assert all(graph.is_adjustment_set(z, "a", "y") for z in found)


def test_roles_graph() -> None:
    graph = CausalGraph.from_roles(
        ["race", "gender"],
        outcome="approved",
        mediators=["income", "score"],
        resolving="history",
        proxies="zip",
        covariates="age",
    )
    network = with_hidden_nodes(graph)
    assert {e.provenance for e in graph.edges} == {"role"}
    assert set(network.successors("race")) == {"income", "score", "history", "zip", "approved"}
    assert set(network.successors("age")) == {"income", "score", "approved"}
    assert set(network.predecessors("approved")) == set(graph.nodes) - {"approved"}
    roles = graph.roles(["race", "gender"], "approved", resolving="history")
    assert roles.mediators == ("income", "score", "history", "zip")
    assert roles.proxy_candidates == ("income", "score", "zip")
    assert roles.non_descendants == ("age",)
    # a mediator may also be declared resolving; it keeps one edge each way
    merged = CausalGraph.from_roles("race", outcome="y", mediators=["m"], resolving=["m"])
    assert [e[:2] for e in merged.edges] == [("race", "m"), ("race", "y"), ("m", "y")]


@pytest.mark.parametrize("seed", range(4))
def test_round_trips(seed: int) -> None:
    graph = random_graph(seed, hidden=2)
    edges = [
        Edge(a, b, p) for (a, b, _), p in zip(graph.edges, ['the "old" map\\', "role"] * 99, strict=False)
    ]
    graph = CausalGraph.from_edges(
        edges,
        nodes=[*graph.nodes, 'odd "name"\\', "-> digraph", "-- x"],
        hidden=graph.hidden,
        undirected=[('odd "name"\\', "v0"), ("-- x", "-> digraph")],
    )
    assert CausalGraph.from_mapping(json.loads(json.dumps(graph.to_mapping()))) == graph
    assert CausalGraph.from_mapping(yaml.safe_load(yaml.safe_dump(graph.to_mapping()))) == graph
    assert CausalGraph.from_dot(graph.to_dot()) == graph
    assert pickle.loads(pickle.dumps(graph)) == graph  # noqa: S301
    assert hash(CausalGraph.from_dot(graph.to_dot())) == hash(graph)
    directed = CausalGraph.from_edges(graph.edges, hidden=graph.hidden)
    json.dumps(directed.roles("v0", "v1").to_mapping())


def test_dot_provenance_direction_and_groups() -> None:
    graph = CausalGraph.from_dot(
        'strict digraph { edge [provenance=literature] a -> b; subgraph s { edge [label="x"] b -> c }\n'
        "c -> d [provenance=discovery, color=red; weight=2] d -> e [dir=back]; /* no -> edge */ f -> g [dir=both]\n"
        'subgraph { h; i } -> "Gr\\"ün" }'
    )
    assert graph.edges == (
        Edge("a", "b", "literature"),
        Edge("b", "c", "literature"),
        Edge("c", "d", "discovery"),
        Edge("e", "d", "literature"),
        Edge("h", 'Gr"ün', "literature"),
        Edge("i", 'Gr"ün', "literature"),
    )
    assert graph.hidden == (("f", "g"),)
    walk = CausalGraph.from_dot(WALKTHROUGH, provenance="workshop")
    assert walk.nodes[:4] == ("race", "education", "zip_code", "income")
    assert len(walk.nodes) == 9
    assert {e.provenance for e in walk.edges} == {"workshop", "literature"}
    assert ("zip_code", "income", "workshop") in walk.edges


def test_mermaid_shows_every_edge() -> None:
    graph = CausalGraph.from_edges([("a", "b", "expert"), ("b", 'c "d"', "role")], hidden=[("a", 'c "d"')])
    assert graph.to_mermaid().splitlines() == [
        "flowchart LR",
        '  n0["a"]',
        '  n1["b"]',
        '  n2["c #quot;d#quot;"]',
        '  n0 -->|"expert"| n1',
        '  n1 -->|"role"| n2',
        "  n0 <-.-> n2",
    ]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_planted_cycle_is_named(length: int) -> None:
    ring = [f"c{i}" for i in range(length)] + ["c0"]
    with pytest.raises(UsageError, match="no cycle") as caught:
        CausalGraph.from_edges([("a", "c0"), *pairwise(ring), (ring[-2], "z")])
    named = str(caught.value).split("got ")[1].split(":")[0].split(" -> ")
    assert named[0] == named[-1]
    assert set(pairwise(named)) == set(pairwise(ring))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CausalGraph.from_edges([("a", "b"), ("a", "b")]), "edge must occur once; got 'a -> b'"),
        (
            lambda: CausalGraph.from_edges([("a", "b")], hidden=[("a", "b"), ("b", "a")]),
            "once; got 'a <-> b'",
        ),
        (lambda: CausalGraph.from_edges([], hidden=[("a", "a")]), "two columns; got 'a' twice"),
        (lambda: CausalGraph.from_edges(["ab"]), r"\(cause, effect\).*got 'ab'"),
        (lambda: CausalGraph.from_edges([("a", 3)]), "non-empty string; got 3"),
        (lambda: CausalGraph.from_edges([("a", "b", None)]), "provenance of a -> b must be text; got None"),
        (lambda: CausalGraph.from_edges([], nodes=["a", "a"]), "node must occur once; got 'a'"),
        (lambda: CausalGraph.from_mapping({"nodes": ["a"]}), "key 'edges'"),
        (lambda: CausalGraph.from_mapping({"edges": "a"}), "'edges' of a causal graph must be a list"),
        (lambda: CausalGraph.from_mapping({"edges": [], "egdes": []}), "takes the keys .* got 'egdes'"),
        (lambda: CausalGraph.from_mapping({"edges": [{"from": "a"}]}), "'from' and 'to'"),
        (lambda: CausalGraph.from_dot("graph { a -- b }"), "expected 'digraph'.*got 'graph' at line 1"),
        (lambda: CausalGraph.from_dot("digraph {\n a -> \n}"), "expected a name, got '}' at line 3"),
        (lambda: CausalGraph.from_dot("digraph { a -> b"), "got the end of the text"),
        (lambda: CausalGraph.from_dot("digraph { a -> <b> }"), "cannot read .* line 1: '<b> }'"),
        (lambda: CausalGraph.from_dot("digraph { a } b"), "expected the end of the text, got 'b'"),
        (lambda: CausalGraph.from_dot("digraph { a -> b [dir=up] }"), "back, both or none; got 'up'"),
        (lambda: CausalGraph.from_edges([], undirected=[("a", "a")]), "two columns; got 'a' twice"),
        (lambda: CausalGraph.from_edges([], undirected=[("a", "b"), ("b", "a")]), "once; got 'a -- b'"),
        (lambda: CausalGraph.from_edges([], undirected=["ab"]), "an undirected edge must be a pair"),
        (
            lambda: CausalGraph.from_edges([("a", "b")], undirected=[("b", "a")]),
            "b -- a is also a directed edge",
        ),
        (lambda: CausalGraph.from_mapping({"edges": [], "undirected": [["a"]]}), "must be a pair"),
        (lambda: CausalGraph.from_mapping({"edges": [], "undirected": "ab"}), "'undirected' .* a list"),
        (
            lambda: CausalGraph.from_roles("a", outcome="y", proxies="m", resolving="m"),
            "'m' is given as both",
        ),
        (lambda: CausalGraph.from_roles("a", outcome="y", mediators="a"), "role .* got 'a' twice"),
    ],
)
def test_planted_errors(build: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build()  # type: ignore[operator]


def test_errors_of_use() -> None:
    graph = CausalGraph.from_edges([("race", "income"), ("income", "approved"), ("approved", "default")])
    graph.validate(["approved", "default", "income", "race", "age"])
    graph.validate(graph.nodes, "approved", outcome_may_cause=True)
    with pytest.raises(MissingColumnError, match="no column is called 'income'; did you mean incomes"):
        graph.validate(["race", "approved", "incomes", "default"])
    with pytest.raises(UsageError, match="approved -> default"):
        graph.validate(graph.nodes, "approved")
    with pytest.raises(UnknownNameError, match="did you mean income"):
        graph.roles("race", "incom")
    with pytest.raises(UnknownNameError, match="'color'"):
        graph.is_d_separated("race", "approved", "color")
    with pytest.raises(UnknownNameError, match="'x'"):
        CausalGraph(("a",), (Edge("a", "x"),))
    with pytest.raises(UsageError, match="got 'race' twice"):
        graph.is_d_separated("race", "approved", ["race"])
    with pytest.raises(UsageError, match="at least one column"):
        graph.is_d_separated("race", [])
    with pytest.raises(UsageError, match="other than the outcome"):
        graph.roles(["race", "approved"], "approved")
    with pytest.raises(UsageError, match="other columns than the outcome"):
        graph.adjustment_sets([], "approved")


def test_implications_read_like_sentences() -> None:
    graph = CausalGraph.from_edges([("a", "m"), ("m", "y")])
    assert graph.implications() == (Independence("a", "y", ("m",)),)
    assert str(graph.implications()[0]) == "a _||_ y | m"


def test_undirected_edges_are_read_in_every_way_of_writing_them() -> None:
    graph = CausalGraph.from_dot("digraph { a -> b -- c; {d e} -- b [color=red]; c -> f [dir=none] }")
    assert [edge[:2] for edge in graph.edges] == [("a", "b")]
    assert graph.undirected == (("b", "c"), ("d", "b"), ("e", "b"), ("c", "f"))
    assert graph.to_mapping()["undirected"] == [["b", "c"], ["d", "b"], ["e", "b"], ["c", "f"]]
    assert "  n1 --- n2" in graph.to_mermaid().splitlines()


@pytest.mark.parametrize(
    "use",
    [
        lambda g: g.roles("a", "y"),
        lambda g: g.descendants("a"),
        lambda g: g.ancestors("y"),
        lambda g: g.parents("y"),
        lambda g: g.children("a"),
        lambda g: g.implications(),
        lambda g: g.is_d_separated("a", "y", "m"),
        lambda g: g.adjustment_sets("a", "y"),
        lambda g: g.is_adjustment_set((), "a", "y"),
    ],
)
def test_what_needs_directions_names_the_edges_without_one(use: object) -> None:
    graph = CausalGraph.from_edges([("a", "y")], undirected=[("a", "m"), ("m", "z")])
    with pytest.raises(UsageError, match=r"a -- m, m -- z has none; .*'required'") as caught:
        use(graph)  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    many = CausalGraph.from_edges([], undirected=[("h", f"v{i}") for i in range(9)])
    with pytest.raises(UsageError, match="h -- v5 and 3 more"):
        many.descendants("h")


def test_a_direction_brings_those_that_follow_from_it() -> None:
    # In a chain without colliders one direction settles the rest downstream.
    graph = CausalGraph.from_edges([], undirected=[("a", "b"), ("b", "c"), ("c", "d")])
    found = graph.oriented([("a", "b")])
    assert found.edges == (Edge("a", "b", "expert"), Edge("b", "c", "derived"), Edge("c", "d", "derived"))
    assert found.undirected == ()
    assert graph.oriented([("b", "a")]).undirected == (("b", "c"), ("c", "d"))
    with pytest.raises(UsageError, match="a -> c needs an undirected edge"):
        graph.oriented([("a", "c")])
    triangle = CausalGraph.from_edges([], undirected=[("a", "b"), ("b", "c"), ("a", "c")])
    with pytest.raises(UsageError, match="no cycle"):
        triangle.oriented([("a", "b"), ("b", "c"), ("c", "a")])
    assert ("a", "c", "derived") in triangle.oriented([("a", "b"), ("b", "c")]).edges  # else a cycle


def extensions(graph: CausalGraph) -> list[nx.DiGraph]:
    """All acyclic directions of the undirected edges that make no new unshielded collider."""
    found = []
    known = {e[:2] for e in graph.edges}
    adjacent = {frozenset(e) for e in (*known, *graph.undirected)}
    for bits in product([False, True], repeat=len(graph.undirected)):
        turned = [(b, a) if bit else (a, b) for (a, b), bit in zip(graph.undirected, bits, strict=True)]
        network = nx.DiGraph([*known, *turned])
        collides = any(
            frozenset((c, d)) not in adjacent and not {(c, node), (d, node)} <= known
            for node in network
            for c, d in combinations(network.predecessors(node), 2)
        )
        if nx.is_directed_acyclic_graph(network) and not collides:
            found.append(network)
    return found


@pytest.mark.parametrize("seed", range(30))
def test_meek_draws_exactly_the_directions_that_all_graphs_of_the_class_share(seed: int) -> None:
    truth = random_graph(seed, nodes=6, density=0.5)
    network = with_hidden_nodes(truth)
    skeleton = {frozenset(e[:2]) for e in truth.edges}
    colliders = {
        (parent, node)
        for node in network
        for pair in combinations(network.predecessors(node), 2)
        if frozenset(pair) not in skeleton
        for parent in pair
    }
    rng = np.random.default_rng(seed)
    told = [e[:2] for e in truth.edges if rng.random() < 0.2]  # background knowledge
    lines = skeleton - {frozenset(e) for e in (*colliders, *told)}
    arrows, left = closed_under_meek([*colliders, *told], lines)
    start = CausalGraph.from_edges(
        sorted({*colliders, *told}), nodes=truth.nodes, undirected=[tuple(sorted(line)) for line in lines]
    )
    members = extensions(start)
    assert members
    shared = set.intersection(*(set(member.edges) for member in members))
    assert arrows == shared
    assert left == skeleton - {frozenset(e) for e in shared}
