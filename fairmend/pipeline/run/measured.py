"""What was measured on the way: each pass through a gate, and each alternative at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fairmend.core.serialization import to_plain


@dataclass(frozen=True)
class GateMeasurement:
    """One pass through a gate: the steps so far and their metrics on validation data.

    Attributes
    ----------
    stage : str
        Stage of the gate.
    iteration : int
        Number of earlier rollbacks.
    steps : tuple of str
        Slugs of the steps so far.
    accuracy, fairness : float
        Accuracy, and the target metric.
    accuracy_interval, fairness_interval : (float, float) or None
        Their intervals.
    verdict : str
        Verdict of the gate.
    """

    stage: str
    iteration: int
    steps: tuple[str, ...]
    accuracy: float
    fairness: float
    accuracy_interval: tuple[float, float] | None
    fairness_interval: tuple[float, float] | None
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return to_plain(self.__dict__)


@dataclass(frozen=True)
class Variant:
    """A variant of the pipeline, measured on validation data.

    Attributes
    ----------
    name : str
        E.g. ``"without instance-weighting"`` or ``"post-processing alone"``.
    steps : tuple of str
        Slugs of its steps.
    accuracy, fairness : float
        Accuracy, and the target metric.
    accuracy_interval, fairness_interval : (float, float) or None
        Their intervals.
    accuracy_change, fairness_change : dict
        The full pipeline minus this variant, with interval and p-value: the gain of the full pipeline.
    passes : bool
        Whether every required check of the last gate passes, the decision after it would deploy, and no
        earlier gate bars a step.
    utility : float
        What its decisions are worth.
    utility_interval : (float, float) or None
        Its interval.
    probability : float or None
        With which the target holds on new data of the size of the test part.
    reads_protected, randomized : bool
        Whether a decision reads the protected attribute, or is drawn.
    failing : tuple of str
        The required checks that do not pass.
    """

    name: str
    steps: tuple[str, ...]
    accuracy: float
    fairness: float
    accuracy_interval: tuple[float, float] | None
    fairness_interval: tuple[float, float] | None
    accuracy_change: dict[str, Any]
    fairness_change: dict[str, Any]
    passes: bool
    utility: float
    utility_interval: tuple[float, float] | None
    probability: float | None
    reads_protected: bool
    randomized: bool
    failing: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return to_plain(self.__dict__)
