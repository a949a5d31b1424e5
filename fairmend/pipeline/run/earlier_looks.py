"""Earlier looks at the test part, and the correction of the verdict for them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from fairmend.core.metrics import Comparison, Measurement


@dataclass(frozen=True)
class TestLooks:
    """Earlier looks at the same test part, with the target metric corrected for them.

    Attributes
    ----------
    before : int
        Number of earlier completed runs with the same data, split and seed.
    measure : str
        The target metric.
    p_value, p_corrected : float or None
        P-value of no change against the baseline, uncorrected and multiplied by the number of looks
        (Bonferroni).
    interval : (float, float) or None
        Interval of the final metric, at the level ``1 - (1 - level) / looks``.
    """

    __test__ = False  # tells pytest that this is not a test class

    before: int
    measure: str
    p_value: float | None
    p_corrected: float | None
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, before: int, measure: str, final: Measurement, tests: Comparison) -> TestLooks:
        """Return the correction for this look and the earlier ones."""
        looks = before + 1
        p = tests.changes[measure].p_value if measure in tests.changes else math.nan
        stricter = replace(final, level=1 - (1 - final.level) / looks)
        interval = stricter.figure(measure).interval
        known = not math.isnan(p)
        return cls(before, measure, p if known else None, min(1.0, p * looks) if known else None, interval)

    @property
    def note(self) -> str | None:
        """The note for the reader; None if there were no earlier looks."""
        if not self.before:
            return None
        times = "once" if self.before == 1 else f"{self.before} times"
        name = self.measure.replace("_", " ")
        said = [f"The test part of this data was already used {times} in this store"]
        if self.p_corrected is not None:
            said.append(
                f"corrected for that (Bonferroni), p of the change in {name} is {self.p_corrected:.3g}"
            )
        if self.interval is not None:
            said.append(
                f"the interval of its final value is [{self.interval[0]:.3f}, {self.interval[1]:.3f}]"
            )
        return "; ".join(said) + ". Validate on new data that no run has used."

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {
            "before": self.before,
            "measure": self.measure,
            "p_value": self.p_value,
            "p_corrected": self.p_corrected,
            "interval": None if self.interval is None else list(self.interval),
        }
