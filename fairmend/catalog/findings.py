"""The finding kinds of the catalog, contributed like anyone's."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml

from fairmend.core.findings import FindingKind
from fairmend.core.hooks.markers import hookimpl


@hookimpl
def fairmend_finding_kinds() -> list[FindingKind]:
    """Return the kinds of ``finding_kinds.yaml``."""
    return list(_kinds())


@cache
def _kinds() -> tuple[FindingKind, ...]:
    text = resources.files("fairmend.catalog").joinpath("finding_kinds.yaml").read_text(encoding="utf-8")
    return tuple(FindingKind(**raw) for raw in yaml.safe_load(text))
