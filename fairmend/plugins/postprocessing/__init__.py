"""Techniques that change the scores or decisions of a trained model."""

from fairmend.core.markers import hookimpl

__all__: list[str] = []


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
