"""A run as the store has it: its fields, and the rows behind them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fairmend.core.errors import RunError


@dataclass(frozen=True)
class StoredRun:
    """A run in the store.

    Attributes
    ----------
    run_id, created, status : str
        Its name, start time and status (``running`` if interrupted, ``error`` if it could not be
        run).
    request : dict
        Its inputs: pipeline, data, settings.
    result : dict or None
        The record for JSON, after it ended.
    model : str or None
        Name of the file with the final rule.
    head : str or None
        Hash of the last entry of its log.
    """

    run_id: str
    created: str
    status: str
    request: dict[str, Any]
    result: dict[str, Any] | None
    model: str | None
    head: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """The rows of a run in the store, read in one transaction, unverified.

    Attributes
    ----------
    run_id : str
        The run.
    run : dict
        Its own row.
    log, steps : list of dict
        Its log, in order, and its steps.
    """

    run_id: str
    run: dict[str, Any]
    log: list[dict[str, Any]]
    steps: list[dict[str, Any]]


def stored_run(row: dict[str, Any]) -> StoredRun:
    """Return a run from its row.

    Raises
    ------
    RunError
        Its request or result is not JSON.
    """
    parts: dict[str, Any] = {}
    for name in ("request", "result"):
        try:
            parts[name] = None if row[name] is None else json.loads(row[name])
        except (TypeError, ValueError) as error:
            raise RunError(f"the {name} of {row['run_id']} is damaged: expected JSON") from error
    names = ("run_id", "created", "status", "request", "result", "model", "head")
    return StoredRun(*(parts.get(name, row[name]) for name in names))
