"""Techniques that document and monitor a model."""

from fairmend.base import hookimpl
from fairmend.plugins.operations._model_card import ModelCard

__all__ = ["ModelCard"]


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
