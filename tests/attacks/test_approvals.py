"""Attacks on the decisions of people: overruling, other spellings of a name, several roles, forged histories."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from fairmend.catalog.policy import load_policy
from fairmend.core.errors import UsageError
from fairmend.pipeline.run.approvals import (
    Approval,
    check_decision,
    in_force,
    person_key,
    rejections,
    remarks,
    settle,
)
from fairmend.pipeline.run.final_evaluation import status_of
from fairmend.pipeline.run.run_outcome import RunOutcome

OWNER = ("gate-4", "product owner")
ALL = [
    ("gate-1", "domain expert"),
    ("gate-1", "compliance officer"),
    ("gate-3", "product owner"),
    ("gate-4", "product owner"),
    ("gate-4", "compliance officer"),
    ("gate-4", "legal team"),
]


def decision(text: str) -> Approval:
    """Read ``BY yes|no [ANSWER]`` or ``BY@ROLE yes|no [ANSWER]`` as a decision on gate 4."""
    who, word, *answer = text.split(" ", 2)
    by, _, role = who.partition("@")
    return Approval("gate-4", role.replace("-", " ") or OWNER[1], by, word == "yes", answer="".join(answer))


# Each history, whether the policy wants different persons, what becomes of each decision, who holds a rejection.
HISTORIES: dict[str, tuple[list[str], bool, list[str], set[str]]] = {
    "an approval": (["ann yes"], False, ["holds"], set()),
    "a rejection": (["ann no"], False, ["holds"], {"ann"}),
    "an approval, rejected by the same": (["ann yes", "ann no"], False, ["replaced", "holds"], {"ann"}),
    "an approval, rejected by another": (["ann yes", "bob no"], False, ["replaced", "holds"], {"bob"}),
    "withdrawn": (["ann no", "ann yes"], False, ["withdrawn", "holds"], set()),
    "withdrawn in another spelling": (["ann no", "ANN yes"], False, ["withdrawn", "holds"], set()),
    "overruled without an answer": (["ann no", "bob yes"], False, ["holds", "not counted"], {"ann"}),
    "overruled with an answer": (["ann no", "bob yes tested"], False, ["overruled", "holds"], set()),
    "overruled, then rejected again": (
        ["ann no", "bob yes tested", "ann no"],
        False,
        ["overruled", "replaced", "holds"],
        {"ann"},
    ),
    "two objections, one withdrawn": (
        ["ann no", "bob no", "ann yes"],
        False,
        ["withdrawn", "holds", "not counted"],
        {"bob"},
    ),
    "two objections, both withdrawn": (
        ["ann no", "bob no", "ann yes", "bob yes"],
        False,
        ["withdrawn", "withdrawn", "not counted", "holds"],
        set(),
    ),
    "two objections, one answer": (
        ["ann no", "bob no", "cy yes tested"],
        False,
        ["overruled", "overruled", "holds"],
        set(),
    ),
    "rejected twice by one": (["ann no", "ann no"], False, ["replaced", "holds"], {"ann"}),
    "another role cannot overrule": (["ann no", "bob@legal-team yes"], False, ["holds", "holds"], {"ann"}),
    "one person in two roles": (["ann yes", "ann@legal-team yes"], False, ["holds", "holds"], set()),
    "one person in two roles, strict": (
        ["ann yes", "ann@legal-team yes"],
        True,
        ["holds", "not counted"],
        set(),
    ),
    "one person in two spellings, strict": (
        ["ann yes", "\uff21NN\u200b@legal-team yes"],
        True,
        ["holds", "not counted"],
        set(),
    ),
    "a person of another role rejects, strict": (
        ["ann yes", "ann@legal-team no"],
        True,
        ["holds", "holds"],
        {"ann"},
    ),
    "an approver of another role overrules, strict": (
        ["ann no", "bob@legal-team yes", "bob yes tested"],
        True,
        ["holds", "holds", "not counted"],
        {"ann"},
    ),
    "two persons, strict": (["ann yes", "bob@legal-team yes"], True, ["holds", "holds"], set()),
}


@pytest.mark.parametrize("case", HISTORIES)
def test_what_becomes_of_decisions(case):
    history, distinct, states, objectors = HISTORIES[case]
    settled = settle(map(decision, history), distinct=distinct)
    assert [a.state for a in settled] == states
    assert {a.by for a in rejections(settled)} == objectors
    assert all(a.state == "holds" for a in in_force(settled).values())
    assert [replace(a, state="holds") for a in settled] == [decision(text) for text in history]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ada Lovelace", "ADA   lovelace ", True),
        ("Ada Lovelace", "\uff21da Lovelace", True),
        ("Ada", "A\u200bd\u2060a", True),
        ("Stra\u00dfe", "STRASSE", True),
        ("Jose\u0301", "Jos\u00e9", True),
        ("Ada\tLovelace", "Ada Lovelace", True),
        ("Ada", "Ida", False),
        ("Ada Lovelace", "AdaLovelace", False),
    ],
)
def test_names_are_compared_as_people_read_them(one, other, same):
    assert (person_key(one) == person_key(other)) is same


@pytest.mark.parametrize(
    ("history", "new", "distinct", "match"),
    [
        ([], " yes", False, "requires the name"),
        ([], "\u200b yes", False, "requires the name"),
        ([], "Assumed yes", False, "is reserved for assumed approvals"),
        ([], "ann yes because", False, "no rejection of gate-4 by the product owner is in force"),
        ([], "ann no because", False, "use --note to explain a rejection"),
        (["ann no"], "bob yes", False, "rejected by ann.*requires --answer"),
        (
            ["ann no"],
            "bob@legal-team yes because",
            False,
            "no rejection of gate-4 by the legal team is in force",
        ),
        (["ann no", "bob yes because"], "cy yes because", False, "no rejection"),
        (["ann yes"], "Ann@legal-team yes", True, "has decided as product owner"),
    ],
)
def test_decisions_that_are_not_recorded(history, new, distinct, match):
    with pytest.raises(UsageError, match=match):
        check_decision(decision(new), [decision(text) for text in history], distinct=distinct)


def test_a_rejection_outside_the_way_of_the_run_is_not_passed_over():
    decisions = settle([decision("ann no")])
    status, reason, options = status_of(
        RunOutcome("deploy", "all met"), [], [], load_policy("playbook"), "demographic_parity", decisions
    )
    assert (status, reason) == ("escalated", "gate-4 was rejected by ann (product owner)")
    assert options


def test_remarks_name_what_was_overruled_and_who_holds_several_roles():
    settled = settle(map(decision, ["ann no", "bob yes tested", "BOB@legal-team yes"]))
    assert remarks(settled) == [
        "A rejection of gate-4 was overruled: rejected by ann (product owner). bob answered: tested.",
        "One person, bob, approved in 2 roles: product owner, legal team.",
    ]


# -- the command line ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def waiting_store(tmp_path_factory, folder):
    """A store with one run that waits for its six approvals."""
    from fairmend.cli import invoke

    home = tmp_path_factory.mktemp("waiting")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRMEND_HOME", str(home))
        assert invoke(["run", str(folder / "light.yaml"), "--data", str(folder / "jobs.csv")]) == 3
    return home


@pytest.fixture
def waiting(arena, waiting_store, monkeypatch):
    """A copy of the store with the waiting run, for one test to change."""
    home = arena.parent / "store"
    shutil.copytree(waiting_store, home)
    return home


@pytest.fixture
def decide(cli):
    """Record a decision on a gate in a role."""

    def run(gate, role, by, *more):
        return cli("approve", "latest", "--gate", gate, "--role", role, "--by", by, *more, "--json")

    return run


def approve_all(decide, by="Ada", besides=()):
    for gate, role in ALL:
        if (gate, role) not in besides:
            assert decide(gate, role, by).code == 0


def test_a_rejection_is_told_at_once_and_stays_until_it_is_answered(cli, waiting, decide, arena, refused):
    approve_all(decide)
    assert cli("resume", "latest", "--json").code == 0
    assert cli("status", "latest", "--json").json[0]["status"] == "deployable"
    assert decide(*OWNER, "Bob", "--reject", "--note", "too risky").code == 0

    [now] = cli("status", "latest", "--json").json
    assert (now["status"], now["reason"]) == (
        "rejected",
        "gate-4 was rejected by Bob (product owner): too risky",
    )
    assert "rejected" in cli("status").out
    refused(
        *("approve", "latest", "--gate", OWNER[0], "--role", OWNER[1], "--by", "Ada"),
        match="rejected by Bob.*--answer",
        code=2,
    )
    assert cli("status", "latest", "--json").json[0]["status"] == "rejected"

    assert decide(*OWNER, "Ada", "--answer", "the risk was measured anew").code == 0
    assert cli("status", "latest", "--json").json[0]["status"] == "deployable"
    done = cli("resume", "latest", "--json")
    assert (done.code, done.json["status"]) == (0, "deployable")
    told = [(a["by"], a["state"]) for a in done.json["approvals"] if (a["gate"], a["role"]) == OWNER]
    assert told == [("Ada", "replaced"), ("Bob", "overruled"), ("Ada", "holds")]
    assert any("Bob" in n and "the risk was measured anew" in n for n in done.json["notes"])

    assert cli("report", "latest", "-o", arena / "report").code == 0
    for name in ("report.md", "report.html"):
        text = (arena / "report" / name).read_text()
        assert "rejected by Bob" in text
        assert "(overruled)" in text
        assert "answer to the rejection: the risk was measured anew" in text
    written = json.loads((arena / "report" / "run.json").read_text())
    assert len(written["approvals"]) == len(ALL) + 2


def test_resuming_a_rejected_run_escalates(cli, waiting, decide):
    approve_all(decide, besides=[OWNER])
    assert decide(*OWNER, "Bob", "--reject", "--note", "too risky").code == 0
    done = cli("resume", "latest", "--json")
    assert (done.code, done.json["status"]) == (4, "escalated")
    assert "rejected by Bob (product owner): too risky" in done.json["reason"]
    assert cli("status", "latest", "--json").json[0]["status"] == "escalated"
    assert decide(*OWNER, "bob ").code == 0
    assert cli("resume", "latest", "--json").json["status"] == "deployable"


def test_one_person_in_all_roles_is_named(cli, waiting, decide):
    approve_all(decide)
    done = cli("resume", "latest", "--json")
    assert done.json["status"] == "deployable"
    [note] = [n for n in done.json["notes"] if n.startswith("One person")]
    assert "Ada, approved in 4 roles" in note
    assert note in " ".join(cli("resume", "latest").out.split())


def test_strict_wants_different_persons(cli, arena, refused, decide):
    (arena / "separate.yaml").write_text(
        "{policy: separate, title: Persons apart, extends: playbook, distinct_approvers: true}"
    )
    spec = (arena / "light.yaml").read_text() + "policy: separate.yaml\n"
    (arena / "light.yaml").write_text(spec)
    assert load_policy("strict").distinct_approvers
    assert cli("run", "light.yaml", "--data", "jobs.csv").code == 3
    assert decide("gate-1", "domain expert", "Ada").code == 0
    refused(
        *("approve", "latest", "--gate", "gate-1", "--role", "compliance officer", "--by", " ADA"),
        match="has decided as domain expert",
        code=2,
    )
    for (gate, role), by in zip(ALL[1:], ["Bob", "Cy", "Cy", "Bob", "Di"], strict=True):
        assert decide(gate, role, by).code == 0
    assert cli("resume", "latest", "--json").json["status"] == "deployable"
