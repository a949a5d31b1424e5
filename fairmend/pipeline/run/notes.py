"""Notes of a record for the reader, its data summary and versions."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata as distributions
from typing import Any

from fairmend.catalog.registry import Registry
from fairmend.core.data.dataset import Dataset
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.external_model import FittedModel, PrecomputedScores
from fairmend.pipeline.cross_fitting import Division
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.run.state_machine import StateMachine
from fairmend.pipeline.spec import Choice, PipelineSpec

LIBRARIES = ("fairmend", "numpy", "pandas", "scikit-learn", "scipy", "torch")


def _of_baseline(spec: PipelineSpec, machine: StateMachine) -> list[str]:
    """Return how the user's own model or scores were interpreted."""
    estimator = machine.baseline.model.estimator
    if isinstance(estimator, PrecomputedScores):
        return [
            f"The baseline applies the threshold {estimator.threshold:g} to the given scores in {estimator.column!r}. Scores "
            "cannot be retrained, so techniques that retrain were excluded (retraining=false)."
        ]
    if not isinstance(estimator, FittedModel):
        return []
    favorable = estimator.model.classes_[estimator.favorable]
    told = (
        f"The baseline is the given model ({type(estimator.model).__name__}), whose class {favorable} was treated as the "
        "favorable one. Metrics on rows that it was trained on would be optimistic: use data "
        "that it has not seen."
    )
    if machine.tracer.root.case.learner is None:
        return [told]
    return [
        f"{told} Techniques that retrain use {spec.learner} instead; retraining=false keeps the given model."
    ]


def _of_data(spec: PipelineSpec, data: Dataset, machine: StateMachine) -> list[str]:
    """Return the note that the pipeline was composed from an audit of other data or other roles."""
    said = []
    estimator = machine.baseline.model.estimator
    audited = data.without([estimator.column]) if isinstance(estimator, PrecomputedScores) else data
    if spec.audited is not None and spec.audited.sha256 not in {audited.fingerprint(), data.fingerprint()}:
        said.append(
            f"The pipeline was composed from an audit of other data or other roles ({spec.audited.rows:,} rows, "
            f"SHA-256 {spec.audited.sha256[:12]}; these are {len(data):,} rows, SHA-256 "
            f"{audited.fingerprint()[:12]}): its findings and parameters do not come from these data."
        )
    named, used = spec.roles.model_dump(), data.roles.model_dump()
    if isinstance(estimator, PrecomputedScores):
        named.pop("ignored"), used.pop("ignored")
    other = [
        f"{role} {_shown(used[role])} for {_shown(named[role])}"
        for role in named
        # a pipeline need not name the task, which is then inferred from the outcome
        if used[role] != named[role] and not (role == "task" and named[role] is None)
    ]
    if other:
        said.append(f"The run uses other column roles than the pipeline: {'; '.join(other)}.")
    return said


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def notes(
    spec: PipelineSpec,
    model: FairModel,
    machine: StateMachine,
    data: Dataset,
    steps: Sequence[Choice] = (),
    verdicts: Sequence[CheckResult] = (),
) -> list[str]:
    """Return the notes on the final rule and the data; what was tried and is not in the rule is no part of them.

    Parameters
    ----------
    spec : PipelineSpec
        The pipeline.
    model : FairModel
        The final rule.
    machine : StateMachine
        After its run.
    data : Dataset
        All rows.
    steps : sequence of Choice
        The steps of the final rule.
    verdicts : sequence of CheckResult
        Checks of the last gate on the test data, where it was evaluated.
    """
    said = [*_of_data(spec, data, machine), *_of_baseline(spec, machine)]
    if model.reads_protected:
        rules = [p.metadata for p in model.parts if p.metadata.needs_protected_at_prediction]
        for rule in rules:
            legal = f" {rule.legal_notes}" if rule.legal_notes else ""
            said.append(f"{rule.name} reads the protected attribute for every decision.{legal}")
    if any(p.metadata.randomized for p in model.parts):
        said.append("Decisions are partly randomized; the same row always gets the same decision.")
    for step in machine.steps:
        kept = any((c.technique, c.parameters) == (step.technique_id, step.parameters) for c in steps)
        if kept and step.effect is not None and step.effect.changed_nothing:
            said.append(f"{step.slug} changed nothing.")
    stages = {"causal", *(machine.registry.card(c.technique).metadata.stage for c in steps)}
    stages -= {"post-processing"} if verdicts else set()  # the same checks, on the test data
    of_rule = [j for stage, found in machine.standing.items() if stage in stages for j in found]
    said += [
        f"Advisory check {j.id} not met: {j.measure} {_number(j.value)} ({j.bound})."
        for j in (*of_rule, *verdicts)
        if not j.decides and j.verdict not in {"passed", "waiting"}
    ]
    return list(dict.fromkeys(said))


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def about(data: Dataset, division: Division) -> dict[str, Any]:
    """Return the data summary: rows, parts, features, groups, roles, hash."""
    return {
        "rows": len(data),
        "parts": division.counts(),
        "division": division.text,
        "features": [str(c) for c in data.X.columns],
        "groups": {g: int(n) for g, n in zip(data.groups.labels, data.groups.counts(), strict=True)},
        "outcome": data.roles.outcome,
        "favorable": data.roles.favorable,
        "protected": list(data.roles.protected),
        "sha256": data.fingerprint(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version(), **{name: distributions.version(name) for name in LIBRARIES}}


def third_party(registry: Registry) -> list[str]:
    """Return the third-party plugins with their versions."""
    found = (p for p in registry.plugins if p.module.partition(":")[0].partition(".")[0] != "fairmend")
    return sorted({f"{p.source} {p.version}" for p in found})
