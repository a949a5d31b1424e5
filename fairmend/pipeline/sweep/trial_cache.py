"""Results of a sweep in the run store, so that it can be resumed after an interruption."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from fairmend.catalog.card_cache import fingerprint
from fairmend.catalog.registry import Registry
from fairmend.core.findings import Audit
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.step_cache import mark
from fairmend.pipeline.sweep.alternatives.record import Confirmation
from fairmend.pipeline.sweep.combinations import Combination
from fairmend.pipeline.sweep.trials import Trial

CONFIRMATION = "confirmation-"


class TrialCache:
    """The stored results of a sweep; without a store, none.

    Parameters
    ----------
    store : RunStore or None
        Where they are stored.
    basis : mapping
        All that the figures depend on, except the candidates; the sweep is stored under its hash.
    fresh : bool
        Whether to discard stored results.
    """

    def __init__(self, store: RunStore | None, basis: Mapping[str, Any], fresh: bool) -> None:
        self.store = store
        self.sweep_id = f"sweep-{digest(basis)[:16]}"
        self.basis = basis
        self.fresh = fresh

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the sweep for this process, and add it to the store."""
        with nullcontext() if self.store is None else self.store.locks.lock(self.sweep_id):
            if self.store is not None:
                if self.fresh:
                    self.store.trials.forget(self.sweep_id)
                self.store.trials.enter(self.sweep_id, dict(self.basis))
            yield

    def audit(self, make: Callable[[], Audit]) -> Audit:
        """Return the stored audit, or make and store it."""
        raw = None if self.store is None else self.store.trials.get(self.sweep_id).get("audit")
        if raw is not None:
            return Audit(**raw)
        found = make()
        if self.store is not None:
            self.store.trials.put(self.sweep_id, {"audit": found.to_json()})
        return found

    def trials(
        self, candidates: Sequence[Combination], identities: Sequence[str], rows: int
    ) -> list[Trial | None]:
        """Return the stored trial of each candidate, None where there is none."""
        raw = {} if self.store is None else self.store.trials.get(self.sweep_id)
        found: list[Trial | None] = []
        for tried, identity in zip(candidates, identities, strict=True):
            trial = Trial.from_json(raw[identity], rows) if identity in raw else None
            if trial is not None:
                trial = Trial(trial.candidate.model_copy(update=vars(tried)), trial.decisions)
            found.append(trial)
        return found

    def confirmation(self, identity: str, margin: float, make: Callable[[], Confirmation]) -> Confirmation:
        """Return the stored confirmation of a candidate, or make and store it."""
        name = f"{CONFIRMATION}{identity}"
        held = {} if self.store is None else self.store.trials.get(self.sweep_id).get(name, {})
        if str(margin) in held:
            return Confirmation(**held[str(margin)])
        found = make()
        if self.store is not None:
            raw = found.model_dump(mode="json")
            self.store.trials.put(self.sweep_id, {name: {**held, str(margin): raw}})
        return found

    def other_confirmations(self, identity: str) -> int:
        """Return the number of other candidates that were confirmed, or were not, on the same test rows."""
        kept = {} if self.store is None else self.store.trials.get(self.sweep_id)
        return sum(name.startswith(CONFIRMATION) and name != f"{CONFIRMATION}{identity}" for name in kept)

    def put(self, identity: str, trial: Trial) -> None:
        """Store a trial."""
        if self.store is not None and trial.lasting:
            self.store.trials.put(self.sweep_id, {identity: trial.to_json()})


def digest(value: Any) -> str:
    """Return the SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def identities(candidates: Sequence[Combination], registry: Registry) -> list[str]:
    """Return the key of each candidate: a hash of its trace and of the source of its techniques.

    A source that cannot be found never counts as unchanged.
    """
    modules = {plugin.name: plugin.module for plugin in registry.plugins}
    used = {step.technique: registry.card(step.technique).plugin for one in candidates for step in one.steps}
    sources = {name: fingerprint(modules[name]) or secrets.token_hex(8) for name in set(used.values())}
    return [
        digest(
            [
                *([] if one.variant is None else [one.variant.mark]),
                *([mark(step), sources[used[step.technique]]] for step in one.steps),
            ]
        )
        for one in candidates
    ]
