"""The contract of the command line names every part of core that it may not import."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OPEN_TO_THE_COMMAND_LINE = {"errors", "safety", "text", "vocabulary"}


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
