"""Estimate of the remaining time of a run, from the baseline's training and the steps so far."""

from __future__ import annotations

from collections.abc import Iterable

from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.vocabulary import Level

# Number of trainings of the learner that a technique takes, by the compute level in its metadata.
TRAININGS: dict[Level, float] = {"low": 1.5, "medium": 25.0, "high": 100.0}


class TimeEstimate:
    """Estimates how long techniques take.

    Parameters
    ----------
    training : float
        Duration of the baseline's training in seconds.
    """

    def __init__(self, training: float) -> None:
        self.training = training
        self._measured: dict[int | str, float] = {}

    def note(self, technique: TechniqueMetadata, seconds: float) -> None:
        """Record how long a technique took."""
        self._measured[technique.technique_id] = seconds

    def of(self, techniques: Iterable[TechniqueMetadata]) -> float:
        """Return the estimated total duration of these techniques in seconds.

        A technique that already ran is expected to take as long again; post-processing trains no model
        and counts as a tenth of a training.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> smote = SimpleNamespace(technique_id=36, needs_retraining=True, compute="low")
        >>> platt = SimpleNamespace(technique_id=48, needs_retraining=False, compute="low")
        >>> guess = TimeEstimate(training=2.0)
        >>> guess.of([smote, platt])
        3.2
        >>> guess.note(smote, 8.0)
        >>> guess.of([smote])
        8.0
        """
        return sum(self._measured.get(t.technique_id, self._guess(t)) for t in techniques)

    def _guess(self, technique: TechniqueMetadata) -> float:
        return self.training * (TRAININGS[technique.compute] if technique.needs_retraining else 0.1)
