"""Every rollback edge and escalation of the playbook, driven on real data.

The gates are those of the playbook, to the letter; a policy that extends it sets the numbers that send this data
down the edge in question. Nothing is mocked.
"""

from __future__ import annotations

from typing import Any

import pytest

from fairmend.catalog.policy import Policy, merged, raw_policy
from fairmend.catalog.registry import Registry
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.run.record import RunRecord
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import Choice, PipelineSpec, Step

pytestmark = pytest.mark.data


def step(technique: int, slug: str, stage: str, *alternatives: tuple[int, str], **more: Any) -> Step:
    parameters = more.pop("parameters", {})
    choices = tuple(Choice(technique=i, slug=s) for i, s in alternatives)
    return Step(
        technique=technique, slug=slug, stage=stage, parameters=parameters, alternatives=choices, **more
    )


GRAPH = step(53, "causal-graph-construction", "causal")
SENSITIVITY = step(56, "sensitivity-analysis", "causal")
REMOVER = step(
    69,
    "disparate-impact-remover",
    "pre-processing",
    (31, "instance-weighting"),
    parameters={"features": ["priors_count"]},
)
WEIGHTS = step(31, "instance-weighting", "pre-processing", (69, "disparate-impact-remover"))
CONSTRAINED = step(20, "fairness-constrained-lr", "in-processing", (76, "prejudice-remover"))
PLATT = step(47, "platt-scaling", "post-processing", (49, "isotonic-calibration"), when="calibration poor")
TEMPERATURE = step(
    51, "temperature-scaling", "post-processing", (50, "beta-calibration"), when="calibration poor"
)
THRESHOLDS = step(9, "group-thresholds", "post-processing", when="target not secure")
WRONG_THRESHOLDS = step(13, "equal-opportunity-thresholds", "post-processing", when="target not secure")


def policy(**changes: Any) -> Policy:
    """Return the playbook with changes; calibration, which is not what most edges are about, hardly binds."""
    calibration = [{"id": "calibration", "below": 0.5}, {"id": "group-calibration", "below": 0.5}]
    lenient = merged(raw_policy("playbook-literal"), {"gates": [{"id": "gate-4", "checks": calibration}]})
    return Policy(**merged(lenient, {"policy": "test", **changes}))


def bound(gate: str, check: str, **bounds: Any) -> dict[str, Any]:
    """Return the change of one check's bound, as a policy that extends the playbook states it."""
    return {"gates": [{"id": gate, "checks": [{"id": check, **bounds}]}]}


def only_switch(rollback: str, failed: str, stage: str) -> dict[str, Any]:
    """Return the change of a rollback that offers one other technique and nothing else."""
    change = {"action": "switch", "stage": stage}
    return {"id": rollback, "triggers": [{"failed": [failed], "to": stage, "changes": [change]}]}


def drive(
    data: Dataset,
    registry: Registry,
    rules: Policy,
    *steps: Step,
    approvals: list[Approval] | None = None,
    **more: Any,
) -> RunRecord:
    spec = PipelineSpec(roles=data.roles, learner="logistic_regression", steps=steps, **more)
    return run(
        spec,
        data,
        registry=registry,
        policy=rules,
        approvals=approvals or (),
        assume_approved=approvals is None,
        n_boot=200,
        n_permutations=200,
    )


def rollbacks(record: RunRecord) -> list[tuple[str, str]]:
    """Return where each rollback led and what it changed."""
    return [(t.to, t.reason.rpartition("; ")[2]) for t in record.transitions if t.kind == "rollback"]


# -- pre-processing -------------------------------------------------------------------------------


def test_utility_lost_in_preprocessing_weakens_the_repair_then_skips(two_races, registry):
    rules = policy(
        gates=[
            {
                "id": "gate-2",
                "checks": [{"id": "improvement", "at_least": -9}, {"id": "utility", "at_most": -0.5}],
            }
        ]
    )
    record = drive(two_races, registry, rules, REMOVER, THRESHOLDS)
    assert rollbacks(record)[:2] == [
        ("pre-processing", "repair_level of disparate-impact-remover from 0.8 to 0.6"),
        ("pre-processing", "skipped disparate-impact-remover"),
    ]


def test_integrity_lost_switches_to_a_gentler_transformation(two_races, registry):
    rules = policy(
        gates=[
            {
                "id": "gate-2",
                "checks": [{"id": "improvement", "at_least": -9}, {"id": "outliers", "at_most": -1}],
            }
        ]
    )
    record = drive(two_races, registry, rules, REMOVER, THRESHOLDS)
    assert [change for _, change in rollbacks(record)] == [
        "repair_level of disparate-impact-remover from 0.8 to 0.6",
        "switched from disparate-impact-remover to instance-weighting",
        "skipped instance-weighting",
    ]


def test_too_little_improvement_tries_the_alternative(two_races, registry):
    record = drive(
        two_races, registry, policy(**bound("gate-2", "improvement", at_least=50)), REMOVER, THRESHOLDS
    )
    assert rollbacks(record)[0] == (
        "pre-processing",
        "switched from disparate-impact-remover to instance-weighting",
    )
    assert rollbacks(record)[-1][1] == "skipped instance-weighting"


def test_preprocessing_escalates_to_its_people_when_iterations_are_used_up(two_races, registry):
    rules = policy(
        gates=[{"id": "gate-2", "checks": [{"id": "improvement", "at_least": 50}]}],
        rollbacks=[only_switch("rollback-pre-processing", "improvement", "pre-processing")],
    )
    record = drive(two_races, registry, rules, REMOVER, THRESHOLDS)
    assert record.status == "escalated"
    assert record.exit_code == 4
    assert "product owner, executive sponsor" in record.reason
    assert any("Skip pre-processing entirely" in option for option in record.escalation_options)
    assert any("measured on validation" in option for option in record.escalation_options)


# -- in-processing --------------------------------------------------------------------------------


def test_missed_fairness_strengthens_the_constraint_then_switches_then_leaves_it_to_thresholds(
    two_races, registry
):
    rules = policy(targets={"demographic_parity": {"at_least": 0.995}})
    record = drive(two_races, registry, rules, CONSTRAINED, THRESHOLDS)
    changes = [change for to, change in rollbacks(record) if to == "in-processing"]
    assert changes[0] == "constraint_weight of fairness-constrained-lr from 0.5 to 0.7"
    assert changes[1] == "switched from fairness-constrained-lr to prejudice-remover"
    assert changes[2] == "skipped prejudice-remover"


def test_utility_lost_in_processing_softens_the_constraint(two_races, registry):
    rules = policy(gates=[{"id": "gate-3", "checks": [{"id": "utility", "at_most": -0.5}]}])
    record = drive(two_races, registry, rules, CONSTRAINED, THRESHOLDS, notion="demographic_parity")
    assert rollbacks(record)[0] == (
        "in-processing",
        "constraint_weight of fairness-constrained-lr from 0.5 to 0.3",
    )


def test_a_solver_that_does_not_converge_is_a_failed_gate(two_races, registry):
    hasty = CONSTRAINED.model_copy(update={"parameters": {"max_iter": 1}})
    record = drive(two_races, registry, policy(), hasty, THRESHOLDS)
    failed = {g.id for g in record.gates if g.verdict == "failed"}
    assert "gate-3.convergence" in failed
    assert rollbacks(record)[0][1] == "constraint_weight of fairness-constrained-lr from 0.5 to 0.3"


def test_in_processing_escalates_to_the_executive_sponsor(two_races, registry):
    rules = policy(
        targets={"demographic_parity": {"at_least": 0.995}},
        rollbacks=[only_switch("rollback-in-processing", "fairness", "in-processing")],
    )
    record = drive(two_races, registry, rules, CONSTRAINED, THRESHOLDS)
    assert record.status == "escalated"
    assert "executive sponsor" in record.reason
    assert any("fairness-constrained-lr" in v.steps for v in record.variants)
    assert any(option.startswith("option-1: Accept ") for option in record.escalation_options)


WEAK = CONSTRAINED.model_copy(update={"parameters": {"constraint_weight": 0.05}})
TIGHT = THRESHOLDS.model_copy(update={"parameters": {"min_ratio": 0.97}})
AHEAD = {"judgment": {"lookahead": True}, "targets": {"demographic_parity": {"at_least": 0.9}}}


def test_no_alternative_is_trained_where_post_processing_alone_passes_the_last_gate(two_races, registry):
    record = drive(two_races, registry, policy(**AHEAD), WEAK, TIGHT)
    [ahead] = [t for t in record.transitions if t.kind == "lookahead"]
    assert (ahead.id, ahead.to) == ("gate-3", "post-processing")
    assert "post-processing without in-processing passes the last gate" in ahead.reason
    assert rollbacks(record) == []
    assert [s.slug for s in record.steps if s.status == "ran"] == [
        "fairness-constrained-lr",
        "group-thresholds",
    ]
    assert all(part.metadata.slug != "fairness-constrained-lr" for part in record.model.parts)


def test_the_alternatives_are_tried_where_post_processing_alone_does_not_help(two_races, registry):
    rules = policy(judgment={"lookahead": True}, targets={"demographic_parity": {"at_least": 0.995}})
    record = drive(two_races, registry, rules, WEAK, WRONG_THRESHOLDS)
    assert not [t for t in record.transitions if t.kind == "lookahead"]
    assert rollbacks(record)


def test_a_solver_that_does_not_converge_is_not_passed_by_with_a_look_ahead(two_races, registry):
    hasty = WEAK.model_copy(update={"parameters": {"constraint_weight": 0.05, "max_iter": 1}})
    record = drive(two_races, registry, policy(**AHEAD), hasty, TIGHT)
    assert record.transitions[2].kind == "rollback"


def test_a_target_that_is_met_counts_as_an_improvement(two_races, registry):
    """To the letter, a repair that reaches the target is thrown away for improving too little."""
    changes = bound("gate-2", "improvement", at_least=50)
    changes["targets"] = {"demographic_parity": {"at_least": 0.3}}
    literal = drive(two_races, registry, policy(**changes), REMOVER, THRESHOLDS)
    assert "pre-processing" in dict(rollbacks(literal))
    sound = drive(
        two_races, registry, policy(**changes, judgment={"improvement": "or target met"}), REMOVER, THRESHOLDS
    )
    assert "pre-processing" not in dict(rollbacks(sound))
    [improvement] = [g for g in sound.gates if g.id == "gate-2.improvement"]
    assert improvement.verdict == "passed"
    assert "the target is met (demographic_parity_ratio" in improvement.reason


# -- post-processing ------------------------------------------------------------------------------


def test_missed_fairness_after_thresholds_goes_back_to_in_processing(two_races, registry):
    rules = policy(targets={"demographic_parity": {"at_least": 0.999}})
    record = drive(two_races, registry, rules, WEIGHTS, WRONG_THRESHOLDS)
    assert record.status == "escalated"
    assert "executive sponsor, legal team" in record.reason


def test_thresholds_are_tightened_when_the_target_is_missed(two_races, registry):
    loose = THRESHOLDS.model_copy(update={"parameters": {"min_ratio": 0.5}})
    record = drive(two_races, registry, policy(), loose)
    assert any(change.startswith("min_ratio of group-thresholds from 0.5") for _, change in rollbacks(record))


def test_poor_calibration_tries_another_calibrator(two_races, registry):
    rules = policy(gates=[{"id": "gate-4", "checks": [{"id": "calibration", "below": -1}]}])
    for planned, other in ((PLATT, "isotonic-calibration"), (TEMPERATURE, "beta-calibration")):
        record = drive(two_races, registry, rules, planned, THRESHOLDS)
        changes = [change for to, change in rollbacks(record) if to == "post-processing"]
        assert any(change.endswith(other) for change in changes), changes
        assert record.status == "escalated"
        assert "executive sponsor, legal team" in record.reason


def test_utility_lost_after_post_processing_goes_back_to_the_start(two_races, registry):
    rules = policy(
        targets={"demographic_parity": {"at_least": 0.7}},
        gates=[{"id": "gate-4", "checks": [{"id": "utility", "at_most": -0.5}]}],
    )
    record = drive(two_races, registry, rules, CONSTRAINED, THRESHOLDS)
    back = [change for to, change in rollbacks(record) if to == "causal"]
    assert back[0].startswith("constraint_weight of fairness-constrained-lr")
    assert back[1].startswith("skipped")


def approvals(**rejected: str) -> list[Approval]:
    """Return every approval of the playbook, with the named gates rejected by the role given."""
    out = []
    for gate in policy().gates:
        for check in gate.checks:
            for role in check.roles:
                said_no = rejected.get(gate.id.replace("-", "_")) == role
                out.append(Approval(gate.id, role, "A. Person", not said_no, "too costly" if said_no else ""))
    return out


def test_a_rejection_by_stakeholders_escalates_and_leaves_the_rule_as_it_is(two_races, registry):
    record = drive(
        two_races, registry, policy(), CONSTRAINED, THRESHOLDS, approvals=approvals(gate_4="legal team")
    )
    approved = drive(two_races, registry, policy(), CONSTRAINED, THRESHOLDS, approvals=approvals())
    assert record.status == "escalated"
    assert "rejected by A. Person (legal team): too costly" in record.reason
    assert record.escalated_to == ["executive sponsor", "legal team"]
    assert record.presented_rules["gate-4"] == approved.presented_rules["gate-4"]
    assert not any("stakeholders" in t.reason for t in record.transitions)


# -- causal analysis and people -------------------------------------------------------------------


def test_a_rejected_graph_escalates_to_the_experts(two_races, registry):
    record = drive(
        two_races,
        registry,
        policy(),
        GRAPH,
        SENSITIVITY,
        THRESHOLDS,
        approvals=approvals(gate_1="domain expert"),
    )
    assert record.status == "escalated"
    assert record.escalated_to == ["domain expert", "compliance officer"]


def test_a_protected_attribute_in_the_model_is_taken_out(two_races, registry):
    frame = two_races.frame.assign(two_year_recid=1 - two_races.y)
    inside = Dataset.from_frame(
        frame, Roles(outcome="two_year_recid", favorable=0, protected=("race",), protected_in_model=True)
    )
    assert "race" in inside.X.columns
    record = drive(inside, registry, policy(), THRESHOLDS)
    assert ("causal", "removed race from the model") in rollbacks(record)
    assert "race" not in record.model.features


def test_open_approvals_wait_at_the_end_or_at_the_gate(two_races, registry):
    at_end = drive(two_races, registry, policy(), THRESHOLDS, approvals=[])
    assert at_end.status == "waiting"
    assert at_end.exit_code == 3
    assert "waiting for approval by the product owner" in at_end.reason
    assert any(g.id == "gate-4.fairness" for g in at_end.gates)
    at_gate = drive(two_races, registry, policy(approvals="at_gate"), GRAPH, THRESHOLDS, approvals=[])
    assert at_gate.status == "waiting"
    assert {g.id.partition(".")[0] for g in at_gate.gates} == {"gate-1"}


def needless(record) -> dict[str, str]:
    """Return the approvals that were not asked for, with the reason."""
    asked = [g for g in record.gates if g.measure == "approval"]
    return {g.id: g.reason.removeprefix("not applicable: ") for g in asked if g.not_applicable}


def test_approvals_are_asked_for_what_the_final_rule_contains(two_races, registry):
    thresholds = drive(two_races, registry, policy(), THRESHOLDS, approvals=[])
    assert needless(thresholds) == {
        "gate-1.dag-approved": "no causal graph was built",
        "gate-3.trade-off-approved": "the rule has no step of in-processing",
    }
    strong = policy(gates=[{"id": "gate-1", "checks": [{"id": "e-value", "above": 100}]}])
    doubted = drive(two_races, registry, strong, GRAPH, SENSITIVITY, THRESHOLDS, approvals=[])
    assert (
        needless(doubted)["gate-1.dag-approved"]
        == "the report makes no causal claim, and no step of the rule reads the causal graph"
    )
    certain = policy(
        gates=[
            {
                "id": "gate-1",
                "checks": [{"id": "e-value", "above": 0.5}, {"id": "e-value-limit", "above": 0.5}],
            }
        ]
    )
    claimed = drive(two_races, registry, certain, GRAPH, SENSITIVITY, THRESHOLDS, approvals=[])
    assert "gate-1.dag-approved" not in needless(claimed)
    assert "gate-1.dag-approved waiting for approval by the domain expert" in claimed.reason


# -- decisions ------------------------------------------------------------------------------------


def test_decision_1_skips_preprocessing_where_nothing_is_biased(two_races, registry):
    rules = policy(
        decisions=[
            {
                "id": "decision-1",
                "paths": [
                    {
                        "to": "pre-processing",
                        "findings": ["biased-mediator"],
                        "any_of": [{"id": "d", "metric": "demographic_parity_ratio", "below": 0.1}],
                        "reason": "biased",
                    },
                    {"to": "in-processing", "reason": "not biased"},
                ],
            }
        ]
    )
    record = drive(two_races, registry, rules, WEIGHTS, THRESHOLDS)
    assert all(s.slug != "instance-weighting" for s in record.steps)


def test_decision_2_skips_in_processing_where_the_target_is_met(two_races, registry):
    rules = policy(targets={"demographic_parity": {"at_least": 0.3}})
    record = drive(two_races, registry, rules, WEIGHTS, CONSTRAINED, THRESHOLDS)
    turns = {t.id: t.to for t in record.transitions if t.kind == "decision"}
    assert turns["decision-2"] == "post-processing"
    assert all(s.slug != "fairness-constrained-lr" for s in record.steps)


def test_too_little_support_is_never_a_pass(german_age, registry):
    record = drive(german_age, registry, policy(minimum_support=250), THRESHOLDS)
    verdicts = {g.verdict for g in record.gates if g.id.startswith("gate-4")}
    assert "insufficient evidence" in verdicts
    assert record.status == "escalated"
    assert "insufficient evidence" in record.reason
    assert any("Collect more rows" in option for option in record.escalation_options)


def test_the_test_data_have_the_last_word(two_races, registry):
    """A rule that holds on validation by luck is not deployed if it fails on the test data."""
    judged_on_test = 0
    for seed in range(6):
        rules = policy(targets={"demographic_parity": {"at_least": 0.9}})
        record = drive(two_races, registry, rules, THRESHOLDS, seed=seed)
        final = [g for g in record.gates if g.data == "test" and g.decides]
        if record.status == "deployable":
            assert all(g.verdict == "passed" for g in final)
        if record.status == "failed":
            assert any(g.verdict == "failed" for g in final)
            assert record.exit_code == 4
        judged_on_test += bool(final)
    assert judged_on_test > 0


# -- decision 0 -----------------------------------------------------------------------------------

FAIR_ENOUGH = {
    "judgment": {"need": {}},
    "targets": {"demographic_parity": {"at_least": 0.3}},
    **bound("gate-4", "intersections", at_most=0.5),
}


def test_a_model_that_meets_the_target_is_kept_and_nothing_is_built(two_races, registry):
    record = drive(two_races, registry, policy(**FAIR_ENOUGH), WEIGHTS, CONSTRAINED, THRESHOLDS)
    assert (record.status, record.exit_code) == ("no intervention needed", 0)
    assert (record.steps, record.gate_measurements) == ([], [])
    assert record.need.finding == "no need"
    assert record.final.figure("accuracy").value == record.baseline.figure("accuracy").value
    assert {g.id for g in record.gates} >= {"final.fairness", "final.intersections", "final.utility"}
    assert not any("calibration" in g.id or g.measure == "approval" for g in record.gates)
    [turn] = record.transitions
    assert (turn.id, turn.to) == ("decision-0", "no intervention")


def test_it_is_built_all_the_same_where_someone_says_so(two_races, registry):
    spec = PipelineSpec(roles=two_races.roles, learner="logistic_regression", steps=(WEIGHTS,))
    record = run(
        spec, two_races, registry=registry, policy=policy(**FAIR_ENOUGH), assume_approved=True, n_boot=200,
        n_permutations=200, intervene=True,
    )  # fmt: skip
    assert record.steps[0].slug == "instance-weighting"
    assert record.need.overruled
    assert "overruled by --intervene" in record.transitions[0].reason
