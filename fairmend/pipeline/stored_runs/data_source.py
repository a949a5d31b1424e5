"""The data of a stored run: where they come from, and how they are read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import RunError
from fairmend.pipeline.storage.frames import dump_frame, load_frame
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.stored_run import StoredRun


def data_source(data: Dataset, path: str | Path | None, store: RunStore) -> dict[str, Any]:
    """Return what the request of a run says of its data, which are stored unless ``path`` is a file."""
    source = None if path is None or not Path(path).is_file() else Path(path)
    return {
        "path": None if source is None else str(source.resolve()),
        "frame": None if source is not None else store.artifacts.put(_dump(data)),
        "roles": data.roles.model_dump(mode="json"),
        "notes": list(data.notes),
        "sha256": data.fingerprint(),
    }


def read_again(store: RunStore, stored: StoredRun) -> Dataset:
    """Return the data of a run, which must be what they were."""
    about = stored.request["data"]
    roles = Roles(**about["roles"])
    if about["path"] is not None:
        data = Dataset.read(about["path"], roles)
    else:
        # The stored frame has binned groups and no ignored columns.
        grouped = roles.model_copy(update={"cuts": {}, "ignored": ()})
        data = Dataset.from_frame(load_frame(store.artifacts.get(about["frame"])), grouped)
        data = replace(data, roles=roles, notes=tuple(about.get("notes", ())))
    if data.fingerprint() != about["sha256"]:
        raise RunError(
            f"the data of {stored.run_id} changed since it started ({about['path']}); start a new run"
        )
    return data


def _dump(data: Dataset) -> bytes:
    """Return the data with columns as they would be read from a file."""
    frame = data.frame
    roles = data.roles
    favorable = roles.favorable
    frame[roles.outcome] = np.where(data.y == 1, str(favorable), f"not {favorable}")
    if roles.weights is not None and data.weights is not None:
        frame[roles.weights] = data.weights
    if roles.key is not None and data.key is not None:
        frame[roles.key] = data.key
    return dump_frame(frame.reset_index(drop=True))
