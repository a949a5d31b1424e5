"""What an expert's graph makes of a pipeline: which features its steps may repair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairmend.catalog.registry import Registry
from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import UsageError
from fairmend.core.findings import Finding
from fairmend.pipeline.compose.steering import steered, with_graph
from fairmend.pipeline.spec import PipelineSpec, load_spec

ROLES = Roles(outcome="hired", favorable=1, protected=("sex",))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.installed()


@pytest.fixture(scope="module")
def data() -> Dataset:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": np.repeat(["F", "M"], 100), "score": rng.normal(size=200)})
    frame["years"], frame["town"] = rng.normal(size=200), rng.choice(["a", "b"], 200)
    return Dataset.from_frame(frame.assign(hired=(frame["score"] > 0).astype(int)), ROLES)


def biased(*columns: str) -> tuple[Finding, ...]:
    return tuple(
        Finding(kind="biased-mediator", severity="high", attribute="sex", column=c, column_is="number",
                measure="ks_distance", value=0.3, support=99, text=c)
        for c in columns
    )  # fmt: skip


REPAIR = {"technique": 69, "slug": "disparate-impact-remover"}
WEIGH = {"technique": 31, "slug": "instance-weighting"}


def planned(edges, features=None, alternatives=(), findings=("score", "years"), nodes=("sex", "hired")):
    step = {**REPAIR, "stage": "pre-processing", "alternatives": alternatives}
    step["parameters"] = {} if features is None else {"features": features}
    graph = {"nodes": nodes, "edges": edges}
    return PipelineSpec(roles=ROLES, graph=graph, steps=[step], findings=biased(*findings))


SCORE = [["sex", "score"], ["score", "hired"], ["years", "hired"]]


# graph, features in the plan -> features of the step as steered, columns that the note names as spared
@pytest.mark.parametrize(
    ("edges", "features", "expected", "spared"),
    [
        (SCORE, ["score", "years"], ["score"], ["years (safe predictor)"]),
        (SCORE, None, ["score"], ["years (safe predictor)"]),
        (SCORE, ["years"], ["score"], ["years (safe predictor)"]),  # the mediators of the graph instead
        (SCORE, "score", ["score"], []),
        ([["sex", "years"], ["years", "hired"]], ["score", "years"], ["score", "years"], []),
        ([["sex", "score"], ["sex", "years"], ["score", "hired"]], None, ["score"], ["years (proxy)"]),
    ],
)
def test_a_step_repairs_what_the_graph_lets_it(edges, features, expected, spared, data, registry):
    spec, notes = steered(planned(edges, features), registry, data)
    (step,) = spec.of_stage("pre-processing")
    assert step.parameters["features"] == expected
    assert steered(spec, registry, data)[0] == spec
    assert [note.partition("may not repair ")[2] for note in notes] == [f"{one}." for one in spared]


SAFE = [["score", "hired"], ["years", "hired"]]


def test_a_step_with_nothing_to_repair_gives_way(data, registry):
    spec, notes = steered(planned(SAFE, ["score"], alternatives=[WEIGH]), registry, data)
    assert [step.slug for step in spec.of_stage("pre-processing")] == ["instance-weighting"]
    assert notes == ["disparate-impact-remover was left out: in the causal graph nothing is to be repaired."]
    assert steered(planned(SAFE, ["score"]), registry, data)[0].of_stage("pre-processing") == ()


def test_a_graph_gets_a_step_that_holds_it_against_the_data(data, registry):
    spec, _ = steered(planned(SCORE), registry, data)
    assert [step.slug for step in spec.of_stage("causal")] == ["causal-graph-construction"]
    assert [step.slug for step in steered(spec, registry, data)[0].of_stage("causal")] == [
        "causal-graph-construction"
    ]
    plain = planned(SCORE).model_copy(update={"graph": None})
    assert steered(plain, registry, data) == (plain, [])


def test_text_columns_are_not_repaired_by_default(data, registry):
    edges = [["sex", "town"], ["town", "hired"], ["score", "hired"]]
    spec, _ = steered(planned(edges, ["score"], nodes=()), registry, data)
    assert spec.of_stage("pre-processing") == ()
    undecided, _ = steered(planned(edges, ["score"], nodes=()), registry)
    assert undecided.of_stage("pre-processing")[0].parameters == {}  # the run knows what is numeric


def test_the_content_of_a_graph_is_in_the_pipeline(data, tmp_path):
    path = tmp_path / "g.dot"
    path.write_text("digraph { sex -> score; score -> hired }")
    spec = with_graph(planned(SCORE), data, path)
    path.unlink()
    spec.save(tmp_path / "pipeline.yaml")
    again = load_spec(tmp_path / "pipeline.yaml")
    assert again.graph == spec.graph
    assert [edge[:2] for edge in again.causal_graph.edges] == [("sex", "score"), ("score", "hired")]


def test_the_graph_of_a_causal_step_is_that_of_the_pipeline(data):
    step = {"technique": 53, "slug": "causal-graph-construction", "stage": "causal"}
    edges = {"edges": [["sex", "score"], ["score", "hired"]]}
    spec = PipelineSpec(roles=ROLES, steps=[{**step, "parameters": {**edges, "alpha": 0.01}}])
    found = with_graph(spec, data)
    assert found.steps[0].parameters == {"alpha": 0.01}
    assert [edge["to"] for edge in found.graph["edges"]] == ["score", "hired"]
    assert with_graph(found, data) == found
    with pytest.raises(UsageError, match="must contain the outcome"):
        with_graph(spec, data, [("sex", "score")])


def test_techniques_get_the_proxies_of_the_graph(data):
    parts = data.split(seed=0)
    graph = planned([["sex", "town"], ["score", "hired"]], nodes=()).causal_graph
    case = Case(parts["train"], parts["calibration"], parts["validation"], graph=graph)
    assert case.proxies == ("town",)
    assert case.replace(graph=None).proxies == ()
