"""Plugins that misbehave are asked in a process of their own and left out with the reason."""

from __future__ import annotations

import json
import sys
import textwrap

import pytest

from fairmend.catalog.plugin_loading import examine, examine_apart, time_limit
from fairmend.catalog.registry import Plugin, Registry
from fairmend.core.errors import PluginError, UsageError

MARK = "from fairmend.core.hooks.markers import hookimpl\n@hookimpl\n"
GATE = MARK + "def fairmend_gate_checks(): return {{{name!r}: len}}\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module that can be imported and return its plugin."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, source: str) -> Plugin:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        return Plugin(name, name, "acme", "1.0")

    return make


@pytest.fixture
def registry(tmp_path):
    """Return a maker of a registry of our plugins and these."""
    ours = tuple(p for p in Registry.installed(cache=None).plugins if p.source == "fairmend")
    return lambda *plugins: Registry((*ours, *plugins), tmp_path / "cards.json")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os\nos._exit(3)", "importing it ended the process with exit code 3"),
        ("import sys\nsys.exit('no')", "importing it raised SystemExit: no"),
        ("import absent_package", "install the package that provides absent_package"),
        (
            "from fairmend.core.metadata import TechniqueMetadata\nTechniqueMetadata(slug='x')",
            "importing it raised ValidationError",
        ),
        (MARK + "def fairmend_gate_checks(): return ['a']", "fairmend_gate_checks() must return a mapping"),
        (MARK + "def fairmend_encoders(): return {'a': 1}", "must map names to functions, got 'a': 1"),
        (MARK + "def fairmend_finding_kinds(): return ['a']", "must return kinds of finding, got 'a'"),
        (MARK + "def fairmend_datasets(): return 1 / 0", "fairmend_datasets() raised ZeroDivisionError"),
        (MARK + "def fairmend_techniques(): return 7", "fairmend_techniques() must return a list, got 7"),
        (
            GATE.format(name="accuracy"),
            "claims the gate check 'accuracy', which the plugin fairmend.pipeline.gates.checks",
        ),
    ],
)
def test_a_plugin_at_fault_is_named_with_the_reason(write, registry, source, message):
    found = registry(write("acme_fault", source))
    assert found.card(31).metadata.slug == "instance-weighting"
    assert message in found.problems["acme_fault"]
    assert "\n" not in found.problems["acme_fault"]
    assert "accuracy" in found.named("fairmend_gate_checks")
    assert "acme_fault" not in sys.modules


def test_what_a_plugin_prints_or_leaves_running_does_no_harm(write):
    source = f"""
        import os, threading, time
        print("hello")
        os.write(1, b"hello")
        threading.Thread(target=time.sleep, args=(60,)).start()
        {MARK.replace(chr(10), chr(10) + " " * 8)}def fairmend_gate_checks(): return {{"acme_gate": len}}
    """
    plugin = write("acme_loud", source)
    found = examine_apart("acme_loud", plugin.module, 30)
    assert found == {"cards": [], "names": {"fairmend_gate_checks": ["acme_gate"]}}


def test_a_plugin_that_hangs_is_excluded_and_not_asked_again(write, registry, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRMEND_PLUGIN_TIMEOUT", "1")
    log = tmp_path / "log"
    plugin = write("acme_hang", f"import time\nopen({str(log)!r}, 'a').write('.')\ntime.sleep(60)")
    for _ in range(2):
        found = registry(plugin)
        assert found.card(31)
        assert (
            "longer than 1 s; fix the plugin, or raise the limit with FAIRMEND_PLUGIN_TIMEOUT"
            in (found.problems["acme_hang"])
        )
    assert not log.exists() or log.read_text() == "."
    monkeypatch.setenv("FAIRMEND_PLUGIN_TIMEOUT", "3")
    found = registry(plugin)
    assert found.card(31)
    assert "longer than 3 s" in found.problems["acme_hang"]


def test_the_first_of_two_keeps_a_name(write, registry):
    first, second = (write(f"acme_{n}", GATE.format(name="acme_gate")) for n in ("first", "second"))
    found = registry(first, second)
    assert set(found.named("fairmend_gate_checks")) >= {"acme_gate", "accuracy"}
    assert list(found.problems) == ["acme_second"]
    assert "which the plugin acme_first has taken" in found.problems["acme_second"]


def test_a_sound_plugin_is_imported_only_for_what_it_contributes(write, registry):
    found = registry(write("acme_gate_only", GATE.format(name="acme_gate")))
    assert found.numbers()["acme_gate_only"] == {"fairmend_techniques": 0, "fairmend_gate_checks": 1}
    found.collect("fairmend_finding_kinds")
    assert "acme_gate_only" not in sys.modules
    assert found.named("fairmend_gate_checks")["acme_gate"] is len
    assert "acme_gate_only" in sys.modules


def test_faults_are_asked_for_again_since_they_may_be_mended_elsewhere(write, registry, tmp_path):
    plugin = write("acme_needs", "import acme_missing")
    found = registry(plugin)
    found.cards()
    assert "acme_missing" in found.problems["acme_needs"]
    (tmp_path / "acme_missing.py").write_text("")
    again = registry(plugin)
    again.cards()
    assert again.problems == {}
    assert json.loads((tmp_path / "cards.json").read_text())["acme_needs"]["cards"] == []


def test_examining_here_raises(write):
    write("acme_here", "1 / 0")
    with pytest.raises(PluginError, match="raised ZeroDivisionError"):
        examine("acme_here", "acme_here")


@pytest.mark.parametrize("given", ["soon", "0", "-3", "nan"])
def test_a_time_limit_is_a_positive_number(monkeypatch, given):
    monkeypatch.setenv("FAIRMEND_PLUGIN_TIMEOUT", given)
    with pytest.raises(UsageError, match="must be a number of seconds above 0"):
        time_limit()
