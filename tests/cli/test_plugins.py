"""The commands about plugins: list, check, new, and the word on stderr about what is left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from fairmend import api
from fairmend.catalog.registry import Plugin, Registry

LIST = """
import json, sys, time
from fairmend.cli import invoke
code = invoke(["plugin", "list", "--json"])
print(json.dumps({"code": code, "modules": sorted(sys.modules), "seconds": time.process_time()}), file=sys.stderr)
"""


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """Make the commands see these modules as installed plugins beside ours."""
    monkeypatch.syspath_prepend(tmp_path)
    ours = tuple(p for p in Registry.installed(cache=None).plugins if p.source == "fairmend")

    def make(**sources: str) -> None:
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        theirs = tuple(Plugin(name, name, "acme-plugins", "2.1") for name in sources)
        found = Registry((*ours, *theirs), tmp_path / "cards.json")
        monkeypatch.setattr(Registry, "installed", classmethod(lambda cls, cache="default": found))
        api.registry.cache_clear()

    yield make
    monkeypatch.undo()
    api.registry.cache_clear()


@pytest.fixture
def package(cli, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    done = cli("plugin", "new", "acme-cli-made", "--stage", "evaluation", "--folder", tmp_path, "--json")
    assert done.code == 0
    return done.json


def test_a_broken_plugin_is_in_the_list_and_once_on_stderr_and_all_else_works(cli, plugins):
    plugins(acme_boom="import absent_package", acme_fine="")
    listed = cli("plugin", "list", "--json")
    entries = {e["name"]: e for e in listed.json}
    reason = "importing it raised ModuleNotFoundError: No module named 'absent_package'"
    assert entries["acme_boom"]["health"].startswith(reason)
    assert entries["acme_boom"] | {"health": ""} == {
        "name": "acme_boom",
        "source": "acme-plugins",
        "version": "2.1",
        "techniques": 0,
        "contributes": {},
        "health": "",
    }
    assert entries["acme_fine"]["health"] == "ok"
    assert entries["fairmend.plugins.preprocessing"]["techniques"] >= 4
    said = [line for line in listed.err.splitlines() if "acme_boom" in line]
    assert said == [f"fairmend: plugin acme_boom was not loaded: {entries['acme_boom']['health']}"]
    other = cli("technique", "show", "31", "--json")
    assert other.code == 0
    assert other.json["slug"] == "instance-weighting"
    assert other.err.count("acme_boom") == 1
    assert "acme_fine" not in other.err


def test_the_table_names_source_version_and_what_is_contributed(cli, plugins):
    plugins(acme_fine="")
    shown = cli("plugin", "list").out
    for word in ("acme-plugins", "2.1", "ok", "finding kinds", "gates", "techniques"):
        assert word in shown


def test_without_faults_nothing_is_said(cli, plugins):
    plugins(acme_fine="")
    assert cli("technique", "list", "--json").err == ""


def test_a_list_with_fresh_cards_imports_no_plugin(tmp_path):
    environment = {**os.environ, "FAIRMEND_CACHE": str(tmp_path)}

    def listing():
        return subprocess.run(
            [sys.executable, "-c", LIST], env=environment, capture_output=True, text=True, check=True
        )

    listing()
    told = json.loads(listing().stderr)
    loaded = {name.partition(".")[0] for name in told["modules"]}
    assert loaded.isdisjoint({"torch", "sklearn", "scipy", "pandas", "numpy"})
    assert told["seconds"] < 2


def test_a_new_package_is_checked_before_it_is_installed(cli, package):
    done = cli("plugin", "check", package["folder"], "--json")
    assert done.code == 0
    (found,) = done.json
    assert found["technique_id"] == "acme:cli-made"
    assert found["passed"] >= 20
    assert (found["failed"], found["exempt"]) == ([], {})


def test_a_failed_check_is_exit_code_4_and_named(cli, package, tmp_path):
    source = tmp_path / "acme-cli-made" / "src" / "acme_cli_made" / "_cli_made.py"
    broken = tmp_path / "acme_cli_broken.py"
    text = source.read_text().replace("outcome-disparity", "outcome-disparty")
    broken.write_text(text)
    done = cli("plugin", "check", broken, "--json")
    assert done.code == 4
    assert [f["check"] for f in done.json[0]["failed"]] == ["known_findings"]
    table = cli("plugin", "check", broken)
    assert table.code == 4
    assert "acme-cli-made known_findings: it addresses 'outcome-disparty'; did you mean" in table.out
    assert " F " in table.out


def test_all_checks_every_installed_technique(cli, plugins, monkeypatch):
    plugins()
    wanted = [c for c in api.registry().cards() if c.metadata.technique_id in (1, 120)]
    monkeypatch.setattr(Registry, "cards", lambda self: wanted)
    done = cli("plugin", "check", "--all", "--json")
    assert done.code == 0
    assert [e["technique_id"] for e in done.json] == [1, 120]
    assert all(e["passed"] > 10 for e in done.json)
    table = cli("plugin", "check", "--all").out
    assert table.count("\n") > 5
    assert "selection-rate-audit" in table
    assert "Checks: 1 metadata_complete" in table


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["check"], 2, "expected either PACKAGE_OR_PATH or --all"),
        (["check", "fairmend", "--all"], 2, "expected either"),
        (["check", "no-such-plugin"], 1, "no plugin, module, folder or file is called"),
        (["new", "Acme", "--stage", "causal"], 2, "lower-case words"),
        (["new", "acme-x", "--stage", "late"], 2, "is not one of"),
    ],
)
def test_errors_are_one_line(cli, arguments, code, message):
    done = cli("plugin", *arguments)
    assert done.code == code
    assert message in done.errors[0]
    assert len(done.errors) == 1
    assert done.out == ""


def test_a_package_is_not_written_twice(cli, package, tmp_path):
    done = cli("plugin", "new", "acme-cli-made", "--stage", "causal", "--folder", tmp_path)
    assert done.code == 2
    assert "exists already" in done.errors[0]
