"""The functions for daily use; the command line calls these and prints."""

from __future__ import annotations

from fairmend.api.catalog import (
    check_techniques,
    describe_technique,
    list_techniques,
    plugins,
    query,
    registry,
    run_technique,
    technique,
)
from fairmend.api.data import audit, dataset, example, load_audit
from fairmend.api.pipelines import compose, recommend, run, sweep

__all__ = [
    "audit",
    "check_techniques",
    "compose",
    "dataset",
    "describe_technique",
    "example",
    "list_techniques",
    "load_audit",
    "plugins",
    "query",
    "recommend",
    "registry",
    "run",
    "run_technique",
    "sweep",
    "technique",
]
