"""Operations of a pipeline: documents and set-ups made from the record once there is a verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from fairmend.catalog.registry import Registry
from fairmend.core.data.table_reading import read_table
from fairmend.core.errors import FairmendError, PluginError
from fairmend.core.safety.containment import contained, described, is_ours
from fairmend.core.serialization import to_plain
from fairmend.core.stages import OperationResult
from fairmend.pipeline.run.record import RunRecord, StepRecord
from fairmend.pipeline.spec import Choice, PipelineSpec, Step

STAGE = "operations"
ROWS_PER_BATCH = 1000


def batches(source: str | Path | pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield decisions in batches of 1,000 rows, in the order of the table.

    Parameters
    ----------
    source : path or DataFrame
        A CSV (also .csv.gz) or Parquet file, or a frame: a row per decision, in the order in which they were made.
    """
    frame = source if isinstance(source, pd.DataFrame) else read_table(source)
    for start in range(0, len(frame), ROWS_PER_BATCH):
        yield frame.iloc[start : start + ROWS_PER_BATCH].reset_index(drop=True)


def produced(
    technique: Any, record: Mapping[str, Any] | None, stream: str | Path | pd.DataFrame | None
) -> OperationResult:
    """Return what an operation makes; run in a process of its own if it comes from a third party.

    Raises
    ------
    FairmendError
        What the operation raises of these.
    PluginError
        It raises anything else, ends its process, or exceeds a limit.
    """

    def call() -> dict[str, Any]:
        made = technique.produce(record, stream=None if stream is None else batches(stream))
        documents = {str(name): str(text) for name, text in made.documents.items()}
        return {"result": to_plain(made.result), "documents": documents}

    if is_ours(type(technique)):
        try:
            return OperationResult(**call())
        except FairmendError:
            raise
        except Exception as error:
            raise PluginError(f"{technique.metadata.slug} raised {described(error)}") from error
    package = type(technique).__module__.partition(".")[0]
    content = contained(
        lambda: json.dumps(call()).encode(), plugin=package, what=str(technique.metadata.slug)
    )
    return OperationResult(**json.loads(content))


def with_operations(
    record: RunRecord, registry: Registry, stream: str | Path | pd.DataFrame | None = None
) -> RunRecord:
    """Return a record with what the operations of its pipeline make of it.

    An operation that fails is a failed step; the verdict stands without it. What one makes is under its slug
    in ``technique_results``, its documents by name under ``documents``.

    Parameters
    ----------
    record : RunRecord
        A record with a verdict.
    registry : Registry
        Where techniques come from.
    stream : path or DataFrame, optional
        Decisions, for operations that read them.
    """
    steps, results = list(record.steps), dict(record.technique_results)
    began = time.perf_counter()
    known = record.to_json()
    for step in record.spec.of_stage(STAGE):
        technique = registry.technique(step.technique).with_parameters(**step.parameters)
        start = time.perf_counter()
        try:
            made = produced(technique, known, stream)
        except FairmendError as error:
            steps.append(_step(step, "failed", str(error), start))
            continue
        text = str(made.result.get("text", f"{technique.metadata.name}: done."))
        results[step.slug] = {**made.result, "documents": dict(made.documents)}
        steps.append(_step(step, "ran", text, start))
    if not record.spec.of_stage(STAGE):
        return record
    seconds = {**record.seconds, STAGE: time.perf_counter() - began}
    return replace(record, steps=steps, technique_results=results, seconds=seconds)


def documents_of(record: RunRecord) -> dict[str, str]:
    """Return the documents that the operations of a run made, by file name."""
    found: dict[str, str] = {}
    for step in record.spec.of_stage(STAGE):
        found |= record.technique_results.get(step.slug, {}).get("documents", {})
    return found


def added(spec: PipelineSpec, operations: Sequence[int | str], registry: Registry) -> PipelineSpec:
    """Return a pipeline with operations at its end."""
    cards = [registry.card(operation).metadata for operation in operations]
    steps = [Step(technique=c.technique_id, slug=c.slug, stage=c.stage, reason="asked for") for c in cards]
    return spec.model_copy(update={"steps": (*spec.steps, *steps)})


def _step(choice: Choice, status: Any, text: str, start: float) -> StepRecord:
    return StepRecord(
        STAGE, choice.technique, choice.slug, dict(choice.parameters), 0, status, text,
        seconds=time.perf_counter() - start,
    )  # fmt: skip
