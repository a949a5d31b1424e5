"""Lookahead: whether post-processing alone reaches the target, before more models are trained for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairmend.catalog.policy import GATED_STAGES, GatedStage
from fairmend.catalog.policy.metrics import METRICS
from fairmend.pipeline.gates.gates import CheckResult, told
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.step_cache import StepResult

if TYPE_CHECKING:
    from fairmend.pipeline.run.state_machine import StateMachine

COSTLY: tuple[GatedStage, ...] = ("pre-processing", "in-processing")


@dataclass(frozen=True)
class Shortcut:
    """A way to the last gate that leaves stages out.

    Attributes
    ----------
    start : StepResult
        The case to continue with.
    ran : list of Choice
        Its steps.
    left_out : tuple of str
        The stages that are left out.
    reason : str
        Figures with which the last gate is passed.
    """

    start: StepResult
    ran: list[Choice]
    left_out: tuple[GatedStage, ...]
    reason: str


def shortcut(machine: StateMachine, place: GatedStage, judgments: Sequence[CheckResult]) -> Shortcut | None:
    """Return a way to the last gate without a stage that failed on fairness alone; None if there is none.

    Parameters
    ----------
    machine : StateMachine
        At the failed gate.
    place : str
        Its stage.
    judgments : sequence of CheckResult
        Checks of the gate.

    Notes
    -----
    Tried are the planned post-processing steps on the case before the stage, and on the plain model. Each
    costs a fit on scores, where the alternatives of the stage train models.
    """
    failed = [j for j in judgments if j.decides and j.verdict == "failed"]
    known = [METRICS[j.measure].kind for j in failed if j.measure in METRICS]
    if place not in COSTLY or not failed or len(known) < len(failed) or set(known) != {"fairness"}:
        return None
    planned = machine.plan.of_stage("post-processing")
    for first in dict.fromkeys((place, COSTLY[0])):
        start, ran = machine.entry(first)
        acted = machine.acted(start, planned)
        if acted is None or not acted[1]:
            continue
        found = machine.last_gate(acted[0])
        if all(j.verdict == "passed" for j in found if j.decides):
            said = "; ".join(told(j) for j in found if j.check == "fairness")
            left_out = GATED_STAGES[GATED_STAGES.index(first) : GATED_STAGES.index("post-processing")]
            return Shortcut(start, list(ran), left_out, said)
    return None
