"""One reader and one builder of causal graphs, wherever a graph comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.graph_io import fitted_graph, read_graph, standard_graph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import UsageError
from fairmend.pipeline.run_technique import run_technique
from fairmend.plugins.causal import CausalGraphConstruction

GRAPH = CausalGraph.from_edges(
    [("sex", "score"), ("score", "hired")], hidden=[("sex", "age")], undirected=[("age", "score")]
)
WRITTEN = {
    "graph.dot": lambda: GRAPH.to_dot(),
    "graph.gv": lambda: GRAPH.to_dot(),
    "graph.json": lambda: json.dumps(GRAPH.to_mapping()),
    "graph.yaml": lambda: yaml.safe_dump(GRAPH.to_mapping()),
    "graph.yml": lambda: yaml.safe_dump({"graph": GRAPH.to_mapping(), "text": "an analysis"}),
    "result.json": lambda: json.dumps({"slug": "causal-discovery-pc", "graph": GRAPH.to_mapping()}),
}


def jobs() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": np.repeat(["F", "M"], 100), "age": rng.integers(20, 60, 200)})
    frame["score"] = rng.normal(size=200) + (frame["sex"] == "M")
    return frame.assign(hired=(frame["score"] > 0).astype(int))


ROLES: dict[str, Any] = {"outcome": "hired", "protected": ("sex",), "mediators": ("score",)}


@pytest.mark.parametrize("name", WRITTEN)
def test_every_kind_of_file_gives_the_same_graph(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(WRITTEN[name](), encoding="utf-8")
    assert read_graph(path) == read_graph(str(path)) == GRAPH


def graphml(body: str, default: str = "directed") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        '<key id="d0" for="node" attr.name="label" attr.type="string"/>'
        f'<graph edgedefault="{default}">{body}</graph></graphml>'
    )


def test_graphml_of_an_editor_is_read_by_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "g.graphml"
    nodes = '<node id="n0"><data key="d0">sex</data></node><node id="n1"><data key="d0">score</data></node><node id="hired"/>'
    path.write_text(graphml(nodes + '<edge source="n0" target="n1"/><edge source="n1" target="hired"/>'))
    graph = read_graph(path)
    assert graph.nodes == ("sex", "score", "hired")
    assert [tuple(edge) for edge in graph.edges] == [("sex", "score", "expert"), ("score", "hired", "expert")]
    path.write_text(graphml('<node id="a"/><node id="b"/><edge source="a" target="b"/>', "undirected"))
    assert read_graph(path).undirected == (("a", "b"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot read the GraphML"),
        ("<graphml", "cannot read the GraphML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]>' + graphml(""), "must not declare"),
        (graphml('<edge source="a" target="b"/><edge source="a" target="b"/>'), "must occur once"),
        (graphml('<edge source="a" target="b"/><edge source="b" target="a"/>'), "no cycle"),
    ],
)
def test_broken_graphml_is_refused_in_a_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "g.graphml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read_graph(path)
    assert "\n" not in str(caught.value)


def test_a_list_of_edges_in_a_file_is_a_graph(tmp_path: Path) -> None:
    path = tmp_path / "edges.yaml"
    path.write_text("- [sex, score]\n- [score, hired]\n", encoding="utf-8")
    assert [edge[:2] for edge in read_graph(path).edges] == [("sex", "score"), ("score", "hired")]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "edges, a mapping or a file, got int"),
        ("no.dot", "there is no graph file no.dot"),
        ({"nodes": ["a"]}, "the key 'edges'"),
    ],
)
def test_other_sources_are_refused_in_a_line(source: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_graph(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "edges: 3", "just text", "edges: [[a, b], [a, b]]", "a: &x [*x]"])
def test_broken_files_are_refused_in_a_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "graph.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_graph(path)
    assert "\n" not in str(caught.value)


def test_roles_imply_the_same_graph_on_every_way_to_it() -> None:
    data = Dataset.from_frame(jobs(), Roles(**ROLES))
    expected = {("sex", "score"), ("age", "score"), ("sex", "hired"), ("age", "hired"), ("score", "hired")}
    assert {edge[:2] for edge in standard_graph(data).edges} == expected
    alone = run_technique(CausalGraphConstruction, jobs(), roles=ROLES)
    inside = CausalGraphConstruction().analyze(data)
    assert alone.graph == inside.graph
    assert {edge[:2] for edge in alone.graph.edges} == expected
    assert alone.figures["source"] == inside.result["source"] == "assumed"


def test_undirected_edges_survive_the_check_against_data() -> None:
    data = Dataset.from_frame(jobs(), Roles(**ROLES))
    assert fitted_graph(GRAPH, data).undirected == GRAPH.undirected
