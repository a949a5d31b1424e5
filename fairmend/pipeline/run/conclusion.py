"""The end of a run: its alternatives are measured, and the final rule is chosen among them."""

from __future__ import annotations

from fairmend.pipeline.run.ablation import FULL, Candidate, measure_candidates
from fairmend.pipeline.run.frontier import choose
from fairmend.pipeline.run.record import Transition
from fairmend.pipeline.run.run_outcome import RunOutcome
from fairmend.pipeline.run.state_machine import StateMachine


def addition(machine: StateMachine, probability: float | None) -> str:
    """Return what else to say of a deployable rule: how surely it holds, and that the path led elsewhere."""
    sure = (
        ""
        if probability is None
        else f"; the target is met with probability {probability:.2f} in the population"
    )
    if any(t.kind == "escalation" for t in machine.transitions):
        sure += (
            "; it was chosen among the measured alternatives, since the path through the gates was escalated"
        )
    return sure


def _candidates(machine: StateMachine, ending: RunOutcome) -> dict[str, Candidate]:
    """Measure the alternatives of a run that built something."""
    if ending.to not in {"deploy", "escalate"} or not machine.attempts:
        return {}
    return measure_candidates(machine, deploys=ending.to == "deploy")


def conclude(machine: StateMachine, ending: RunOutcome) -> tuple[RunOutcome, str, dict[str, Candidate]]:
    """Return how a run ends once its alternatives are measured, which of them is the final rule, and all of them.

    Where the path through the gates was escalated, an alternative that passes every required check of the
    last gate is deployed. The choice becomes part of the machine's record.
    """
    candidates = _candidates(machine, ending)
    wanted = machine.policy.judgment.choice == "frontier" and machine.spec.simplify
    found = choose(machine, candidates) if wanted and candidates else None
    if found is None:
        return ending, FULL, candidates
    name, reason = found
    if ending.to == "escalate":
        reason = f"{reason}. The path through the gates did not reach a deployment: {ending.reason}"
    turn = Transition("choice", "frontier", name, reason, machine.iteration)
    machine.transitions.append(turn)
    machine.tell({"event": "choice", **turn.to_json()})
    if name != FULL:
        machine.standing = {
            **{s: c for s, c in machine.standing.items() if s == "causal"},
            "post-processing": candidates[name].checks,
        }
        machine.gates += candidates[name].checks
    return RunOutcome("deploy", reason), name, candidates
