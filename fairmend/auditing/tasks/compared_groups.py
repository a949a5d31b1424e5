"""What the findings of every task start from: the groups of one attribute, measured, and which have enough rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fairmend.auditing.candidate_findings import lacking
from fairmend.auditing.severity_thresholds import Thresholds
from fairmend.auditing.tasks.predictions import TaskPredictions
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.findings import Finding
from fairmend.core.metrics import TaskMeasurement
from fairmend.core.types import Ints


@dataclass(frozen=True)
class ComparedGroups:
    """The groups of one attribute, or of the intersection, under audited predictions.

    Attributes
    ----------
    attribute : str
        Name of the attribute.
    data : Dataset
        The audited data.
    subject : TaskPredictions
        The audited predictions.
    groups : Groups
        The groups.
    measured : TaskMeasurement
        Their figures.
    rules : Thresholds
        Thresholds of the audit.
    """

    attribute: str
    data: Dataset
    subject: TaskPredictions
    groups: Groups
    measured: TaskMeasurement
    rules: Thresholds

    @cached_property
    def large(self) -> Ints:
        """Codes of the groups that have enough rows."""
        return np.flatnonzero(self.groups.counts() >= self.rules.minimum_support.value)

    @property
    def fewest(self) -> int:
        """Rows of the smallest of all groups."""
        return int(self.groups.counts().min())

    @property
    def support(self) -> int:
        """Rows of the smallest group that has enough."""
        return int(self.groups.counts()[self.large].min())

    def lacking(self, measures: Mapping[str, str]) -> list[Finding]:
        """Return the finding of each kind that some groups have too few rows; none if all have enough.

        Parameters
        ----------
        measures : mapping of str to str
            What each kind of finding is measured by.
        """
        few = [label for g, label in enumerate(self.groups.labels) if g not in self.large]
        return [
            lacking(kind, self.attribute, few, self.fewest, "rows", name)
            for kind, name in measures.items()
            if few
        ]
