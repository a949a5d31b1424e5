"""Techniques that document and watch a model."""

from fairmend.base import hookimpl

__all__: list[str] = []


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
