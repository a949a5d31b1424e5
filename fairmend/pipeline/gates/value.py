"""What a gate check returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fairmend.core.metrics import Estimate


@dataclass(frozen=True)
class Value:
    """What a gate check, which may be a third party's, says of a quantity.

    Unlike an :class:`~fairmend.core.metrics.Estimate` it may not apply, or fail on the groups that have enough rows.

    Attributes
    ----------
    value : float or None
        The estimate; None where it is undefined, which is insufficient evidence.
    interval : (float, float) or None
        Its confidence interval.
    support : int
        Rows behind it.
    enough : bool
        Whether every cell behind it has the minimum support.
    text : str
        What it is about, e.g. the group or feature at fault.
    measured : bool
        Whether the value itself rests on cells with enough support though others lack it: then it
        can fail a check, and cannot pass it.
    applies : bool
        Whether the check applies; one about thresholds does not where there are none. A
        check that does not apply passes; the target of a run always applies.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    support: int = 0
    enough: bool = True
    text: str = ""
    measured: bool = False
    applies: bool = True

    @classmethod
    def not_applicable(cls, text: str) -> Value:
        """Return that the question does not arise, by design of the steps that ran."""
        return cls(None, text=text, applies=False)

    def __post_init__(self) -> None:
        """Turn numbers and truth values of numpy, of any width, into those of Python, which records hold."""
        for name in ("value", "support", "enough", "measured"):
            given = getattr(self, name)
            if isinstance(given, np.generic):
                object.__setattr__(self, name, given.item())
        if isinstance(self.interval, (tuple, list, np.ndarray)):
            ends = tuple(e.item() if isinstance(e, np.generic) else e for e in self.interval)
            object.__setattr__(self, "interval", ends)

    @classmethod
    def of(cls, figure: Estimate, text: str = "") -> Value:
        """Return the value of a measured figure; an undefined figure is insufficient evidence."""
        lacking = f"too few rows in {', '.join(figure.lacking[:4])}" if figure.lacking else ""
        ends = f"{figure.worst_group} against {figure.best_group}" if figure.worst_group else ""
        known = bool(np.isfinite(figure.value))
        return cls(
            float(figure.value) if known else None,
            figure.interval,
            figure.support,
            figure.enough and known,
            "; ".join(t for t in (text, ends, lacking) if t),
        )


CheckFunction = Callable[..., Value]
