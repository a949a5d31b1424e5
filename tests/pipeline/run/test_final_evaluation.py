"""The status of a run from its parts, one reason at a time."""

from __future__ import annotations

import pytest

from fairmend.catalog.policy import load_policy
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.run.final_evaluation import status_of
from fairmend.pipeline.run.guards import Guard
from fairmend.pipeline.run.run_outcome import RunOutcome

PLAYBOOK = load_policy("playbook")
DEPLOY = RunOutcome("deploy", "all passed")
REJECTION = Approval(gate="gate-4", role="compliance officer", by="Noor", approved=False, note="not yet")


def check(verdict, *, gate="final", level="require", data="test"):
    return CheckResult(
        f"{gate}.utility", verdict, "accuracy_loss", 0.2, None, 90, "<= 0.1", 0.1, level, data, "too costly"
    )


def guard(status):
    return Guard("no-skill", status, "decisions are as good as chance", "look at the features")


CASES = {
    "all passed": (DEPLOY, [check("passed")], [], [], [], "deployable", "every required check passed"),
    "advice that fails decides nothing": (
        DEPLOY, [check("failed", level="advise")], [], [], [], "deployable", "every required",
    ),
    "failed on the test data": (
        DEPLOY, [check("failed")], [], [], [], "failed", "failed on test data: utility: too costly",
    ),
    "too few test rows": (
        DEPLOY, [check("insufficient evidence")], [], [], [], "escalated", "insufficient evidence on the test",
    ),
    "escalated before": (
        RunOutcome("escalate", "no way left", ["a"]), [check("passed")], [], [], [], "escalated", "no way left",
    ),
    "an approval is open": (RunOutcome("wait", "gate 1"), [check("failed")], [], [], [], "waiting", "gate 1"),
    "an approval of a gate passed by is open": (
        DEPLOY, [check("passed")], [check("waiting", gate="gate-4")], [], [], "waiting", "gate-4.utility",
    ),
    "rejected by a person": (DEPLOY, [check("passed")], [], [REJECTION], [], "escalated", "gate-4 was"),
    "a guard of decisions": (DEPLOY, [check("passed")], [], [], [guard("failed")], "failed", "no-skill"),
    "a guard for people": (DEPLOY, [check("passed")], [], [], [guard("escalated")], "escalated", "no-skill"),
    "a failure outweighs a rejection": (
        DEPLOY, [check("failed")], [], [REJECTION], [guard("escalated")], "failed", "failed on test data",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_status(name):
    ending, verdicts, gates, decisions, tripped, status, reason = CASES[name]
    found = status_of(ending, verdicts, gates, PLAYBOOK, "demographic_parity", decisions, tripped)
    assert found[0] == status
    assert reason in found[1]


def test_a_policy_that_requires_too_little_is_passed_and_no_more():
    gate = PLAYBOOK.gate("post-processing")
    advice = tuple(c.model_copy(update={"level": "advise"}) for c in gate.checks)
    gates = tuple(g.model_copy(update={"checks": advice}) if g.id == gate.id else g for g in PLAYBOOK.gates)
    lax = PLAYBOOK.model_copy(update={"gates": gates})
    status, reason, _ = status_of(DEPLOY, [check("passed")], [], lax, "demographic_parity")
    assert status == "passed its policy"
    assert "does not require the fairness target" in reason


def test_remedies_of_guards_come_before_the_options_of_the_policy():
    *_, options = status_of(
        DEPLOY, [check("passed")], [], PLAYBOOK, "demographic_parity", (), [guard("escalated")]
    )
    rollback = PLAYBOOK.rollback(PLAYBOOK.gate("post-processing").on_fail)
    assert options == ["look at the features", *rollback.options]
