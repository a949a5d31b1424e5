"""Changes to a stored run behind fairmend's back: each is found before anything is read from it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fairmend import api
from fairmend.catalog.registry import Registry
from fairmend.core.errors import FairmendError
from fairmend.pipeline.run.run_status import approve
from fairmend.pipeline.spec import load_spec
from fairmend.pipeline.storage.chain import COLUMNS, SEAL, digest, link
from fairmend.pipeline.storage.database import MIGRATIONS, Database
from fairmend.pipeline.storage.keys import Keyring, SigningKey
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.verification import verify
from fairmend.pipeline.stored_runs import begin, resume

from .conftest import tree

FAST = {"n_boot": 30, "n_permutations": 30}
# What no run reads, with the reason; everything else in the store must be covered.
ALLOWED_TABLES = {
    "sweeps": "describes a sweep; its name is the digest of its basis, and nothing reads the row",
    "trials": "outcomes of sweeps, which no run reads; each row is signed, see test_outcomes_of_a_sweep",
}
ALLOWED_FILES = {"locks": "empty files that keep a run to one process"}


def schema() -> dict[str, list[str]]:
    """Return the columns of every table, as a new store has them."""
    with tempfile.TemporaryDirectory() as made, Database(Path(made) / "runs.sqlite").open() as db:
        tables = [r["name"] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {t: [c["name"] for c in db.execute(f"PRAGMA table_info({t})")] for t in tables}


SCHEMA = schema()
COVERED = [(table, column) for table in SCHEMA if table not in ALLOWED_TABLES for column in SCHEMA[table]]
VERBS = {
    "verify": ("verify",),
    "resume": ("resume",),
    "predict": ("predict", "--data", "jobs.csv", "-o", "scored.csv", "--even-so"),
}
READERS = {
    **VERBS,
    "report": ("report", "-o", "report"),
    "approve": ("approve", "--gate", "gate-4", "--role", "legal team", "--by", "Someone"),
    "status": ("status",),
}


@dataclass
class Kept:
    """A store with two runs, one of which is attacked."""

    folder: Path
    run_id: str
    other: str

    @property
    def store(self) -> RunStore:
        return RunStore(self.folder)

    @contextlib.contextmanager
    def sql(self) -> Iterator[sqlite3.Connection]:
        """Open the file as an attacker would."""
        db = sqlite3.connect(self.folder / "runs.sqlite")
        db.row_factory = sqlite3.Row
        with contextlib.closing(db), db:
            yield db

    def rows(self, table: str, run_id: str | None = None) -> list[dict[str, Any]]:
        with self.sql() as db:
            found = db.execute(f"SELECT rowid, * FROM {table} WHERE run_id = ?", (run_id or self.run_id,))  # noqa: S608
            return [dict(row) for row in found]

    def set(self, table: str, rowid: int, column: str, value: object) -> None:
        with self.sql() as db:
            db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid))  # noqa: S608

    def edit(self, column: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Edit a JSON column of the run's row."""
        row = self.rows("runs")[0]
        found = json.loads(row[column])
        change(found)
        self.set("runs", row["rowid"], column, json.dumps(found))

    def events(self) -> Path:
        return self.folder / "events" / f"{self.run_id}.jsonl"

    def artifacts(self) -> list[Path]:
        """Return the files that belong to the attacked run and to no other."""
        texts = {
            run: json.dumps([self.rows(t, run) for t in ("runs", "steps")])
            for run in (self.run_id, self.other)
        }
        files = sorted((self.folder / "artifacts").glob("*/*"))
        return [f for f in files if f.name in texts[self.run_id] and f.name not in texts[self.other]]


@pytest.fixture(scope="session")
def original(folder, jobs_csv, tmp_path_factory) -> Kept:
    """Two runs that wait, one with an approval; everything that a store can hold of a run is there."""
    where = tmp_path_factory.mktemp("tampering") / "store"
    spec, registry = load_spec(folder / "light.yaml"), Registry.installed()
    data = api.dataset(jobs_csv, **spec.roles.model_dump())
    store = RunStore(where)
    first, second = (
        begin(spec.model_copy(update={"seed": seed}), data, store=store, registry=registry, **FAST).run_id
        for seed in (0, 1)
    )
    for run_id in (first, second):
        approve(store, run_id, gate="gate-4", role="product owner", by="A. Person", approved=True)
    return Kept(where, first, second)


@pytest.fixture
def kept(original, arena, tmp_path) -> Kept:
    """A copy of them in the store of the command line."""
    shutil.copytree(original.folder, tmp_path / "store")
    return Kept(tmp_path / "store", original.run_id, original.other)


def said(kept: Kept) -> str:
    """Return why the run is refused."""
    with pytest.raises(FairmendError) as caught:
        verify(kept.store, kept.run_id)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def command(verb: str, run_id: str) -> list[str]:
    name, *rest = READERS[verb]
    return [name, run_id, *rest]


def test_an_untouched_run_is_read_by_all(kept, cli):
    for verb in READERS:
        done = cli(*command(verb, kept.run_id))
        assert done.code in {0, 3}, f"{verb}: {done.err}"
        assert not done.errors


def test_every_table_of_a_run_is_attacked(kept):
    for table in SCHEMA:
        assert table in ALLOWED_TABLES or kept.rows(table), f"the run has no row in {table}"


# -- each column, row and file ----------------------------------------------------------------------


def forged(value: object) -> list[object]:
    """Return values to put in the place of one."""
    if isinstance(value, int):
        return [value + 1000, str(value) + "x", None]
    text = "" if value is None else str(value)
    return [text + "x", text.encode(), "" if text else "x", None]


@pytest.mark.parametrize(("table", "column"), COVERED)
@pytest.mark.parametrize("verb", VERBS)
def test_a_changed_column_is_found(kept, refused, table, column, verb):
    row = kept.rows(table)[-1]
    value = forged(row[column])[0]
    kept.set(table, row["rowid"], column, value)
    refused(*command(verb, kept.run_id), match=kept.run_id, code=1)


@pytest.mark.parametrize(("table", "column"), COVERED)
def test_no_row_and_no_kind_of_value_escapes(kept, table, column):
    tried = 0
    for row in kept.rows(table):
        for value in forged(row[column]):
            if value == row[column]:
                continue
            try:
                kept.set(table, row["rowid"], column, value)
            except sqlite3.IntegrityError:
                continue  # the table takes no such value
            if kept.rows(table) == [] or {r["rowid"]: r for r in kept.rows(table)}.get(row["rowid"]) != row:
                said(kept)
                tried += 1
            kept.set(table, row["rowid"], column, row[column])
    assert tried
    assert verify(kept.store, kept.run_id).run_id == kept.run_id


@pytest.mark.parametrize("table", [t for t in SCHEMA if t not in ALLOWED_TABLES])
@pytest.mark.parametrize("verb", VERBS)
def test_a_deleted_row_is_found(kept, refused, table, verb):
    with kept.sql() as db:
        rowid = kept.rows(table)[-1]["rowid"]
        db.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))  # noqa: S608
    refused(*command(verb, kept.run_id), match=kept.run_id, code=1)


@pytest.mark.parametrize("table", ["log", "steps"])
@pytest.mark.parametrize("which", ["first", "middle", "last", "all"])
def test_no_deleted_row_escapes(kept, table, which):
    rows = kept.rows(table)
    gone = {"first": rows[:1], "middle": rows[len(rows) // 2 :][:1], "last": rows[-1:], "all": rows}[which]
    with kept.sql() as db:
        for row in gone:
            db.execute(f"DELETE FROM {table} WHERE rowid = ?", (row["rowid"],))  # noqa: S608
    said(kept)


@pytest.mark.parametrize("table", ["log", "steps"])
def test_a_row_that_was_put_in_is_found(kept, table):
    row = {k: v for k, v in kept.rows(table)[-1].items() if k != "rowid"}
    row |= {"place": row["place"] + 1} if table == "log" else {"trace": "f" * 64}
    insert(kept, table, row)
    said(kept)


def insert(kept: Kept, table: str, row: dict[str, Any]) -> None:
    marks = ", ".join("?" * len(row))
    with kept.sql() as db:
        db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608


HARM: dict[str, Callable[[Path], object]] = {
    "a byte changed": lambda p: p.write_bytes(
        p.read_bytes()[:40] + bytes([p.read_bytes()[40] ^ 1]) + p.read_bytes()[41:]
    ),
    "cut short": lambda p: p.write_bytes(p.read_bytes()[:-1]),
    "emptied": lambda p: p.write_bytes(b""),
    "added to": lambda p: p.write_bytes(p.read_bytes() + b'{"event": "gate"}\n'),
    "deleted": lambda p: p.unlink(),
    "made a folder": lambda p: (p.unlink(), p.mkdir()),
}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("kind", ["events", "artifact"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_changed_file_is_found(kept, refused, kind, harm, verb):
    HARM[harm](kept.events() if kind == "events" else kept.artifacts()[-1])
    refused(*command(verb, kept.run_id), match="changed|modified|missing|added|cannot be read", code=1)


@pytest.mark.parametrize("harm", HARM)
def test_no_file_escapes(kept, harm):
    files = kept.artifacts()
    assert len(files) >= 3
    for path in files:
        content = path.read_bytes()
        HARM[harm](path)
        said(kept)
        if path.is_dir():
            path.rmdir()
        path.write_bytes(content)
    assert verify(kept.store, kept.run_id).files >= len(files)


def test_every_kind_of_file_is_attacked(kept):
    kinds = {p.relative_to(kept.folder).parts[0] for p in kept.folder.rglob("*") if p.is_file()}
    assert kinds - set(ALLOWED_FILES) == {"runs.sqlite", "events", "artifacts"}


def test_the_other_run_stands_alone(kept):
    kept.edit("result", lambda r: r.update(status="deployable"))
    said(kept)
    assert verify(kept.store, kept.other).run_id == kept.other


# -- what somebody would want to change ---------------------------------------------------------------


def _first_check(request: dict[str, Any]) -> dict[str, Any]:
    return request["policy"]["gates"][-1]["checks"][0]


EDITS: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "a figure of the result": ("result", lambda r: r["final"]["accuracy"].update(value=0.99)),
    "the verdict of a gate": ("result", lambda r: r["gates"][-1].update(verdict="never mind")),
    "the reason": ("result", lambda r: r.update(reason="every required check passed")),
    "a gate taken out": ("result", lambda r: r["gates"].pop()),
    "an approval in the result": ("result", lambda r: r["approvals"].append({"by": "CEO"})),
    "a required check advised": ("request", lambda r: _first_check(r).update(level="advise")),
    "checks taken out": ("request", lambda r: r["policy"]["gates"][-1]["checks"].clear()),
    "approvals assumed": ("request", lambda r: r.update(assume_approved=True)),
    "another seed": ("request", lambda r: r["pipeline"].update(seed=7)),
    "other roles": ("request", lambda r: r["data"]["roles"].update(protected=["years"])),
    "other data": ("request", lambda r: r["data"].update(sha256="0" * 64)),
    "a step taken out": ("request", lambda r: r["pipeline"]["steps"].pop()),
    "fewer replicates": ("request", lambda r: r.update(n_boot=1)),
    "a model given": ("request", lambda r: r.update(model="0" * 64)),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("verb", READERS)
def test_an_edit_is_found_by_every_reader(kept, refused, edit, verb):
    column, change = EDITS[edit]
    kept.edit(column, change)
    refused(*command(verb, kept.run_id), match=f"{column} of {kept.run_id} was changed", code=1)


@pytest.mark.parametrize("status", ["deployable", "running", "failed", "", "x"])
def test_another_status_is_found(kept, status):
    kept.set("runs", kept.rows("runs")[0]["rowid"], "status", status)
    assert "status" in said(kept)


def test_the_model_of_another_run_is_found(kept, refused):
    kept.set("runs", kept.rows("runs")[0]["rowid"], "model", kept.rows("runs", kept.other)[0]["model"])
    refused(*command("predict", kept.run_id), match=f"model of {kept.run_id} was changed", code=1)


def test_a_model_under_the_name_of_another_is_found(kept, refused):
    mine, other = (kept.rows("runs", run)[0]["model"] for run in (kept.run_id, kept.other))
    files = kept.folder / "artifacts"
    shutil.copy(files / other[:2] / other, files / mine[:2] / mine)
    refused(*command("predict", kept.run_id), match="was modified", code=1)


def test_the_rows_of_another_run_under_this_name_are_found(kept):
    with kept.sql() as db:
        for table in ("runs", "log", "steps"):
            db.execute(f"DELETE FROM {table} WHERE run_id = ?", (kept.run_id,))  # noqa: S608
            db.execute(f"UPDATE {table} SET run_id = ? WHERE run_id = ?", (kept.run_id, kept.other))  # noqa: S608
    (kept.folder / "events" / f"{kept.other}.jsonl").rename(kept.events())
    assert "changed at entry 1" in said(kept)


# -- forgers ------------------------------------------------------------------------------------------


def rewrite(kept: Kept, key: SigningKey, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Write the log anew with a key: changed entries, new seals, hashes and signatures, and the new head."""
    entries = [json.loads(row["entry"]) for row in kept.rows("log")]
    change(entries)
    run = kept.rows("runs")[0]
    for entry in entries:
        for column in entry[SEAL]["run"]:
            if column != "status" or entry is entries[-1]:
                entry[SEAL]["run"][column] = digest(run[column])
    with kept.sql() as db:
        db.execute("DELETE FROM log WHERE run_id = ?", (kept.run_id,))
    before = ""
    for place, entry in enumerate(entries):
        row = link(kept.run_id, place, json.dumps(entry, sort_keys=True), before, key)
        insert(kept, "log", {"run_id": kept.run_id, **{name: row[name] for name in COLUMNS}})
        before = row["hash"]
    kept.set("runs", run["rowid"], "head", before)
    kept.set("runs", run["rowid"], "entries", len(entries))


def ownless(tmp_path: Path) -> SigningKey:
    """Return a key that the user does not have."""
    return Keyring(tmp_path / "forger").signing()


def as_owner(key: SigningKey) -> SigningKey:
    """Return a key that claims to be the user's."""
    own = Keyring().own()
    assert own is not None
    return SigningKey(own.public, key._private)


def deploy(entries: list[dict[str, Any]]) -> None:
    entries[-2].update(status="deployable", reason="fine")


def approved(entries: list[dict[str, Any]]) -> None:
    entries.append({**entries[-1], "role": "legal team", "by": "CEO"})


def nothing(entries: list[dict[str, Any]]) -> None:
    pass


@pytest.mark.parametrize("change", [nothing, deploy, approved])
@pytest.mark.parametrize("verb", VERBS)
def test_a_record_written_anew_with_another_key_is_found(kept, refused, tmp_path, change, verb):
    kept.edit("result", lambda r: r.update(status="deployable"))
    rewrite(kept, ownless(tmp_path), change)
    refused(*command(verb, kept.run_id), match="signed by a key that you do not trust", code=1)


@pytest.mark.parametrize("change", [nothing, deploy, approved])
@pytest.mark.parametrize("verb", VERBS)
def test_a_record_written_anew_in_the_name_of_the_owner_is_found(kept, refused, tmp_path, change, verb):
    kept.edit("result", lambda r: r.update(status="deployable"))
    rewrite(kept, as_owner(ownless(tmp_path)), change)
    refused(*command(verb, kept.run_id), match="signature does not match", code=1)


def test_the_forger_of_these_tests_is_thorough(kept):
    kept.edit("result", lambda r: r.update(reason="fine"))
    own = Keyring().own()
    assert own is not None
    rewrite(kept, own, approved)
    assert len(verify(kept.store, kept.run_id).entries) == len(kept.rows("log"))


def test_a_key_in_the_store_is_not_believed(kept, refused, tmp_path):
    forger = ownless(tmp_path)
    rewrite(kept, forger, approved)
    (kept.folder / "trusted.json").write_text(json.dumps({"me": forger.public}))
    (kept.folder / "keys").mkdir()
    (kept.folder / "keys" / "trusted.json").write_text(json.dumps({"me": forger.public}))
    refused("verify", kept.run_id, match="that you do not trust", code=1)


@pytest.mark.parametrize("key", ["forger", "owner"])
def test_a_forged_approval_at_the_end_is_found(kept, refused, tmp_path, key):
    forger = ownless(tmp_path)
    last = kept.rows("log")[-1]
    entry = {**json.loads(last["entry"]), "role": "legal team"}
    signer = as_owner(forger) if key == "owner" else forger
    row = link(kept.run_id, last["place"] + 1, json.dumps(entry), last["hash"], signer)
    insert(kept, "log", {"run_id": kept.run_id, **row})
    run = kept.rows("runs")[0]
    kept.set("runs", run["rowid"], "head", row["hash"])
    kept.set("runs", run["rowid"], "entries", run["entries"] + 1)
    refused(*command("resume", kept.run_id), match="that you do not trust|signature", code=1)


def test_an_approval_of_another_run_is_found(kept):
    last, other = kept.rows("log")[-1], kept.rows("log", kept.other)[-1]
    row = {k: v for k, v in other.items() if k != "rowid"}
    row |= {"run_id": kept.run_id, "place": last["place"] + 1, "before": last["hash"]}
    insert(kept, "log", row)
    run = kept.rows("runs")[0]
    kept.set("runs", run["rowid"], "head", row["hash"])
    kept.set("runs", run["rowid"], "entries", run["entries"] + 1)
    assert "changed at entry" in said(kept)


# -- anchors ------------------------------------------------------------------------------------------


def roll_back(kept: Kept) -> None:
    """Take the last entry out, and set the head to the one before: an earlier true state."""
    *_, before, last = kept.rows("log")
    with kept.sql() as db:
        db.execute("DELETE FROM log WHERE rowid = ?", (last["rowid"],))
    row = kept.rows("runs")[0]
    kept.set("runs", row["rowid"], "head", before["hash"])
    kept.set("runs", row["rowid"], "entries", row["entries"] - 1)


def test_a_store_set_back_is_found_by_an_anchor_alone(kept, cli, refused, tmp_path):
    head = verify(kept.store, kept.run_id).head
    anchor = tmp_path / "anchor.json"
    assert cli("verify", kept.run_id, "--write-anchor", anchor).code == 0
    roll_back(kept)
    assert cli("verify", kept.run_id).code == 0
    for known in (head, anchor):
        refused("verify", kept.run_id, "--anchor", known, match="does not contain the anchored head", code=1)


def test_an_anchor_stays_good_while_the_run_goes_on(kept, cli):
    head = verify(kept.store, kept.run_id).head
    assert cli(*command("approve", kept.run_id)).code == 0
    done = cli("verify", kept.run_id, "--anchor", head, "--json")
    assert done.code == 0
    assert done.json["head"] != head


ANCHORS = {
    "no such file": "nowhere.json",
    "a short head": "abc123",
    "a file without a head": "light.yaml",
    "a table": "jobs.csv",
}


@pytest.mark.parametrize("anchor", ANCHORS)
def test_what_is_no_anchor_is_refused(kept, refused, anchor):
    refused("verify", kept.run_id, "--anchor", ANCHORS[anchor], match="expected an anchor of 64", code=2)


def test_the_anchor_of_another_run_is_refused(kept, cli, refused, tmp_path):
    assert cli("verify", kept.other, "--write-anchor", tmp_path / "a.json").code == 0
    refused("verify", kept.run_id, "--anchor", tmp_path / "a.json", match=f"not of {kept.run_id}", code=2)
    other = verify(kept.store, kept.other).head
    refused("verify", kept.run_id, "--anchor", other, match="does not contain the anchored head", code=1)


# -- a damaged store ------------------------------------------------------------------------------------


def _statement(text: str) -> Callable[[Kept], None]:
    def harm(kept: Kept) -> None:
        with kept.sql() as db:
            db.executescript(text)

    return harm


def _file(content: Callable[[bytes], bytes]) -> Callable[[Kept], object]:
    def harm(kept: Kept) -> object:
        path = kept.folder / "runs.sqlite"
        return path.write_bytes(content(path.read_bytes()))

    return harm


def _as_version_2(kept: Kept) -> None:
    with kept.sql() as db:
        for table, columns in (("runs", ("head", "entries")), ("log", ("signer", "signature")),
                               ("trials", ("signer", "signature"))):  # fmt: skip
            for column in columns:
                db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 2")


DAMAGE: dict[str, tuple[Callable[[Kept], object], str]] = {
    "request not JSON": (_statement("UPDATE runs SET request = '{'"), "request of .* (was changed|is damaged)"),
    "request a list": (_statement("UPDATE runs SET request = '[]'"), "request of .* (was changed|is damaged)"),
    "request without keys": (_statement("UPDATE runs SET request = '{}'"), "request of .* (was changed|is damaged)"),
    "result not JSON": (_statement("UPDATE runs SET result = 'x'"), "result of .* (was changed|is damaged)"),
    "result taken out": (_statement("UPDATE runs SET result = NULL"), "result of .* was changed"),
    "log emptied": (_statement("DELETE FROM log"), "all entries of the log of .* were removed"),
    "runs emptied": (_statement("DELETE FROM runs"), "no run is called"),
    "no table of runs": (_statement("DROP TABLE runs"), r"runs\.\w+ is missing"),
    "no table of steps": (_statement("DROP TABLE steps"), r"steps\.\w+ is missing"),
    "no log": (_statement("DROP TABLE log"), r"log\.\w+ is missing"),
    "a column taken out": (_statement("ALTER TABLE log DROP COLUMN signature"), r"log\.signature is missing"),
    "the head taken out": (_statement("UPDATE runs SET head = NULL"), "log of .* was changed"),
    "signatures taken out": (_statement("UPDATE log SET signature = NULL"), "is not signed at entry 1"),
    "a text in its place": (_file(lambda _: b"not a database, but long enough to look like one" * 40), "not a database"),
    "a header alone": (_file(lambda raw: raw[:100]), "malformed|not a database|no run is called"),
    "half of it": (_file(lambda raw: raw[: len(raw) // 2]), "malformed|disk image|I/O"),
    "nothing left": (_file(lambda _: b""), "no run is called"),
    "a newer version": (_statement(f"PRAGMA user_version = {len(MIGRATIONS) + 1}"), "newer fairmend"),
    "a version without signatures": (_as_version_2, "without signatures"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("verb", READERS)
def test_a_damaged_store_is_a_clear_error(kept, refused, damage, verb):
    harm, pattern = DAMAGE[damage]
    harm(kept)
    refused(*command(verb, kept.run_id), match=pattern, code=1)


@pytest.mark.parametrize("column", ["request", "result"])
def test_one_damaged_run_does_not_hide_the_others(kept, cli, column):
    kept.set("runs", kept.rows("runs")[0]["rowid"], column, "{")
    done = cli("status", "--json")
    assert done.code == 0, done.err
    assert {r["run_id"]: r["status"] for r in done.json}[kept.run_id] == "changed"
    assert {r["run_id"]: r["status"] for r in done.json}[kept.other] == "waiting"


# -- kills, sweeps, archives ----------------------------------------------------------------------------


class Killed(BaseException):
    """Ends a run at once, as a signal would."""


def killed_at(event: str) -> Callable[[dict[str, Any]], None]:
    def tell(told: dict[str, Any]) -> None:
        if told["event"] == event:
            raise Killed

    return tell


@pytest.mark.parametrize("event", ["baseline", "stage", "step-start", "step", "gate", "decision", "done"])
def test_a_run_that_was_cut_off_is_whole_and_goes_on(folder, jobs_csv, tmp_path, event):
    spec, store, registry = load_spec(folder / "light.yaml"), RunStore(tmp_path), Registry.installed()
    data = api.dataset(jobs_csv, **spec.roles.model_dump())
    with pytest.raises(Killed):
        begin(spec, data, store=store, registry=registry, path=jobs_csv, observer=killed_at(event), **FAST)
    run_id = store.run("latest").run_id
    before = verify(store, run_id)
    with pytest.raises(Killed):
        resume(run_id, store=store, registry=registry, observer=killed_at(event))
    assert store.verified(run_id).status == "running"
    record = resume(run_id, store=store, registry=registry)
    found = verify(store, run_id)
    assert (record.status, record.head) == ("waiting", found.head)
    found.check_anchor(before.head)


def test_a_finished_run_whose_resumption_is_cut_off_keeps_its_result(kept):
    before = verify(kept.store, kept.run_id)
    with pytest.raises(Killed):
        resume(kept.run_id, store=kept.store, registry=Registry.installed(), observer=killed_at("stage"))
    after = verify(kept.store, kept.run_id)
    assert [e["what"] for e in after.entries[len(before.entries) :]] == ["resumed"]
    assert kept.store.verified(kept.run_id).result is not None


def test_events_of_a_cut_run_are_sealed_up_to_its_last_change(kept):
    with pytest.raises(Killed):
        resume(kept.run_id, store=kept.store, registry=Registry.installed(), observer=killed_at("gate"))
    path = kept.events()
    sealed = verify(kept.store, kept.run_id).entries[-1][SEAL]["events"][0]
    content = path.read_bytes()
    assert 0 < sealed < len(content)
    path.write_bytes(content[: sealed - 1] + b"x" + content[sealed:])
    assert "events" in said(kept)
    path.write_bytes(content[: sealed - 1])
    assert "events" in said(kept)


@pytest.mark.parametrize("column", SCHEMA["trials"])
def test_outcomes_of_a_sweep_are_signed(tmp_path, column):
    store = RunStore(tmp_path)
    store.trials.put("sweep-1", {"a": {"accuracy": 0.8}, "b": {"accuracy": 0.9}})
    assert store.trials.get("sweep-1") == {"a": {"accuracy": 0.8}, "b": {"accuracy": 0.9}}
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.sqlite")) as db, db:
        db.execute(f"UPDATE trials SET {column} = {column} || 'x' WHERE identity = 'b'")  # noqa: S608
    moved = "sweep-1x" if column == "sweep_id" else "sweep-1"
    with pytest.raises(FairmendError, match=f"a stored trial of {moved} was changed, or is signed by a key"):
        store.trials.get(moved)
    store.trials.forget(moved)
    assert store.trials.get(moved) == {}


def test_outcomes_of_a_sweep_that_a_stranger_signed_are_refused(tmp_path):
    RunStore(tmp_path / "store", Keyring(tmp_path / "forger")).trials.put("sweep-1", {"a": {}})
    with pytest.raises(FairmendError, match="--recompute"):
        RunStore(tmp_path / "store").trials.get("sweep-1")


def test_a_store_that_cannot_be_written_to_is_read(kept, cli, monkeypatch):
    def no_write(path: object, mode: int, **_: object) -> bool:
        return not mode & os.W_OK

    monkeypatch.setattr("fairmend.pipeline.storage.database.os.access", no_write)
    before = tree(kept.folder)
    for verb in ("verify", "status", "predict"):
        done = cli(*command(verb, kept.run_id))
        assert done.code == 0, done.err
    assert tree(kept.folder) == before
    done = cli(*command("approve", kept.run_id))
    assert (done.code, len(done.errors)) == (1, 1)
    assert "readonly database" in done.errors[0]
