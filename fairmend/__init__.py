"""fairmend turns a fairness audit into a fix that can be shown to work.

Importing it loads nothing heavy; each function loads what it needs when it is called.

>>> import fairmend
>>> any(entry["technique_id"] == 69 for entry in fairmend.list_techniques())
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairmend.api import (
        audit,
        compose,
        dataset,
        list_techniques,
        query,
        recommend,
        run,
        sweep,
        technique,
    )
    from fairmend.core.hooks.markers import hookimpl

__all__ = [
    "audit",
    "compose",
    "dataset",
    "hookimpl",
    "list_techniques",
    "query",
    "recommend",
    "run",
    "sweep",
    "technique",
]


def __getattr__(name: str) -> Any:
    if name == "hookimpl":
        from fairmend.core.hooks.markers import hookimpl

        return hookimpl
    if name in __all__:
        from fairmend import api

        return getattr(api, name)
    raise AttributeError(f"module 'fairmend' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
