"""The file of cards, and the fingerprint by which a card still holds."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairmend.core.hooks.markers import PROJECT
from fairmend.core.metadata import TechniqueMetadata

FORMAT = 3


def fingerprint(target: str) -> str | None:
    """Return a hash of the source files of a plugin, found without importing it.

    For a built-in stage these are the files of its folder, for another built-in module itself and the YAML beside
    it; for a third party, all Python files of the top-level package or module. None where the source cannot be
    found.
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
    if name.startswith(f"{PROJECT}."):
        files += sorted(origin.parent.glob("*.yaml"))
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


def read_json(path: Path) -> dict[str, Any]:
    """Return what a file holds; nothing where it is not there or not JSON."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file whole or not at all; a cache that cannot be written is done without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as handle:
            json.dump(content, handle, indent=1, sort_keys=True)
            handle.write("\n")
        os.chmod(handle.name, 0o644)  # a scratch file is for its owner alone; an installed one is for all
        os.replace(handle.name, path)
    except OSError:
        return
