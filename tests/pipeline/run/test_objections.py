"""What is done about each concern, on pipelines and records made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fairmend.catalog.policy import load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.core.data.roles import Roles
from fairmend.core.metrics import Estimate
from fairmend.pipeline.compose.spec_validation import check_spec
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.run.objections import Objections
from fairmend.pipeline.spec import Choice, PipelineSpec, Step

REGISTRY = Registry.installed()
PLAYBOOK = load_policy("playbook")
ROLES = Roles(outcome="y", favorable=1, protected=("a",))


def step(technique, *alternatives, **parameters) -> Step:
    metadata = REGISTRY.card(technique).metadata
    others = [Choice(technique=t, slug=REGISTRY.card(t).metadata.slug) for t in alternatives]
    return Step(
        technique=technique,
        slug=metadata.slug,
        stage=metadata.stage,
        parameters=parameters,
        alternatives=tuple(others),
    )


WEIGHTS, CONSTRAINED = step(31), step(20, constraint_weight=0.5)
THRESHOLDS, PLATT = step(9, min_ratio=0.9), step(48)


def variant(name, accuracy, *steps, passes=True):
    return SimpleNamespace(name=name, accuracy=accuracy, steps=tuple(s.slug for s in steps), passes=passes)


def answer(concern, *steps, variants=(), selected="full", final=0.82, interval=(0.78, 0.86), **request):
    spec = PipelineSpec(roles=ROLES, steps=steps, **request.pop("spec", {}))
    ran = [SimpleNamespace(slug=s.slug, parameters=s.parameters, status="ran", stage=s.stage) for s in steps]
    figure = Estimate(final, interval, 500, True)
    record = SimpleNamespace(
        data={"rows": 2000, "groups": {"F": 1000, "M": 1000}, "sha256": "0"},
        steps=ran,
        variants=list(variants),
        selected=selected,
        deployed_steps=lambda: tuple(s.slug for s in steps),
        final=SimpleNamespace(figure=lambda name: figure),
        gates=[],
    )
    request = {"pipeline": spec.model_dump(mode="json"), "n_boot": 2000, "cv": None} | request
    said = Approval("gate-4", "legal team", "Lea", False, concern=concern)
    found = Objections(request, record, PLAYBOOK, REGISTRY).respond(said)
    changed = {**request["pipeline"], **found.changes.get("pipeline", {})}
    return found, PipelineSpec(**changed)


def slugs(spec):
    return [s.slug for s in spec.steps]


# -- the protected attribute ----------------------------------------------------------------------


def test_only_what_reads_the_attribute_is_replaced():
    found, spec = answer("protected-attribute", WEIGHTS, CONSTRAINED, THRESHOLDS)
    assert slugs(spec)[:2] == ["instance-weighting", "fairness-constrained-lr"]
    assert "group-thresholds" not in slugs(spec)
    assert spec.constraints.protected_at_prediction is False
    assert spec.steps[1].parameters == CONSTRAINED.parameters
    assert "group-thresholds is replaced by" in found.text
    check_spec(spec, REGISTRY, PLAYBOOK)


def test_its_own_alternative_comes_first_and_readers_leave_the_alternatives():
    found, spec = answer("protected-attribute", step(48, 47), THRESHOLDS)
    assert "group-platt-scaling is replaced by platt-scaling" in found.text
    assert spec.steps[0].slug == "platt-scaling" or "platt-scaling" in slugs(spec)
    choices = [c for s in spec.steps for c in (s, *s.alternatives)]
    assert not any(REGISTRY.card(c.technique).metadata.needs_protected_at_prediction for c in choices)


def test_training_under_a_constraint_is_added_where_the_rule_can_no_longer_read_the_group():
    _, spec = answer("protected-attribute", WEIGHTS, THRESHOLDS)
    stages = [s.stage for s in spec.steps]
    assert stages == ["pre-processing", "in-processing", "post-processing"]


def test_a_pipeline_that_reads_no_attribute_has_no_answer():
    found, _ = answer("protected-attribute", WEIGHTS, CONSTRAINED)
    assert (found.changes, found.text) == (
        {},
        "no step of the pipeline reads the protected attribute for a decision",
    )


def test_other_constraints_stay():
    _, spec = answer(
        "protected-attribute", WEIGHTS, THRESHOLDS, spec={"constraints": Constraints(randomized=False)}
    )
    assert spec.constraints.randomized is False
    assert not any(REGISTRY.card(s.technique).metadata.randomized for s in spec.steps)


# -- accuracy -----------------------------------------------------------------------------------------


def test_the_next_passing_alternative_of_higher_accuracy_is_taken():
    variants = [
        variant("full", 0.80, WEIGHTS, THRESHOLDS),
        variant("without instance-weighting", 0.82, THRESHOLDS),
        variant("instance-weighting alone", 0.84, WEIGHTS),
        variant("plain model", 0.86),
    ]
    found, spec = answer("accuracy", WEIGHTS, THRESHOLDS, variants=variants)
    assert slugs(spec) == ["group-thresholds"]
    assert found.text == (
        "without instance-weighting passed every required check at accuracy 0.8200, full at 0.8000"
    )


def test_an_alternative_that_fails_a_check_is_no_answer():
    variants = [
        variant("full", 0.80, WEIGHTS, THRESHOLDS),
        variant("without instance-weighting", 0.82, THRESHOLDS, passes=False),
    ]
    found, spec = answer("accuracy", WEIGHTS, THRESHOLDS, variants=variants)
    assert slugs(spec) == ["instance-weighting", "group-thresholds"]
    assert "min_ratio of group-thresholds goes from 0.9 to" in found.text


def test_each_step_moves_to_a_weaker_setting():
    _, spec = answer("accuracy", CONSTRAINED, THRESHOLDS)
    assert spec.steps[0].parameters["constraint_weight"] < 0.5
    assert spec.steps[1].parameters["min_ratio"] < 0.9


def test_a_rule_without_settings_has_no_answer():
    found, _ = answer("accuracy", step(31, strength=0.0))
    assert (found.changes, found.text) == ({}, "no step of the rule has a weaker setting left")


# -- evidence, and the rest ---------------------------------------------------------------------------


def test_evidence_is_added_once_and_then_rows_are_asked_for():
    found, _ = answer("evidence", THRESHOLDS)
    assert found.changes == {"n_boot": 10_000, "cv": "5x2"}
    again, _ = answer("evidence", THRESHOLDS, cv="5x2")
    assert again.changes == {}
    # a lower arm of 0.04 must shrink to the gap of 0.02: four times the rows
    assert "about 8,000 rows would be needed to clear it, there are 2,000" in again.text


@pytest.mark.parametrize(
    ("final", "interval", "told"),
    [
        (0.9, (0.85, 0.95), "the interval of demographic_parity_ratio clears >= 0.8"),
        (0.76, (0.68, 0.84), "about 8,000 rows would be needed"),
        (0.8, (0.7, 0.9), "demographic_parity_ratio is at its bound"),
        (0.9, None, "demographic_parity_ratio has no interval"),
    ],
)
def test_needed_rows(final, interval, told):
    found, _ = answer("evidence", THRESHOLDS, final=final, interval=interval, cv="5x2")
    assert told in found.text


@pytest.mark.parametrize("concern", ["causal-assumption", "other", ""])
def test_what_people_must_answer_changes_nothing(concern):
    found, _ = answer(concern, WEIGHTS, THRESHOLDS)
    assert found.changes == {}
    assert found.text
