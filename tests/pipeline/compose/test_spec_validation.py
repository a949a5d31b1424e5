"""Pipelines that cannot stand are refused before any data is touched, with every fault named."""

from __future__ import annotations

import pytest

from fairmend.core.data.roles import Roles
from fairmend.core.errors import FairmendError, UsageError
from fairmend.pipeline.compose.spec_validation import check_spec
from fairmend.pipeline.spec import PipelineSpec, Step

REWEIGH = Step(technique=31, slug="instance-weighting", stage="pre-processing")
TRAIN = Step(technique=20, slug="fairness-constrained-lr", stage="in-processing")
CALIBRATE = Step(technique=48, slug="group-platt-scaling", stage="post-processing")
DECIDE = Step(technique=9, slug="group-thresholds", stage="post-processing")


def spec(*steps: Step, **changes) -> PipelineSpec:
    return PipelineSpec(roles=Roles(outcome="y", favorable="1", protected=("sex",)), steps=steps, **changes)


def test_a_sound_pipeline_passes(registry):
    assert check_spec(spec(REWEIGH, TRAIN, CALIBRATE, DECIDE), registry) is None


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ((DECIDE, REWEIGH), "instance-weighting .pre-processing. must come before group-thresholds"),
        ((DECIDE, CALIBRATE), "group-platt-scaling changes scores after decisions were made"),
        (
            (DECIDE, Step(technique=13, slug="equal-opportunity-thresholds", stage="post-processing")),
            "equal-opportunity-thresholds makes the decisions, and so does group-thresholds",
        ),
        (
            (TRAIN, Step(technique=76, slug="prejudice-remover", stage="in-processing")),
            "prejudice-remover trains the model, and so does fairness-constrained-lr",
        ),
        (
            (DECIDE.model_copy(update={"stage": "in-processing"}),),
            "is a technique of post-processing, expected in-processing",
        ),
        (
            (Step(technique=39, slug="selection-bias-weighting", stage="pre-processing"),),
            "selection-bias-weighting requires the parameter population; set it in its step",
        ),
    ],
)
def test_what_cannot_stand_is_named(registry, steps, fault):
    with pytest.raises(UsageError, match=fault):
        check_spec(spec(*steps), registry)


def test_a_step_with_what_only_a_person_can_give_passes(registry):
    given = {
        "technique": 39,
        "slug": "selection-bias-weighting",
        "parameters": {"population": "everyone.csv"},
    }
    assert check_spec(spec(Step(**given, stage="pre-processing")), registry) is None


def test_all_faults_come_at_once(registry):
    with pytest.raises(UsageError) as caught:
        check_spec(spec(DECIDE, CALIBRATE, REWEIGH, constraints={"retraining": False}), registry)
    said = str(caught.value)
    assert "calibrate before thresholds" in said
    assert "violates the constraints" in said
    assert "must come before" in said


@pytest.mark.parametrize(
    ("change", "word"),
    [({"parameters": {"min_ration": 0.8}}, "min_ration"), ({"technique": 999}, "999")],
)
def test_names_that_are_not_there(registry, change, word):
    with pytest.raises(FairmendError, match=word):
        check_spec(spec(DECIDE.model_copy(update=change)), registry)
