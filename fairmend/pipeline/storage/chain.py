"""The log of a run as a chain: each entry's hash covers the one before, and each hash is signed.

An entry *seals* what it changed: digests of the columns of the run's row, of the steps, and of the event
file up to its length at that moment. Replaying the chain gives what the record must look like.
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
    """Return the entries of a log, in order, once chain and signatures are found to be whole.

    Parameters
    ----------
    run_id : str
        The run.
    rows : sequence of mapping
        The rows of its log, in order.
    accepted : mapping of str to str
        Public keys that are believed, with their names.

    Raises
    ------
    RunError
        An entry was changed, taken out or put in, or a key that is not believed signed it.
    """
    before = ""
    for place, row in enumerate(rows):
        at = f"at entry {place + 1} of {len(rows)}"
        if row["signature"] is None or row["signer"] is None:
            raise RunError(
                f"the log of {run_id} is not signed {at}: it was kept by a version without signatures, or "
                "changed; begin a new run"
            )
        texts = all(isinstance(row[name], str) for name in COLUMNS[1:])
        whole = texts and row["place"] == place and row["before"] == before
        if not whole or row["hash"] != _hash(run_id, place, row["entry"], before, row["signer"]):
            raise RunError(f"the log of {run_id} was changed {at}")
        if row["signer"] not in accepted:
            raise RunError(
                f"{run_id} is signed by a key that is not trusted here, {row['signer']} ({at}); if you know "
                "whose it is: fairmend keys trust KEY --as NAME"
            )
        if not is_signed(row["signer"], row["signature"], _DOMAIN + row["hash"].encode()):
            raise RunError(f"the log of {run_id} was changed {at}: its signature does not belong to it")
        before = row["hash"]
    return [{**json.loads(row["entry"]), "hash": row["hash"], "signer": row["signer"]} for row in rows]


@dataclass
class Sealed:
    """What a chain says that the record of a run must look like.

    Attributes
    ----------
    run : dict of str to str
        Digest of each column of the run's row; what is not named was never set.
    steps : dict of str to str
        Digest of the row of each step, by trace.
    events : list of (int, str)
        Lengths of the event file and its SHA-256 up to there, in order.
    under_way : bool
        Whether a process works on the run, or was cut off: more events may follow those that are sealed.
    """

    run: dict[str, str] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    events: list[tuple[int, str]] = field(default_factory=list)
    under_way: bool = False


def replay(entries: Iterable[Mapping[str, Any]]) -> Sealed:
    """Return what the entries of a chain say the record must look like."""
    found = Sealed()
    for entry in entries:
        seal = entry[SEAL]
        found.run.update(seal["run"])
        found.steps.update(seal["steps"])
        found.events.append((seal["events"][0], seal["events"][1]))
        found.under_way = entry["what"] in _BEGINS or (found.under_way and entry["what"] not in _ENDS)
    return found
