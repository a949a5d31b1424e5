"""Both rules on the test data, and what is measured of one finding before and after."""

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
        In words.
    support : int
        Rows of the smallest cell behind it.
    """

    reason: str
    support: int = 0


@dataclass(frozen=True)
class FindingChange:
    """A finding's figure before and after.

    Attributes
    ----------
    measure : str
        Name of the figure, with levels in the thresholds of audits.
    before, after : float
        Of baseline and final rule.
    support : int
        Rows of the smallest cell behind it.
    change : float
        After minus before; for figures whose bias was taken off, that of the change.
    interval : (float, float) or None
        95 % interval of the change; None where nothing could change.
    p_value : float or None
        Of no change; None where nothing could change.
    left : tuple of Reading
        What is left after, by every measure that the audit grades for this kind.
    reason : str
        Why nothing could change.
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
    """Return a figure that no step could change."""
    return FindingChange(measure, value, value, support, reason=reason)


@dataclass(frozen=True)
class BeforeAfter:
    """Baseline and final rule on the same test rows.

    Attributes
    ----------
    before, after : ModelEvaluation
        The two.
    steps : tuple of TechniqueMetadata
        The techniques of the final pipeline.
    rules : Thresholds
        What audits go by.
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
        """How figures are measured."""
        return self.before.settings

    @cached_property
    def views(self) -> dict[str, Groups]:
        """The groups of each attribute alone and of their crossing, by name."""
        return views(self.test.groups)

    @cached_property
    def weights(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The weight of each row, 1 where there are none."""
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
