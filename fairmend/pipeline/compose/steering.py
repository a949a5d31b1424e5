"""What an expert's causal graph decides in a pipeline: which features its steps may repair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fairmend.catalog.registry import Registry
from fairmend.core.causal.column_roles import UNFAIR, ColumnRole, column_roles, may_repair
from fairmend.core.causal.graph_io import expert_graph
from fairmend.core.data.dataset import Dataset
from fairmend.pipeline.compose.slots import REPAIRS, biased_numbers
from fairmend.pipeline.spec import Choice, PipelineSpec, Step

EDGES = "edges"
"""Parameter by which a causal step of a pipeline may name a graph of its own."""
CONSTRUCTION = 53


def with_graph(spec: PipelineSpec, data: Dataset, graph: Any = None) -> PipelineSpec:
    """Return a pipeline with the content of its causal graph, checked against the data before anything runs.

    Parameters
    ----------
    spec : PipelineSpec
        The pipeline, which may have a graph of its own, or name one as ``edges`` of a causal step.
    data : Dataset
        The data with their roles.
    graph : CausalGraph, mapping, sequence of edges, or path, optional
        An expert's graph, instead of that of the pipeline.

    Raises
    ------
    MissingColumnError, UsageError
        As for :func:`fairmend.core.causal.graph_io.expert_graph`; also for a graph of an alternative.
    """
    causal = spec.of_stage("causal")
    for alternative in (one for step in causal for one in step.alternatives):
        if alternative.parameters.get(EDGES) is not None:
            expert_graph(alternative.parameters[EDGES], data)
    named = [step.parameters[EDGES] for step in causal if step.parameters.get(EDGES) is not None]
    source = next((one for one in (graph, spec.graph, *named) if one is not None), None)
    if source is None:
        return spec
    content = expert_graph(source, data).to_mapping()
    return spec.model_copy(update={"graph": content, "steps": tuple(map(_without_edges, spec.steps))})


def _without_edges(step: Step) -> Step:
    if step.stage != "causal" or EDGES not in step.parameters:
        return step
    rest = {name: value for name, value in step.parameters.items() if name != EDGES}
    return step.model_copy(update={"parameters": rest})


def steered(
    spec: PipelineSpec, registry: Registry, data: Dataset | None = None
) -> tuple[PipelineSpec, list[str]]:
    """Return a pipeline whose steps repair only what its causal graph lets them, and notes on what changed.

    A step keeps the features on an unfair path, and those that the graph does not contain. If none is left,
    it repairs the numeric mediators of the graph; without any, an alternative takes its place, or it is
    left out. A graph that no causal step reads gets one that holds it against the data.

    Parameters
    ----------
    spec : PipelineSpec
        The pipeline.
    registry : Registry
        Where techniques come from.
    data : Dataset, optional
        Says which mediators are numeric; without data, the causal step finds them in the run.
    """
    graph = spec.causal_graph
    if graph is None:
        return spec, []
    roles = column_roles(graph, spec.roles, findings=spec.findings)
    mediators = [column for column, role in roles.items() if role in UNFAIR]
    if data is not None:
        mediators = [c for c in mediators if c in data.X and pd.api.types.is_numeric_dtype(data.X[c])]
    steering = _Steering(registry, roles, biased_numbers(spec.findings), mediators, data is not None)
    steps = [step for one in spec.steps for step in steering.step(one)]
    if not any(step.stage == "causal" for step in steps):
        metadata = registry.card(CONSTRUCTION).metadata
        reason = "tests the supplied causal graph against the data"
        first = Step(technique=CONSTRUCTION, slug=metadata.slug, stage="causal", reason=reason)
        steps.insert(0, first)
    return spec.model_copy(update={"steps": tuple(steps)}), steering.notes


class _Steering:
    """Steers steps by the roles of a graph, and notes what it changes."""

    def __init__(
        self,
        registry: Registry,
        roles: Mapping[str, ColumnRole],
        biased: Sequence[str],
        mediators: Sequence[str],
        exact: bool,
    ) -> None:
        self.registry = registry
        self.roles = roles
        self.biased = biased
        self.mediators = list(mediators)
        self.exact = exact
        self.notes: list[str] = []

    def step(self, step: Step) -> list[Step]:
        """Return the step as steered, or none."""
        choices = [
            self.choice(one)
            for one in (Choice(**step.model_dump(include=set(Choice.model_fields))), *step.alternatives)
        ]
        left = [choice for choice in choices if choice is not None]
        if not left:
            return []
        best, *rest = left
        return [step.model_copy(update={**best.model_dump(), "alternatives": tuple(rest)})]

    def choice(self, choice: Choice) -> Choice | None:
        """Return a technique restricted to the features that it may repair; None if there are none."""
        card = self.registry.card(choice.technique)
        names = {parameter["name"] for parameter in card.parameters}
        if "features" not in card.metadata.modifies or REPAIRS not in names:
            return choice
        planned = choice.parameters.get(REPAIRS)
        wanted = (
            list(self.biased) if planned is None else [planned] if isinstance(planned, str) else list(planned)
        )
        kept = [column for column in wanted if may_repair(self.roles, column)]
        if not kept and not self.mediators:
            self.notes.append(f"{choice.slug} was left out: in the causal graph nothing is to be repaired.")
            return None
        if not kept and not self.exact:
            parameters = {name: value for name, value in choice.parameters.items() if name != REPAIRS}
            return choice.model_copy(update={"parameters": parameters})
        features = kept or self.mediators
        if spared := [column for column in wanted if column not in features]:
            told = ", ".join(f"{column} ({self.roles[column]})" for column in spared)
            self.notes.append(
                f"{choice.slug} repairs {', '.join(features)}; by the causal graph it may not repair {told}."
            )
        return choice.model_copy(update={"parameters": {**choice.parameters, REPAIRS: features}})
