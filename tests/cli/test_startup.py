"""Commands that read a record or a card start at once and load nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "faiss", "fairlearn", "sklearn", "scipy", "pandas", "matplotlib", "sentence_transformers")
SCRIPT = """
import json, sys
from fairmend.cli import invoke
code = invoke(sys.argv[1:])
print(json.dumps({"code": code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""
APPROVE = ["approve", "latest", "--gate", "gate-4", "--role", "product owner", "--by", "Ada"]
READERS = {
    "help": ["--help"],
    "help of run": ["run", "--help"],
    "help of technique run": ["technique", "run", "--help"],
    "technique list": ["technique", "list", "--json"],
    "technique show": ["technique", "show", "69", "--json"],
    "technique show as text": ["technique", "show", "group-thresholds"],
    "plugin list": ["plugin", "list", "--json"],
    "policy show": ["policy", "show", "playbook"],
    "keys list": ["keys", "list"],
    "status": ["status", "--json"],
    "status of a run": ["status", "latest"],
    "verify": ["verify", "latest"],
    "approve": APPROVE,
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Environment with a store that holds a run, as far as these commands read it, and warm cards."""
    home = tmp_path_factory.mktemp("home")
    environment = {
        **os.environ,
        "FAIRMEND_HOME": str(home / "store"),
        "FAIRMEND_CACHE": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
    }
    request = """
import json
from fairmend.catalog.policy import load_policy
from fairmend.pipeline.storage.run_store import RunStore
policy = load_policy("playbook").model_dump(mode="json")
request = {"policy": policy, "assume_approved": False, "data": {"sha256": "0"}, "pipeline": {"seed": 0, "split": {}}}
store = RunStore()
store.create("run-1", request)
result = {"reason": "", "gates": [], "guards": [], "escalated_to": [], "presented_rules": {"gate-4": "0"}}
store.finish("run-1", "waiting", result, store.artifacts.put(b"rule"))
"""
    subprocess.run([sys.executable, "-c", request], env=environment, check=True)
    subprocess.run([sys.executable, "-c", SCRIPT, "technique", "list"], env=environment, check=True)
    return environment


@pytest.mark.parametrize("command", READERS)
def test_reading_loads_nothing_heavy(command, stored):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *READERS[command]],
        env=stored,
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["code"] == 0, done.stderr
    assert done.stdout
    assert {name.partition(".")[0] for name in told["modules"]}.isdisjoint(HEAVY)


def test_what_a_technique_accepts_does_not_depend_on_the_seed_of_hashes(stored):
    script = """
import json
from fairmend.catalog.plugin_loading import examine
print(json.dumps(examine("inprocessing", "fairmend.plugins.inprocessing")))
"""
    told = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**stored, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert "one of 'demographic_parity', 'equal_opportunity', 'equalized_odds'" in told[0]


def test_listing_is_json_alone_on_stdout(stored):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *READERS["technique list"]],
        env=stored,
        capture_output=True,
        text=True,
        check=True,
    )
    entries = json.loads(done.stdout)
    assert {"technique_id", "slug", "stage", "name", "citation"} <= set(entries[0])
    assert {31, 69} <= {e["technique_id"] for e in entries}
