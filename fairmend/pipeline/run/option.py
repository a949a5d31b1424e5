"""An option of a run that people must decide on: a measured rule that can be chosen later."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Option:
    """A rule that people can choose.

    Attributes
    ----------
    id, name : str
        Its id in the run, and what it is.
    steps : tuple of str
        Slugs of its steps.
    validation, test : dict of str to dict
        Utility, accuracy and the target's figure, with intervals, on validation and on test data.
    utility_cost : dict
        The change of the utility against the plain model on validation data, with interval.
    reads_protected, randomized : bool
        Whether a decision reads the protected attribute, or is drawn.
    probability : float or None
        With which the target holds on new data of the size of the test part.
    passes : bool
        Whether it passes every required check of the last gate.
    failing : tuple of str
        Those that it does not.
    text : str
        All of it in one sentence.
    artifact : str
        Its stored rule; empty for a run that is not stored.
    """

    id: str
    name: str
    steps: tuple[str, ...]
    validation: Figures
    test: Figures
    utility_cost: dict[str, Any]
    reads_protected: bool
    randomized: bool
    probability: float | None
    passes: bool
    failing: tuple[str, ...]
    text: str
    artifact: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return asdict(self) | {"steps": list(self.steps), "failing": list(self.failing)}
