"""Attacks on objections and on the choices of executives: what is answered, by whom, and what it lets through."""

from __future__ import annotations

import io
import shlex
import shutil
import sqlite3
from dataclasses import replace

import pandas as pd
import pytest

from fairmend.catalog.registry import Registry
from fairmend.core.data.dataset import Dataset
from fairmend.core.vocabulary import CONCERNS
from fairmend.pipeline.run.presentation import Presentation
from fairmend.pipeline.run.run_status import approve
from fairmend.pipeline.spec import Step, load_spec
from fairmend.pipeline.storage.checkpoints import Checkpoint
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.stored_runs import begin, load_deployed, resume

GATE = {"gate": "gate-4"}
WORDS = "the board does not see why"
FAST = {"n_boot": 100, "n_permutations": 100}


def run_id_of(store: RunStore) -> str:
    return store.run("latest").run_id


@pytest.fixture(scope="module")
def waiting(tmp_path_factory, folder):
    """A store with a run that waits for the approvals of gate 4, and what it showed."""
    home = tmp_path_factory.mktemp("objections") / "store"
    spec = load_spec(folder / "light.yaml")
    data = Dataset.read(folder / "jobs.csv", spec.roles)
    record = begin(
        spec, data, store=RunStore(home), registry=Registry.installed(), path=folder / "jobs.csv", **FAST
    )
    assert record.status == "waiting"
    return home, record


@pytest.fixture(scope="module")
def answered(waiting, tmp_path_factory):
    """By concern, the store after a rejection with it was answered, and the record; made on first use."""
    made = {}

    def of(concern):
        if concern not in made:
            home = tmp_path_factory.mktemp(concern) / "store"
            shutil.copytree(waiting[0], home)
            store = RunStore(home)
            run_id = run_id_of(store)
            approve(store, run_id, **GATE, role="product owner", by="Pia", approved=True)
            said = {"role": "legal team", "by": "Lea", "approved": False, "note": WORDS}
            approve(store, run_id, **GATE, **said, concern=concern)
            made[concern] = home, resume(run_id, store=store, registry=Registry.installed())
        return made[concern]

    return of


@pytest.fixture
def open_store(arena, answered):
    """Put a copy of the store of a concern beside the arena, and return the record in it."""

    def of(concern="other"):
        home, record = answered(concern)
        shutil.copytree(home, arena.parent / "store")
        return record

    return of


def states(record):
    return {a.by: a.state for a in record.approvals}


def open_roles(record):
    [check] = [g for g in record.gates if g.id == "gate-4.stakeholders"]
    return check.reason.partition(" by the ")[2].split(", the ") if check.verdict == "waiting" else []


# -- answers ------------------------------------------------------------------------------------------


def test_an_objection_to_the_protected_attribute_replans_what_reads_it(waiting, answered):
    _, before = waiting
    home, record = answered("protected-attribute")
    assert before.model.reads_protected
    assert not record.model.reads_protected
    assert record.spec.constraints.protected_at_prediction is False
    assert [s.slug for s in record.spec.steps if s.stage == "pre-processing"] == ["instance-weighting"]
    assert "group-thresholds" not in {s.slug for s in record.steps}
    assert states(record) == {"Pia": "for an earlier rule", "Lea": "answered"}
    asked_again = f"A decision on gate-4 was for an earlier rule ({before.presented_rules['gate-4']})"
    assert any(note.startswith(asked_again) for note in record.notes)
    assert record.baseline.to_json() == before.baseline.to_json()
    assert record.test_looks.before == before.test_looks.before + 1
    assert [e["what"] for e in RunStore(home).entries("latest")].count("response") == 1


def test_an_objection_to_the_accuracy_takes_the_next_weaker_setting(waiting, answered):
    _, before = waiting
    _, record = answered("accuracy")
    [rule] = [s for s in record.spec.steps if s.slug == "group-thresholds"]
    assert rule.parameters["min_ratio"] < 0.95
    assert [s.slug for s in record.spec.steps] == [s.slug for s in before.spec.steps]
    assert record.status == "waiting"
    assert states(record) == {"Pia": "for an earlier rule", "Lea": "answered"}
    assert open_roles(record) == ["product owner", "compliance officer", "legal team"]
    assert record.final.figure("accuracy").value >= before.final.figure("accuracy").value


def test_an_objection_to_the_evidence_adds_some_and_asks_nobody_else_again(waiting, answered):
    _, before = waiting
    home, record = answered("evidence")
    assert record.presented_rules == before.presented_rules
    assert record.cross_validation is not None
    changed = RunStore(home).changed_request(RunStore(home).run(record.run_id))
    assert changed["n_boot"] == 5 * FAST["n_boot"]
    assert states(record) == {"Pia": "holds", "Lea": "answered"}
    assert open_roles(record) == ["compliance officer", "legal team"]
    copy = home.parent / "again"
    shutil.copytree(home, copy)
    store = RunStore(copy)
    again = {"role": "legal team", "by": "Lea", "approved": False, "concern": "evidence"}
    approve(store, record.run_id, **GATE, **again)
    second = resume(record.run_id, store=store, registry=Registry.installed())
    assert second.status == "escalated"
    assert any(
        "demographic_parity_ratio" in n and "The objection to gate-4 stands" in n for n in second.notes
    )


def test_an_objection_to_a_causal_assumption_fails_the_causal_gate(answered):
    _, record = answered("causal-assumption")
    [check] = [g for g in record.gates if g.id == "gate-1.dag-approved"]
    assert (check.verdict, record.status) == ("failed", "escalated")
    assert WORDS in check.reason


def test_a_revised_graph_answers_the_objection_to_a_causal_assumption(open_store, cli, arena):
    record = open_store("causal-assumption")
    assert f"fairmend resume {record.run_id} --graph FILE" in record.next_commands()
    (arena / "graph.yaml").write_text("edges: [[sex, score], [score, hired], [years, hired]]")
    done = cli("resume", "latest", "--graph", "graph.yaml", "--json")
    assert done.json["status"] in {"waiting", "deployable", "escalated"}
    assert {a["by"]: a["state"] for a in done.json["approvals"]}["Lea"] == "answered"
    assert not any(g["id"] == "gate-1.dag-approved" and g["verdict"] == "failed" for g in done.json["gates"])


def test_another_objection_escalates_with_its_words(waiting, answered):
    _, before = waiting
    _, record = answered("other")
    assert record.status == "escalated"
    assert record.reason == f"gate-4 was rejected by Lea (legal team): {WORDS}"
    assert record.presented_rules["gate-4"] == before.presented_rules["gate-4"]
    assert record.escalated_to == ["executive sponsor", "legal team"]


@pytest.mark.parametrize("concern", ["accuracy", "evidence", "other"])
def test_an_objection_is_answered_once(answered, concern, tmp_path):
    home, record = answered(concern)
    shutil.copytree(home, tmp_path / "store")
    store = RunStore(tmp_path / "store")
    again = resume(record.run_id, store=store, registry=Registry.installed())
    assert again.approvals == record.approvals
    assert [e["what"] for e in store.entries(record.run_id)].count("response") == 1


def test_the_same_rule_again_does_not_answer_an_objection(waiting, tmp_path):
    """A weaker setting that the gate tightens at once is the rule that was rejected."""
    home = tmp_path / "store"
    shutil.copytree(waiting[0], home)
    store = RunStore(home)
    approve(store, "latest", **GATE, role="legal team", by="Lea", approved=False, concern="accuracy")
    run_id = run_id_of(store)
    store.respond(run_id, 0, "nothing that matters was changed", {"n_boot": FAST["n_boot"]})
    record = resume(run_id, store=store, registry=Registry.installed())
    assert (record.status, states(record)) == ("escalated", {"Lea": "holds"})
    assert any("the run came to the same rule" in note for note in record.notes)


# -- who may choose -----------------------------------------------------------------------------------

SPONSOR = ("--role", "executive sponsor")
WHY = ("--note", "the gap is known")
NOT_RECORDED = {
    "a role that is not asked": (("accept", "--role", "product owner", "--by", "Eve", *WHY), "role that decides"),
    "a role in capitals": (("accept", "--role", "Executive Sponsor", "--by", "Eve", *WHY), "did you mean"),
    "no role": (("accept", "--role", "", "--by", "Eve", *WHY), "role that decides"),
    "no name": (("accept", *SPONSOR, "--by", " ", *WHY), "requires the name"),
    "an invisible name": (("accept", *SPONSOR, "--by", "\u200b", *WHY), "requires the name"),
    "an assumed name": (("accept", *SPONSOR, "--by", "assumed", *WHY), "is reserved"),
    "the name of the example": (("accept", *SPONSOR, "--by", "NAME", *WHY), "stand for the name"),
    "the rationale of the example": (("accept", *SPONSOR, "--by", "Eve", "--note", "TEXT"), "stand for"),
    "no rationale": (("accept", *SPONSOR, "--by", "Eve"), "requires its rationale"),
    "a blank rationale": (("accept", *SPONSOR, "--by", "Eve", "--note", " "), "requires its rationale"),
    "an option that does not exist": (("deploy", *SPONSOR, "--by", "Eve", *WHY), "option of run-"),
    "a status as an option": (("accepted as measured", *SPONSOR, "--by", "Eve", *WHY), "option of run-"),
    "sent back without a concern": (("send-back", *SPONSOR, "--by", "Eve", *WHY), "--concern is required"),
    "accepted with a concern": (
        ("accept", *SPONSOR, "--by", "Eve", *WHY, "--concern", "accuracy"),
        "only for that",
    ),
    "a concern that does not exist": (
        ("send-back", *SPONSOR, "--by", "Eve", *WHY, "--concern", "taste"),
        "'taste' is not one of",
    ),
    "an answer to nothing": (
        ("accept", *SPONSOR, "--by", "Eve", *WHY, "--answer", "x"),
        "only for an approval that overrules",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_RECORDED)
def test_choices_that_are_not_recorded(refused, open_store, case):
    arguments, match = NOT_RECORDED[case]
    record = open_store()
    refused("choose", record.run_id, *arguments, match=match, code=(1, 2))
    assert len(RunStore().approvals(record.run_id)) == 2


@pytest.mark.parametrize(
    ("status", "match"), [("waiting", "is waiting"), ("deployable", "is deployable"), ("error", "is error")]
)
def test_only_an_escalated_run_has_something_to_choose(refused, open_store, status, match):
    record = open_store()
    stored = RunStore().run(record.run_id)
    RunStore().create(status, stored.request)
    RunStore().finish(status, status, {**stored.result, "status": status}, stored.model)
    refused("choose", status, "accept", *SPONSOR, "--by", "Eve", *WHY, match=match, code=2)


def test_assumed_approvals_leave_nothing_to_choose(refused, open_store):
    record = open_store()
    stored = RunStore().run(record.run_id)
    RunStore().create("assumed", {**stored.request, "assume_approved": True})
    RunStore().finish("assumed", "escalated", stored.result, stored.model)
    refused("choose", "assumed", "accept", *SPONSOR, "--by", "Eve", *WHY, match="were assumed", code=2)


def test_nobody_accepts_what_a_guard_failed(refused, cli, open_store):
    record = open_store()
    stored = RunStore().run(record.run_id)
    guard = {"kind": "degenerate-decisions", "status": "failed", "reason": "selects everybody", "remedy": ""}
    RunStore().create("empty", stored.request)
    result = {**stored.result, "status": "failed", "guards": [guard]}
    RunStore().finish("empty", "failed", result, stored.model)
    refused(
        "choose", "empty", "accept", *SPONSOR, "--by", "Eve", *WHY,
        match="cannot be accepted by anybody: selects everybody", code=2,
    )  # fmt: skip
    assert not any(" accept " in line for line in cli("status", "empty", "--json").json[0]["next"])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("--gate", "escalation", *SPONSOR, "--by", "Eve"), "gate with approvals"),
        (("--gate", "gate-4", *SPONSOR, "--by", "Eve"), "role at gate-4"),
        (("--gate", "gate-4", "--role", "legal team", "--by", "NAME"), "stand for the name"),
        (
            ("--gate", "gate-4", "--role", "product owner", "--by", "Eve", "--concern", "accuracy"),
            "only for a rejection",
        ),
        (
            (
                *("--gate", "gate-4", "--role", "product owner", "--by", "Eve"),
                *("--reject", "--concern", "price"),
            ),
            "is not one of",
        ),
    ],
)
def test_approvals_that_are_not_recorded(refused, open_store, arguments, match):
    refused("approve", open_store().run_id, *arguments, match=match, code=(1, 2))


def test_concerns_are_those_of_the_vocabulary(cli):
    told = cli("approve", "--help").out
    assert all(concern in told for concern in CONCERNS)


# -- what a choice lets through -----------------------------------------------------------------------


def choose(option, role="executive sponsor", by="Eve", *more):
    note = () if option == "stop" else WHY
    return ("choose", "latest", option, "--role", role, "--by", by, *note, *more)


def reject(by="Bob"):
    return (
        *("approve", "latest", "--gate", "gate-4", "--role", "product owner", "--by", by),
        *("--reject", "--note", "not so"),
    )


ACCEPTED = "accepted as measured by Eve (executive sponsor): the gap is known"
# Each sequence of commands, the status that follows, the reason, and the exit code of report.
SEQUENCES = {
    "accepted": ([choose("accept")], "accepted as measured", ACCEPTED, 5),
    "accepted by both roles": (
        [choose("accept"), choose("accept", "legal team", "Lea")],
        "accepted as measured",
        "by Lea",
        5,
    ),
    "stopped": ([choose("stop")], "stopped", "stopped by Eve (executive sponsor)", 4),
    "one role accepts, the other stops": (
        [choose("accept"), choose("stop", "legal team", "Lea")],
        "stopped",
        "stopped by Lea",
        4,
    ),
    "one role stops, the other accepts": (
        [choose("stop", "legal team", "Lea"), choose("accept")],
        "stopped",
        "stopped by Lea",
        4,
    ),
    "stopped, then accepted by the same": (
        [choose("stop"), choose("accept")],
        "accepted as measured",
        ACCEPTED,
        5,
    ),
    "accepted, then stopped by the same": ([choose("accept"), choose("stop")], "stopped", "by Eve", 4),
    "stopped, and overruled with an answer": (
        [choose("stop"), choose("accept", "executive sponsor", "Dan", "--answer", "the board agreed")],
        "accepted as measured",
        "accepted as measured by Dan",
        5,
    ),
    "accepted, then rejected by a stakeholder": (
        [choose("accept"), reject()],
        "rejected",
        "gate-4 was rejected by Bob",
        4,
    ),
    "rejected by a stakeholder, then accepted": (
        [reject(), choose("accept")],
        "accepted as measured",
        ACCEPTED,
        5,
    ),
    "sent back": (
        [choose("send-back", "executive sponsor", "Eve", "--concern", "accuracy")],
        "rejected",
        "sent back by Eve (executive sponsor), concern: accuracy",
        4,
    ),
    "accepted by one role, sent back by the other": (
        [choose("accept"), choose("send-back", "legal team", "Lea", "--concern", "evidence")],
        "rejected",
        "sent back by Lea",
        4,
    ),
}


@pytest.mark.parametrize("case", SEQUENCES)
def test_what_follows_from_choices(cli, arena, open_store, case):
    commands, status, reason, code = SEQUENCES[case]
    open_store()
    for command in commands:
        done = cli(*command)
        assert done.code == 0, done.err
    [now] = cli("status", "latest", "--json").json
    assert now["status"] == status
    assert reason in now["reason"]
    accepted = status == "accepted as measured"
    assert bool(now["next"]) is (status == "rejected")
    pd.read_csv("jobs.csv").drop(columns="hired").head(50).to_csv("new.csv", index=False)
    done = cli("predict", "latest", "--data", "new.csv")
    assert (done.code == 0) is accepted
    if accepted:
        assert list(pd.read_csv(io.StringIO(done.out)).columns) == ["score", "decision"]
    told = cli("report", "latest", "-o", "report")
    assert told.code == code, told.err
    assert status in (arena / "report" / "report.md").read_text()
    if status in {"accepted as measured", "stopped"}:
        done = cli("resume", "latest", "--json")
        assert (done.code, done.json["status"]) == (code, status)


def test_a_stop_by_another_person_is_not_passed_over_in_silence(cli, refused, open_store):
    open_store()
    assert cli(*choose("stop")).code == 0
    refused(*choose("accept", "executive sponsor", "Dan"), match="stopped by Eve.*--answer", code=2)


def test_a_choice_holds_for_the_rule_that_it_was_made_on(cli, open_store):
    record = open_store()
    stored = RunStore().run(record.run_id)
    assert cli(*choose("accept")).code == 0
    rules = {**stored.result["presented_rules"], "escalation": "0123456789ab"}
    RunStore().finish(stored.run_id, "escalated", {**stored.result, "presented_rules": rules}, stored.model)
    assert cli("status", stored.run_id, "--json").json[0]["status"] == "escalated"


# -- options ------------------------------------------------------------------------------------------


@pytest.fixture
def with_options(cli, arena, open_store):
    """An escalated run with two options, of which only the first is stored: the plain model."""
    record = open_store()
    store = RunStore()
    stored = store.run(record.run_id)
    plain = load_deployed(store, record.run_id, Registry.installed(), even_so=True)
    plain.model_ = replace(plain.model_, postprocessors=())
    artifact = Checkpoint(store, record.run_id).put_model(plain)
    options = [
        {"id": "option-1", "artifact": artifact, "text": "Accept the plain model: ratio 0.711"},
        {"id": "option-2", "artifact": "", "text": "Accept another"},
    ]
    store.finish(record.run_id, "escalated", {**stored.result, "options": options}, stored.model)
    frame = pd.read_csv("jobs.csv").drop(columns="hired")
    frame.drop(columns="sex").head(50).to_csv("plain.csv", index=False)
    frame.head(50).to_csv("new.csv", index=False)
    return record


def test_a_chosen_option_is_what_decides(cli, refused, arena, with_options):
    told = cli("choose", "latest", "option-1", *SPONSOR, "--by", "Eve", *WHY)
    assert told.code == 0
    [now] = cli("status", "latest", "--json").json
    assert now["status"] == "option chosen"
    assert "decided for option-1 by Eve" in now["reason"]
    assert "Accept the plain model: ratio 0.711" in now["reason"]
    found = cli(
        "predict", "latest", "--data", "plain.csv"
    )  # the rule that was escalated would need the column
    assert found.code == 0, found.err
    assert set(pd.read_csv(io.StringIO(found.out)).columns) == {"score", "decision"}
    assert cli("choose", "latest", "accept", *SPONSOR, "--by", "Eve", *WHY).code == 0
    refused("predict", "latest", "--data", "plain.csv", match="reads sex for every decision")


def test_every_measured_option_can_be_chosen(cli, arena, open_store):
    record = open_store()
    pd.read_csv("jobs.csv").drop(columns="hired").to_csv("new.csv", index=False)
    rates = []
    assert len(record.options) > 1
    for option in record.options:
        assert cli("choose", "latest", option.id, *SPONSOR, "--by", "Eve", *WHY).code == 0
        [now] = cli("status", "latest", "--json").json
        assert (now["status"], option.text in now["reason"]) == ("option chosen", True)
        found = cli("predict", "latest", "--data", "new.csv")
        assert found.code == 0, found.err
        rates.append(pd.read_csv(io.StringIO(found.out))["decision"].mean())
    assert len(set(rates)) > 1
    done = cli("report", "latest", "-o", "report")
    assert done.code == 5
    told = (arena / "report" / "report.md").read_text()
    assert "People chose another option" in told
    assert "are among the options" in told


def test_a_choice_holds_for_the_options_as_they_were(cli, open_store):
    record = open_store()
    stored = RunStore().run(record.run_id)
    assert cli("choose", "latest", "option-1", *SPONSOR, "--by", "Eve", *WHY).code == 0
    shown = Presentation({"escalation": stored.result["presented_rules"]["escalation"]}, {})
    rules = {**stored.result["presented_rules"], **shown.with_options(["another option"])}
    RunStore().finish(stored.run_id, "escalated", {**stored.result, "presented_rules": rules}, stored.model)
    assert cli("status", "latest", "--json").json[0]["status"] == "escalated"


@pytest.mark.parametrize("option", ["option-2", "option-3", "option-1 ", "1", "Option-1"])
def test_an_option_that_is_not_stored_cannot_be_chosen(refused, with_options, option):
    refused("choose", "latest", option, *SPONSOR, "--by", "Eve", *WHY, match="option of run-")


def test_roles_that_choose_differently_leave_the_run_escalated(cli, refused, with_options):
    assert cli("choose", "latest", "option-1", *SPONSOR, "--by", "Eve", *WHY).code == 0
    assert cli("choose", "latest", "accept", "--role", "legal team", "--by", "Lea", *WHY).code == 0
    assert cli("status", "latest", "--json").json[0]["status"] == "escalated"
    refused("predict", "latest", "--data", "new.csv", match="is escalated")


def test_the_options_are_among_the_commands(cli, with_options):
    commands = cli("status", "latest", "--json").json[0]["next"]
    assert [c.split()[3] for c in commands[:2]] == ["accept", "option-1"]
    assert not any("option-2" in command for command in commands)


# -- forged choices -----------------------------------------------------------------------------------

FORGERIES = {
    "a role added to the record": (
        "UPDATE runs SET result = json_set(result, '$.escalated_to', json('[\"intern\"]'))"
    ),
    "the status": "UPDATE runs SET status = 'accepted as measured'",
    "the fingerprint of another rule": (
        "UPDATE runs SET result = json_set(result, '$.presented_rules.escalation', 'abc')"
    ),
    "a choice in the log": (
        "INSERT INTO log SELECT run_id, place + 1, json_set(entry, '$.what', 'approval', '$.gate', 'escalation',"
        " '$.role', 'executive sponsor', '$.by', 'Eve', '$.approved', json('true'), '$.option', 'accept'), hash,"
        " hash, signer, signature FROM log ORDER BY place DESC LIMIT 1"
    ),
    "another response": (
        "UPDATE log SET entry = json_set(entry, '$.changes', json('{\"n_boot\": 1}'))"
        " WHERE json_extract(entry, '$.what') = 'response'"
    ),
    "an objection left out": "DELETE FROM log WHERE json_extract(entry, '$.what') = 'approval'",
}


@pytest.mark.parametrize("case", FORGERIES)
@pytest.mark.parametrize("command", ["choose", "predict"])
def test_a_forged_choice_is_found(refused, arena, open_store, case, command):
    open_store()
    [path] = (arena.parent / "store").glob("runs.sqlite")
    with sqlite3.connect(path) as db:
        assert db.execute(FORGERIES[case]).rowcount
    db.close()
    pd.read_csv("jobs.csv").head(5).to_csv("new.csv", index=False)
    arguments = (
        choose("accept") if command == "choose" else ("predict", "latest", "--data", "new.csv", "--even-so")
    )
    refused(*arguments, match="was changed|log of", code=1)


# -- the commands that a run prints --------------------------------------------------------------------


def test_the_printed_commands_answer_the_run(cli, arena, waiting):
    shutil.copytree(waiting[0], arena.parent / "store")
    [now] = cli("status", "latest", "--json").json
    assert len(now["next"]) == 4
    assert now["next"][-1] == f"fairmend resume {now['run_id']}"
    assert all(command in cli("status", "latest").out for command in now["next"])
    for command in now["next"][:-1]:
        program, *words = shlex.split(command)
        assert program == "fairmend"
        refusal = cli(*words)
        assert (refusal.code, len(refusal.errors)) == (2, 1)
        assert cli(*(word if word != "NAME" else "Ann" for word in words)).code == 0
    assert cli("status", "latest", "--json").json[0]["next"] == now["next"][-1:]


def test_an_escalated_run_prints_what_its_deciders_can_say(cli, arena, open_store):
    record = open_store()
    commands = cli("status", "latest", "--json").json[0]["next"]
    options = ["accept", *(o.id for o in record.options)]
    assert [c.split()[3] for c in commands[:-1]] == [*options, "send-back", "stop", "accept"]
    assert "--role 'executive sponsor'" in commands[0]
    assert "--role 'legal team'" in commands[-2]
    assert "--gate gate-4 --role 'legal team' --by NAME --answer TEXT" in commands[-1]
    assert record.next_commands() == commands
    told = cli("report", "latest", "-o", "report")
    assert told.code == 4
    for name in ("report.md", "report.html"):
        text = (arena / "report" / name).read_text()
        assert f"choose {record.run_id} accept" in text


# -- sent back -------------------------------------------------------------------------------------------


def test_a_run_that_is_sent_back_is_presented_to_everybody_again(open_store, cli):
    record = open_store()
    sent = choose("send-back", "executive sponsor", "Eve", "--concern", "accuracy")
    assert cli(*sent).code == 0
    again = resume(record.run_id, store=RunStore(), registry=Registry.installed())
    assert again.status == "waiting"
    assert again.presented_rules["gate-4"] != record.presented_rules["gate-4"]
    assert states(again) == {"Pia": "for an earlier rule", "Lea": "answered", "Eve": "answered"}
    assert open_roles(again) == ["product owner", "compliance officer", "legal team"]
    assert any("the run was sent back by Eve" in note for note in again.notes)


def test_a_run_that_is_sent_back_in_vain_is_escalated_again(open_store, cli):
    record = open_store()
    assert cli(*choose("send-back", "executive sponsor", "Eve", "--concern", "other")).code == 0
    assert cli("status", "latest", "--json").json[0]["status"] == "rejected"
    again = resume(record.run_id, store=RunStore(), registry=Registry.installed())
    assert again.status == "escalated"
    assert cli("status", "latest", "--json").json[0]["status"] == "escalated"
    assert cli(*choose("accept")).code == 0
    assert cli("status", "latest", "--json").json[0]["status"] == "accepted as measured"


def test_objections_are_answered_as_often_as_the_policy_iterates(open_store):
    record = open_store()
    store = RunStore()
    for _ in range(3):
        store.respond(record.run_id, 1, "changed", {"n_boot": FAST["n_boot"]}, met=False)
    said = {"role": "compliance officer", "by": "Cy", "approved": False, "concern": "accuracy"}
    approve(store, record.run_id, **GATE, **said)
    again = resume(record.run_id, store=store, registry=Registry.installed())
    assert again.status == "escalated"
    assert [a.response for a in again.approvals if a.by == "Cy"] == ["iteration limit (3) reached"]


# -- approvals at each gate -------------------------------------------------------------------------------


def test_nobody_approves_what_was_not_shown_yet(folder, tmp_path, cli, monkeypatch):
    monkeypatch.setenv("FAIRMEND_HOME", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gates.yaml").write_text(
        "{policy: gates, title: At each gate, extends: playbook, approvals: at_gate}"
    )
    spec = load_spec(folder / "light.yaml")
    graph = Step(technique=53, slug="causal-graph-construction", stage="causal")
    spec = spec.model_copy(update={"steps": (graph, *spec.steps), "policy": "gates.yaml"})
    data = Dataset.read(folder / "jobs.csv", spec.roles)
    store, registry = RunStore(), Registry.installed()
    first = begin(spec, data, store=store, registry=registry, path=folder / "jobs.csv", **FAST)
    assert (first.status, set(first.presented_rules)) == ("waiting", {"gate-1"})
    early = cli("approve", "latest", "--gate", "gate-4", "--role", "legal team", "--by", "Lea")
    assert early.code == 2
    assert "has nothing to decide on yet" in early.err
    for role in ("domain expert", "compliance officer"):
        approve(store, first.run_id, gate="gate-1", role=role, by=role, approved=True)
    second = resume(first.run_id, store=store, registry=registry)
    assert second.status == "waiting"
    assert set(states(second).values()) == {"holds"}
    assert second.presented_rules["gate-1"] == first.presented_rules["gate-1"]
    assert [c.split()[4] for c in second.next_commands()[:-1]] == ["gate-4"] * 3
    approve(store, first.run_id, **GATE, role="legal team", by="Lea", approved=False, note=WORDS)
    third = resume(first.run_id, store=store, registry=registry)
    assert third.status == "escalated"
    assert WORDS in third.reason
    assert not any(t.kind == "rollback" and "stakeholders" in t.reason for t in third.transitions)
