"""Verify a run: chain and signatures, the record that they seal, and every file it names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.core.data.files import write_text
from fairmend.core.errors import RunError, UsageError
from fairmend.pipeline.storage.chain import Sealed, digest, replay, unchained

if TYPE_CHECKING:
    from fairmend.pipeline.storage.run_store import RunStore
    from fairmend.pipeline.storage.stored_run import Snapshot

# Columns of a run's row that are derived from the chain itself.
_OF_CHAIN = {"run_id", "head", "entries"}
_HEAD = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Verified:
    """A verified run.

    Attributes
    ----------
    run_id : str
        The run.
    head : str
        Hash of the last entry of its log, which covers everything; saved elsewhere, it is an anchor.
    entries : tuple of dict
        The log.
    files : int
        Number of files that its record names.
    signers : dict of str to str
        The keys that signed it, by the user's names for them.
    """

    run_id: str
    head: str
    entries: tuple[dict[str, Any], ...]
    files: int
    signers: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return {
            "run_id": self.run_id,
            "head": self.head,
            "entries": len(self.entries),
            "files": self.files,
            "signers": self.signers,
        }

    def check_anchor(self, anchor: str | Path) -> None:
        """Check that an earlier saved head is in the chain.

        Parameters
        ----------
        anchor : str or Path
            The head, or a file written by :meth:`write_anchor`.

        Raises
        ------
        UsageError
            It is neither, or the anchor of another run.
        RunError
            It is not in the chain: the record was reset to an earlier state, or rewritten.
        """
        head = _anchored(anchor, self.run_id)
        if head not in {entry["hash"] for entry in self.entries}:
            raise RunError(
                f"the log of {self.run_id} does not contain the anchored head {head}: the record was reset to an "
                "earlier state, or rewritten"
            )

    def write_anchor(self, path: str | Path) -> None:
        """Write the head to a file, to be saved where the owner of the store cannot change it."""
        found = {"run_id": self.run_id, "entries": len(self.entries), "head": self.head}
        write_text(path, json.dumps(found, indent=2) + "\n")


def verify(store: RunStore, run_id: str, keys: tuple[str, ...] = ()) -> Verified:
    """Verify a run and everything that its verdict depends on.

    Parameters
    ----------
    store : RunStore
        Where the run is stored.
    run_id : str
        The run, or ``latest``.
    keys : tuple of str
        Accepted public keys (digits, file, or name of a trusted key), instead of the user's own and
        the trusted ones.

    Raises
    ------
    UnknownNameError
        There is no such run.
    RunError
        Something was changed, removed or added, or is signed by a key that is not accepted.
    """
    accepted = store.keyring.named(keys) if keys else store.keyring.accepted()
    return check(store.snapshot(run_id), store, accepted)


def check(
    snapshot: Snapshot, store: RunStore, accepted: Mapping[str, str], *, files: bool = True
) -> Verified:
    """Verify the rows of a run, read in one transaction, and its files unless disabled."""
    run, run_id = snapshot.run, snapshot.run_id
    if not snapshot.log:
        raise RunError(f"all entries of the log of {run_id} were removed")
    entries = unchained(run_id, snapshot.log, accepted)
    count, head = run["entries"], run["head"]
    if (count, head) != (len(entries), entries[-1]["hash"]):
        raise RunError(
            f"the log of {run_id} was changed: it has {len(entries)} entries, its record says {count!r} that end "
            f"with {str(head)[:12]}"
        )
    sealed = replay(entries)
    _check_rows(snapshot, sealed)
    names = _files(snapshot)
    if files:
        _check_events(store.events_path(run_id), run_id, sealed)
        for name in names:
            store.artifacts.get(name)
    signers = {accepted[key]: key for key in dict.fromkeys(entry["signer"] for entry in entries)}
    return Verified(run_id, str(head), tuple(entries), len(names), signers)


def _check_rows(snapshot: Snapshot, sealed: Sealed) -> None:
    run_id, unset = snapshot.run_id, digest(None)
    for column, value in snapshot.run.items():
        if column not in _OF_CHAIN and digest(value) != sealed.run.get(column, unset):
            raise RunError(f"the {column} of {run_id} was changed after it was signed")
    found = {row["trace"]: digest(row) for row in snapshot.steps}
    for trace in sealed.steps.keys() | found.keys():
        if found.get(trace) != sealed.steps.get(trace):
            what = "is missing" if trace not in found else "was changed or added"
            raise RunError(f"the stored step {str(trace)[:12]} of {run_id} {what}")


def _check_events(path: Path, run_id: str, sealed: Sealed) -> None:
    """Check that the file starts with the sealed events, for every seal."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise RunError(f"the events of {run_id} cannot be read: {error.strerror}") from error
    hashed, place = hashlib.sha256(), 0
    for length, expected in sealed.events:
        hashed.update(content[place:length])
        place = max(place, length)
        if hashed.hexdigest() != expected:
            raise RunError(f"the events of {run_id} were changed within the first {length} bytes of {path}")
    if len(content) > place and not sealed.under_way:
        raise RunError(f"events were added to {run_id} after it ended, at byte {place} of {path}")


def _files(snapshot: Snapshot) -> list[str]:
    """Return the names of the files in a verified record, without duplicates."""
    request = json.loads(snapshot.run["request"])
    named = [snapshot.run["model"], request.get("model"), request.get("data", {}).get("frame")]
    result = json.loads(snapshot.run["result"] or "null") or {}
    named += [option.get("artifact") for option in result.get("options", ())]
    for row in snapshot.steps:
        parts = json.loads(row["parts"])
        named += [parts.get("record"), *parts.get("models", ())]
        named += [fold.get(part) for fold in parts.get("folds", ()) for part in ("model", "train")]
    return list(dict.fromkeys(n for n in named if isinstance(n, str) and _HEAD.fullmatch(n)))


def _anchored(anchor: str | Path, run_id: str) -> str:
    """Return the head that an anchor names."""
    text = str(anchor).strip().lower()
    if _HEAD.fullmatch(text):
        return text
    try:
        found = json.loads(Path(anchor).read_text(encoding="utf-8"))
        head, of = str(found["head"]), found["run_id"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"expected an anchor of 64 hexadecimal digits, or a file written by --write-anchor, got {str(anchor)!r}"
        ) from error
    if of != run_id:
        raise UsageError(f"{anchor} is the anchor of {of}, not of {run_id}")
    return head
