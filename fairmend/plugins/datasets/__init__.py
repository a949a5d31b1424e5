"""Data sets that come with the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairmend.base import hookimpl
from fairmend.plugins.datasets._bank import bank, bank_graph, bank_roles, true_effects

__all__ = ["bank", "bank_graph", "bank_roles", "true_effects"]


@hookimpl
def fairmend_datasets() -> dict[str, Callable[..., Any]]:
    """Return the bank data set with its roles and causal graph."""
    return {"bank": _bank_example}


def _bank_example(n_rows: int, random_state: int) -> dict[str, Any]:
    frame = bank(n_rows, random_state=random_state)
    return {"frame": frame, "roles": bank_roles(), "graph": bank_graph()}
