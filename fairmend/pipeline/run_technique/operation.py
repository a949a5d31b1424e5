"""An operation on its own: documents from the record of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from fairmend.catalog.registry import Registry
from fairmend.core.errors import RunError, UsageError
from fairmend.core.text.strict_reading import read_json
from fairmend.pipeline.operations import produced
from fairmend.pipeline.run.run_status import current_status, next_step
from fairmend.pipeline.run_technique.result import TechniqueResult, told
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.stored_runs import current_record


def load_record(
    source: str | Path | Mapping[str, Any], store: RunStore, registry: Registry
) -> Mapping[str, Any]:
    """Return the record of a run as ``fairmend run --json`` prints it.

    Parameters
    ----------
    source : mapping, path or str
        The record itself, a file that holds it, or the id of a stored run (or ``latest``); the latter
        is verified and comes with what people decided since.
    store : RunStore
        Where runs are stored.
    registry : Registry
        What is installed.

    Raises
    ------
    RunError
        There is no such run, it has not ended, or its record was changed.
    UsageError
        The file holds no mapping.
    """
    if isinstance(source, Mapping):
        return source
    if Path(source).is_file():
        found = read_json(source, str(source))
        if not isinstance(found, dict):
            raise UsageError(f"{source} holds no record of a run; give what fairmend run --json prints")
        return found
    stored = store.verified(str(source))
    record = current_record(store, stored, registry)
    if record is None:
        status, _ = current_status(store, stored)
        raise RunError(f"{stored.run_id} has not ended, it is {status}; {next_step(status, stored.run_id)}")
    return record.to_json()


def run_operation(
    technique: type[Any],
    record: Mapping[str, Any] | None,
    parameters: Mapping[str, Any] | None = None,
    stream: str | Path | pd.DataFrame | None = None,
) -> TechniqueResult:
    """Run one operation on the record of a run, or on decisions.

    Parameters
    ----------
    technique : type of Operation
        The technique.
    record : mapping or None
        The record, as :func:`load_record` returns it.
    parameters : mapping, optional
        Parameters of the technique.
    stream : path or DataFrame, optional
        Decisions, a row each, in the order in which they were made.

    Raises
    ------
    FairmendError
        A parameter is out of its range, or the record lacks what the operation reads.
    """
    made = produced(technique.with_parameters(**(parameters or {})), record, stream)
    return replace(told(technique, made.result), documents=dict(made.documents))
