"""The causal picture of a report: graph, audit, plan and drawing agree, or the report says where they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from fairmend import api
from fairmend.core.causal.graph import CausalGraph
from fairmend.reports import write_report
from fairmend.reports.causal_graph import FILLS, REPAIRED, causal_graph
from fairmend.reports.causal_picture import contradiction_texts, picture_rows

GRAPH = {
    "nodes": ["group"],
    "edges": [
        ["group", "skill"],
        ["skill", "label"],
        ["other", "label"],
        ["group", "label"],
        ["group", "noise"],
    ],
}


@pytest.fixture(scope="module")
def record():
    rng = np.random.default_rng(3)
    group = rng.choice(["a", "<c>"], 6000)
    skill = rng.normal(0, 1, 6000) + 0.8 * (group == "a")
    other = rng.normal(size=6000) + 0.5 * (group == "a")
    label = (skill + other + rng.normal(0, 0.7, 6000) > 0.6).astype(int)
    frame = pd.DataFrame({"group": group, "skill": skill, "other": other, "noise": rng.normal(size=6000)})
    frame["extra"] = rng.normal(size=6000)
    spec = api.compose(
        api.audit(
            frame.assign(label=label), outcome="label", protected="group", learner="logistic_regression"
        ),
        learner="logistic_regression",
    )
    step = {"technique": 69, "slug": "disparate-impact-remover", "stage": "pre-processing"}
    causal = {"technique": 53, "slug": "causal-graph-construction", "stage": "causal"}
    rule = {"technique": 9, "slug": "group-thresholds", "stage": "post-processing"}
    steps = [causal, {**step, "parameters": {"features": ["skill", "other"]}}, rule]
    spec = type(spec)(**{**spec.model_dump(), "steps": steps, "simplify": False})
    return api.run(spec, frame.assign(label=label), graph=GRAPH, assume_approved=True)


def test_every_column_has_one_role_and_its_place_in_the_plan(record):
    rows = {row["column"]: row for row in picture_rows(record)}
    assert {column: row["role"] for column, row in rows.items()} == {
        "group": "protected attribute", "skill": "mediator and proxy", "label": "outcome", "other": "safe predictor",
        "noise": "proxy", "extra": "not in the graph",
    }  # fmt: skip
    assert rows["skill"]["source"] == "expert"
    assert rows["extra"]["source"] == ""
    assert rows["skill"]["dependence"].endswith("on group, p < 0.001")
    assert "biased mediator" in rows["other"]["audit"]
    ran = [s for s in record.steps if s.slug == "disparate-impact-remover" and s.status == "ran"]
    assert all(step.parameters["features"] == ["skill"] for step in ran)
    assert rows["other"]["plan"] == "read as it is"
    assert any("may not repair other (safe predictor)" in note for note in record.notes)


def test_contradictions_have_figures_and_stand_in_the_report(record, tmp_path):
    said = contradiction_texts(record)
    assert any(text.startswith("The graph has no path between group and other") for text in said)
    assert any(text.startswith("The audit calls other a biased mediator of group") for text in said)
    assert any("group affects noise, but the data show no dependence" in text for text in said)
    assert all("size" in text or "(" in text for text in said)
    former = replace(record, former_graphs=[{"edges": [{"from": "group", "to": "other"}]}])
    folder = write_report(former, tmp_path / "out").parent
    written = (folder / "report.md").read_text()
    assert "## Causal picture" in written
    assert "| other | safe predictor | expert |" in written
    assert "no path between group and other" in written
    assert "Earlier graph 1, replaced in this run: group" in written
    assert "<h2>Causal picture</h2>" in (folder / "report.html").read_text()
    assert (folder / "causal-graph.png").stat().st_size > 5000


def test_the_drawing_colors_roles_and_frames_what_is_repaired(record):
    axes = causal_graph(record.graph, record).axes[0]
    boxes = {text.get_text(): text.get_bbox_patch() for text in axes.texts if text.get_text()}
    fills = {name.removesuffix(" (repaired)"): to_hex(box.get_facecolor()) for name, box in boxes.items()}
    assert fills["group"] == FILLS["protected attribute"]
    assert fills["skill"] == FILLS["mediator and proxy"]
    assert fills["noise"] == FILLS["proxy"]
    assert fills["other"] == FILLS["safe predictor"]
    framed = {name for name, box in boxes.items() if to_hex(box.get_edgecolor()) == REPAIRED}
    assert framed == {"skill (repaired)"}
    assert {row["column"] for row in picture_rows(record) if row["plan"] == "repaired"} == {"skill"}
    labels = {text.get_text() for text in axes.get_legend().get_texts()}
    assert {"protected attribute", "mediator and proxy", "proxy", "safe predictor", "outcome"} <= labels


def test_a_graph_with_open_directions_is_drawn_without_roles(record):
    graph = CausalGraph.from_edges([("group", "skill")], undirected=[("skill", "other")])
    open_record = replace(record, graph=graph)
    assert picture_rows(open_record) == []
    assert causal_graph(graph, open_record).axes
    assert picture_rows(replace(record, graph=None)) == []
