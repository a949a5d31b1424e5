"""The SQLite file of a run store: its tables, version by version, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from fairmend.core.errors import RunError, StoreError

# Each entry migrates the store from one version to the next; never change a released entry.
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
    # Signatures. Older entries stay unsigned: their runs are rejected, their sweeps are recomputed.
    """
    ALTER TABLE runs ADD COLUMN head TEXT;
    ALTER TABLE runs ADD COLUMN entries INTEGER;
    ALTER TABLE log ADD COLUMN signer TEXT;
    ALTER TABLE log ADD COLUMN signature TEXT;
    DELETE FROM trials;
    ALTER TABLE trials ADD COLUMN signer TEXT;
    ALTER TABLE trials ADD COLUMN signature TEXT;
    """,
)


class Database:
    """The file that holds the tables.

    Parameters
    ----------
    path : Path
        Path of the file; it is created or migrated.

    Raises
    ------
    RunError
        It is unusable, lacks a table or column, or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.open() as db:
            if _version(db) != len(MIGRATIONS):
                self._migrate(db)
            found = _columns(db)
        lacking = sorted(_expected() - found)
        if lacking:
            table, column = lacking[0]
            raise RunError(
                f"the run store {path} is damaged: {table}.{column} is missing; restore it from a backup"
            )

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """Open the file, read-only if its folder is not writable; changes are atomic.

        Raises
        ------
        RunError
            It is not a database, is damaged, or lacks a table.
        """
        try:
            db = self._connected()
        except sqlite3.Error as error:
            raise StoreError(f"the run store {self.path} cannot be opened: {error}") from error
        db.row_factory = sqlite3.Row
        try:
            if os.access(self.path.parent, os.W_OK):
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
            yield db
            if db.in_transaction:
                db.execute("COMMIT")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise StoreError(f"the run store {self.path} cannot be used: {error}") from error
        finally:
            db.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Open the file for an atomic change."""
        with self.open() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db

    def _connected(self) -> sqlite3.Connection:
        if os.access(self.path.parent, os.W_OK):
            return sqlite3.connect(self.path, timeout=30, isolation_level=None)
        # Without a write-ahead log nothing can change the file, so no lock is needed.
        pending = self.path.with_name(f"{self.path.name}-wal").exists()
        mode = "mode=ro" if pending else "mode=ro&immutable=1"
        return sqlite3.connect(
            f"{self.path.resolve().as_uri()}?{mode}", uri=True, timeout=30, isolation_level=None
        )

    def _migrate(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")
        version = _version(db)  # another process may have migrated it meanwhile
        if version > len(MIGRATIONS):
            raise RunError(
                f"the run store {self.path.parent} was written by a newer fairmend; update fairmend"
            )
        for migration in MIGRATIONS[version:]:
            for statement in migration.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _columns(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return the tables of a file, each with its columns."""
    query = "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
    return {(table, column) for table, column in db.execute(query)}


@cache
def _expected() -> frozenset[tuple[str, str]]:
    """Return the tables and columns that the migrations create."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(";".join(MIGRATIONS))
        return frozenset(_columns(db))


def _version(db: sqlite3.Connection) -> int:
    return db.execute("PRAGMA user_version").fetchone()[0]
