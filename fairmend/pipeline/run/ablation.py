"""Ablation: the result without each step, and the simplest pipeline that is as good."""

from __future__ import annotations

from dataclasses import dataclass

from fairmend.core.errors import FairmendError, StoreError
from fairmend.core.text.words import plural
from fairmend.pipeline.gates.gates import evaluate_gate, outcome
from fairmend.pipeline.run.record import Variant
from fairmend.pipeline.run.state_machine import StateMachine
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.step_cache import StepResult

PLAIN = "plain model"
POST_ALONE = "post-processing alone"
FULL = "full"


@dataclass(frozen=True)
class AblationVariant:
    """A variant with everything needed to deploy it."""

    variant: Variant
    applied: StepResult
    steps: int


def ablate(machine: StateMachine, ran: list[Choice]) -> dict[str, AblationVariant]:
    """Return the full pipeline, the variants without each step, and the two references, measured alike.

    Parameters
    ----------
    machine : StateMachine
        After its run.
    ran : list of Choice
        The steps of its final pass, in order.

    Notes
    -----
    Metrics are computed on validation data. The two references are mandatory: the plain model, and
    post-processing of the plain model alone, with the first of the settings used during the run
    that passes the last gate: a rule tightened for another model would be a poor reference.
    """
    acting = [c for c in ran if _stage(machine, c) != "causal"]
    causal = [c for c in ran if c not in acting]
    named: dict[str, list[Choice]] = {FULL: acting}
    if len(acting) > 1:
        for choice in acting:
            named[f"without {choice.slug}"] = [c for c in acting if c is not choice]
    *milder, named[POST_ALONE] = _post_alone(machine, acting)
    named[PLAIN] = []
    out: dict[str, AblationVariant] = {}
    full = machine.tracer.replay([*causal, *acting])
    for name, choices in named.items():
        try:
            applied = machine.tracer.replay([*causal, *choices])
        except StoreError:
            raise
        except FairmendError:
            # A later step requires the one left out: there is no such variant.
            continue
        out[name] = _candidate(machine, name, choices, applied, full)
    for choices in milder if POST_ALONE in out else ():
        found = _candidate(machine, POST_ALONE, choices, machine.tracer.replay([*causal, *choices]), full)
        if found.variant.passes:
            out[POST_ALONE] = found
            break
    return out


def _stage(machine: StateMachine, choice: Choice) -> str:
    return machine.registry.card(choice.technique).metadata.stage


def _post_alone(machine: StateMachine, acting: list[Choice]) -> list[list[Choice]]:
    """Return the post-processing of the final pipeline, or what was planned for the target.

    Yields each setting of its last step used during the run, the final one last.
    """
    post = [c for c in acting if _stage(machine, c) == "post-processing"]
    decides = [c for c in post if "decisions" in machine.registry.card(c.technique).metadata.modifies]
    if not decides:
        planned = [
            a.choice for a in machine.plan.of_stage("post-processing") if a.step.when == "target not secure"
        ]
        return [[*post, *planned]]
    *before, rule = post
    tried = [s.parameters for s in machine.steps if s.technique_id == rule.technique and s.status == "ran"]
    earlier = [p for place, p in enumerate(tried) if p != rule.parameters and p not in tried[:place]]
    return [
        [*before, rule.model_copy(update={"parameters": parameters})]
        for parameters in (*earlier, rule.parameters)
    ]


def _candidate(
    machine: StateMachine, name: str, choices: list[Choice], applied: StepResult, full: StepResult
) -> AblationVariant:
    view = machine.view(applied)
    gate = machine.policy.gate("post-processing")
    judgments = [
        j for j in evaluate_gate(gate, view, machine.policy, machine.functions) if j.measure != "approval"
    ]
    gains = machine.judged(full).against(machine.judged(applied))
    figures = view.current.measurement
    accuracy, fairness = figures.figure("accuracy"), figures.figure(view.measure_of_target)
    variant = Variant(
        name,
        tuple(c.slug for c in choices),
        accuracy.value,
        fairness.value,
        accuracy.interval,
        fairness.interval,
        gains["accuracy"].to_json(),
        gains[view.measure_of_target].to_json(),
        outcome(judgments) == "passed",
    )
    return AblationVariant(variant, applied, len(choices))


def simplest(machine: StateMachine, candidates: dict[str, AblationVariant]) -> tuple[str, str]:
    """Return the name of the pipeline to deploy, and why.

    Among those that pass every required check of the last gate, the one with the fewest steps whose
    accuracy is within noise of the best; at equal length the more accurate one. The policy's evidence
    rule applies here as at the gate itself.
    """
    full = candidates[FULL]
    sound = {name: c for name, c in candidates.items() if c.variant.passes}
    if FULL not in sound:
        return FULL, "the full pipeline is kept"
    best = max(sound.values(), key=lambda c: c.variant.accuracy)
    order = sorted(
        sound.items(), key=lambda item: (item[1].steps, -item[1].variant.accuracy, item[0] != POST_ALONE)
    )
    for name, c in order:
        change = machine.judged(c.applied).against(machine.judged(best.applied))["accuracy"]
        if change.interval is None or change.interval[1] >= 0:
            if name == FULL:
                return FULL, "no shorter pipeline passes every required check at this accuracy"
            return name, (
                f"{name} passes every required check with {plural(c.steps, 'step')} instead of {full.steps}: accuracy "
                f"{c.variant.accuracy:.4f} against {full.variant.accuracy:.4f}, {_figure(machine)} "
                f"{c.variant.fairness:.3f} against {full.variant.fairness:.3f}"
            )
    return FULL, "the full pipeline is kept"


def _figure(machine: StateMachine) -> str:
    return machine.policy.target(machine.spec.notion).metric
