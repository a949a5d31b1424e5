"""The alternatives of a run, measured alike: each step alone and left out, the references, every attempt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fairmend.pipeline.gates.gates import CheckResult, outcome
from fairmend.pipeline.gates.utility import value as utility_value
from fairmend.pipeline.run.measured import Variant
from fairmend.pipeline.run.state_machine import StateMachine
from fairmend.pipeline.run.step_plan import Active
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.step_cache import StepResult, Trace

PLAIN = "plain model"
POST_ALONE = "post-processing alone"
FULL = "full"


@dataclass(frozen=True)
class Candidate:
    """A variant with everything needed to deploy it.

    Attributes
    ----------
    variant : Variant
        Its figures.
    applied : StepResult
        Its case.
    checks : list of CheckResult
        The last gate on it.
    """

    variant: Variant
    applied: StepResult
    checks: list[CheckResult]


def measure_candidates(machine: StateMachine, *, deploys: bool) -> dict[str, Candidate]:
    """Return the alternatives of a run, by name.

    Parameters
    ----------
    machine : StateMachine
        After its run.
    deploys : bool
        Whether the path through the gates reached a deployment. If it did not, every attempt is
        measured with the planned post-processing as well.

    Notes
    -----
    Metrics are computed on validation data. The two references are mandatory: the plain model, and
    post-processing of the plain model alone, tuned for it: a rule tightened for another model would be a
    poor reference. Alternatives with equal steps are measured once, under the first name.
    """
    causal = [c for c in machine.ran if _stage(machine, c) == "causal"]
    found: dict[str, Candidate] = {}
    known: set[Trace] = set()
    full = machine.applied
    for name, applied, choices in _named(machine, causal, deploys):
        if applied.trace in known and not name.startswith(("without ", PLAIN, POST_ALONE)):
            continue
        known.add(applied.trace)
        found[name] = _candidate(machine, name, choices, applied, full)
    return found


def _named(
    machine: StateMachine, causal: list[Choice], deploys: bool
) -> Iterator[tuple[str, StepResult, list[Choice]]]:
    """Yield the alternatives that can be applied: name, case and acting steps."""
    acting = [c for c in machine.ran if c not in causal]
    start = machine.tracer.replay(causal)
    if deploys:
        yield FULL, machine.applied, acting
    if (of_plain := _post_processed(machine, start)) is not None:
        yield POST_ALONE, *of_plain
    yield PLAIN, start, []
    if deploys and len(acting) > 1:
        shorter = {f"without {c.slug}": [o for o in acting if o is not c] for c in acting}
        alone = {f"{c.slug} alone": [c] for c in acting}
        for name, choices in (shorter | alone).items():
            if (applied := machine.followed(start, choices)) is not None:
                yield name, applied, choices
    for attempt, ran in machine.attempts.values():
        steps = [c for c in ran if _stage(machine, c) != "causal"]
        name = " + ".join(c.slug for c in steps)
        if not steps:
            continue
        yield name, attempt, steps
        if not deploys and all(_stage(machine, c) != "post-processing" for c in steps):
            of_attempt = _post_processed(machine, attempt)
            if of_attempt is not None:
                applied, more = of_attempt
                yield " + ".join([name, *(c.slug for c in more)]), applied, [*steps, *more]


def _post_processed(machine: StateMachine, start: StepResult) -> tuple[StepResult, list[Choice]] | None:
    """Return a case after the planned post-processing, tuned for it; None where nothing acts or a step fails."""
    planned = machine.plan.of_stage("post-processing")
    found = machine.acted(start, (Active(a.step, _planned(a), when=a.step.when) for a in planned))
    return found if found is not None and found[1] else None


def _planned(active: Active) -> Choice:
    """Return a step with the parameters of the plan; those of an alternative where it was switched."""
    if active.choice.technique != active.step.technique:
        return active.choice
    return active.choice.model_copy(update={"parameters": active.step.parameters})


def _stage(machine: StateMachine, choice: Choice) -> str:
    return machine.registry.card(choice.technique).metadata.stage


def _candidate(
    machine: StateMachine, name: str, choices: list[Choice], applied: StepResult, full: StepResult
) -> Candidate:
    checks = machine.last_gate(applied)
    evaluation = machine.judged(applied)
    gains = machine.judged(full).against(evaluation)
    target = machine.policy.target(machine.spec.notion).metric
    accuracy, fairness = (evaluation.measurement.figure(n) for n in ("accuracy", target))
    utility = utility_value(machine.utility, evaluation)
    model = applied.case.fitted()
    variant = Variant(
        name,
        tuple(c.slug for c in choices),
        accuracy.value,
        fairness.value,
        accuracy.interval,
        fairness.interval,
        gains["accuracy"].to_json(),
        gains[target].to_json(),
        outcome(checks) == "passed" and machine.deploys(applied) and not machine.barred(applied),
        utility.value,
        utility.interval,
        machine.probability(applied),
        model.reads_protected,
        any(part.metadata.randomized for part in model.parts),
        tuple(c.check for c in checks if c.decides and c.verdict != "passed"),
    )
    return Candidate(variant, applied, checks)
