"""A wheel holds the cards of its techniques: a listing of a fresh installation imports nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest

from fairmend.catalog import registry as module
from fairmend.catalog.registry import BUILTINS, Registry, write_snapshot
from tests.environments import ROOT, Environment

# Writes the cards where nothing is installed but what the named packages bring with them.
ALONE = """
import re, sys
from importlib import metadata
from pathlib import Path

def reached(names):
    found, to_do = set(), [re.sub(r"[-_.]+", "-", name).lower() for name in names]
    while to_do:
        name = to_do.pop()
        if name not in found:
            found.add(name)
            for line in metadata.requires(name) or ():
                if "extra ==" not in line:
                    needed = re.sub(r"[-_.]+", "-", re.match(r"[\\w.-]+", line)[0]).lower()
                    to_do += [needed] if needed in OWNERS else []
    return found

MODULES = metadata.packages_distributions()
OWNERS = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower() for d in metadata.distributions()}
there = reached(sys.argv[2:])

class Absent:
    def find_spec(self, name, path=None, target=None):
        owners = {re.sub(r"[-_.]+", "-", o).lower() for o in MODULES.get(name.partition(".")[0], ())}
        if owners and owners.isdisjoint(there | {"fairmend"}):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from fairmend.catalog.registry import write_snapshot
write_snapshot(Path(sys.argv[1]))
"""
LIST = """
import json, sys
from fairmend.cli import invoke
invoke(["technique", "list", "--json"])
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.fixture
def snapshot(tmp_path, monkeypatch):
    path = tmp_path / "techniques.json"
    write_snapshot(path)
    monkeypatch.setattr(module, "SNAPSHOT", path)
    return path


def test_the_snapshot_serves_a_listing_alone(snapshot, monkeypatch):
    def refuse(*args):
        raise AssertionError("what the snapshot knows is not asked for")

    monkeypatch.setattr(module, "examine", refuse)
    builtin = tuple(p for p in Registry.installed(cache=None).plugins if p.name in BUILTINS)
    assert len(Registry(builtin).cards()) > 25


def test_what_the_source_says_replaces_a_stale_snapshot(snapshot):
    kept = json.loads(snapshot.read_text(encoding="utf-8"))
    stale = kept["fairmend.plugins.preprocessing"]
    snapshot.write_text(
        json.dumps({**kept, "fairmend.plugins.preprocessing": {**stale, "fingerprint": "0", "cards": []}})
    )
    assert Registry.installed(cache=None).card(69).metadata.slug == "disparate-impact-remover"


def test_the_source_tree_holds_no_snapshot():
    assert not (ROOT / "fairmend" / "catalog" / "techniques.json").exists()


def test_the_packages_named_for_building_suffice(tmp_path):
    """A wheel is built where only these are installed (and hatchling, which is not imported here)."""
    built = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    packages = built["targets"]["wheel"]["hooks"]["custom"]["dependencies"]
    path = tmp_path / "techniques.json"
    done = subprocess.run(
        [sys.executable, "-c", ALONE, path, *packages], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(path.read_text(encoding="utf-8"))) == set(BUILTINS)


@pytest.mark.slow
def test_an_installed_wheel_lists_at_once(tmp_path):
    environment = Environment(tmp_path)
    environment.install(ROOT)
    done = environment.call(environment.python, "-c", LIST)
    loaded = {name.partition(".")[0] for name in json.loads(done.stderr)}
    assert loaded.isdisjoint({"numpy", "pandas", "sklearn", "scipy", "torch"})
    assert not any(name.startswith("fairmend.plugins.") for name in json.loads(done.stderr))
    here = [card.metadata.technique_id for card in Registry.installed().cards() if card.plugin in BUILTINS]
    assert [entry["technique_id"] for entry in json.loads(done.stdout)] == here
    kept = tmp_path / "cache" / "cards.json"
    assert not kept.exists() or not set(json.loads(kept.read_text(encoding="utf-8"))) & set(BUILTINS)
