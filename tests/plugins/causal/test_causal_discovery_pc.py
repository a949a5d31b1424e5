from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.graph_io import read_graph
from fairmend.core.causal.orientation import closed_under_meek
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import ParameterError, UnknownNameError, UsageError
from fairmend.plugins.causal import CausalDiscoveryPC, SensitivityAnalysis
from fairmend.plugins.causal._background_knowledge import Knowledge
from fairmend.plugins.causal._cpdag import directed, skeleton

PLAIN: dict[str, Any] = {"use_roles": False, "max_conditioning": None, "n_subsamples": 0}


def random_dag(seed: int, *, nodes: int = 7, density: float = 0.35) -> nx.DiGraph:
    rng = np.random.default_rng(seed)
    names = [f"v{i}" for i in rng.permutation(nodes)]
    network = nx.DiGraph()
    network.add_nodes_from(names)
    network.add_edges_from((a, b) for a, b in combinations(names, 2) if rng.random() < density)
    return network


def true_class(network: nx.DiGraph) -> tuple[set[tuple[str, str]], set[frozenset[str]]]:
    """The CPDAG of a graph, from its unshielded colliders."""
    joined = {frozenset(edge) for edge in network.edges}
    arrows = {
        (parent, node)
        for node in network
        for pair in combinations(network.predecessors(node), 2)
        if frozenset(pair) not in joined
        for parent in pair
    }
    return closed_under_meek(arrows, joined - {frozenset(arrow) for arrow in arrows})


def found_class(graph: CausalGraph) -> tuple[set[tuple[str, str]], set[frozenset[str]]]:
    return {edge[:2] for edge in graph.edges}, {frozenset(pair) for pair in graph.undirected}


def drawn(network: nx.DiGraph, n: int, seed: int) -> pd.DataFrame:
    """Draw linear Gaussian data from a graph."""
    rng = np.random.default_rng(seed)
    values: dict[str, np.ndarray] = {}
    for node in nx.topological_sort(network):
        effects = (rng.uniform(0.5, 1.2) * values[p] for p in network.predecessors(node))
        values[node] = rng.normal(size=n) + sum(effects, np.zeros(n))
    return pd.DataFrame({name: values[name] for name in sorted(values)})


def data_of(frame: pd.DataFrame, seed: int = 0) -> Dataset:
    """The frame with an attribute and an outcome that have nothing to do with it."""
    coins = np.random.default_rng(10_000 + seed).integers(0, 2, (2, len(frame)))
    return Dataset.from_frame(frame.assign(A=coins[0], Y=coins[1]), Roles(outcome="Y", protected=("A",)))


@pytest.mark.parametrize("seed", range(40))
def test_with_perfect_tests_the_class_of_the_true_graph_is_found_in_any_order(seed: int) -> None:
    network = random_dag(seed)

    def p_value(x: str, y: str, given: tuple[str, ...]) -> float:
        return float(nx.is_d_separator(network, {x}, {y}, set(given)))

    for nodes in (sorted(network), sorted(network, reverse=True), list(network)):
        found = skeleton(nodes, p_value, 0.5)
        graph, contradicted = directed(nodes, found, Knowledge())
        assert found_class(graph) == true_class(network)
        assert contradicted == []
        assert graph.nodes == tuple(nodes)


@pytest.mark.parametrize("seed", range(15))
def test_with_perfect_tests_what_is_known_directs_more_and_never_wrongly(seed: int) -> None:
    network = random_dag(seed, density=0.5)
    order = list(nx.topological_sort(network))
    early = set(order[:3])
    forbidden = frozenset((b, a) for a in early for b in set(order) - early)
    required = frozenset(list(network.edges)[:1])

    def p_value(x: str, y: str, given: tuple[str, ...]) -> float:
        return float(nx.is_d_separator(network, {x}, {y}, set(given)))

    found = skeleton(order, p_value, 0.5)
    graph, contradicted = directed(order, found, Knowledge(required, forbidden))
    arrows, lines = found_class(graph)
    assert arrows <= set(network.edges)
    assert arrows >= true_class(network)[0] | required
    assert {frozenset(e) for e in network.edges} == {frozenset(e) for e in arrows} | lines
    assert not any(line & early and line - early for line in lines)
    assert contradicted == []


@pytest.mark.parametrize("seed", range(6))
def test_equal_to_causal_learn_on_gaussian_data(seed: int) -> None:
    search = pytest.importorskip("causallearn.search.ConstraintBased.PC")
    frame = drawn(random_dag(seed, nodes=6, density=0.4), 2000, seed)
    theirs = search.pc(frame.to_numpy(), 0.01, "fisherz", stable=True, show_progress=False).G.graph
    names = list(frame.columns)
    pairs = [(i, j) for i in range(len(names)) for j in range(len(names)) if i != j]
    # In causal-learn i -> j is a tail (-1) at i and a head (1) at j.
    arrows = {(names[i], names[j]) for i, j in pairs if theirs[i, j] == -1 and theirs[j, i] == 1}
    lines = {frozenset((names[i], names[j])) for i, j in pairs if theirs[i, j] == theirs[j, i] == -1}
    result = CausalDiscoveryPC(alpha=0.01, **PLAIN).analyze(data_of(frame, seed))
    ours = found_class(result.graph)
    among = set(names)
    assert {a for a in ours[0] if set(a) <= among} == arrows
    assert {line for line in ours[1] if line <= among} == lines


def discrete(n: int, seed: int) -> pd.DataFrame:
    """Sprinkler-like data: rain and season cause wet, wet causes slip."""
    rng = np.random.default_rng(seed)
    season = rng.choice(["dry", "mild", "wet"], n)
    rain = rng.random(n) < 0.5
    wet = rng.random(n) < 0.1 + 0.5 * rain + 0.3 * (season == "wet")
    slip = rng.random(n) < 0.1 + 0.6 * wet
    return pd.DataFrame({"rain": rain, "season": season, "slip": slip, "wet": wet}).astype(str)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_causal_learn_on_discrete_data(seed: int) -> None:
    search = pytest.importorskip("causallearn.search.ConstraintBased.PC")
    frame = discrete(3000, seed)
    codes = frame.apply(lambda column: pd.factorize(column, sort=True)[0]).to_numpy()
    theirs = search.pc(codes, 0.01, "gsq", stable=True, show_progress=False).G.graph
    result = CausalDiscoveryPC(alpha=0.01, **PLAIN).analyze(data_of(frame, seed))
    assert {a for a in found_class(result.graph)[0] if not set(a) & {"A", "Y"}} == {
        (frame.columns[i], frame.columns[j])
        for i in range(4)
        for j in range(4)
        if theirs[i, j] == -1 and theirs[j, i] == 1
    }
    assert {("rain", "wet"), ("season", "wet"), ("wet", "slip")} <= {e[:2] for e in result.graph.edges}


def test_worked_by_hand() -> None:
    # x -> z <- y: x and y are independent, and dependent given z, so both arrows are known.
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1000))
    z = x + y + rng.normal(size=1000)
    w = rng.normal(size=1000)
    frame = pd.DataFrame({"x": x, "y": y, "z": z, "w": w, "v": w + rng.normal(size=1000)})
    found = CausalDiscoveryPC(alpha=0.01, **PLAIN).analyze(data_of(frame))
    assert {edge[:2] for edge in found.graph.edges} == {("x", "z"), ("y", "z")}
    assert found.graph.undirected == (("v", "w"),)  # either way fits: the data cannot tell
    told = {(row["from"], row["to"]): row["kind"] for row in found.result["edges"]}
    assert told == {("x", "z"): "directed", ("y", "z"): "directed", ("v", "w"): "undirected"}
    assert "v -- w" in found.result["text"]
    settled = CausalDiscoveryPC(alpha=0.01, required=[["w", "v"]], **PLAIN).analyze(data_of(frame)).graph
    assert ("w", "v", "expert") in settled.edges
    assert settled.undirected == ()
    tiered = CausalDiscoveryPC(alpha=0.01, tiers=[["v"], ["w"]], **PLAIN).analyze(data_of(frame)).graph
    assert ("v", "w", "discovery") in tiered.edges
    banned = CausalDiscoveryPC(alpha=0.01, forbidden=[["w", "v"]], **PLAIN).analyze(data_of(frame)).graph
    assert ("v", "w", "discovery") in banned.edges


def test_roles_keep_causes_away_from_attributes_and_effects_from_the_outcome() -> None:
    rng = np.random.default_rng(1)
    n = 4000
    a, b = rng.integers(0, 3, n), rng.integers(0, 2, n)
    b = np.where(rng.random(n) < 0.5, (a > 0).astype(int), b)  # the attributes depend on each other
    m = a + rng.normal(size=n)
    y = (m + b + rng.normal(size=n) > 1.5).astype(int)
    frame = pd.DataFrame({"a": a.astype(str), "b": b.astype(str), "m": m, "y": y})
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("a", "b")))
    graph = CausalDiscoveryPC(alpha=0.001).analyze(data).graph
    assert graph.hidden == (("a", "b"),)
    assert {edge[:2] for edge in graph.edges} == {("a", "m"), ("m", "y"), ("b", "y")}
    assert graph.undirected == ()
    assert graph.is_adjustment_set("b", "a", "y")


def test_contradicted_colliders_never_make_a_cycle() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        mixing = rng.normal(size=(6, 6))
        frame = pd.DataFrame(rng.normal(size=(150, 6)) @ mixing, columns=list("uvwxyz"))
        graph = CausalDiscoveryPC(alpha=0.2, **PLAIN).analyze(data_of(frame, seed)).graph
        assert nx.is_directed_acyclic_graph(nx.DiGraph([edge[:2] for edge in graph.edges]))


@pytest.mark.data
def test_adult_in_any_order_of_columns_and_rows(adult: pd.DataFrame) -> None:
    columns = ["sex", "race", "age", "education-num", "occupation", "hours-per-week", "income"]
    frame = adult[columns].iloc[:4000]
    roles = Roles(outcome="income", favorable=">50K", protected=("sex", "race"))
    known: dict[str, Any] = {
        "alpha": 0.001,
        "tiers": [["age"], ["education-num"], ["occupation"], ["hours-per-week"]],
        "n_subsamples": 2,
    }
    one = CausalDiscoveryPC(**known).analyze(Dataset.from_frame(frame, roles))
    other = CausalDiscoveryPC(**known).analyze(
        Dataset.from_frame(frame[columns[::-1]].sample(frac=1, random_state=0), roles)
    )
    assert set(one.graph.edges) == set(other.graph.edges)
    assert one.graph.undirected == other.graph.undirected == ()
    rows = [
        {(r["from"], r["to"]): (r["adjacent_in"], r["same_in"]) for r in found.result["edges"]}
        for found in (one, other)
    ]
    assert rows[0] == rows[1]
    assert not any(edge.effect in roles.protected for edge in one.graph.edges)
    assert not any(edge.cause == "income" for edge in one.graph.edges)
    assert {("education-num", "income"), ("age", "income"), ("sex", "hours-per-week")} <= {
        edge[:2] for edge in one.graph.edges
    }
    assert rows[0]["education-num", "income"] == (1.0, 1.0)
    json.dumps(one.result, allow_nan=False)
    effect = SensitivityAnalysis().analyze(Dataset.from_frame(frame, roles), one.graph)
    assert effect.result


def test_determined_columns_are_kept_and_said() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    frame = pd.DataFrame({"x": x, "double": 2 * x, "z": x + rng.normal(size=500)})
    found = CausalDiscoveryPC(**PLAIN).analyze(data_of(frame))
    assert {frozenset(pair) for pair in found.graph.undirected} >= {frozenset(("x", "double"))}
    assert found.result["untestable"]


def test_min_effect_takes_weak_edges_away() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=20_000)
    frame = pd.DataFrame(
        {"x": x, "weak": 0.05 * x + rng.normal(size=20_000), "strong": x + rng.normal(size=20_000)}
    )
    all_of_them = CausalDiscoveryPC(**PLAIN).analyze(data_of(frame)).graph
    strong = CausalDiscoveryPC(min_effect=0.1, **PLAIN).analyze(data_of(frame)).graph
    assert {frozenset(pair) for pair in all_of_them.undirected} == {
        frozenset(("x", "weak")),
        frozenset(("x", "strong")),
    }
    assert {frozenset(pair) for pair in strong.undirected} == {frozenset(("x", "strong"))}


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"required": [["x", "incme"]]}, UnknownNameError, "incme"),
        ({"tiers": [["x"], ["x"]]}, UsageError, "got 'x' twice"),
        ({"required": ["xz"]}, UsageError, "list of pairs"),
        ({"required": [["x", "A"]], "use_roles": True}, UsageError, "x -> A is required and also forbidden"),
        ({"required": [["x", "z"], ["z", "x"]]}, UsageError, "no cycle"),
        ({"alpha": 1.5}, ParameterError, "alpha"),
    ],
)
def test_what_is_known_must_make_sense(
    parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["x", "z"])
    with pytest.raises(error, match=message) as caught:
        CausalDiscoveryPC(**{**PLAIN, **parameters}).analyze(data_of(frame))
    assert "\n" not in str(caught.value)


def test_from_the_command_line_to_the_sensitivity_analysis(cli: Any, bank_csv: Path, tmp_path: Path) -> None:
    roles = ["--outcome", "approved", "--protected", "race", "--features", "income,credit_score,age"]
    written = tmp_path / "graph.dot"
    tiers = "tiers=[[age], [income], [credit_score]]"
    done = cli(
        "technique",
        "run",
        "52",
        "--data",
        bank_csv,
        *roles,
        "-p",
        tiers,
        "-p",
        "n_subsamples=0",
        "-o",
        written,
    )
    assert done.code == 0, done.err
    graph = read_graph(written)
    assert graph.undirected == ()
    read = cli("technique", "run", "56", "--data", bank_csv, *roles, "--graph", written, "--json")
    assert read.code == 0, read.err
    left_open = tmp_path / "open.dot"
    left_open.write_text("digraph { race -> approved; income -> credit_score [dir=none]; income -- age }")
    refused = cli("technique", "run", "56", "--data", bank_csv, *roles, "--graph", left_open)
    assert refused.code == 2
    assert "income -- credit_score, income -- age has none" in refused.errors[0]
    none = cli("technique", "run", "56", "--data", bank_csv, *roles, "-o", tmp_path / "none.dot")
    assert none.code == 2
    assert "makes no causal graph" in none.errors[0]
