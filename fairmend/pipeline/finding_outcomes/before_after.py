"""Both rules on the test data, and the metric of one finding before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from fairmend.auditing.candidate_findings import Reading
from fairmend.auditing.severity_thresholds import Thresholds, thresholds
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.findings import Finding
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.metrics import InferenceSettings
from fairmend.core.metrics.evaluation_tables import views
from fairmend.core.metrics.inference.bootstrap import Interval
from fairmend.pipeline.gates.gate_context import ModelEvaluation


@dataclass(frozen=True)
class NotMeasurable:
    """Why a finding cannot be measured on the test data.

    Attributes
    ----------
    reason : str
        Explanation.
    support : int
        Rows of the smallest group involved.
    """

    reason: str
    support: int = 0


@dataclass(frozen=True)
class FindingChange:
    """The metric of a finding before and after.

    Attributes
    ----------
    measure : str
        Name of the metric, with levels in the audit thresholds.
    before, after : float
        Values for the baseline and the final rule.
    support : int
        Rows of the smallest group involved.
    change : float
        After minus before; bias-corrected for bias-corrected metrics.
    interval : (float, float) or None
        95 % interval of the change; None if no change was possible.
    p_value : float or None
        P-value of no change; None if no change was possible.
    left : tuple of Reading
        The remaining disparity, by every metric that the audit grades for this kind.
    reason : str
        Why no change was possible.
    """

    measure: str
    before: float
    after: float
    support: int
    change: float = 0.0
    interval: Interval | None = None
    p_value: float | None = None
    left: tuple[Reading, ...] = ()
    reason: str = ""


def unchanged(measure: str, value: float, support: int, reason: str) -> FindingChange:
    """Return a metric that no step could change."""
    return FindingChange(measure, value, value, support, reason=reason)


@dataclass(frozen=True)
class BeforeAfter:
    """Baseline and final rule on the same test rows.

    Attributes
    ----------
    before, after : ModelEvaluation
        Evaluations of the two.
    steps : tuple of TechniqueMetadata
        The techniques of the final pipeline.
    rules : Thresholds
        Audit thresholds.
    """

    before: ModelEvaluation
    after: ModelEvaluation
    steps: tuple[TechniqueMetadata, ...] = ()
    rules: Thresholds = field(default_factory=thresholds)

    @property
    def test(self) -> Dataset:
        """The test data."""
        return self.before.data

    @property
    def settings(self) -> InferenceSettings:
        """Settings of intervals and tests."""
        return self.before.settings

    @cached_property
    def views(self) -> dict[str, Groups]:
        """The groups of each attribute and of their intersection, by name."""
        return views(self.test.groups)

    @cached_property
    def weights(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The weight of each row, 1 if there are none."""
        return np.ones(len(self.test)) if self.test.weights is None else self.test.weights

    @cached_property
    def read_before(self) -> pd.DataFrame:
        """The features as the baseline's estimator reads them."""
        return self.before.model.transform(self.test.X, self.test.sensitive)

    @cached_property
    def read_after(self) -> pd.DataFrame:
        """The features as the final model's estimator reads them."""
        return self.after.model.transform(self.test.X, self.test.sensitive)

    def short_of(self, finding: Finding, enough: Sequence[str]) -> str:
        """Return which groups of a comparison are not among those with enough rows; empty if none."""
        named = [g for g in (finding.group, finding.reference) if g is not None and g not in enough]
        if not named and len(enough) < 2:
            named = [g for g in self.views[str(finding.attribute)].labels if g not in enough][:4]
        return ", ".join(named)

    def changing(self, *changes: str) -> list[str]:
        """Return the slugs of the steps that change one of these."""
        return [step.slug for step in self.steps if set(changes) & set(step.modifies)]
