"""Validation of a pipeline before any data is touched."""

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
        Policy to evaluate it against; default: the one that it names.

    Raises
    ------
    UsageError
        A technique is at the wrong stage, violates the constraints, is out of order, lacks a required
        input, or conflicts with another; all errors are collected in one message.
    ParameterError, UnknownNameError
        A parameter or technique does not exist.
    """
    (policy or load_policy(spec.policy, registry)).target(spec.notion)
    for choice in (*(c for step in spec.steps for c in (step, *step.alternatives)), *spec.evaluations):
        registry.technique(choice.technique).with_parameters(**choice.parameters)
    faults = [
        *_of_choices(spec, registry),
        *_of_order([registry.card(s.technique).metadata for s in spec.steps]),
    ]
    if faults:
        raise UsageError(f"the pipeline {spec.name} is invalid: " + "; ".join(dict.fromkeys(faults)))


def _of_choices(spec: PipelineSpec, registry: Registry) -> Iterator[str]:
    """Yield the errors of single techniques, including alternatives."""
    limits = spec.constraints.model_copy(update={"stage": None, "notion": None})
    for choice in spec.evaluations:
        metadata = registry.card(choice.technique).metadata
        yield from _of_name(choice, metadata)
        if metadata.stage != "evaluation":
            yield f"{metadata.slug} is a technique of {metadata.stage}, expected evaluation"
    graph = any(step.stage == "causal" for step in spec.steps)
    for step in spec.steps:
        for choice in (step, *step.alternatives):
            metadata = registry.card(choice.technique).metadata
            yield from _of_name(choice, metadata)
            if metadata.stage != step.stage:
                yield f"{metadata.slug} is a technique of {metadata.stage}, expected {step.stage}"
            if reason := limits.reason(metadata):
                yield f"{metadata.slug} violates the constraints: it {reason}"
            if metadata.needs_graph and metadata.stage != "causal" and not graph:
                yield f"{metadata.slug} requires a causal graph; put a causal step before it"
            for name in metadata.required_parameters:
                if choice.parameters.get(name) is None:
                    yield f"{metadata.slug} requires the parameter {name}; set it in its step"


def _of_name(choice: Choice, metadata: TechniqueMetadata) -> Iterator[str]:
    """Yield an error if id and slug of a choice name different techniques."""
    if choice.slug != metadata.slug:
        yield f"the technique {choice.technique} has the slug {metadata.slug!r}, got {choice.slug!r}"


def _of_order(steps: list[TechniqueMetadata]) -> Iterator[str]:
    """Yield the errors of the order and combination of techniques."""
    for place, step in enumerate(steps):
        before = steps[:place]
        for earlier in before:
            if STAGES.index(earlier.stage) > STAGES.index(step.stage):
                yield f"{step.slug} ({step.stage}) must come before {earlier.slug} ({earlier.stage})"
        decides = next((m for m in before if "decisions" in m.modifies), None)
        if decides is not None and "scores" in step.modifies:
            yield f"{step.slug} changes scores after decisions were made; calibrate before thresholds"
        for what, words in (("decisions", "makes the decisions"), ("model", "trains the model")):
            rival = next((m for m in before if what in m.modifies), None)
            if rival is not None and what in step.modifies:
                yield f"{step.slug} {words}, and so does {rival.slug}: the later one would replace the earlier"
