"""Notes speak of the final rule, not of what was tried on the way."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.models.decision_rule import FairModel
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.run.notes import notes
from fairmend.pipeline.spec import Choice, PipelineSpec
from fairmend.plugins.postprocessing import GroupThresholds

ROLES = Roles(outcome="y", favorable=1, protected=("sex",))
THRESHOLDS = Choice(technique=9, slug="group-thresholds", parameters={"min_ratio": 0.8})
WEIGHTS = Choice(technique="instance-weighting", slug="instance-weighting")


def advised(gate, value=0.0):
    return CheckResult(
        f"{gate}.advice", "failed", "a_measure", value, None, 100, "<= 0.1", 0.1, "advise", "validation", ""
    )


def step(choice, **more):
    effect = SimpleNamespace(changed_nothing=True)
    return SimpleNamespace(
        technique_id=choice.technique, slug=choice.slug, parameters=choice.parameters, effect=effect, **more
    )


@pytest.fixture
def said(registry):
    frame = pd.DataFrame({"sex": ["F", "M"] * 10, "x": np.arange(20.0), "y": [0, 1] * 10})
    data = Dataset.from_frame(frame, ROLES)
    machine = SimpleNamespace(
        baseline=SimpleNamespace(model=SimpleNamespace(estimator=object())),
        steps=[step(WEIGHTS), step(THRESHOLDS)],
        standing={
            "causal": [advised("gate-1")],
            "pre-processing": [advised("gate-2")],
            "post-processing": [advised("gate-4")],
        },
        registry=registry,
    )
    spec = PipelineSpec(roles=data.roles, steps=())

    def of(steps, parts=(), verdicts=()):
        model = FairModel(("x",), ("sex",), object(), postprocessors=parts)
        return " ".join(notes(spec, model, machine, data, steps, verdicts))

    return of


def test_a_plain_model_has_none_of_what_was_tried(said):
    told = said(())
    for absent in ("group-thresholds", "instance-weighting", "reads the protected", "gate-2", "gate-4"):
        assert absent not in told
    assert "gate-1.advice" in told


def test_steps_of_the_rule_are_named_with_their_own_gates(said):
    told = said((WEIGHTS,))
    assert "instance-weighting changed nothing" in told
    assert "gate-2.advice" in told
    assert "group-thresholds" not in told
    assert "gate-4.advice" not in told


def test_only_a_rule_that_reads_the_attribute_is_said_to_read_it(said):
    assert "reads the protected attribute for every decision" in said((THRESHOLDS,), (GroupThresholds(),))
    assert "reads the protected" not in said((THRESHOLDS,))


def test_the_test_data_speak_for_the_last_gate(said):
    told = said((THRESHOLDS,), (), (advised("final", 0.25),))
    assert "final.advice not met: a_measure 0.250" in told
    assert "gate-4.advice" not in told
    assert "gate-4.advice" in said((THRESHOLDS,))


def test_the_same_technique_with_other_parameters_is_another_step(said):
    tightened = THRESHOLDS.model_copy(update={"parameters": {"min_ratio": 0.9}})
    assert "changed nothing" not in said((tightened,))
