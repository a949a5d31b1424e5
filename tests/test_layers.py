"""The contract of the command line names every part of core that it may not import."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OPEN_TO_THE_COMMAND_LINE = {"errors", "safety", "text", "utility", "vocabulary"}


def test_the_command_line_is_kept_from_the_rest_of_core():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    contract = next(
        c
        for c in contracts
        if c["source_modules" if "source_modules" in c else "layers"][0] == "fairmend.cli"
        and c["type"] == "forbidden"
    )
    forbidden = {
        m.removeprefix("fairmend.core.")
        for m in contract["forbidden_modules"]
        if m.startswith("fairmend.core.")
    }
    there = {p.stem for p in (ROOT / "fairmend" / "core").iterdir() if not p.name.startswith("_")}
    assert there == forbidden | OPEN_TO_THE_COMMAND_LINE
    rooms = {p.name for p in (ROOT / "fairmend").iterdir() if p.is_dir() and not p.name.startswith("_")}
    assert {f"fairmend.{room}" for room in rooms - {"api", "cli", "core", "reports"}} <= set(
        contract["forbidden_modules"]
    )


def test_no_contract_ignores_an_import():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert all(not c.get("ignore_imports") for c in settings["tool"]["importlinter"]["contracts"])


def test_no_text_names_a_module_that_a_contract_forbids_to_import():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    named = {str(path.relative_to(ROOT)): _modules_named(path) for path in (ROOT / "fairmend").rglob("*.py")}
    assert any("fairmend.core.causal.graph" in found for found in named.values()), "nothing was read"
    wrong = {}
    for file, found in named.items():
        room = ".".join(Path(file).with_suffix("").parts[:2])
        rooms = {".".join(name.split(".")[:2]) for name in found}
        beyond = rooms & _forbidden(room, contracts)
        if beyond:
            wrong[file] = sorted(beyond)
    assert not wrong


def test_every_room_has_its_place_in_a_contract():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    placed = {room for c in contracts if "layers" in c for layer in _layers(c) for room in layer}
    modules = {
        p.stem for p in (ROOT / "fairmend").iterdir() if not p.name.startswith("_") and p.suffix != ".typed"
    }
    assert {f"fairmend.{name}" for name in modules} == placed


def test_a_text_that_names_a_plugin_is_found(tmp_path):
    file = tmp_path / "drawer.py"
    file.write_text('"""See fairmend.plugins."""\nHOME = "fairmend.plugins.causal"\n', encoding="utf-8")
    assert _modules_named(file) == {"fairmend.plugins.causal"}


def _modules_named(path: Path) -> set[str]:
    """Return the modules that the strings of a file name; docstrings are for people."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    )
    return {text for text in texts if re.fullmatch(r"fairmend(\.\w+)+", text)}


def _layers(contract: dict[str, Any]) -> list[list[str]]:
    return [re.split(r"\s*[|:]\s*", layer) for layer in contract["layers"]]


def _forbidden(room: str, contracts: list[dict[str, Any]]) -> set[str]:
    """Return the rooms that a room may not import, by all contracts."""
    found: set[str] = set()
    for contract in contracts:
        if contract["type"] == "forbidden" and room in contract["source_modules"]:
            found |= {module for module in contract["forbidden_modules"] if module.count(".") == 1}
        for place, layer in enumerate(_layers(contract) if "layers" in contract else ()):
            if room in layer:
                found |= {other for above in _layers(contract)[:place] for other in above}
    return found
