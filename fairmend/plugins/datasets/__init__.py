"""Data sets that come with the package."""

from __future__ import annotations

from fairmend.plugins.datasets._bank import bank, bank_graph, bank_roles, true_effects

__all__ = ["bank", "bank_graph", "bank_roles", "true_effects"]
