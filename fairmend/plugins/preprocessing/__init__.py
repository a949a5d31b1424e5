"""Techniques that change the data a model is trained on."""

from fairmend.core.markers import hookimpl
from fairmend.plugins.preprocessing._instance_weighting import InstanceWeighting

__all__ = ["InstanceWeighting"]


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
