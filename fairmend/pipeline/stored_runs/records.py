"""The whole record of a stored run, with what people decided since."""

from __future__ import annotations

import json
from dataclasses import replace

from fairmend.catalog.registry import Registry
from fairmend.pipeline.run.record import RunRecord
from fairmend.pipeline.run.run_status import EXIT_CODES, current_status, settled_decisions
from fairmend.pipeline.storage.checkpoints import Checkpoint
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.stored_run import StoredRun

ABOUT_ANOTHER = (
    "The verdict and the figures of this record are about the rule that was escalated; those of the option that "
    "people chose are among the options."
)


def read_record(store: RunStore, stored: StoredRun, registry: Registry) -> RunRecord | None:
    """Return the whole record of a completed run; None if it has not ended, or none matches its result."""
    if stored.result is None or stored.model is None:
        return None
    record = Checkpoint(store, stored.run_id, registry.plugin_modules()).get_record(stored.model)
    if record is None:
        return None
    found = json.loads(json.dumps(record.to_json()))
    if json.dumps(found) != json.dumps(stored.result):  # compared as strings, in which NaN equals NaN
        return None
    return replace(record, head=stored.head)


def current_record(store: RunStore, stored: StoredRun, registry: Registry) -> RunRecord | None:
    """Return the whole record of a run with later decisions of people, None if there is none."""
    record = read_record(store, stored, registry)
    return None if record is None else with_decisions(record, store, stored)


def with_decisions(record: RunRecord, store: RunStore, stored: StoredRun) -> RunRecord:
    """Return a record with the decisions of people since, and with the status that they give it."""
    approvals = settled_decisions(store, stored, record.approvals)
    status, reason = current_status(store, stored)
    for known in EXIT_CODES:
        if status == known:
            notes = [*record.notes, ABOUT_ANOTHER] if known == "option chosen" else record.notes
            return replace(record, status=known, reason=reason, approvals=approvals, notes=notes)
    return replace(record, approvals=approvals)  # it is being resumed
