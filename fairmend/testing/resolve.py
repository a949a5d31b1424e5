"""Find the techniques and finding kinds that someone wants checked: of an installed plugin, a module, a folder or a file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import tomllib
from pathlib import Path
from types import ModuleType

from fairmend.catalog.plugin_loading import KINDS
from fairmend.catalog.registry import Plugin, Registry
from fairmend.core.errors import PluginError, UsageError, unknown
from fairmend.core.findings import FindingKind
from fairmend.core.hooks.markers import PROJECT
from fairmend.core.technique import Technique


def techniques_of(target: str | Path, registry: Registry) -> list[type[Technique]]:
    """Return the techniques of a target, which need not be installed.

    Parameters
    ----------
    target : str or Path
        Name of an installed plugin or of its distribution; a folder with a ``pyproject.toml`` or a
        package; a Python file; or a module that can be imported.
    registry : Registry
        What is installed; what the target contributes must not clash with it.

    Raises
    ------
    PluginError
        The plugin breaks the contract.
    UsageError
        The target holds no technique, or a folder names no entry point.
    UnknownNameError
        There is no such thing.
    """
    plugins, among, module = _located(target, registry)
    found = _contributed(plugins, among)
    if not found and module is not None:
        found = _defined(importlib.import_module(module))
    if not found and (module is not None and not _kinds(plugins, among)):
        raise UsageError(
            f"{target} contains no technique; implement the hook fairmend_techniques, or derive a class from a stage"
        )
    return found


def kinds_of(target: str | Path, registry: Registry) -> list[FindingKind]:
    """Return the finding kinds of a target that bring a detector; see :func:`techniques_of`."""
    plugins, among, _ = _located(target, registry)
    return _kinds(plugins, among)


def _located(target: str | Path, registry: Registry) -> tuple[list[Plugin], Registry, str | None]:
    """Return the plugins of a target, the registry that they are part of, and the module if it is one alone."""
    name = str(target)
    installed = [p for p in registry.plugins if name in (p.name, p.source)]
    if installed:
        return installed, registry, None
    path = Path(target)
    if path.is_dir() and (path / "pyproject.toml").is_file():
        plugins = _declared(path)
        sources = {p.source for p in plugins}
        others = tuple(p for p in registry.plugins if p.source not in sources)
        return plugins, Registry((*others, *plugins), registry.cache), None
    module = _importable(path) if path.exists() else name
    if not path.exists() and not _is_module(module):
        raise unknown(
            "plugin, module, folder or file", name, [p.name for p in registry.plugins], "fairmend plugin list"
        )
    plugin = Plugin(module, module, module.partition(".")[0], "0")
    return [plugin], Registry((*registry.plugins, plugin), registry.cache), module


def _kinds(plugins: list[Plugin], registry: Registry) -> list[FindingKind]:
    names = {p.name for p in plugins}
    return [
        kind
        for plugin, kinds in registry.collect(KINDS)
        if plugin in names
        for kind in kinds
        if kind.detect is not None
    ]


def _contributed(plugins: list[Plugin], registry: Registry) -> list[type[Technique]]:
    names = {p.name for p in plugins}
    cards = [card for card in registry.cards() if card.plugin in names]
    for name in sorted(names & set(registry.problems)):
        raise PluginError(f"the plugin {name} breaks the contract: {registry.problems[name]}")
    return [card.load() for card in cards]


def _declared(folder: Path) -> list[Plugin]:
    """Return the plugins that a project's entry points name, and make them importable."""
    raw = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    project = raw.get("project", {})
    points = project.get("entry-points", {}).get(PROJECT, {})
    if not points:
        raise UsageError(
            f'{folder / "pyproject.toml"} names no plugin; add [project.entry-points.{PROJECT}] with NAME = "MODULE"'
        )
    source = folder / "src"
    _on_path(source if source.is_dir() else folder)
    owner, version = str(project.get("name", folder.name)), str(project.get("version", "?"))
    return [Plugin(name, module, owner, version) for name, module in points.items()]


def _importable(path: Path) -> str:
    """Return the name by which a package folder or a file is imported, and make it importable."""
    path = path.resolve()
    if path.is_dir() and not (path / "__init__.py").is_file():
        raise UsageError(
            f"{path} is not a package: it has neither a pyproject.toml nor an __init__.py; use a package folder or a file"
        )
    if path.is_file() and path.suffix != ".py":
        raise UsageError(f"{path} is not a Python file; expected a .py file, a folder or an installed plugin")
    loaded = sys.modules.get(path.stem)
    origin = path / "__init__.py" if path.is_dir() else path
    if loaded is not None and Path(getattr(loaded, "__file__", None) or "").resolve() != origin:
        raise UsageError(f"another module is called {path.stem}; rename {path.name} to check it")
    _on_path(path.parent)
    return path.stem


def _on_path(folder: Path) -> None:
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    importlib.invalidate_caches()


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _defined(module: ModuleType) -> list[type[Technique]]:
    """Return the techniques that a module defines itself."""
    return [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Technique) and "metadata" in vars(found) and found.__module__ == module.__name__
    ]
