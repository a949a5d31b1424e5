"""An audit reads mediators and proxies off an expert's graph, and says what the data hold against it."""

from __future__ import annotations

import pytest

from fairmend import api

ROLES = {"outcome": "hired", "favorable": "yes", "protected": "sex", "learner": "logistic_regression"}
DRAWN = [("sex", "score"), ("score", "hired"), ("years", "hired"), ("sex", "hired")]
DENIED = [("sex", "years"), ("years", "hired"), ("score", "hired")]


def mediators(found):
    return {f.column: f.severity for f in found.findings if f.kind == "biased-mediator"}


def test_a_mediator_of_the_graph_counts_as_declared(jobs_csv):
    found = api.audit(jobs_csv, graph=DRAWN, **ROLES)
    assert mediators(found) == {"score": "medium"}
    assert "not declared" not in next(f.text for f in found.findings if f.column == "score")
    assert [edge["to"] for edge in found.graph["edges"]] == ["score", "hired", "hired", "hired"]
    assert not [note for note in found.notes if note.startswith("Contradicts")]


def test_what_the_data_hold_against_the_graph_is_noted(jobs_csv):
    found = api.audit(jobs_csv, graph=DENIED, **ROLES)
    assert set(mediators(found)) == {"years"}
    assert mediators(found)["years"] in {"none", "insufficient evidence"}
    said = [note for note in found.notes if note.startswith("Contradicts the causal graph")]
    assert any("no path between sex and score" in note and "p < 0.001" in note for note in said)


def test_what_is_not_in_the_graph_is_searched_by_association(jobs_csv):
    found = api.audit(jobs_csv, graph={"nodes": ["sex"], "edges": [("years", "hired")]}, **ROLES)
    assert mediators(found) == {"score": "medium"}
    assert "found by association" in next(f.text for f in found.findings if f.column == "score")


def test_a_pipeline_of_the_audit_has_its_graph(jobs_csv, tmp_path):
    found = api.audit(jobs_csv, graph=DENIED, **ROLES)
    found.save(tmp_path / "audit.json")
    spec = api.compose(tmp_path / "audit.json")
    assert spec.graph == found.graph
    other = api.compose(api.audit(jobs_csv, **ROLES), graph=DENIED)
    assert other.graph["edges"] == found.graph["edges"]
    repaired = [s.parameters.get("features") for s in other.steps if "features" in s.parameters]
    assert ["score"] not in repaired


def test_other_tasks_take_no_graph(jobs_csv):
    roles = {**ROLES, "outcome": "years", "task": "regression", "favorable": "high"}
    with pytest.raises(ValueError, match="requires a binary outcome"):
        api.audit(jobs_csv, graph=[("sex", "years")], **roles)
