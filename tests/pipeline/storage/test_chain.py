"""The chain of a log: what it says a record must look like, and what breaks it."""

from __future__ import annotations

import json

import pytest

from fairmend.core.errors import RunError
from fairmend.pipeline.storage.chain import SEAL, digest, link, replay, unchained
from fairmend.pipeline.storage.keys import Keyring


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return Keyring(tmp_path_factory.mktemp("chain")).signing()


def chain(key, *texts, run_id="run-1"):
    rows, before = [], ""
    for place, text in enumerate(texts):
        rows.append(link(run_id, place, json.dumps({"what": text}), before, key))
        before = rows[-1]["hash"]
    return rows


def test_a_whole_chain_gives_its_entries(key):
    entries = unchained("run-1", chain(key, "created", "note", "ended"), {key.public: "me"})
    assert [e["what"] for e in entries] == ["created", "note", "ended"]
    assert {e["signer"] for e in entries} == {key.public}


def test_an_entry_belongs_to_its_run_and_place(key):
    rows, accepted = chain(key, "created", "note", "ended"), {key.public: "me"}
    with pytest.raises(RunError, match="changed at entry 1 of 3"):
        unchained("run-2", rows, accepted)
    with pytest.raises(RunError, match="changed at entry 2 of 2"):
        unchained("run-1", [rows[0], rows[2]], accepted)
    with pytest.raises(RunError, match="changed at entry 1 of 3"):
        unchained("run-1", [rows[1], rows[0], rows[2]], accepted)


def test_a_key_that_is_not_believed_is_named(key):
    with pytest.raises(RunError, match=f"that you do not trust, {key.public}.*fairmend keys trust"):
        unchained("run-1", chain(key, "created"), {})


def test_a_signature_of_other_content_does_not_count(key):
    rows = chain(key, "created", "note")
    rows[1]["signature"] = rows[0]["signature"]
    with pytest.raises(RunError, match="signature does not match"):
        unchained("run-1", rows, {key.public: "me"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, ""),
        (None, "null"),
        (1, "1"),
        (1, 1.0),
        (b"x", "x"),
        (b"x", "78"),
        ({"a": None}, {}),
        ({"a": "b"}, {"b": "a"}),
        ({"a": 1, "b": "2"}, {"a": "1", "b": 2}),
        (["a", "b"], ["ab"]),
        ("\ud800", "?"),
    ],
)
def test_different_values_have_different_digests(one, other):
    assert digest(one) != digest(other)
    assert digest(one) == digest(one)


def test_the_order_of_columns_does_not_matter():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def entry(what, events=(0, "e"), **seal):
    return {"what": what, SEAL: {"run": {}, "steps": {}, "events": list(events), **seal}}


def test_later_entries_overrule_earlier_ones():
    found = replay(
        [
            entry("created", run={"status": "running", "request": "r"}),
            entry("step", steps={"t": "1"}),
            entry("step", (5, "f"), steps={"t": "2", "u": "3"}),
            entry("ended", (9, "g"), run={"status": "waiting"}),
        ]
    )
    assert found.run == {"status": "waiting", "request": "r"}
    assert found.steps == {"t": "2", "u": "3"}
    assert found.events == [(0, "e"), (0, "e"), (5, "f"), (9, "g")]


@pytest.mark.parametrize(
    ("course", "under_way"),
    [
        (["created"], True),
        (["created", "step", "approval"], True),
        (["created", "ended"], False),
        (["created", "error"], False),
        (["created", "ended", "approval"], False),
        (["created", "ended", "resumed", "step"], True),
        (["created", "ended", "resumed", "ended"], False),
    ],
)
def test_events_may_follow_only_while_a_run_is_under_way(course, under_way):
    assert replay([entry(what) for what in course]).under_way is under_way
