"""Knowledge as data: finding kinds, policies, references, measured evidence; and its loaders.

The package is also the function for daily use: ``fairmend.catalog()`` lists the techniques.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Catalog(ModuleType):
    """The package, callable: a name cannot be both a subpackage and a function otherwise."""

    def __call__(self) -> list[dict[str, Any]]:
        """Return id, slug, stage, name and citation of every installed technique."""
        from fairmend.catalog.listing import listing
        from fairmend.catalog.registry import Registry

        return listing(Registry.installed())


sys.modules[__name__].__class__ = _Catalog
