"""The record of a search for a less discriminatory alternative."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fairmend.core.metrics import Estimate
from fairmend.core.text.validation import ClosedModel
from fairmend.pipeline.sweep.model_variants import Sign

Outcome = Literal["found", "not confirmed", "none found"]
Loss = Literal[
    "reads group",
    "degenerate decisions",
    "insufficient evidence",
    "no less disparity",
    "worse performance",
    "performance not shown",
    "within noise",
    "another is chosen",
]


class Alternative(ClosedModel):
    """A candidate compared with the plain model on the same rows."""

    performance_change: dict[str, Estimate] = Field(
        description="change of each metric of performance, paired"
    )
    p_value: float | None = Field(
        default=None,
        description="of no less disparity, corrected for the candidates (max-t, paired bootstrap)",
    )
    adverse_impact_ratio: Estimate = Field(description="lowest selection rate of a group over the highest")
    selection_rate: Estimate = Field(description="share of favorable decisions")
    degenerate: str = Field(default="", description="why its decisions are vacuously fair, if they are")
    lost: Loss | None = Field(
        default=None, description="why it is not the alternative; none of the chosen one"
    )
    why: str = Field(default="", description="the figures behind that")


class KindCount(ClosedModel):
    """How many candidates of a kind were tried."""

    tried: int
    failed: int = 0


class GroupRates(ClosedModel):
    """The selection rate of a group, under the plain model and under the alternative."""

    before: Estimate
    after: Estimate
    impact_before: float | None = Field(description="over the highest rate of a group")
    impact_after: float | None


class Confirmation(ClosedModel):
    """The chosen alternative against the plain model on the test rows, which nothing else has read."""

    confirmed: bool
    reason: str = Field(description="what was shown, or what was not")
    rows: int
    before: dict[str, Estimate] = Field(description="figures of the plain model")
    after: dict[str, Estimate] = Field(description="figures of the alternative")
    performance_change: dict[str, Estimate]
    disparity_change: Estimate = Field(description="change of the target's figure, paired")
    groups: dict[str, GroupRates]


class LdaSearch(ClosedModel):
    """What was searched, by which rule an alternative was chosen, and what came of it."""

    outcome: Outcome
    budget: int = Field(description="requested number of candidates")
    searched: dict[str, KindCount] = Field(description="candidates by kind")
    performance: tuple[str, ...] = Field(description="metrics in which an alternative must be no worse")
    margin: float = Field(description="loss of performance that counts as none")
    significance: float = Field(description="family-wise error of the choice, and error of the confirmation")
    compared: int = Field(description="number of candidates that the correction is for")
    qualified: int = Field(description="number of candidates no worse and significantly less disparate")
    proxies: dict[str, float] = Field(description="association of features with the protected attributes")
    monotone: dict[str, Sign] = Field(description="signs of monotone constraints")
    confirmation: Confirmation | None = None
    earlier_looks: int = Field(
        default=0, description="other candidates that this store's searches confirmed on the same test rows"
    )
    notes: tuple[str, ...] = ()
