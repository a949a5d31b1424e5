"""The log of a run as a chain: each entry's hash covers the one before, and each hash is signed.

An entry *seals* what it changed: digests of the columns of the run's row, of the steps, and of the event
file up to its current length. Replaying the chain gives the expected state of the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairmend.core.errors import RunError
from fairmend.pipeline.storage.keys import SigningKey, is_signed

SEAL = "seal"
COLUMNS = ("place", "entry", "before", "hash", "signer", "signature")
_DOMAIN = b"fairmend log entry 1\n"
_BEGINS, _ENDS = {"created", "resumed"}, {"ended", "error"}


def digest(value: object) -> str:
    """Return the SHA-256 of a value of the store, or of a row as a mapping of columns to values."""
    if isinstance(value, Mapping):
        value = {str(name): digest(part) for name, part in value.items()}
    text = json.dumps([type(value).__name__, value], sort_keys=True, default=bytes.hex)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def link(run_id: str, place: int, entry: str, before: str, key: SigningKey) -> dict[str, Any]:
    """Return an entry as a row of the log, chained to the hash before it and signed."""
    hashed = _hash(run_id, place, entry, before, key.public)
    return {
        "place": place,
        "entry": entry,
        "before": before,
        "hash": hashed,
        "signer": key.public,
        "signature": key.sign(_DOMAIN + hashed.encode()),
    }


def _hash(run_id: str, place: int, entry: str, before: str, signer: str) -> str:
    return hashlib.sha256(json.dumps([run_id, place, entry, before, signer]).encode()).hexdigest()


def unchained(
    run_id: str, rows: Sequence[Mapping[str, Any]], accepted: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the entries of a log, in order, after verifying chain and signatures.

    Parameters
    ----------
    run_id : str
        The run.
    rows : sequence of mapping
        The rows of its log, in order.
    accepted : mapping of str to str
        Accepted public keys, with their names.

    Raises
    ------
    RunError
        An entry was changed, removed or added, or was signed by a key that is not accepted.
    """
    before = ""
    for place, row in enumerate(rows):
        at = f"at entry {place + 1} of {len(rows)}"
        if row["signature"] is None or row["signer"] is None:
            raise RunError(
                f"the log of {run_id} is not signed {at}: it was stored by a version without signatures, or "
                "changed; start a new run"
            )
        texts = all(isinstance(row[name], str) for name in COLUMNS[1:])
        whole = texts and row["place"] == place and row["before"] == before
        if not whole or row["hash"] != _hash(run_id, place, row["entry"], before, row["signer"]):
            raise RunError(f"the log of {run_id} was changed {at}")
        if row["signer"] not in accepted:
            raise RunError(
                f"{run_id} is signed by a key that you do not trust, {row['signer']} ({at}); if you know "
                "whose it is: fairmend keys trust KEY --as NAME"
            )
        if not is_signed(row["signer"], row["signature"], _DOMAIN + row["hash"].encode()):
            raise RunError(f"the log of {run_id} was changed {at}: its signature does not match")
        before = row["hash"]
    return [{**json.loads(row["entry"]), "hash": row["hash"], "signer": row["signer"]} for row in rows]


@dataclass
class Sealed:
    """The expected state of the record of a run, according to its chain.

    Attributes
    ----------
    run : dict of str to str
        Digest of each column of the run's row; other columns were never set.
    steps : dict of str to str
        Digest of the row of each step, by trace.
    events : list of (int, str)
        Lengths of the event file, with the SHA-256 up to each length, in order.
    under_way : bool
        Whether a process works on the run, or was interrupted: more events may follow the sealed ones.
    """

    run: dict[str, str] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    events: list[tuple[int, str]] = field(default_factory=list)
    under_way: bool = False


def replay(entries: Iterable[Mapping[str, Any]]) -> Sealed:
    """Return the expected state of the record from the entries of a chain."""
    found = Sealed()
    for entry in entries:
        seal = entry[SEAL]
        found.run.update(seal["run"])
        found.steps.update(seal["steps"])
        found.events.append((seal["events"][0], seal["events"][1]))
        found.under_way = entry["what"] in _BEGINS or (found.under_way and entry["what"] not in _ENDS)
    return found
