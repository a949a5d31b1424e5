"""How a run through the gates ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class RunOutcome:
    """The end state of the state machine.

    Attributes
    ----------
    to : str
        ``keep`` (the plain model needs no intervention), ``undecided`` (the data cannot say), ``deploy``,
        ``escalate`` or ``wait``.
    reason : str
        Why.
    options : list of str
        What people can do, where they must act.
    """

    to: Literal["keep", "undecided", "deploy", "escalate", "wait"]
    reason: str
    options: list[str] = field(default_factory=list)
