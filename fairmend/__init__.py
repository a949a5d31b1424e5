"""fairmend turns a fairness audit into a validated mitigation pipeline.

Importing it loads no heavy dependency; each function loads what it needs when it is called. These are the
most common functions; :mod:`fairmend.api` has all of them, and the records that they return.

>>> import fairmend
>>> any(entry["technique_id"] == 69 for entry in fairmend.list_techniques())
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairmend.api import (
        FairPipeline,
        approve,
        audit,
        causes,
        compose,
        dataset,
        describe_technique,
        explain,
        list_techniques,
        load_dataset,
        predict,
        query,
        recommend,
        report,
        resume,
        run,
        run_technique,
        status,
        sweep,
        technique,
        verify,
    )
    from fairmend.core.hooks.markers import hookimpl

__all__ = [
    "FairPipeline",
    "approve",
    "audit",
    "causes",
    "compose",
    "dataset",
    "describe_technique",
    "explain",
    "hookimpl",
    "list_techniques",
    "load_dataset",
    "predict",
    "query",
    "recommend",
    "report",
    "resume",
    "run",
    "run_technique",
    "status",
    "sweep",
    "technique",
    "verify",
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
