"""The plugin manager: who contributes what, found without importing more than is needed.

Metadata lives in the classes; reading it means importing them, and with them scikit-learn. So the
registry keeps a card per technique (its metadata and where its class is) and the names of all else that
a plugin contributes, together with a fingerprint of its source files. While the source is unchanged
these suffice, and a listing imports no plugin at all; when it changes, the plugin is examined again, a third
party's in a process of its own with a time limit.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib import metadata as distributions
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from fairmend.catalog.card_cache import cache_folder, fingerprint, read_json, write_json
from fairmend.catalog.ownership import claims_of, theft
from fairmend.catalog.plugin_loading import (
    KINDS,
    MAPPINGS,
    PluginTimeoutError,
    examine,
    examine_apart,
    manager,
    names_in,
    register,
    time_limit,
)
from fairmend.core.errors import FairmendError, PluginError, UnknownNameError, unknown
from fairmend.core.hooks.markers import PROJECT
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.safety.containment import guarded

if TYPE_CHECKING:
    from fairmend.core.technique import Technique

BUILTINS = tuple(
    resources.files("fairmend.catalog").joinpath("builtin_plugins.txt").read_text("utf-8").split()
)
"""Modules of the plugins that come with fairmend; data, as nothing here may know them."""

SNAPSHOT = Path(__file__).with_name("techniques.json")  # in a wheel; a checkout has the cache


@dataclass(frozen=True)
class TechniqueEntry:
    """What is known of a technique without importing it.

    Attributes
    ----------
    metadata : TechniqueMetadata
        What the technique says of itself.
    module, qualname : str
        Where its class is.
    plugin : str
        Name of the plugin that contributes it.
    parameters : tuple of dict
        Name, default and accepted values of each parameter.
    """

    metadata: TechniqueMetadata
    module: str
    qualname: str
    plugin: str
    parameters: tuple[dict[str, Any], ...] = ()

    def load(self) -> type[Technique]:
        """Import the class.

        Raises
        ------
        PluginError
            Importing a third party's module fails.
        """
        found: Any = self._module()
        for part in self.qualname.split("."):
            found = getattr(found, part)
        return found

    def _module(self) -> Any:
        if self.module in sys.modules or self.module.startswith(f"{PROJECT}."):
            return importlib.import_module(self.module)
        with guarded(self.plugin, "the import"):
            return importlib.import_module(self.module)


@dataclass(frozen=True)
class Plugin:
    """A plugin and where it comes from.

    Attributes
    ----------
    name : str
        Name of the entry point, or of the module for what is built in.
    module : str
        Module (with an optional attribute, ``module:attribute``) that is loaded.
    source : str
        Name of the distribution.
    version : str
        Version of the distribution.
    installed : float
        When the distribution was installed, in seconds since the epoch; 0 where that is not known.
    """

    name: str
    module: str
    source: str
    version: str
    installed: float = 0.0


@dataclass
class Registry:
    """All that the installed plugins contribute.

    Parameters
    ----------
    plugins : iterable of Plugin, optional
        The plugins, built-in ones first; by default those that are installed.
    cache : Path or None
        File that keeps the cards of third-party plugins (and of built-in ones while their source is
        being edited); None stores nothing.

    Attributes
    ----------
    problems : dict of str to str
        Why a plugin was left out, by its name.
    notices : dict of str to str
        What of a plugin is ignored, by its name; the rest of it works.
    """

    plugins: tuple[Plugin, ...]
    cache: Path | None = None
    problems: dict[str, str] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    _entries: dict[str, dict[str, Any]] | None = field(default=None, repr=False)
    _cards: dict[int | str, TechniqueEntry] = field(default_factory=dict, repr=False)
    _manager: pluggy.PluginManager = field(default_factory=manager, repr=False)

    @classmethod
    def installed(cls, cache: Path | str | None = "default") -> Registry:
        """Return the registry of what is installed in this environment, in the order of installation."""
        version = distributions.version(PROJECT)
        builtin = [Plugin(name, name, PROJECT, version) for name in BUILTINS]
        third = [
            Plugin(
                point.name,
                point.value,
                point.dist.name if point.dist else "unknown",
                point.dist.version if point.dist else "?",
                _installed(point.dist),
            )
            for point in distributions.entry_points(group=PROJECT)
        ]
        third.sort(key=lambda plugin: (plugin.installed, plugin.name, plugin.module))
        where = cache_folder() / "cards.json" if cache == "default" else cache
        return cls((*builtin, *third), Path(where) if where is not None else None)

    # -- techniques -------------------------------------------------------------------------------

    def cards(self) -> list[TechniqueEntry]:
        """Return the card of every technique, numbered ones first, then by id."""
        self._read()
        return sorted(self._cards.values(), key=lambda c: _order(c.metadata.technique_id))

    def card(self, technique: int | str) -> TechniqueEntry:
        """Return the card of a technique by id or slug.

        Raises
        ------
        UnknownNameError
            There is none; the message names the close ones.
        """
        cards = self.cards()
        wanted = str(technique).strip()
        for card in cards:
            if wanted in (str(card.metadata.technique_id), card.metadata.slug):
                return card
        known = [c.metadata.slug for c in cards]
        if wanted.isdigit():
            near = sorted((c.metadata for c in cards if isinstance(c.metadata.technique_id, int)),
                          key=lambda m: abs(int(m.technique_id) - int(wanted)))[:3]  # fmt: skip
            close = ", ".join(f"{m.technique_id} ({m.slug})" for m in near)
            raise UnknownNameError(
                f"no technique has the id {wanted}; close ids are {close}; fairmend technique list shows all"
            )
        raise unknown("technique", wanted, known, "fairmend technique list")

    def technique(self, technique: int | str) -> type[Technique]:
        """Return the class of a technique by id or slug."""
        return self.card(technique).load()

    def plugin_modules(self) -> tuple[str, ...]:
        """Return the modules of the third-party plugins and of their techniques, whose types a model may hold."""
        third = {p.name: p.module.partition(":")[0] for p in self.plugins}
        third = {name: module for name, module in third.items() if module.partition(".")[0] != PROJECT}
        techniques = {card.module for card in self.cards() if card.plugin in third} if third else set()
        return tuple(sorted({*third.values(), *techniques}))

    def _read(self) -> dict[str, dict[str, Any]]:
        """Return what each sound plugin contributes, by its name; read once."""
        if self._entries is not None:
            return self._entries
        entries: dict[str, dict[str, Any]] = {}
        owners: dict[tuple[str, str], str] = {}
        for plugin, entry in self._found().items():
            if "problem" in entry:
                self._leave_out(plugin, entry["problem"])
                continue
            cards = [
                TechniqueEntry(
                    TechniqueMetadata(**raw["metadata"]),
                    raw["module"],
                    raw["qualname"],
                    plugin.name,
                    tuple(raw["parameters"]),
                )
                for raw in entry["cards"]
            ]
            if ignored := entry.get("ignored"):
                there = ", ".join(("fairmend_techniques", KINDS, *MAPPINGS))
                self.notices[plugin.name] = (
                    f"{', '.join(ignored)} is not a hook and is ignored; the hooks are {there}"
                )
            claims = claims_of(plugin, cards, entry["names"])
            fault = theft(plugin, cards, claims, owners)
            if fault is not None:
                self._leave_out(plugin, fault)
                continue
            owners |= {(what, name): owner for what, name, owner in claims}
            self._cards |= {card.metadata.technique_id: card for card in cards}
            entries[plugin.name] = entry
        self._entries = entries
        return entries

    def _found(self) -> dict[Plugin, dict[str, Any]]:
        """Return what each plugin contributes, from the cache where it is still valid."""
        stores = [read_json(SNAPSHOT), *([read_json(self.cache)] if self.cache else [])]
        marks = {plugin: fingerprint(plugin.module) for plugin in self.plugins}
        found: dict[Plugin, dict[str, Any]] = {
            plugin: next((s[plugin.name] for s in stores if _holds(s.get(plugin.name, {}), mark)), {})
            for plugin, mark in marks.items()
        }
        news = [plugin for plugin, entry in found.items() if not entry]
        with ThreadPoolExecutor(max_workers=4) as pool:
            found |= zip(news, pool.map(_asked_apart, news), strict=True)
        for plugin in news:
            found[plugin] = {**(found[plugin] or _asked(plugin)), "fingerprint": marks[plugin]}
        fresh = {plugin.name: found[plugin] for plugin in news if _holds(found[plugin], marks[plugin])}
        if fresh and self.cache is not None:
            write_json(self.cache, {**read_json(self.cache), **fresh})
        return found

    # -- the other hooks --------------------------------------------------------------------------

    def collect(self, hook: str) -> list[tuple[str, Any]]:
        """Return the answers to a hook, as pairs of plugin name and answer.

        A plugin that raises is reported in ``problems`` and left out.
        """
        entries = self._read()
        out: list[tuple[str, Any]] = []
        for plugin in self.plugins:
            if hook not in entries.get(plugin.name, {"names": ()})["names"]:
                continue
            try:
                with nullcontext() if plugin.source == PROJECT else guarded(plugin.name, f"{hook}()"):
                    answer = self._answer(plugin, hook)
                claimed, given = entries[plugin.name]["names"][hook], names_in(hook, answer)
                if set(given) != set(claimed):
                    raise PluginError(
                        f"{hook}() gives other names than when it was examined: {', '.join(given) or 'none'}"
                        f" instead of {', '.join(claimed)}"
                    )
            except FairmendError as error:
                self._leave_out(plugin, str(error))
            else:
                out.append((plugin.name, answer))
        return out

    def _answer(self, plugin: Plugin, hook: str) -> Any:
        if not self._manager.has_plugin(plugin.name):
            register(self._manager, plugin.name, plugin.module)
        found = getattr(self._manager.hook, hook).get_hookimpls()
        return next((one.function() for one in found if one.plugin_name == plugin.name), None)

    def named(self, hook: str) -> dict[str, Any]:
        """Return what a hook that gives mappings contributes, joined; the first of equal names wins."""
        joined: dict[str, Any] = {}
        for _, answer in self.collect(hook):
            joined = {**answer, **joined}
        return joined

    def names(self, hook: str) -> dict[str, tuple[str, ...]]:
        """Return what each sound plugin contributes by a hook, by the plugin's name; nothing is imported."""
        found = {name: entry["names"].get(hook, ()) for name, entry in self._read().items()}
        return {name: tuple(given) for name, given in found.items() if given}

    def numbers(self) -> dict[str, dict[str, int]]:
        """Return how much each sound plugin contributes, by the plugin's name and by hook."""
        return {
            name: {
                "fairmend_techniques": len(entry["cards"]),
                **{hook: len(names) for hook, names in entry["names"].items()},
            }
            for name, entry in self._read().items()
        }

    def _leave_out(self, plugin: Plugin, why: str) -> None:
        if plugin.source == PROJECT:
            raise PluginError(f"the built-in {plugin.name} is broken: {why}")
        self.problems.setdefault(plugin.name, why)


def _holds(entry: Mapping[str, Any], mark: str | None) -> bool:
    """Whether a cached entry of a plugin is still valid.

    A plugin that took too long is examined again once its source has changed or more time is allowed; any
    other fault may lie in what else is installed, and is checked each time.
    """
    if mark is None or entry.get("fingerprint") != mark:
        return False
    return entry["seconds"] >= time_limit() if "seconds" in entry else "problem" not in entry


def _asked_apart(plugin: Plugin) -> dict[str, Any]:
    """Return what a third party's plugin says in another process; nothing if this one has imported it."""
    if plugin.source == PROJECT or plugin.module.partition(":")[0] in sys.modules:
        return {}
    seconds = time_limit()
    try:
        return examine_apart(plugin.name, plugin.module, seconds)
    except PluginTimeoutError as error:
        return {"problem": str(error), "seconds": seconds}
    except PluginError as error:
        return {"problem": str(error)}


def _asked(plugin: Plugin) -> dict[str, Any]:
    """Return what a plugin says in this process."""
    try:
        return examine(plugin.name, plugin.module)
    except PluginError as error:
        return {"problem": str(error)}


def write_snapshot(path: Path) -> None:
    """Write the cards of the built-in techniques, so that a fresh installation lists at once."""
    made = {name: {**examine(name, name), "fingerprint": fingerprint(name)} for name in BUILTINS}
    write_json(path, made)


def _installed(distribution: distributions.Distribution | None) -> float:
    """Return when a distribution was installed: when its list of files was written."""
    folder = getattr(distribution, "_path", None)
    if folder is None:
        return 0.0
    for file in (Path(str(folder)) / "RECORD", Path(str(folder))):
        try:
            return file.stat().st_mtime
        except OSError:
            continue
    return 0.0


def _order(key: int | str) -> tuple[int, int, str]:
    return (0, key, "") if isinstance(key, int) else (1, 0, key)
