"""The page on plugins works: each of its blocks is run, in order, in an environment of its own."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from fairmend.plugins.preprocessing import InstanceWeighting
from fairmend.testing.suite import CHECKS, checks_for
from tests.environments import ROOT, Environment

PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# file: (\S+)\n")


def test_every_check_is_on_the_page():
    checks_for(InstanceWeighting)  # so that the checks are registered
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE))
    assert listed == {check.name: check.about for check in CHECKS}


def test_every_block_is_of_a_kind_that_is_run():
    assert PAGE.count("```") == 2 * len(BLOCKS)
    assert {kind for kind, _ in BLOCKS} == {"sh", "python", "yaml"}
    assert all(FILE.match(text) for kind, text in BLOCKS if kind == "yaml")


@pytest.mark.slow
def test_from_nothing_to_a_technique_in_use(tmp_path):
    environment = Environment(tmp_path)
    environment.install(ROOT)
    # The environment has no pip of its own, and building must not download what is there.
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(environment.python)]
    shim = environment.home / "bin" / "pip"
    shim.write_text(f'#!/bin/sh\nverb=$1; shift\nexec {shlex.join(pip)} "$verb" --no-build-isolation "$@"\n')
    shim.chmod(0o755)
    ran = 0
    for kind, text in BLOCKS:
        named = FILE.match(text)
        if named is not None:
            path = tmp_path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text[named.end() :], encoding="utf-8")
        elif kind == "sh":
            environment.call("bash", "-e", "-c", text)
            ran += 1
        else:
            environment.call(environment.python, "-c", text)
            ran += 1
    assert ran >= 9
    answer = environment.call(
        environment.python, "-m", "fairmend.catalog.plugin_loading", "extras", "acme_extras"
    ).stdout
    for name in ("acme-seasonal-gap", "acme_highest_rate", "acme-first-letters", "acme-coins"):
        assert name in answer
    assert Path(tmp_path, "repaired.csv").is_file()
