"""What a plugin may call its own: names belong to who took them first, namespaces to their packages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from fairmend.core.hooks.markers import PROJECT

if TYPE_CHECKING:
    from fairmend.catalog.registry import Plugin, TechniqueEntry


def claims_of(
    plugin: Plugin, cards: Iterable[TechniqueEntry], names: Mapping[str, Iterable[str]]
) -> list[tuple[str, str, str]]:
    """Return what a plugin claims: what it is, its name, and the owner for messages."""
    owner = f"the plugin {plugin.name}"
    claims = [("plugin", plugin.name, owner)]
    for card in cards:
        told = f"{card.qualname} of {owner}"
        claims += [
            ("id", str(card.metadata.technique_id), told),
            ("slug", card.metadata.slug, told),
        ]
    for hook, given in names.items():
        what = hook.removeprefix(f"{PROJECT}_").removesuffix("s").replace("_", " ")
        claims += [(what, name, owner) for name in given]
    return claims


def theft(
    plugin: Plugin,
    cards: Iterable[TechniqueEntry],
    claims: list[tuple[str, str, str]],
    owners: Mapping[tuple[str, str], str],
) -> str | None:
    """Return why a plugin may not claim something, None where it may."""
    if plugin.source != PROJECT and f"{plugin.name}.".startswith(f"{PROJECT}."):
        return f"the name {plugin.name!r} belongs to {PROJECT}; name the entry point after its package"
    for card in cards:
        key = card.metadata.technique_id
        if plugin.source == PROJECT:
            continue
        if isinstance(key, int):
            return f"{card.qualname} claims the id {key}; plain numbers belong to the catalog, use 'namespace:name'"
        namespace, package = _normalized(key.partition(":")[0]), _normalized(plugin.source)
        if not f"{package}-".startswith(f"{namespace}-"):
            return (
                f"{card.qualname} claims the id {key!r}, but a namespace belongs to the packages whose names "
                f"begin with it, and this one is called {plugin.source}; use '{package}:{key.partition(':')[2]}'"
            )
    known = dict(owners)
    for what, name, owner in claims:
        if (what, name) in known:
            return f"it claims the {what} {name!r}, which {known[what, name]} has taken"
        known[what, name] = owner
    return None


def _normalized(name: str) -> str:
    """Return the name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
