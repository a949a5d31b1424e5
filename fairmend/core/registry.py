"""The plugin manager: who contributes what, found without importing more than is asked for.

Metadata lives in the classes; reading it means importing them, and with them scikit-learn. So the
registry keeps a card a technique (its metadata and where its class is), together with a fingerprint
of the plugin's source files. While the source is unchanged the cards serve, and a listing imports no
technique at all; when it changes, the plugin is imported and its cards are made anew.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata as distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from fairmend.core import hookspecs
from fairmend.core.errors import PluginError, UnknownNameError, unknown
from fairmend.core.markers import PROJECT
from fairmend.core.metadata import TechniqueMetadata

if TYPE_CHECKING:
    from fairmend.core.technique import Technique

BUILTINS = (
    "fairmend.plugins.causal",
    "fairmend.plugins.preprocessing",
    "fairmend.plugins.inprocessing",
    "fairmend.plugins.postprocessing",
    "fairmend.plugins.evaluation",
    "fairmend.plugins.operations",
    "fairmend.plugins.datasets",
    "fairmend.catalog.findings",
)
FORMAT = 1
SNAPSHOT = Path(__file__).resolve().parents[1] / "catalog" / "techniques.json"


@dataclass(frozen=True)
class Card:
    """What is known of a technique without importing it.

    Attributes
    ----------
    metadata : TechniqueMetadata
        What the technique says of itself.
    module, qualname : str
        Where its class is.
    plugin : str
        Name of the plugin that contributes it.
    """

    metadata: TechniqueMetadata
    module: str
    qualname: str
    plugin: str

    def load(self) -> type[Technique]:
        """Import the class."""
        found: Any = importlib.import_module(self.module)
        for part in self.qualname.split("."):
            found = getattr(found, part)
        return found


@dataclass(frozen=True)
class Plugin:
    """A plugin: where it comes from, and how it fares.

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
    """

    name: str
    module: str
    source: str
    version: str


@dataclass
class Registry:
    """All that the installed plugins contribute.

    Parameters
    ----------
    plugins : iterable of Plugin, optional
        The plugins, built-in ones first; by default those that are installed.
    cache : Path or None
        File that keeps the cards of third-party plugins (and of built-in ones while their source is
        being worked on); None keeps nothing.

    Attributes
    ----------
    problems : dict of str to str
        Why a plugin was left out, by its name.
    """

    plugins: tuple[Plugin, ...]
    cache: Path | None = None
    problems: dict[str, str] = field(default_factory=dict)
    _cards: dict[int | str, Card] | None = field(default=None, repr=False)
    _managers: pluggy.PluginManager | None = field(default=None, repr=False)

    @classmethod
    def installed(cls, cache: Path | str | None = "default") -> Registry:
        """Return the registry of what is installed in this environment."""
        version = distributions.version(PROJECT)
        builtin = [Plugin(name, name, PROJECT, version) for name in BUILTINS]
        third = [
            Plugin(
                point.name,
                point.value,
                point.dist.name if point.dist else "unknown",
                point.dist.version if point.dist else "?",
            )
            for point in sorted(distributions.entry_points(group=PROJECT), key=lambda p: (p.name, p.value))
        ]
        where = cache_folder() / "cards.json" if cache == "default" else cache
        return cls((*builtin, *third), Path(where) if where is not None else None)

    # -- techniques -------------------------------------------------------------------------------

    def cards(self) -> list[Card]:
        """Return the card of every technique, numbered ones first, then by id."""
        if self._cards is None:
            self._cards = self._read_cards()
        return sorted(self._cards.values(), key=lambda c: _order(c.metadata.technique_id))

    def card(self, technique: int | str) -> Card:
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

    def _read_cards(self) -> dict[int | str, Card]:
        known = [_read_json(SNAPSHOT), *([_read_json(self.cache)] if self.cache else [])]
        fresh: dict[str, Any] = {}
        cards: dict[int | str, Card] = {}
        for plugin in self.plugins:
            mark = fingerprint(plugin.module)
            entries = (k.get(plugin.name, {}) for k in known)
            entry = next((e for e in entries if mark is not None and e.get("fingerprint") == mark), None)
            if entry is None:
                entry = self._ask(plugin, mark)
                if entry is not None and mark is not None:
                    fresh[plugin.name] = entry
            for raw in entry["cards"] if entry else ():
                self._add(cards, plugin, raw)
        if fresh and self.cache is not None:
            _write_json(self.cache, {**_read_json(self.cache), **fresh})
        return cards

    def _ask(self, plugin: Plugin, mark: str | None) -> dict[str, Any] | None:
        """Import a plugin and make the cards of its techniques; None where it fails."""
        try:
            classes = self._classes(plugin)
        except PluginError as error:
            self._leave_out(plugin, str(error))
            return None
        return {"fingerprint": mark, "cards": [card_json(c) for c in classes]}

    def _classes(self, plugin: Plugin) -> list[type[Technique]]:
        found: list[type[Technique]] = []
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(hookspecs)
        self._register(manager, plugin)
        from fairmend.core.technique import Technique

        try:
            answers = manager.hook.fairmend_techniques()
        except Exception as error:
            raise PluginError(
                f"fairmend_techniques() raised {type(error).__name__}: {_short(error)}"
            ) from error
        for answer in answers:
            for item in answer or ():
                if not (isinstance(item, type) and issubclass(item, Technique)):
                    raise PluginError(f"fairmend_techniques() must return technique classes, got {item!r}")
                if not isinstance(getattr(item, "metadata", None), TechniqueMetadata):
                    raise PluginError(f"{item.__qualname__} has no metadata")
                found.append(item)
        return found

    def _add(self, cards: dict[int | str, Card], plugin: Plugin, raw: Mapping[str, Any]) -> None:
        card = Card(TechniqueMetadata(**raw["metadata"]), raw["module"], raw["qualname"], plugin.name)
        key = card.metadata.technique_id
        if isinstance(key, int) and plugin.source != PROJECT:
            self._leave_out(
                plugin,
                f"{card.qualname} claims the id {key}; plain numbers belong to the catalogue, use 'namespace:name'",
            )
            return
        for other in cards.values():
            if key == other.metadata.technique_id or card.metadata.slug == other.metadata.slug:
                self._leave_out(
                    plugin,
                    f"{card.qualname} has the id {key} and slug {card.metadata.slug}, which "
                    f"{other.qualname} of the plugin {other.plugin} has taken",
                )
                return
        cards[key] = card

    # -- the other hooks --------------------------------------------------------------------------

    def collect(self, hook: str) -> list[tuple[str, Any]]:
        """Return the answers to a hook, as pairs of plugin name and answer.

        A plugin that raises is reported in ``problems`` and left out.
        """
        manager = self._manager()
        out: list[tuple[str, Any]] = []
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            try:
                answer = implementation.function()
            except Exception as error:
                self.problems[implementation.plugin_name] = (
                    f"{hook}() raised {type(error).__name__}: {_short(error)}"
                )
                continue
            if answer is not None:
                out.append((implementation.plugin_name, answer))
        return sorted(out, key=lambda pair: pair[0])

    def named(self, hook: str) -> dict[str, Any]:
        """Return what a hook that gives mappings contributes, joined.

        Raises
        ------
        PluginError
            Two plugins use the same name.
        """
        owner: dict[str, str] = {}
        joined: dict[str, Any] = {}
        for plugin, answer in self.collect(hook):
            for name, value in answer.items():
                if name in joined:
                    raise PluginError(f"{hook}: {name!r} comes from the plugins {owner[name]} and {plugin}")
                joined[name], owner[name] = value, plugin
        return joined

    def _manager(self) -> pluggy.PluginManager:
        if self._managers is None:
            manager = pluggy.PluginManager(PROJECT)
            manager.add_hookspecs(hookspecs)
            for plugin in self.plugins:
                try:
                    self._register(manager, plugin)
                except PluginError as error:
                    self._leave_out(plugin, str(error))
            self._managers = manager
        return self._managers

    def _register(self, manager: pluggy.PluginManager, plugin: Plugin) -> None:
        module, _, attribute = plugin.module.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in attribute.split(".") if attribute else ():
                found = getattr(found, part)
            if isinstance(found, type):
                found = found()
        except Exception as error:
            raise PluginError(f"importing it raised {type(error).__name__}: {_short(error)}") from error
        try:
            manager.register(found, name=plugin.name)
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(f"it does not fit the hooks: {_short(error)}") from error

    def _leave_out(self, plugin: Plugin, why: str) -> None:
        if plugin.source == PROJECT:
            raise PluginError(f"the built-in {plugin.name} is broken: {why}")
        self.problems.setdefault(plugin.name, why)


def card_json(technique: type[Technique]) -> dict[str, Any]:
    """Return the card of a class for JSON."""
    return {
        "module": technique.__module__,
        "qualname": technique.__qualname__,
        "metadata": technique.metadata.model_dump(mode="json"),
    }


def write_snapshot(path: Path = SNAPSHOT) -> int:
    """Write the cards of the built-in techniques, so that a fresh installation lists at once.

    Returns
    -------
    int
        Number of cards.
    """
    version = distributions.version(PROJECT)
    plugins = tuple(Plugin(name, name, PROJECT, version) for name in BUILTINS)
    registry = Registry(plugins)
    made = {p.name: registry._ask(p, fingerprint(p.module)) for p in plugins}
    _write_json(path, made)
    return sum(len(entry["cards"]) for entry in made.values() if entry)


def fingerprint(target: str) -> str | None:
    """Return a hash of the source files of a plugin, found without importing it.

    For a built-in stage these are the files of its folder; for a third party, all Python files of the
    top-level package or module. None where the source cannot be found.
    """
    module = target.partition(":")[0]
    name = module if module.startswith(f"{PROJECT}.") else module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    digest = hashlib.sha256(f"format {FORMAT} {module}".encode())
    schema = Path(sys.modules[TechniqueMetadata.__module__].__file__ or "")
    for file in (schema, *files):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Return the folder for what can be made again: FAIRMEND_CACHE, else the user's cache folder."""
    named = os.environ.get("FAIRMEND_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / PROJECT


def _order(key: int | str) -> tuple[int, int, str]:
    return (0, key, "") if isinstance(key, int) else (1, 0, key)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file whole or not at all; a cache that cannot be written is done without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as handle:
            json.dump(content, handle, indent=1, sort_keys=True)
            handle.write("\n")
        os.replace(handle.name, path)
    except OSError:
        return
