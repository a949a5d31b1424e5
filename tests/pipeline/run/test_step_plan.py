"""The plan of a run: how each kind of rollback changes it, with techniques that are stand-ins."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fairmend.base import Adjustment
from fairmend.catalog.policy import RollbackAction
from fairmend.core.data.roles import Roles
from fairmend.pipeline.run.step_plan import Plan
from fairmend.pipeline.spec import Choice, PipelineSpec, Step

TUNED = Adjustment(parameter="strength", stronger=0.25, minimum=0.0, maximum=1.0)


class StandIns:
    """A registry of techniques with one parameter, of which odd numbers can be tuned."""

    def card(self, technique):
        return SimpleNamespace(metadata=SimpleNamespace(adjustments=(TUNED,) if int(technique) % 2 else ()))

    def technique(self, technique):
        def with_parameters(strength=0.5):
            return SimpleNamespace(get_params=lambda deep: {"strength": strength})

        return SimpleNamespace(with_parameters=with_parameters)


def step(number, stage="pre-processing", **more):
    return Step(technique=number, slug=f"t{number}", stage=stage, **more)


def plan(*steps):
    spec = PipelineSpec(roles=Roles(outcome="y", protected=("a",)), notion="demographic_parity", steps=steps)
    return Plan(spec, StandIns())


def action(kind, stage="pre-processing", direction=None):
    return RollbackAction(action=kind, stage=stage, direction=direction)


def test_a_parameter_moves_one_step_at_a_time_to_the_end_of_its_range():
    made = plan(step(1), step(2))
    said = [made.apply(action("adjust", direction="stronger")) for _ in range(3)]
    assert said == ["strength of t1 from 0.5 to 0.75", "strength of t1 from 0.75 to 1", None]
    assert made.active[0].choice.parameters == {"strength": 1.0}
    assert made.active[1].choice.parameters == {}
    assert made.apply(action("adjust", direction="weaker")) == "strength of t1 from 1 to 0.75"


def test_alternatives_are_tried_once_each_in_their_order():
    others = tuple(Choice(technique=n, slug=f"t{n}") for n in (3, 4))
    made = plan(step(1, alternatives=others))
    assert made.apply(action("switch")) == "switched from t1 to t3"
    assert made.apply(action("switch")) == "switched from t3 to t4"
    assert made.apply(action("switch")) is None
    assert made.active[0].tried == [1, 3, 4]


def test_a_skipped_stage_has_no_steps_left_and_others_stay():
    made = plan(step(1), step(2), step(3, "post-processing"))
    assert made.apply(action("skip")) == "skipped t1, t2"
    assert made.of_stage("pre-processing") == []
    assert [a.choice.slug for a in made.of_stage("post-processing")] == ["t3"]
    assert made.apply(action("skip")) is None


def test_calibration_is_first_forced_and_then_switched():
    made = plan(
        step(1, "post-processing"),
        step(2, "post-processing", when="calibration poor", alternatives=(Choice(technique=4, slug="t4"),)),
    )
    assert made.apply(action("calibrate", "post-processing")) == "calibrate with t2"
    assert made.active[1].when == "always"
    assert made.apply(action("calibrate", "post-processing")) == "switched from t2 to t4"
    assert made.apply(action("calibrate", "post-processing")) is None


@pytest.mark.parametrize("kind", ["switch", "skip", "calibrate", "withhold"])
def test_a_stage_without_steps_can_change_in_no_way(kind):
    assert plan(step(1)).apply(action(kind, "in-processing")) is None
