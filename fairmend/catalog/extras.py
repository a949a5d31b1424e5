"""Which optional dependencies of the package are installed."""

from __future__ import annotations

import re
from functools import cache
from importlib import metadata

PROJECT = "fairmend"


@cache
def is_missing(extra: str) -> bool:
    """Return whether a package that an extra of fairmend requires is not installed."""
    marker = re.compile(rf"""extra == ['"]{re.escape(extra)}['"]""")
    for requirement in metadata.requires(PROJECT) or ():
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if name is not None and marker.search(requirement) and not _installed(name[0]):
            return True
    return False


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
