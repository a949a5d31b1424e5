"""Listing the catalog starts at once and loads nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "faiss", "fairlearn", "sklearn", "scipy", "pandas", "matplotlib", "sentence_transformers")
LIST = """
import json, sys, time
from fairmend.cli import invoke
code = invoke(["technique", "list", "--json"])
print(json.dumps({"code": code, "modules": sorted(sys.modules), "seconds": time.process_time()}), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def listing(tmp_path_factory):
    """A second listing, so that the cards are those of the cache even where the snapshot is stale."""
    environment = {**os.environ, "FAIRMEND_CACHE": str(tmp_path_factory.mktemp("cache"))}

    def run():
        return subprocess.run(
            [sys.executable, "-c", LIST], env=environment, capture_output=True, text=True, check=True
        )

    run()
    return run()


def test_listing_loads_nothing_heavy(listing):
    loaded = {name.partition(".")[0] for name in json.loads(listing.stderr)["modules"]}
    assert loaded.isdisjoint(HEAVY)


def test_listing_takes_less_than_two_seconds_of_computing(listing):
    assert json.loads(listing.stderr)["seconds"] < 2


def test_listing_is_json_alone_on_stdout(listing):
    entries = json.loads(listing.stdout)
    assert {"technique_id", "slug", "stage", "name", "citation"} <= set(entries[0])
    assert {31, 69} <= {e["technique_id"] for e in entries}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["technique", "run", "--help"], ["--version"]]
)
def test_help_loads_nothing_heavy(arguments):
    script = (
        "import sys; from fairmend.cli import invoke; code = invoke(sys.argv[1:]); "
        f"sys.exit(code or int(not set({HEAVY!r}).isdisjoint(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "fairmend" in done.stdout.lower()
