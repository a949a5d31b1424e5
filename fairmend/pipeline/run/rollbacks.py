"""Rollbacks: which adjustment of the plan is tried next after a failed gate, and when none is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fairmend.catalog.policy import GatedStage, Rollback, RollbackAction


@dataclass
class Rollbacks:
    """The rollbacks of a run so far.

    Attributes
    ----------
    counts : Counter
        Rollbacks by id.
    """

    counts: Counter[str] = field(default_factory=Counter)
    _tried: Counter[tuple[str, int]] = field(default_factory=Counter)

    def exhausted(self, rollback: Rollback) -> bool:
        """Whether its iteration limit is reached."""
        return self.counts[rollback.id] >= rollback.iterations

    def next(
        self, rollback: Rollback, failed: set[str], apply: Callable[[RollbackAction], str | None]
    ) -> tuple[GatedStage, str] | None:
        """Apply the first untried adjustment that is possible.

        Parameters
        ----------
        rollback : Rollback
            What the policy offers.
        failed : set of str
            Ids of the failed checks.
        apply : callable
            Applies an adjustment and returns what it did, None if it is not possible.

        Returns
        -------
        (stage, text) or None
            Where to go on and what was done; None if nothing is left.
        """
        for number, trigger in enumerate(rollback.triggers):
            if not failed & set(trigger.failed):
                continue
            for change in self._remaining(rollback, number):
                done = apply(change)
                if done:
                    self.counts[rollback.id] += 1
                    return trigger.to, done
        return None

    def _remaining(self, rollback: Rollback, number: int) -> Iterator[RollbackAction]:
        """Yield the untried changes of a trigger, in order.

        In the last iteration, skipping the stage comes first if the policy offers it, so that the run
        is not escalated before the later stages had a chance to reach the target.
        """
        changes = rollback.triggers[number].changes
        key = (rollback.id, number)
        last = self.counts[rollback.id] == rollback.iterations - 1
        if last and changes[-1].action == "skip":
            self._tried[key] = max(self._tried[key], len(changes) - 1)
        while self._tried[key] < len(changes):
            self._tried[key] += 1
            yield changes[self._tried[key] - 1]
