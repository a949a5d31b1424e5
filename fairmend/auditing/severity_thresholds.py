"""The levels of severity, read from the catalog."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml
from pydantic import Field

from fairmend.core.findings import Levels
from fairmend.core.findings.kinds import Interval
from fairmend.core.text.validation import ClosedModel

__all__ = ["Bound", "Interval", "Levels", "Thresholds", "thresholds"]


class Bound(ClosedModel):
    """One constant of the audit, with its reason."""

    value: float = Field(description="the number")
    reason: str = Field(min_length=20, description="why this number")


class Thresholds(ClosedModel):
    """All thresholds of an audit."""

    minimum_support: Bound
    significance: Bound
    ample_rows: Bound
    calibration_support: Bound
    leakage_auc: Bound
    partial_r2: Bound
    measures: dict[str, Levels]


@cache
def thresholds() -> Thresholds:
    """Return the thresholds of ``audit_thresholds.yaml``."""
    text = resources.files("fairmend.catalog").joinpath("audit_thresholds.yaml").read_text(encoding="utf-8")
    return Thresholds(**yaml.safe_load(text))
