"""What the README shows works: its examples run, and its session is that of the commands."""

from __future__ import annotations

import doctest
import re
import runpy
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn

import fairmend
from fairmend.catalog.registry import Plugin, Registry
from fairmend.cli import COMMANDS as GROUPS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPT = runpy.run_path(str(ROOT / "docs" / "session.py"))


def test_examples_give_what_they_show():
    config = sklearn.get_config()
    try:
        found = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    finally:
        sklearn.set_config(**config)
    assert found.attempted > 10
    assert found.failed == 0


@pytest.fixture
def example(monkeypatch):
    """The plugin of the README as an installed module."""
    code = next(b for b in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "hookimpl" in b)
    module = types.ModuleType("example_plugin")
    monkeypatch.setitem(sys.modules, "example_plugin", module)
    exec(compile(code, "example_plugin", "exec"), module.__dict__)  # noqa: S102
    assert len([line for line in code.splitlines() if line.strip()]) <= 30
    return module


def test_plugin_is_found_and_does_what_it_says(example):
    registry = Registry((Plugin("example", "example_plugin", "example", "1.0"),))
    balanced = registry.technique("balanced-cells")()
    assert registry.problems == {}
    y = np.array([0, 0, 0, 1, 0, 1, 1, 1, 1, 1])
    group = pd.Series(list("aaaabbbbbb"), name="group")
    weights = balanced.change(pd.DataFrame({"x": range(10)}), y, sensitive_features=group).sample_weight
    totals = pd.Series(weights).groupby([group, y]).sum()
    assert totals.to_numpy() == pytest.approx(10 / 4)


def test_commands_are_there():
    named = set(re.findall(r"^\s+fairmend ([a-z]+)", README, re.MULTILINE))
    assert named
    assert named <= set(GROUPS)


def test_functions_are_there():
    (sentence,) = re.findall(r"^The same in Python: (.*)$", README, re.MULTILINE)
    named = re.findall(r"`(?:fairmend\.)?(\w+)`", sentence)
    assert len(named) > 10
    assert set(named) <= set(fairmend.__all__)


def test_keys_of_a_run_are_there(cli, folder):
    record = cli("run", folder / "light.yaml", "--data", folder / "jobs.csv", "--json", "--no-save").json
    (sentence,) = re.findall(r"^`run --json` has (.*), and versions\.", README, re.MULTILINE)
    named = re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", sentence))
    assert len(named) > 20
    assert set(named) | {"data", "versions"} <= set(record)
    assert {"sha256", "weaker_than_playbook"} <= set(record["policy"])


def test_variables_are_read_somewhere():
    named = set(re.findall(r"`(FAIRMEND_[A-Z_]+)`", README))
    assert len(named) > 6
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "fairmend").rglob("*.py"))
    assert all(name in source for name in named)


def shape(text: str) -> list[str]:
    """Return the words that do not depend on the machine: numbers and spaces are left out."""
    return re.findall(r"[A-Za-z][\w-]*", text)


def shown() -> str:
    found = SCRIPT["SESSION"].search(README)
    assert found is not None
    return found[0]


def test_session_shows_the_commands():
    for command in SCRIPT["COMMANDS"]:
        assert f"$ {command}\n" in shown()


@pytest.mark.slow
@pytest.mark.data
def test_session_is_what_the_commands_print(data_dir):
    printed = SCRIPT["session"](data_dir / "adult" / "adult_train.csv.gz")
    table = [line for line in printed.splitlines() if re.search(r"\d\.\d{3} \[", line)]
    kept = [line for line in shown().splitlines() if re.search(r"\d\.\d{3} \[", line)]
    assert len(table) > 8
    assert [shape(line.split("0.")[0]) for line in table] == [shape(line.split("0.")[0]) for line in kept]
    assert "\ndeployable:" in printed
