"""Whether a pipeline can stand, checked before any data is touched."""

from __future__ import annotations

from collections.abc import Iterator

from fairmend.catalog.policy import Policy, load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.errors import UsageError
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.vocabulary import STAGES
from fairmend.pipeline.spec import Choice, PipelineSpec


def check_spec(spec: PipelineSpec, registry: Registry, policy: Policy | None = None) -> None:
    """Check a pipeline before any data is touched.

    Parameters
    ----------
    spec : PipelineSpec
        The pipeline.
    registry : Registry
        Where techniques come from.
    policy : Policy, optional
        By what it is to be judged; by default the one that it names.

    Raises
    ------
    UsageError
        A technique at the wrong stage, in breach of the constraints, out of order, without what it
        reads, or in conflict with another; all faults are gathered into one message.
    ParameterError, UnknownNameError
        A parameter or technique that is not there.
    """
    (policy or load_policy(spec.policy, registry)).target(spec.notion)
    for choice in (*(c for step in spec.steps for c in (step, *step.alternatives)), *spec.evaluations):
        registry.technique(choice.technique).with_parameters(**choice.parameters)
    faults = [
        *_of_choices(spec, registry),
        *_of_order([registry.card(s.technique).metadata for s in spec.steps]),
    ]
    if faults:
        raise UsageError(f"the pipeline {spec.name} is not sound: " + "; ".join(dict.fromkeys(faults)))


def _of_choices(spec: PipelineSpec, registry: Registry) -> Iterator[str]:
    """Yield what is wrong with single techniques, alternatives included."""
    limits = spec.constraints.model_copy(update={"stage": None, "notion": None})
    for choice in spec.evaluations:
        metadata = registry.card(choice.technique).metadata
        yield from _of_name(choice, metadata)
        if metadata.stage != "evaluation":
            yield f"{metadata.slug} is of {metadata.stage}, not of evaluation"
    graph = any(step.stage == "causal" for step in spec.steps)
    for step in spec.steps:
        for choice in (step, *step.alternatives):
            metadata = registry.card(choice.technique).metadata
            yield from _of_name(choice, metadata)
            if metadata.stage != step.stage:
                yield f"{metadata.slug} is of {metadata.stage}, not of {step.stage}"
            if reason := limits.reason(metadata):
                yield f"{metadata.slug} breaks the constraints: it {reason}"
            if metadata.needs_graph and metadata.stage != "causal" and not graph:
                yield f"{metadata.slug} reads a causal graph; put a causal step before it"


def _of_name(choice: Choice, metadata: TechniqueMetadata) -> Iterator[str]:
    """Yield that id and slug of a choice speak of two techniques."""
    if choice.slug != metadata.slug:
        yield f"the technique {choice.technique} is {metadata.slug}, and the slug beside it is {choice.slug!r}"


def _of_order(steps: list[TechniqueMetadata]) -> Iterator[str]:
    """Yield what is wrong with techniques beside each other."""
    for place, step in enumerate(steps):
        before = steps[:place]
        for earlier in before:
            if STAGES.index(earlier.stage) > STAGES.index(step.stage):
                yield f"{step.slug} of {step.stage} stands after {earlier.slug} of {earlier.stage}"
        decides = next((m for m in before if "decisions" in m.modifies), None)
        if decides is not None and "scores" in step.modifies:
            yield f"{step.slug} changes scores after decisions were made; calibrate before thresholds"
        for what, words in (("decisions", "makes the decisions"), ("model", "trains the model")):
            rival = next((m for m in before if what in m.modifies), None)
            if rival is not None and what in step.modifies:
                yield f"{step.slug} {words}, and so does {rival.slug}: the later one would replace the earlier"
