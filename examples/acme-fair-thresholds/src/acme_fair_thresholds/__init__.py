"""An example of a package for fairmend: what it contributes, one hook each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from acme_fair_thresholds._crowding import CROWDED_CUT_OFF
from acme_fair_thresholds._fair_thresholds import FairThresholds
from acme_fair_thresholds._gate import lowest_selection_rate
from acme_fair_thresholds._letters import Letters
from acme_fair_thresholds._tenancies import tenancies
from fairmend.base import FindingKind, Technique, hookimpl

__all__ = ["CROWDED_CUT_OFF", "FairThresholds", "Letters", "lowest_selection_rate", "tenancies"]


@hookimpl
def fairmend_techniques() -> list[type[Technique]]:
    """Return the technique."""
    return [FairThresholds]


@hookimpl
def fairmend_finding_kinds() -> list[FindingKind]:
    """Return the kind of finding that the technique answers, with its detector and measure."""
    return [CROWDED_CUT_OFF]


@hookimpl
def fairmend_gate_checks() -> Mapping[str, Callable[..., Any]]:
    """Return a check that policies can name."""
    return {"acme_lowest_selection_rate": lowest_selection_rate}


@hookimpl
def fairmend_encoders() -> Mapping[str, Callable[[], Any]]:
    """Return a text encoder that needs no model."""
    return {"acme-letters": Letters}


@hookimpl
def fairmend_datasets() -> Mapping[str, Callable[..., Any]]:
    """Return an example data set."""
    return {"acme-tenancies": tenancies}
