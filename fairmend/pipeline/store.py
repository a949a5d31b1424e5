"""The run store: SQLite for what happened, content-addressed files for what was computed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fairmend.core.errors import RunError, unknown
from fairmend.pipeline.approvals import Approval
from fairmend.pipeline.artifacts import Artifacts

# Each entry takes the store from one version to the next; never change an entry that was released.
MIGRATIONS = (
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY, created TEXT NOT NULL, status TEXT NOT NULL,
        request TEXT NOT NULL, result TEXT, model TEXT
    );
    CREATE TABLE steps (
        run_id TEXT NOT NULL REFERENCES runs, trace TEXT NOT NULL, parts TEXT NOT NULL,
        PRIMARY KEY (run_id, trace)
    );
    CREATE TABLE log (
        run_id TEXT NOT NULL REFERENCES runs, place INTEGER NOT NULL, entry TEXT NOT NULL,
        before TEXT NOT NULL, hash TEXT NOT NULL,
        PRIMARY KEY (run_id, place)
    );
    """,
    """
    CREATE TABLE sweeps (sweep_id TEXT PRIMARY KEY, created TEXT NOT NULL, basis TEXT NOT NULL);
    CREATE TABLE trials (
        sweep_id TEXT NOT NULL REFERENCES sweeps, identity TEXT NOT NULL, outcome TEXT NOT NULL,
        PRIMARY KEY (sweep_id, identity)
    );
    """,
)


def store_folder() -> Path:
    """Return the folder of the runs: FAIRMEND_HOME, else ``.fairmend`` where the command is given."""
    return Path(os.environ.get("FAIRMEND_HOME") or ".fairmend")


@dataclass(frozen=True)
class StoredRun:
    """What the store knows of a run.

    Attributes
    ----------
    run_id, created, status : str
        Its name, when it began, and how it stands (``running`` where it was cut off, ``error`` where it
        could not be run).
    request : dict
        What was asked for: pipeline, data, settings.
    result : dict or None
        The record for JSON, once it ended.
    model : str or None
        Name of the file that holds the final rule.
    """

    run_id: str
    created: str
    status: str
    request: dict[str, Any]
    result: dict[str, Any] | None
    model: str | None


class RunStore:
    """Runs and what they leave behind.

    Parameters
    ----------
    folder : Path, optional
        Where; see :func:`store_folder`.

    Raises
    ------
    RunError
        The folder cannot be used, or was written by a newer version.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or store_folder()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"the run store {self.folder} cannot be made: {error.strerror or error}"
            ) from error
        self.artifacts = Artifacts(self.folder / "artifacts")
        with self._open() as db:
            self._migrate(db)

    # -- runs -------------------------------------------------------------------------------------

    def create(self, run_id: str, request: dict[str, Any]) -> None:
        """Enter a new run."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                "INSERT INTO runs (run_id, created, status, request) VALUES (?, ?, 'running', ?)",
                (run_id, now, json.dumps(request)),
            )
            _log(db, run_id, {"what": "created"})

    def finish(self, run_id: str, status: str, result: dict[str, Any], model: str) -> None:
        """Enter how a run ended."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                "UPDATE runs SET status = ?, result = ?, model = ? WHERE run_id = ?",
                (status, json.dumps(result), model, run_id),
            )
            _log(db, run_id, {"what": "ended", "status": status, "reason": result["reason"], "model": model})

    def fail(self, run_id: str, message: str) -> None:
        """Enter that a run ended with an error, such as data that cannot be split."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE runs SET status = 'error' WHERE run_id = ?", (run_id,))
            _log(db, run_id, {"what": "error", "message": message})

    def run(self, run_id: str) -> StoredRun:
        """Return a run by its name, or ``latest``.

        Raises
        ------
        UnknownNameError
            There is none.
        """
        with self._open() as db:
            if run_id == "latest":
                row = db.execute("SELECT * FROM runs ORDER BY created DESC, rowid DESC LIMIT 1").fetchone()
            else:
                row = db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None:
            raise unknown("run", run_id, [r.run_id for r in self.runs()], "fairmend status")
        return _stored(row)

    def runs(self) -> list[StoredRun]:
        """Return all runs, the latest first."""
        with self._open() as db:
            rows = db.execute("SELECT * FROM runs ORDER BY created DESC, rowid DESC").fetchall()
        return [_stored(row) for row in rows]

    @contextmanager
    def lock(self, run_id: str) -> Iterator[None]:
        """Keep a run to this process while it is being worked on.

        Raises
        ------
        RunError
            Another process works on it.
        """
        path = self.folder / "locks" / run_id
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(f"{run_id} is being run by another process") from error
            yield

    # -- steps ------------------------------------------------------------------------------------

    def put_step(self, run_id: str, trace: str, parts: dict[str, Any]) -> None:
        """Enter what a step made; its files are written before this."""
        with self._open() as db:
            db.execute(
                "INSERT OR REPLACE INTO steps (run_id, trace, parts) VALUES (?, ?, ?)",
                (run_id, trace, json.dumps(parts)),
            )

    def get_step(self, run_id: str, trace: str) -> dict[str, Any] | None:
        """Return what a step made, None if it did not get there."""
        with self._open() as db:
            row = db.execute(
                "SELECT parts FROM steps WHERE run_id = ? AND trace = ?", (run_id, trace)
            ).fetchone()
        return None if row is None else json.loads(row["parts"])

    # -- sweeps -----------------------------------------------------------------------------------

    def enter_sweep(self, sweep_id: str, basis: dict[str, Any]) -> None:
        """Enter a sweep with all that its figures depend on; once."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._open() as db:
            db.execute(
                "INSERT OR IGNORE INTO sweeps (sweep_id, created, basis) VALUES (?, ?, ?)",
                (sweep_id, now, json.dumps(basis)),
            )

    def put_trials(self, sweep_id: str, outcomes: dict[str, dict[str, Any]]) -> None:
        """Enter what was found of a sweep, by identity."""
        rows = [(sweep_id, identity, json.dumps(outcome)) for identity, outcome in outcomes.items()]
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                "INSERT OR REPLACE INTO trials (sweep_id, identity, outcome) VALUES (?, ?, ?)", rows
            )

    def get_trials(self, sweep_id: str) -> dict[str, dict[str, Any]]:
        """Return what was found of a sweep so far, by identity."""
        with self._open() as db:
            rows = db.execute(
                "SELECT identity, outcome FROM trials WHERE sweep_id = ?", (sweep_id,)
            ).fetchall()
        return {row["identity"]: json.loads(row["outcome"]) for row in rows}

    def forget_sweep(self, sweep_id: str) -> None:
        """Take out what was found of a sweep."""
        with self._open() as db:
            db.execute("DELETE FROM trials WHERE sweep_id = ?", (sweep_id,))

    # -- the audit log ----------------------------------------------------------------------------

    def log(self, run_id: str, entry: dict[str, Any]) -> None:
        """Add an entry to the log of a run; each entry's hash covers the one before."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            _log(db, run_id, entry)

    def entries(self, run_id: str) -> list[dict[str, Any]]:
        """Return the log of a run, verified.

        Raises
        ------
        RunError
            An entry was changed or taken out; the message names its place.
        """
        with self._open() as db:
            rows = db.execute("SELECT * FROM log WHERE run_id = ? ORDER BY place", (run_id,)).fetchall()
        before = ""
        for expected, row in enumerate(rows):
            sound = (
                row["place"] == expected
                and row["before"] == before
                and row["hash"] == _chained(run_id, row["place"], row["entry"], before)
            )
            if not sound:
                raise RunError(f"the log of {run_id} was changed at entry {expected + 1} of {len(rows)}")
            before = row["hash"]
        return [{**json.loads(row["entry"]), "hash": row["hash"]} for row in rows]

    def approve(self, run_id: str, approval: Approval) -> None:
        """Record a person's decision."""
        made = {k: v for k, v in approval.to_json().items() if k not in {"time", "state"}}
        self.log(run_id, {"what": "approval", **made})

    def approvals(self, run_id: str) -> list[Approval]:
        """Return the decisions of people on a run, in the order in which they were made."""
        keys = ("gate", "role", "by", "approved", "note", "time", "answer")
        entries = (e for e in self.entries(run_id) if e["what"] == "approval")
        return [Approval(**{k: e[k] for k in keys if k in e}) for e in entries]

    # -- the file ---------------------------------------------------------------------------------

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / "runs.sqlite"
        try:
            db = sqlite3.connect(path, timeout=30, isolation_level=None)
        except sqlite3.Error as error:
            raise RunError(f"the run store {path} cannot be opened: {error}") from error
        db.row_factory = sqlite3.Row
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            yield db
            if db.in_transaction:
                db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise RunError(f"the run store {path} cannot be used: {error}") from error
        finally:
            db.close()

    def _migrate(self, db: sqlite3.Connection) -> None:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise RunError(f"the run store {self.folder} was written by a newer fairmend; update fairmend")
        for number in range(version, len(MIGRATIONS)):
            db.executescript(
                f"BEGIN IMMEDIATE; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
            )


def _log(db: sqlite3.Connection, run_id: str, entry: dict[str, Any]) -> None:
    """Add an entry to the log within a transaction, so that a change and its entry are made together."""
    last = db.execute(
        "SELECT place, hash FROM log WHERE run_id = ? ORDER BY place DESC LIMIT 1", (run_id,)
    ).fetchone()
    place, before = (0, "") if last is None else (last["place"] + 1, last["hash"])
    text = json.dumps({**entry, "time": datetime.now(UTC).isoformat(timespec="seconds")}, sort_keys=True)
    db.execute(
        "INSERT INTO log (run_id, place, entry, before, hash) VALUES (?, ?, ?, ?, ?)",
        (run_id, place, text, before, _chained(run_id, place, text, before)),
    )


def _chained(run_id: str, place: int, entry: str, before: str) -> str:
    return hashlib.sha256(f"{run_id}\n{place}\n{entry}\n{before}".encode()).hexdigest()


def _stored(row: sqlite3.Row) -> StoredRun:
    result = None if row["result"] is None else json.loads(row["result"])
    return StoredRun(
        row["run_id"], row["created"], row["status"], json.loads(row["request"]), result, row["model"]
    )
