"""The search with the bundled model, offline."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fairmend.core.constraints import Constraints
from fairmend.index.encoders import BundledEncoder
from fairmend.index.passages import Catalog
from fairmend.index.search import Index

pytestmark = pytest.mark.slow
CASES = yaml.safe_load(Path(__file__).with_name("topic_cases.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def index(registry, tmp_path_factory):
    """Return the index under the bundled model, made without a network."""

    def refuse(*args, **kwargs):
        raise AssertionError("the bundled model must not reach for the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRMEND_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        return Index(Catalog.of(registry), BundledEncoder())


def ids(index, text, **limits):
    return [r.technique_id for r in index.query(text, Constraints(**limits), 10).results]


@pytest.mark.parametrize(
    ("text", "wanted", "within"),
    [
        ("which technique for biased mediator", 69, 3),
        ("the input column is depressed for one group by past injustice", 69, 3),
        ("rows of a small group should count more during training", 31, 3),
        ("same cut-off gives qualified women fewer acceptances than qualified men", 13, 3),
        ("a score means something else for each group", 48, 3),
        ("how far off are the probabilities, group by group", 45, 3),
        ("linear classifier that may not depend on gender", 20, 3),
        ("even out acceptance rates without touching the model", 9, 3),
    ],
)
def test_meaning_leads_to_the_technique(index, text, wanted, within):
    assert wanted in ids(index, text)[:within]


def test_the_causal_techniques_are_near_a_mediator(index):
    installed = {card.technique_id for card in index.catalog.techniques}
    wanted = {53, 56} & installed
    found = ids(index, "which technique for biased mediator")
    assert wanted <= set(found), found


def test_constraints_hold_for_every_answer(index):
    found = index.query("which technique for biased mediator", Constraints(retraining=False), 10)
    assert 69 not in [r.technique_id for r in found.results]
    assert {e.technique_id: e.reason for e in found.excluded}[69] == "needs retraining"


def test_texts_on_other_matters_get_an_empty_answer(index):
    answered = [text for text in CASES["outside"] if ids(index, text)]
    assert len(answered) <= 0.05 * len(CASES["outside"]), answered
    assert "best pizza in Naples" not in answered


def test_texts_on_the_matter_are_on_topic(index):
    refused = [text for text in CASES["inside"] if not index.evidence(text).on_topic]
    assert len(refused) <= 0.05 * len(CASES["inside"]), refused


def test_loading_writes_nothing_and_no_command_loads_torch(tmp_path):
    code = """
import sys
from fairmend.core.findings import Audit, Finding
from fairmend.catalog.registry import Registry
from fairmend.core.data.roles import Roles
from fairmend.index import query, recommend
registry = Registry.installed()
if sys.argv[1] == "query":
    assert query("selection rates differ", registry=registry).results
    assert not {"torch", "sentence_transformers"} & set(sys.modules)
else:
    finding = Finding(kind="outcome-disparity", severity="high", measure="m", value=0.5, support=100, text="T.")
    audit = Audit(rows=5000, roles=Roles(outcome="y", protected=("a",)), groups={"a": 1, "b": 2}, subject="labels",
                  fingerprint="0", seed=0, measures={}, findings=(finding,))
    registry.cards()
    registry.collect("fairmend_finding_kinds")
    assert recommend(audit, registry=registry).results
    assert "torch" not in sys.modules and "faiss" not in sys.modules
"""
    environment = {**os.environ, "FAIRMEND_CACHE": str(tmp_path)}
    for step in ("query", "recommend"):
        command = [sys.executable, "-c", code, step]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert done.stderr == ""
