"""The example package: what each hook contributes works wherever ours does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fairmend import api, index
from fairmend.catalog.registry import Plugin, Registry
from fairmend.core.data.roles import Roles
from fairmend.core.errors import UnknownNameError
from fairmend.core.findings import Audit, Finding
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import Choice, PipelineSpec, Step
from fairmend.testing import parametrize_with_checks
from fairmend.testing.resolve import techniques_of

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "acme-fair-thresholds"
NAME = "acme-fair-thresholds"
POLICY = """
policy: with-a-floor
extends: playbook
title: The playbook, and a floor under every group's selection rate
gates:
  - id: gate-4
    checks:
      - {{id: floor, metric: acme_lowest_selection_rate, at_least: {floor}}}
"""
SWITCH = """
policy: switching
extends: playbook
title: The playbook, and another technique where thresholds do not suffice
rollbacks:
  - id: rollback-post-processing
    triggers:
      - failed: [fairness, intersections, worst-group]
        to: post-processing
        changes: [{action: switch, stage: post-processing}]
"""


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """What is installed, and the example beside it."""
    monkeypatch.syspath_prepend(EXAMPLE / "src")
    monkeypatch.setenv("FAIRMEND_CACHE", str(tmp_path / "cache"))
    ours = tuple(p for p in Registry.installed(cache=None).plugins if p.source == "fairmend")
    return Registry((*ours, Plugin(NAME, "acme_fair_thresholds", NAME, "0.1.0")), tmp_path / "cards.json")


@pytest.fixture
def tenancies(registry, monkeypatch):
    monkeypatch.setattr(Registry, "installed", lambda: registry)
    api.registry.cache_clear()
    yield api.load_dataset("acme-tenancies", rows=4000, seed=1)
    api.registry.cache_clear()


@parametrize_with_checks(techniques_of(EXAMPLE, Registry.installed(cache=None)))
def test_the_technique_passes_the_suite(technique, check):
    check(technique)


def test_it_says_what_it_contributes(registry):
    assert registry.numbers()[NAME] == {
        "fairmend_techniques": 1,
        "fairmend_finding_kinds": 1,
        "fairmend_gate_checks": 1,
        "fairmend_encoders": 1,
        "fairmend_datasets": 1,
    }
    assert registry.problems == {}


def test_the_data_set_is_drawn_by_name(tenancies):
    assert len(tenancies) == 4000
    assert set(tenancies.groups.labels) == {"local", "newcomer"}
    rates = [tenancies.y[tenancies.groups.codes == g].mean() for g in range(2)]
    assert rates[0] > rates[1] + 0.1


def test_an_unknown_data_set_names_the_close_ones(tenancies):
    with pytest.raises(UnknownNameError, match="did you mean acme-tenancies"):
        api.load_dataset("acme-tenancy")


def test_a_query_finds_the_technique_at_once_with_the_encoder_by_name(registry):
    answer = index.query(
        "lower the cut-off of groups just below four fifths", registry=registry, encoder="acme-letters"
    )
    assert answer.results[0].technique_id == "acme:fair-thresholds"
    assert "Uniform Guidelines" in answer.results[0].citation


def test_a_query_in_the_words_of_the_finding_kind_leads_to_it(registry):
    answer = index.query("near misses pile up in one group", registry=registry, encoder="acme-letters")
    assert answer.results[0].technique_id == "acme:fair-thresholds"
    assert any("addresses the finding crowded cut-off" in sentence for sentence in answer.results[0].why)


def test_a_recommendation_answers_the_finding_kind(registry):
    finding = Finding(
        kind="crowded-cut-off", severity="high", measure="share", value=0.3, support=400, text="Near misses."
    )
    audit = Audit(
        rows=5000,
        roles=Roles(outcome="accepted", protected=("origin",)),
        groups={"local": 3000, "newcomer": 2000},
        subject="labels",
        fingerprint="0" * 64,
        seed=0,
        measures={},
        findings=(finding,),
    )
    found = index.recommend(audit, registry=registry, encoder="acme-letters")
    assert found.results[0].technique_id == "acme:fair-thresholds"
    assert "addresses crowded-cut-off (high): Near misses." in found.results[0].why[0]


def pipeline(policy: str, *, alternative: bool) -> PipelineSpec:
    """A pipeline with the example as its step, or as what it switches to."""
    ours = Choice(technique=9, slug="group-thresholds", parameters={"min_ratio": 0.1})
    theirs = Choice(technique="acme:fair-thresholds", slug=NAME)
    first, second = (ours, theirs) if alternative else (theirs, ours)
    step = Step(**first.model_dump(), stage="post-processing", when="always", alternatives=(second,))
    roles = {"outcome": "accepted", "favorable": "yes", "protected": ("origin",), "mediators": ("history",)}
    return PipelineSpec(
        roles=Roles(**roles), policy=policy, learner="logistic_regression", steps=(step,), simplify=False
    )


@pytest.mark.parametrize("floor", [0.05, 0.99])
def test_a_policy_decides_by_the_gate(registry, tenancies, tmp_path, floor):
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.format(floor=floor))
    record = run(
        pipeline(str(policy), alternative=False),
        tenancies,
        registry=registry,
        assume_approved=True,
        n_boot=200,
        n_permutations=100,
    )
    judged = [g for g in record.gates if g.measure == "acme_lowest_selection_rate"]
    assert judged
    assert {g.verdict for g in judged} == {"passed" if floor < 0.5 else "failed"}
    assert all(g.interval[0] < g.value < g.interval[1] for g in judged)
    if floor > 0.5:
        assert record.status in {"escalated", "failed"}
        return
    lowest = min(f.value for f in record.final.by_group("selection_rate").values())
    final = next(g for g in judged if g.id == "final.floor")
    assert final.value == pytest.approx(lowest)
    assert record.steps[0].slug == NAME
    assert NAME in [part.metadata.slug for part in record.model.parts]


def test_a_rollback_switches_to_it(registry, tenancies, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(SWITCH)
    record = run(
        pipeline(str(policy), alternative=True),
        tenancies,
        registry=registry,
        assume_approved=True,
        n_boot=200,
        n_permutations=100,
    )
    slugs = [step.slug for step in record.steps]
    assert slugs == ["group-thresholds", NAME]
    assert [t.kind for t in record.transitions].count("rollback") >= 1


def test_the_encoder_keeps_its_contract(registry):
    encoder = registry.named("fairmend_encoders")["acme-letters"]()
    vectors = encoder.encode(["the same words", "The same  words", "other texts"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert vectors[0] @ vectors[1] == pytest.approx(1)
    assert vectors[0] @ vectors[2] < 0.5
