"""The state machine on figures that are made up: which way it goes, and where it ends."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fairmend.catalog.policy import load_policy
from fairmend.core.case import Case, Effect
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, InsufficientDataError, StoreError
from fairmend.core.metrics import InferenceSettings
from fairmend.core.models.learners import make_learner
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.pipeline.gates.value import Value
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.run.state_machine import MOST_RETURNS, StateMachine
from fairmend.pipeline.spec import Choice, PipelineSpec, Step
from fairmend.pipeline.storage.step_cache import StepResult

PLAYBOOK = load_policy("playbook-literal")
FAIR, UNFAIR, UNKNOWN = Value(0.9), Value(0.5), Value(0.9, enough=False)
ROLES = Roles(outcome="y", favorable=1, protected=("a",))


class Figures(dict):
    """What gates measure: the values given by name; all else does not apply, and passes."""

    def __getitem__(self, name):
        value = super().get(name, Value.not_applicable("made up"))
        return lambda view, **parameters: value

    def __contains__(self, name):
        return True


class StandIns:
    """A registry whose techniques declare nothing and change nothing."""

    metadata = SimpleNamespace(modifies=(), adjustments=(), technique_id=0, needs_retraining=False)

    def card(self, technique):
        return SimpleNamespace(metadata=self.metadata)

    def technique(self, technique):
        return SimpleNamespace(metadata=self.metadata)


class Steps:
    """A step cache whose steps do nothing but count, or fail where they are told to."""

    def __init__(self, root, failing):
        self.root = root
        self.failing = failing
        self.division = SimpleNamespace(test=())

    def apply(self, before, choice):
        if choice.slug in self.failing:
            raise self.failing[choice.slug]
        effect = Effect("features", 0.5, f"{choice.slug} acted")
        return StepResult((*before.trace, choice.slug), before.folds, effect, 0.0)

    def evaluate(self, applied, settings):
        return ModelEvaluation(applied.case.fitted(), applied.case.validation, settings)


@pytest.fixture(scope="module")
def start():
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    frame = pd.DataFrame({"a": np.repeat(["F", "M"], 200), "x": x, "y": x + rng.normal(size=400) > 0})
    parts = Dataset.from_frame(frame.astype({"y": int}), ROLES).split(seed=0)
    parts.pop("test")
    return Case(**parts, learner=make_learner("logistic_regression", seed=0), seed=0).retrained()


@pytest.fixture
def drive(start):
    """Run a machine of a policy, steps and figures; returns it with how it ended."""

    def run(*steps, figures, policy=PLAYBOOK, approvals=None, failing=None, more=None):
        spec = PipelineSpec(roles=ROLES, notion="demographic_parity", steps=steps)
        if approvals is None:
            approvals = [
                Approval(gate=gate.id, role=role, by="Noor", approved=True, note="read")
                for gate in policy.gates
                for check in gate.checks
                if check.metric == "approval"
                for role in check.roles
            ]
        measured = Figures(demographic_parity_ratio=figures, **(more or {}))
        told = []
        root = StepResult((), (start,), Effect("none", 0.0, "baseline"), 0.0)
        tracer = Steps(root, failing or {})
        machine = StateMachine(
            spec, policy, tracer, StandIns(), measured, InferenceSettings(20), approvals, told.append
        )
        return SimpleNamespace(machine=machine, ending=machine.run(), told=told)

    return run


def way(done):
    return [(t.kind, t.to) for t in done.machine.transitions]


def step(number, stage, **more):
    return Step(technique=number, slug=f"t{number}", stage=stage, **more)


def test_a_fair_model_is_deployed_and_pre_processing_passed_by(drive):
    done = drive(figures=FAIR)
    assert done.ending.to == "deploy"
    assert way(done) == [
        ("decision", "in-processing"),
        ("decision", "post-processing"),
        ("decision", "deploy"),
    ]


def test_an_unfair_model_takes_every_stage_and_is_escalated_with_options(drive):
    done = drive(figures=UNFAIR)
    assert done.ending.to == "escalate"
    assert [to for _, to in way(done)] == ["pre-processing", "in-processing", "post-processing", "people"]
    assert "no untried adjustment left: demographic_parity_ratio 0.500" in done.ending.reason
    rollback = PLAYBOOK.rollback(PLAYBOOK.gate("post-processing").on_fail)
    assert done.ending.options[: len(rollback.options)] == list(rollback.options)


def test_too_few_rows_are_never_a_pass(drive):
    done = drive(figures=UNKNOWN)
    assert done.ending.to == "escalate"
    assert done.ending.reason.endswith("insufficient evidence: gate-4.fairness: too few rows")


def test_an_open_approval_stops_at_its_gate_only_where_the_policy_says_so(drive):
    at_gate = PLAYBOOK.model_copy(update={"approvals": "at_gate"})
    assert drive(figures=FAIR, policy=at_gate, approvals=()).ending.to == "wait"
    assert drive(figures=FAIR, approvals=()).ending.to == "deploy"


def test_a_technique_that_fails_gives_way_to_its_alternative(drive):
    planned = step(1, "in-processing", alternatives=(Choice(technique=2, slug="t2"),))
    done = drive(planned, figures=FAIR, failing={"t1": DataError("too few rows")})
    noted = [(s.slug, s.status, s.text) for s in done.machine.steps]
    assert noted == [("t1", "failed", "too few rows"), ("t2", "ran", "t2 acted")]
    assert [c.slug for c in done.machine.ran] == ["t2"]


@pytest.mark.parametrize("stage", ["causal", "in-processing", "post-processing"])
def test_a_step_that_fails_without_alternative_fails_its_gate(stage, drive):
    planned = (step(1, stage), step(2, stage))
    done = drive(*planned, figures=FAIR, failing={"t1": DataError("no such column")})
    assert [s.status for s in done.machine.steps] == ["failed", "ran"]
    assert done.ending.to == "escalate"
    assert "no untried adjustment left: steps: t1 failed: no such column" in done.ending.reason
    gate = PLAYBOOK.gate(stage)
    found = {g.id: (g.verdict, g.measure, g.level) for g in done.machine.gates}
    assert found[f"{gate.id}.steps"] == ("failed", "failed_steps", "require")
    assert done.machine.gate_measurements[-1].verdict == "failed"


def test_a_step_that_lacks_rows_leaves_insufficient_evidence(drive):
    failing = {"t1": InsufficientDataError("needs 100 rows"), "t2": InsufficientDataError("needs 200 rows")}
    planned = step(1, "in-processing", alternatives=(Choice(technique=2, slug="t2"),))
    done = drive(planned, figures=FAIR, failing=failing)
    assert done.ending.to == "escalate"
    assert done.ending.reason.endswith("insufficient evidence: gate-3.steps: t2 failed: needs 200 rows")
    assert (
        done.machine.gate_measurements[-1].verdict == "passed"
    )  # it is named at the end, whatever came after


def test_a_policy_may_roll_back_a_failed_step(drive):
    skip = {"action": "skip", "stage": "pre-processing"}
    rollback = PLAYBOOK.rollback("rollback-pre-processing")
    trigger = {"failed": ["steps"], "to": "pre-processing", "changes": [skip]}
    forgiving = PLAYBOOK.model_copy(
        update={
            "rollbacks": tuple(
                type(rollback)(**{**rollback.model_dump(), "triggers": [trigger]}) if r is rollback else r
                for r in PLAYBOOK.rollbacks
            )
        }
    )
    failing = {"t1": DataError("no such column")}
    done = drive(step(1, "pre-processing"), figures=UNFAIR, policy=forgiving, failing=failing)
    assert [t.reason for t in done.machine.transitions if t.kind == "rollback"] == [
        "steps: t1 failed: no such column; skipped t1"
    ]


def test_a_fault_of_the_store_ends_the_run(drive):
    planned = step(1, "in-processing", alternatives=(Choice(technique=2, slug="t2"),))
    with pytest.raises(StoreError, match="disk"):
        drive(planned, figures=FAIR, failing={"t1": StoreError("the disk is full")})


def test_a_step_on_condition_waits_for_it(drive):
    planned = step(1, "post-processing", when="target not secure")
    met = drive(planned, figures=Value(0.9, interval=(0.85, 0.95)))
    assert [s.status for s in met.machine.steps] == ["not needed"]
    close = drive(planned, figures=Value(0.81, interval=(0.7, 0.9)))
    assert [s.status for s in close.machine.steps] == ["ran"]


def test_a_rollback_restores_the_case_and_tries_each_change_once(drive):
    planned = step(1, "pre-processing", alternatives=(Choice(technique=2, slug="t2"),))
    done = drive(planned, figures=UNFAIR, more={"fairness_improvement": Value(0.0)})
    rolled = [t.reason.rpartition("; ")[2] for t in done.machine.transitions if t.kind == "rollback"]
    assert rolled == ["switched from t1 to t2", "skipped t2"]
    assert done.machine.iteration == 2
    assert [s.slug for s in done.machine.steps] == ["t1", "t2"]
    assert done.machine.ran == []
    assert done.machine.applied is done.machine.tracer.root
    assert [[c.slug for c in ran] for _, ran in done.machine.attempts.values()] == [[], ["t1"], ["t2"]]


def test_decisions_in_a_circle_end_at_the_limit(drive):
    back = [
        d.model_copy(update={"paths": tuple(p.model_copy(update={"to": "causal", "when": (), "any_of": (), "findings": ()}) for p in d.paths)})
        if d.after == "causal" else d
        for d in PLAYBOOK.decisions
    ]  # fmt: skip
    done = drive(figures=FAIR, policy=PLAYBOOK.model_copy(update={"decisions": tuple(back)}))
    assert done.ending.to == "escalate"
    assert f"iteration limit ({MOST_RETURNS}) reached" in done.ending.reason


def test_everything_is_told_as_it_happens(drive):
    done = drive(step(1, "in-processing"), figures=FAIR)
    events = [e["event"] for e in done.told]
    assert events.count("stage") == events.count("gate") == 3
    assert events.index("step-start") < events.index("step")
    assert [e["to"] for e in done.told if e["event"] == "decision"][-1] == "deploy"
