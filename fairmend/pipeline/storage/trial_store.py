"""Trials of sweeps in the run store; each is signed, none is part of a log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fairmend.core.errors import RunError
from fairmend.pipeline.storage.chain import digest
from fairmend.pipeline.storage.database import Database
from fairmend.pipeline.storage.keys import Keyring, is_signed


@dataclass(frozen=True)
class TrialStore:
    """The trials of sweeps in a database, signed with the key of ``keyring``."""

    database: Database
    keyring: Keyring

    def enter(self, sweep_id: str, basis: dict[str, Any]) -> None:
        """Add a sweep with everything its results depend on, unless it exists."""
        with self.database.open() as db:
            db.execute(
                "INSERT OR IGNORE INTO sweeps (sweep_id, created, basis) VALUES (?, ?, ?)",
                (sweep_id, datetime.now(UTC).isoformat(timespec="seconds"), json.dumps(basis)),
            )

    def put(self, sweep_id: str, outcomes: dict[str, dict[str, Any]]) -> None:
        """Store trials of a sweep, by identity."""
        key, rows = self.keyring.signing(), []
        for identity, outcome in outcomes.items():
            text = json.dumps(outcome)
            rows.append(
                (sweep_id, identity, text, key.public, key.sign(_signed_bytes(sweep_id, identity, text)))
            )
        with self.database.change() as db:
            db.executemany(
                "INSERT OR REPLACE INTO trials (sweep_id, identity, outcome, signer, signature) "
                "VALUES (?, ?, ?, ?, ?)",
                rows,
            )

    def get(self, sweep_id: str) -> dict[str, dict[str, Any]]:
        """Return the stored trials of a sweep, by identity.

        Raises
        ------
        RunError
            A trial was changed or added, or is signed by an untrusted key.
        """
        with self.database.open() as db:
            rows = db.execute("SELECT * FROM trials WHERE sweep_id = ?", (sweep_id,)).fetchall()
        accepted = self.keyring.accepted()
        for row in rows:
            content = _signed_bytes(sweep_id, row["identity"], row["outcome"])
            if row["signer"] not in accepted or not is_signed(row["signer"], row["signature"], content):
                raise RunError(
                    f"a stored trial of {sweep_id} was changed, or is signed by a key that you do not trust; "
                    "recompute everything with --recompute"
                )
        return {row["identity"]: json.loads(row["outcome"]) for row in rows}

    def forget(self, sweep_id: str) -> None:
        """Delete the stored trials of a sweep."""
        with self.database.open() as db:
            db.execute("DELETE FROM trials WHERE sweep_id = ?", (sweep_id,))


def _signed_bytes(sweep_id: str, identity: object, outcome: object) -> bytes:
    """Return the signed bytes of a trial."""
    return b"fairmend trial 1\n" + digest([sweep_id, identity, outcome]).encode()
