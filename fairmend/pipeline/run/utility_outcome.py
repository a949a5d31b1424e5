"""What the final rule is worth beside the baseline, on the test data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from fairmend.core.metrics import Estimate
from fairmend.core.serialization import to_plain
from fairmend.core.utility import Utility
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.pipeline.gates.utility import retained_skill, value


@dataclass(frozen=True)
class UtilityOutcome:
    """The utility of baseline and final rule, and the skill that is retained.

    Attributes
    ----------
    utility : Utility
        What decisions are worth.
    baseline, final : Estimate
        The utility of each.
    retained_skill : float or None
        The part of the baseline's skill that the final rule retains; None where that cannot be said.
    interval : (float, float) or None
        Its confidence interval, paired.
    text : str
        What it was measured by, or why it was not.
    """

    utility: Utility
    baseline: Estimate
    final: Estimate
    retained_skill: float | None
    interval: tuple[float, float] | None
    text: str

    @classmethod
    def of(cls, utility: Utility, baseline: ModelEvaluation, final: ModelEvaluation) -> Self:
        """Return the outcome of two rules on the same rows."""
        skill = retained_skill(utility, baseline, final)
        return cls(
            utility, value(utility, baseline), value(utility, final), skill.value, skill.interval, skill.text
        )

    @property
    def line(self) -> str:
        """The retained skill as a line for people."""
        if self.retained_skill is None:
            return f"Retained skill: not measured ({self.text})"
        ends = "" if self.interval is None else f" [{self.interval[0]:.0%}, {self.interval[1]:.0%}]"
        return f"Retained skill: {self.retained_skill:.0%}{ends} ({self.text})"

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {
            **self.utility.model_dump(),
            "baseline": self.baseline.to_json(),
            "final": self.final.to_json(),
            "retained_skill": {
                "value": self.retained_skill,
                "interval": to_plain(self.interval),
                "text": self.text,
            },
        }
