"""The catalog as a list."""

from __future__ import annotations

from typing import Any

from fairmend.catalog.references import cite
from fairmend.catalog.registry import Registry


def listing(registry: Registry, task: str | None = None) -> list[dict[str, Any]]:
    """Return id, slug, stage, name and citation of every technique of a registry, or of those for a task."""
    return [
        {**card.metadata.summary_json(), "citation": cite(card.metadata.citation)}
        for card in registry.cards()
        if task is None or task in card.metadata.tasks
    ]
