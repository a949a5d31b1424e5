"""The run store: SQLite for records, content-addressed files for results."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fairmend.core.errors import RunError, unknown
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.storage.artifacts import Artifacts
from fairmend.pipeline.storage.chain import COLUMNS, SEAL, digest, link, unchained
from fairmend.pipeline.storage.database import Database
from fairmend.pipeline.storage.keys import Keyring
from fairmend.pipeline.storage.run_locks import RunLocks
from fairmend.pipeline.storage.stored_run import Snapshot, StoredRun, stored_run
from fairmend.pipeline.storage.trial_store import TrialStore
from fairmend.pipeline.storage.verification import check


def store_folder() -> Path:
    """Return the folder of the runs: FAIRMEND_HOME, default ``.fairmend`` in the working directory."""
    return Path(os.environ.get("FAIRMEND_HOME") or ".fairmend")


LOOKS = """
SELECT COUNT(*) FROM runs AS own JOIN (
    SELECT rowid AS place, result, CASE WHEN json_valid(request) THEN request END AS request FROM runs
) AS earlier ON earlier.place < own.rowid
WHERE own.run_id = ? AND earlier.result IS NOT NULL
AND json_extract(earlier.request, '$.data.sha256') = json_extract(own.request, '$.data.sha256')
AND json_extract(earlier.request, '$.pipeline.seed') = json_extract(own.request, '$.pipeline.seed')
AND json_extract(earlier.request, '$.pipeline.split') = json_extract(own.request, '$.pipeline.split')
"""


class RunStore:
    """Stored runs and their results.

    Parameters
    ----------
    folder : Path, optional
        Folder of the store; see :func:`store_folder`.
    keyring : Keyring, optional
        The key that signs entries, and the trusted keys; default: the user's.

    Attributes
    ----------
    artifacts : Artifacts
        The files of results, by content.
    database : Database
        The records.
    locks : RunLocks
        Which runs and sweeps a process works on.
    trials : TrialStore
        The trials of sweeps.

    Raises
    ------
    RunError
        The folder is unusable, or was written by a newer version.
    """

    def __init__(self, folder: Path | None = None, keyring: Keyring | None = None) -> None:
        self.folder = folder or store_folder()
        self.keyring = keyring or Keyring()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"the run store {self.folder} cannot be created: {error.strerror or error}"
            ) from error
        self.artifacts = Artifacts(self.folder / "artifacts")
        self.database = Database(self.folder / "runs.sqlite")
        self.locks = RunLocks(self.folder / "locks")
        self.trials = TrialStore(self.database, self.keyring)

    # -- runs -------------------------------------------------------------------------------------

    def create(self, run_id: str, request: dict[str, Any]) -> None:
        """Add a new run."""
        columns = {"created": _now(), "status": "running", "request": json.dumps(request)}
        with self.database.change() as db:
            db.execute(
                "INSERT INTO runs (run_id, created, status, request) VALUES (?, ?, ?, ?)",
                (run_id, *columns.values()),
            )
            self._append(db, run_id, {"what": "created"}, run=columns)

    def revise_graph(self, stored: StoredRun, graph: dict[str, Any], former: dict[str, Any] | None) -> None:
        """Record that people replaced the causal graph of a run; the signed log keeps both."""
        earlier = self.changed_request(stored).get("former_graphs", ())
        changes = {"pipeline": {"graph": graph}, "former_graphs": [*earlier, *([former] if former else ())]}
        self.log(stored.run_id, {"what": "graph", "former": former, "changes": changes})

    def resumed(self, run_id: str) -> None:
        """Log that a process resumes a run; its status stays until it ends."""
        self.log(run_id, {"what": "resumed"})

    def finish(self, run_id: str, status: str, result: dict[str, Any], model: str) -> None:
        """Store the result of a run."""
        columns = {"status": status, "result": json.dumps(result), "model": model}
        with self.database.change() as db:
            db.execute(
                "UPDATE runs SET status = ?, result = ?, model = ? WHERE run_id = ?",
                (*columns.values(), run_id),
            )
            entry = {"what": "ended", "status": status, "reason": result["reason"], "model": model}
            self._append(db, run_id, entry, run=columns)

    def fail(self, run_id: str, message: str) -> None:
        """Store that a run ended with an error, such as data that cannot be split."""
        self.log(run_id, {"what": "error", "message": message}, status="error")

    def run(self, run_id: str) -> StoredRun:
        """Return a run by its name, or ``latest``, without verification.

        Raises
        ------
        UnknownNameError
            There is none.
        RunError
            Its record is not JSON.
        """
        return stored_run(self.snapshot(run_id).run)

    def runs(self) -> list[StoredRun]:
        """Return all runs, the latest first, without verification; unreadable ones are ``damaged``."""
        with self.database.open() as db:
            rows = db.execute("SELECT * FROM runs ORDER BY rowid DESC").fetchall()
        found = []
        for row in map(dict, rows):
            try:
                found.append(stored_run(row))
            except RunError:
                found.append(StoredRun(str(row["run_id"]), str(row["created"]), "damaged", {}, None, None))
        return found

    def verified(self, run_id: str, files: bool = True) -> StoredRun:
        """Return a verified run by its name, or ``latest``.

        Parameters
        ----------
        run_id : str
            The run.
        files : bool
            Whether to verify its files as well: events and stored results.

        Raises
        ------
        UnknownNameError
            There is none.
        RunError
            Something was changed, or signed by an untrusted key; see
            :func:`fairmend.pipeline.storage.verification.verify`.
        """
        snapshot = self.snapshot(run_id)
        check(snapshot, self, self.keyring.accepted(), files=files)
        return stored_run(snapshot.run)

    def snapshot(self, run_id: str) -> Snapshot:
        """Return the rows of a run by its name, or ``latest``, unverified."""
        with self.database.open() as db:
            db.execute("BEGIN")
            if run_id == "latest":
                row = db.execute("SELECT * FROM runs ORDER BY rowid DESC LIMIT 1").fetchone()
            else:
                row = db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
            name = row["run_id"] if row is not None else run_id
            log = db.execute("SELECT * FROM log WHERE run_id = ? ORDER BY place", (name,)).fetchall()
            steps = db.execute("SELECT * FROM steps WHERE run_id = ? ORDER BY trace", (name,)).fetchall()
        if row is None:
            raise unknown("run", run_id, [r.run_id for r in self.runs()], "fairmend status")
        return Snapshot(str(name), dict(row), [dict(r) for r in log], [dict(r) for r in steps])

    def events_path(self, run_id: str) -> Path:
        """Return the event file of a run, one line of JSON per event."""
        return self.folder / "events" / f"{run_id}.jsonl"

    def test_looks(self, run_id: str) -> int:
        """Return how many earlier runs used the test part of a run's data.

        These are the earlier completed runs on data with the same content, split and seed.
        """
        with self.database.open() as db:
            row = db.execute(LOOKS, (run_id,)).fetchone()
        return int(row[0])

    # -- steps ------------------------------------------------------------------------------------

    def put_step(self, run_id: str, trace: str, parts: dict[str, Any]) -> None:
        """Store the result of a step; its files must be written before."""
        with self.database.change() as db:
            row = {"run_id": run_id, "trace": trace, "parts": json.dumps(parts)}
            db.execute(
                "INSERT OR REPLACE INTO steps (run_id, trace, parts) VALUES (?, ?, ?)", tuple(row.values())
            )
            self._append(db, run_id, {"what": "step"}, steps={trace: digest(row)})

    def get_step(self, run_id: str, trace: str) -> dict[str, Any] | None:
        """Return the stored result of a step, None if there is none."""
        with self.database.open() as db:
            row = db.execute(
                "SELECT parts FROM steps WHERE run_id = ? AND trace = ?", (run_id, trace)
            ).fetchone()
        return None if row is None else json.loads(row["parts"])

    # -- the audit log ----------------------------------------------------------------------------

    def log(self, run_id: str, entry: dict[str, Any], status: str | None = None) -> None:
        """Add an entry to the log of a run, and change its status if there is one."""
        with self.database.change() as db:
            if status is not None:
                db.execute("UPDATE runs SET status = ? WHERE run_id = ?", (status, run_id))
            self._append(db, run_id, entry, run={} if status is None else {"status": status})

    def entries(self, run_id: str) -> list[dict[str, Any]]:
        """Return the log of a run, after verifying chain and signatures.

        Raises
        ------
        RunError
            An entry was changed or removed; the message names its position.
        """
        snapshot = self.snapshot(run_id)
        return unchained(snapshot.run_id, snapshot.log, self.keyring.accepted())

    def approve(self, run_id: str, approval: Approval) -> None:
        """Record a person's decision."""
        made = {k: v for k, v in approval.to_json().items() if k not in {"time", "state", "response", "met"}}
        self.log(run_id, {"what": "approval", **made})

    def respond(
        self, run_id: str, place: int, response: str, changes: dict[str, Any], *, met: bool | None = None
    ) -> None:
        """Record what is done about a rejection, by its position among the decisions.

        Parameters
        ----------
        run_id : str
            The run.
        place : int
            The rejection's place in :meth:`approvals`.
        response : str
            What is done, or why nothing can be.
        changes : dict
            What changes in the request of the run, and of its pipeline; empty if nothing does.
        met : bool, optional
            Whether the run is changed to meet the rejection; by default, if there are changes.
        """
        met = bool(changes) if met is None else met
        self.log(
            run_id, {"what": "response", "to": place, "response": response, "met": met, "changes": changes}
        )

    def approvals(self, run_id: str) -> list[Approval]:
        """Return the decisions of people on a run, in chronological order, with the responses to them."""
        keys = {f.name for f in fields(Approval)} - {"state", "response", "met"}
        found: list[Approval] = []
        for entry in self.entries(run_id):
            if entry["what"] == "approval":
                found.append(Approval(**{k: entry[k] for k in keys if k in entry}))
            elif entry["what"] == "response":
                place = entry["to"]
                found[place] = replace(found[place], response=entry["response"], met=entry["met"])
        return found

    def changed_request(self, stored: StoredRun) -> dict[str, Any]:
        """Return the request of a run with the changes that answered rejections or revised its graph, in order."""
        request = stored.request
        for entry in self.entries(stored.run_id):
            if entry["what"] in {"response", "graph"}:
                changes = entry["changes"]
                pipeline = {**request["pipeline"], **changes.get("pipeline", {})}
                request = {**request, **changes, "pipeline": pipeline}
        return request

    def revisions(self, run_id: str) -> int:
        """Return how often a run was changed to answer rejections; revised graphs do not count."""
        return sum(e["what"] == "response" and bool(e["changes"]) for e in self.entries(run_id))

    # -- sealing -----------------------------------------------------------------------------------

    def _append(
        self,
        db: sqlite3.Connection,
        run_id: str,
        entry: dict[str, Any],
        *,
        run: Mapping[str, object] = MappingProxyType({}),
        steps: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Add an entry that seals the changes made with it: columns of the run's row, and steps."""
        last = db.execute(
            "SELECT place, hash FROM log WHERE run_id = ? ORDER BY place DESC LIMIT 1", (run_id,)
        ).fetchone()
        place, before = (0, "") if last is None else (last["place"] + 1, last["hash"])
        events = self.events_path(run_id)
        content = events.read_bytes() if events.exists() else b""
        seal = {
            "run": {column: digest(value) for column, value in run.items()},
            "steps": dict(steps),
            "events": [len(content), hashlib.sha256(content).hexdigest()],
        }
        text = json.dumps({**entry, "time": _now(), SEAL: seal}, sort_keys=True)
        row = link(run_id, place, text, before, self.keyring.signing())
        db.execute(
            "INSERT INTO log (run_id, place, entry, before, hash, signer, signature) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (run_id, *(row[name] for name in COLUMNS)),
        )
        db.execute("UPDATE runs SET head = ?, entries = ? WHERE run_id = ?", (row["hash"], place + 1, run_id))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
