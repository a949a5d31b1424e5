from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from fairmend.auditing import audit
from fairmend.core.case import Case
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import MissingColumnError, ParameterError, UnknownNameError, UsageError
from fairmend.core.findings import Finding
from fairmend.plugins.causal import CausalGraphConstruction


def drawn(network: nx.DiGraph, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw linear data from a graph; a and b are groups, y is the outcome."""
    values: dict[str, np.ndarray] = {}
    for node in nx.topological_sort(network):
        total = rng.normal(size=n) + sum((values[p] for p in network.predecessors(node)), np.zeros(n))
        values[node] = (total > np.median(total)).astype(float) if node in "aby" else total
    return pd.DataFrame({name: values[name] for name in network}).astype({"a": int, "b": int, "y": int})


@pytest.mark.parametrize("seed", range(6))
def test_roles_of_random_graphs_agree_with_networkx_and_true_graphs_stand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = [*rng.permutation(["a", "b", "u", "v", "w", "x"]).tolist(), "y"]
    network = nx.DiGraph()
    network.add_nodes_from(order)
    network.add_edges_from(
        (order[i], order[j]) for i in range(7) for j in range(i + 1, 7) if rng.random() < 0.4
    )
    data = Dataset.from_frame(drawn(network, 1500, rng), Roles(outcome="y", protected=("a", "b")))
    graph = {"nodes": order, "edges": [list(edge) for edge in network.edges]}
    result = CausalGraphConstruction(edges=graph, alpha=0.001).analyze(data).result
    for attribute in ("a", "b"):
        roles = result["by_attribute"][attribute]
        below = nx.descendants(network, attribute)
        assert set(roles["descendants"]) == below
        assert set(roles["mediators"]) == {n for n in below if n != "y" and nx.has_path(network, n, "y")}
        assert set(roles["non_descendants"]) == set(order) - below - {attribute, "y"}
        assert set(roles["confounders"]) <= nx.ancestors(network, attribute)
    joint = set().union(*(nx.descendants(network, a) for a in "ab"))
    assert set(result["safe_predictors"]) == {"u", "v", "w", "x"} - joint
    for claim in result["implications"]["failed"]:
        # where groups and outcome are cut at their medians, only claims between plain numbers are exactly linear
        assert {claim["x"], claim["y"], *claim["given"]} & {"a", "b", "y"}
        assert claim["effect"] < 0.35


def test_the_true_graph_of_the_bank_is_not_denied_and_names_the_points_of_the_playbook(
    bank_data: Dataset, true_graph: CausalGraph
) -> None:
    found = CausalGraphConstruction().analyze(bank_data, true_graph)
    result, graph_of_result = found.result, found.graph
    assert result["source"] == "given"
    assert graph_of_result.edges == true_graph.edges
    assert result["implications"]["tested"] == result["implications"]["implied"] > 40
    assert result["implications"]["failed"] == []
    assert result["contradictions"] == []
    assert result["safe_predictors"] == ["age", "loan_amount", "debt_to_income"]
    assert result["by_attribute"]["race"]["confounders"] == []  # nothing causes race, so nothing confounds it
    assert result["by_attribute"]["race"]["adjustment_sets"] == [[]]
    assert result["by_attribute"]["gender"]["resolving"] == ["employment_history"]
    points = {
        (p["stage"], p["attribute"], p["column"]): p["supported"] for p in result["intervention_points"]
    }
    assert points["pre-processing", "race", "credit_score"]
    assert points["in-processing", "race", "zip_code"]
    assert points["post-processing", "race", None]
    assert not points["post-processing", "gender", None]
    assert not any(column == "employment_history" for _, _, column in points)  # accepted, so nothing to mend
    assert result["strategy"] == "hybrid"


def test_a_missing_edge_is_found_and_the_strongest_denial_comes_first(
    bank_data: Dataset, true_graph: CausalGraph
) -> None:
    wrong = [
        list(e) for e in true_graph.edges if e[:2] not in {("income", "credit_score"), ("race", "education")}
    ]
    failed = CausalGraphConstruction(edges=wrong).analyze(bank_data).result["implications"]["failed"]
    pairs = [{claim["x"], claim["y"]} for claim in failed]
    assert {"income", "credit_score"} in pairs
    assert {"race", "education"} in pairs
    effects = [claim["effect"] for claim in failed]
    assert effects == sorted(effects, reverse=True)
    assert all(claim["p_holm"] < 0.05 for claim in failed)
    deaf = CausalGraphConstruction(edges=wrong, min_effect=0.99).analyze(bank_data).result
    assert deaf["implications"]["failed"] == []
    few = CausalGraphConstruction(edges=wrong, max_implications=3).analyze(bank_data).result
    assert few["implications"]["tested"] == 3


def test_without_edges_the_roles_give_the_standard_graph(bank_data: Dataset) -> None:
    result = CausalGraphConstruction(max_implications=0).analyze(bank_data).result
    assert result["source"] == "assumed"
    assert {edge["provenance"] for edge in result["dag"]["edges"]} == {"role"}
    assert result["roles"]["resolving"] == ["employment_history"]
    assert set(result["roles"]["mediators"]) == {
        "education", "income", "credit_score", "employment_history", "zip_code", "redlining"
    }  # fmt: skip


def test_worked_by_hand() -> None:
    rng = np.random.default_rng(0)
    sex = rng.integers(0, 2, 400)
    taste = sex + rng.normal(size=400)
    score = sex + rng.normal(size=400)
    frame = pd.DataFrame({"sex": sex, "score": score, "taste": taste, "luck": rng.normal(size=400)})
    frame["hired"] = (score + frame["luck"] > 0.5).astype(int)
    data = Dataset.from_frame(frame, Roles(outcome="hired", protected=("sex",)))
    edges = [("sex", "score"), ("sex", "taste"), ("score", "hired"), ("luck", "hired")]
    result = CausalGraphConstruction(edges=edges).analyze(data).result
    roles = result["by_attribute"]["sex"]
    assert roles["mediators"] == ["score"]
    assert roles["proxy_candidates"] == ["score", "taste"]
    assert roles["non_descendants"] == ["luck"]
    stages = {p["column"]: (p["stage"], p["supported"]) for p in result["intervention_points"]}
    assert stages["score"] == ("pre-processing", True)
    assert stages["taste"] == ("in-processing", False)  # it tells the sex, but the outcome does not follow it
    rates = result["intervention_points"][-1]["evidence"][0]["base_rates"]
    assert rates["1"] == pytest.approx(frame.loc[frame["sex"] == 1, "hired"].mean())


@pytest.mark.parametrize("form", ["list", "mapping", "json list", "json mapping", "dot"])
def test_reads_every_form_of_a_graph(
    form: str, bank_data: Dataset, true_graph: CausalGraph, tmp_path: Path
) -> None:
    mapping: dict[str, Any] = true_graph.to_mapping()
    listed = [list(edge) for edge in true_graph.edges]
    source: Any = {"list": listed, "mapping": mapping}.get(form)
    if source is None:
        source = tmp_path / f"graph.{'dot' if form == 'dot' else 'json'}"
        text = (
            true_graph.to_dot() if form == "dot" else json.dumps(listed if form == "json list" else mapping)
        )
        source.write_text(text, encoding="utf-8")
        source = str(source)
    found = CausalGraphConstruction(edges=source, max_implications=0).analyze(bank_data)
    result, graph_of_result = found.result, found.graph
    assert set(graph_of_result.edges) == set(true_graph.edges)
    assert result["source"] == "edges"
    assert CausalGraph.from_dot(result["dot"]).edges == graph_of_result.edges
    json.dumps(result, allow_nan=False)


def test_refuses_graphs_that_cannot_be(bank_data: Dataset, tmp_path: Path) -> None:
    def build(edges: Any) -> Any:
        return CausalGraphConstruction(edges=edges).analyze(bank_data).result

    with pytest.raises(UsageError, match="no cycle"):
        build([("race", "income"), ("income", "education"), ("education", "income")])
    with pytest.raises(MissingColumnError, match="incme"):
        build([("race", "incme")])
    with pytest.raises(UsageError, match="must not cause"):
        build([("approved", "income")])
    with pytest.raises(UsageError, match="resolving variable must be influenced"):
        build([("race", "income")])  # nothing leads to employment_history, which is declared resolving
    with pytest.raises(UsageError, match="no graph file"):
        build(tmp_path / "nowhere.json")
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="is not YAML"):
        build(tmp_path / "bad.json")
    with pytest.raises(ParameterError, match="edges"):
        CausalGraphConstruction.with_parameters(edges=3)


def test_declared_roles_that_the_graph_denies_are_listed(bank_data: Dataset) -> None:
    edges = [("gender", "employment_history"), ("race", "zip_code"), ("employment_history", "approved"),
             ("education", "approved"), ("race", "credit_score")]  # fmt: skip
    found = (
        CausalGraphConstruction(edges=edges, max_implications=0).analyze(bank_data).result["contradictions"]
    )
    assert [one["columns"][0] for one in found if one["source"] == "roles"] == [
        "education",
        "income",
        "credit_score",
        "redlining",
    ]


def test_an_attribute_outside_the_graph_influences_nothing(bank_data: Dataset) -> None:
    edges = [("gender", "employment_history"), ("employment_history", "approved")]
    found = CausalGraphConstruction(edges=edges, max_implications=0).analyze(bank_data)
    result, graph_of_result = found.result, found.graph
    assert result["by_attribute"]["race"]["descendants"] == []
    assert "credit_score" in result["not_in_graph"]
    assert result["safe_predictors"] == []
    with pytest.raises(UnknownNameError):
        graph_of_result.roles("wealth", "approved")


def test_the_graph_joins_the_case(case: Case, true_graph: CausalGraph) -> None:
    after, effect = CausalGraphConstruction(edges=true_graph).run(case)
    assert after.graph is not None
    assert set(after.graph.edges) == set(true_graph.edges)
    result = after.results["causal-graph-construction"]
    assert "graph" not in result
    assert effect.kind == "none"
    assert effect.text == result["text"]
    assert after.train is case.train
    again, _ = CausalGraphConstruction().run(after)
    assert again.results["causal-graph-construction"]["source"] == "given"


@pytest.mark.data
def test_gaps_and_many_levels_of_adult_are_met(adult: pd.DataFrame) -> None:
    columns = [
        "sex",
        "race",
        "age",
        "workclass",
        "education-num",
        "hours-per-week",
        "native-country",
        "income",
    ]
    frame = adult[columns].iloc[:5000].assign(age=lambda f: f["age"].astype(float).mask(f.index % 7 == 0))
    roles = Roles(
        outcome="income", favorable=">50K", protected=("sex", "race"), mediators=("hours-per-week",)
    )
    result = CausalGraphConstruction().analyze(Dataset.from_frame(frame, roles)).result
    assert "median" in result["notes"]["age"]
    assert result["implications"]["tested"] == result["implications"]["implied"]
    assert ("race", "native-country", "data") in [tuple(edge.values()) for edge in result["dag"]["edges"]]


# -- one picture: graph, audit and data -----------------------------------------------------------


def finding(
    kind: str, column: str, severity: str = "high", attribute: str = "sex", value: float = 0.8
) -> Finding:
    return Finding(
        kind=kind, severity=severity, attribute=attribute, column=column, measure="proxy_auc",
        value=value, interval=(value - 0.05, value + 0.05), support=500, text=f"{column} stands out",
    )  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> Dataset:
    """Sex affects score, which decides; taste tells the sex and decides nothing; luck decides alone."""
    rng = np.random.default_rng(7)
    sex = rng.integers(0, 2, 5000)
    frame = pd.DataFrame({"sex": np.where(sex == 1, "M", "F"), "score": 0.8 * sex + rng.normal(size=5000)})
    frame["taste"], frame["luck"] = sex + rng.normal(size=5000), rng.normal(size=5000)
    frame["town"] = np.where(rng.random(5000) < 0.5 + 0.2 * sex, "north", "south")
    frame["hired"] = (frame["score"] + frame["luck"] + rng.normal(size=5000) > 0.5).astype(int)
    return Dataset.from_frame(frame, Roles(outcome="hired", protected=("sex",)))


def roles_of(result: dict[str, Any]) -> dict[str, str]:
    return {row["column"]: row["role"] for row in result["columns"]}


def test_without_a_graph_what_depends_on_the_attribute_and_carries_the_outcome_mediates(
    shop: Dataset,
) -> None:
    found = CausalGraphConstruction().analyze(shop)
    assert roles_of(found.result) == {
        "sex": "protected attribute", "score": "mediator", "taste": "proxy", "town": "proxy",
        "luck": "safe predictor", "hired": "outcome",
    }  # fmt: skip
    provenance = {edge[:2]: edge.provenance for edge in found.graph.edges}
    assert provenance["sex", "score"] == provenance["score", "hired"] == "data"
    assert provenance["luck", "hired"] == "role"
    assert ("taste", "hired") not in provenance
    assert found.result["safe_predictors"] == ["luck"]
    assert found.repair == ("score",)
    assert found.result["contradictions"] == []
    by_column = {row["column"]: row for row in found.result["columns"]}
    assert by_column["score"]["dependence"] > 0.3
    assert by_column["score"]["p_holm"] < 1e-6
    assert by_column["luck"]["p_holm"] > 0.01


def test_the_audits_findings_are_in_the_picture(shop: Dataset) -> None:
    findings = [
        finding("biased-mediator", "luck", "low"),
        finding("biased-mediator", "score"),
        finding("proxy-variable", "score"),
        finding("proxy-variable", "town", "insufficient evidence"),
        finding("biased-mediator", "taste", "none"),
    ]
    found = CausalGraphConstruction().analyze(shop, findings=findings)
    assert roles_of(found.result)["score"] == "mediator and proxy"
    assert roles_of(found.result)["luck"] == "mediator"
    assert roles_of(found.result)["taste"] == "proxy"  # what the audit did not raise does not count
    provenance = {edge[:2]: edge.provenance for edge in found.graph.edges}
    assert provenance["sex", "luck"] == provenance["luck", "hired"] == provenance["sex", "score"] == "audit"
    assert found.repair == ("score",)  # luck is biased to a low degree only
    said = found.result["contradictions"]
    assert [(one["source"], one["columns"]) for one in said] == []  # nobody drew sex -> luck


def test_a_graph_overrules_audit_and_data_and_every_conflict_has_its_figures(shop: Dataset) -> None:
    edges = [("sex", "luck"), ("luck", "hired"), ("score", "hired"), ("sex", "taste"), ("town", "hired")]
    findings = [finding("biased-mediator", "score"), finding("proxy-variable", "town", value=0.71)]
    found = CausalGraphConstruction(edges=edges).analyze(shop, findings=findings)
    roles = roles_of(found.result)
    assert (roles["luck"], roles["score"], roles["taste"], roles["town"]) == (
        "mediator", "safe predictor", "proxy", "safe predictor",
    )  # fmt: skip
    assert found.repair == ()
    said = {(one["source"], *one["columns"]): one for one in found.result["contradictions"]}
    denied = said["data", "sex", "score"]
    assert denied["text"].startswith(
        "The graph has no path between sex and score, but in the data they depend"
    )
    assert denied["value"] > 0.3
    assert denied["p_value"] < 0.001
    assert "p < 0.001" in denied["text"]
    assert ("data", "sex", "town") in said
    assert said["data", "sex", "luck"]["text"].startswith(
        "In the graph sex affects luck, but the data show no dependence"
    )
    assert said["audit", "sex", "score"]["interval"] == pytest.approx((0.75, 0.85))
    assert "a proxy of sex (high; proxy auc 0.710)" in said["audit", "sex", "town"]["text"]
    sizes = [one["value"] for one in found.result["contradictions"] if "sex" in one["columns"]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_common_cause_explains_a_dependence(shop: Dataset) -> None:
    drawn = {"edges": [["score", "hired"], ["luck", "hired"]], "nodes": ["sex"],
             "hidden_common_causes": [["sex", "score"]]}  # fmt: skip
    result = CausalGraphConstruction(edges=drawn).analyze(shop).result
    assert roles_of(result)["score"] == "safe predictor"
    assert roles_of(result)["town"] == "not in the graph"
    assert not [one for one in result["contradictions"] if one["columns"] == ["sex", "score"]]


def test_few_rows_contradict_nothing() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"sex": np.repeat(["F", "M"], 60), "score": rng.normal(size=120)})
    frame["hired"] = (frame["score"] + rng.normal(size=120) > 0).astype(int)
    data = Dataset.from_frame(frame, Roles(outcome="hired", protected=("sex",)))
    edges = [("sex", "score"), ("score", "hired")]
    found = CausalGraphConstruction(edges=edges, min_effect=0.2).analyze(data)
    assert found.result["contradictions"] == []


def test_what_passes_through_a_resolving_variable_alone_is_resolved(shop: Dataset) -> None:
    data = Dataset.from_frame(shop.frame, Roles(outcome="hired", protected=("sex",), resolving=("town",)))
    edges = [("sex", "town"), ("town", "score"), ("score", "hired"), ("sex", "taste")]
    found = CausalGraphConstruction(edges=edges).analyze(data)
    roles = roles_of(found.result)
    assert (roles["town"], roles["score"], roles["taste"]) == ("resolving variable", "resolved", "proxy")
    assert found.repair == ()


@pytest.mark.data
def test_adult_has_one_picture(adult: pd.DataFrame) -> None:
    roles = Roles(outcome="income", favorable=">50K", protected=("sex",))
    data = Dataset.from_frame(adult.iloc[:8000], roles)
    findings = audit(data, learner="logistic_regression", n_boot=200).findings
    found = CausalGraphConstruction().analyze(data.split(seed=0)["train"], findings=findings)
    by_audit = {
        f.column for f in findings if f.kind == "biased-mediator" and f.severity in ("low", "medium", "high")
    }
    assert {"relationship", "marital-status"} <= by_audit
    roles_found = roles_of(found.result)
    assert all(roles_found[column].startswith("mediator") for column in by_audit)
    assert roles_found["relationship"] == "mediator and proxy"
    assert not by_audit & set(found.result["safe_predictors"])
    assert set(found.repair) <= by_audit
    assert not [one for one in found.result["contradictions"] if one["source"] == "audit"]


@pytest.mark.data
@pytest.mark.parametrize("rows", [150, 400])
def test_few_rows_of_law_make_no_mediators_out_of_noise(rows: int, data_dir: Path) -> None:
    frame = pd.read_csv(data_dir / "law" / "law_school_bar.csv").sample(rows, random_state=0)
    frame["race"] = np.random.default_rng(0).choice(["a", "b"], rows)  # a coin toss
    data = Dataset.from_frame(frame, Roles(outcome="pass_bar", favorable=1, protected=("race",)))
    result = CausalGraphConstruction().analyze(data).result
    assert not [column for column, role in roles_of(result).items() if "mediator" in role]
    assert result["contradictions"] == []
