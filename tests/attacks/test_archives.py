"""Kept runs under adverse conditions: no data file, a pipe, a read-only archive, a full disk, two processes."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import sqlite3
import stat
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from fairmend.cli import invoke
from fairmend.core.data.files import append
from fairmend.core.errors import StoreError
from fairmend.pipeline.storage import artifacts
from fairmend.pipeline.storage.run_store import RunStore

NOBODY = 65534
UNSTABLE = {"run_id", "seconds", "time", "head"}


def stable(value):
    """Return a record without times and ids."""
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in UNSTABLE}
    return [stable(v) for v in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def kept(tmp_path_factory, folder):
    """A store with a deployable run, and the data that it came from."""
    home = tmp_path_factory.mktemp("archive")
    for name in ("jobs.csv", "light.yaml"):
        shutil.copy(folder / name, home / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRMEND_HOME", str(home / "store"))
        run = ["run", str(home / "light.yaml"), "--data", str(home / "jobs.csv"), "--assume-approved"]
        assert invoke(run) == 0
    (home / "jobs.csv").unlink()
    return home / "store"


@pytest.fixture
def archive(arena, kept, monkeypatch):
    """A copy of the store whose data file is gone."""
    shutil.copytree(kept, arena.parent / "store")
    return arena.parent / "store"


# -- without the data ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("status", "latest"),
        ("verify", "latest"),
        ("resume", "latest"),
        ("resume", "latest", "--json"),
        ("resume", "latest", "--report", "report"),
        ("report", "latest", "-o", "report"),
        ("predict", "latest", "--data", "jobs.csv"),
    ],
    ids=" ".join,
)
def test_a_finished_run_needs_no_data(cli, archive, command):
    before = RunStore().run("latest").result
    done = cli(*command)
    assert done.code == 0, done.err
    assert RunStore().run("latest").result == before
    if "--json" in command:
        assert done.json == before
    if "report" in command[-1]:
        assert json.loads(Path("report/run.json").read_text()) == before
        assert "deployable" in Path("report/report.md").read_text()


def test_a_finished_run_is_read_and_not_computed(cli, archive, monkeypatch):
    monkeypatch.setattr("fairmend.pipeline.stored_runs.execution.run", None)
    assert cli("resume", "latest").code == 0


def test_a_record_that_does_not_agree_with_its_result_is_not_reported(archive):
    from fairmend import api
    from fairmend.pipeline.stored_runs import read_record

    store = RunStore()
    run = store.run("latest")
    assert read_record(store, run, api.registry()) is not None
    run.result["final"]["accuracy"]["value"] += 0.1
    assert read_record(store, run, api.registry()) is None


def test_a_run_from_a_pipe_is_resumed(cli, arena):
    os.mkfifo("pipe.csv")
    writer = threading.Thread(target=lambda: Path("pipe.csv").write_bytes(Path("jobs.csv").read_bytes()))
    writer.start()
    waiting = cli("run", "light.yaml", "--data", "pipe.csv", "--json")
    writer.join()
    assert waiting.code == 3, waiting.err
    Path("pipe.csv").unlink()
    decision = ("approve", "latest", "--gate", "gate-1", "--role", "domain expert", "--by", "Ada")
    assert cli(*decision).code == 0
    again = cli("resume", "latest", "--json")
    assert again.code == 3, again.err
    assert stable(again.json["final"]) == stable(waiting.json["final"])
    assert len(again.json["approvals"]) == 1


def test_a_waiting_run_whose_data_are_gone_says_so(cli, arena, refused):
    assert cli("run", "light.yaml", "--data", "jobs.csv").code == 3
    decision = ("approve", "latest", "--gate", "gate-1", "--role", "domain expert", "--by", "Ada")
    assert cli(*decision).code == 0
    Path("jobs.csv").unlink()
    refused("resume", "latest", match=r"there is no file .*jobs\.csv", code=1)


def test_the_latest_run_is_the_last_one_entered(archive):
    store = RunStore()
    request = store.run("latest").request
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fairmend.pipeline.storage.run_store.datetime", Past)
        store.create("run-of-a-slow-clock", request)
    assert store.run("latest").run_id == "run-of-a-slow-clock"
    assert store.runs()[0].run_id == "run-of-a-slow-clock"


class Past:
    """A clock that was set back."""

    @staticmethod
    def now(zone):
        from datetime import datetime

        return datetime(1999, 1, 1, tzinfo=zone)


# -- an archive that cannot be written to -------------------------------------------------------------


@contextmanager
def read_only(folder: Path):
    """Take away the right to write to a folder; root, whom that does not stop, becomes nobody meanwhile."""
    parts = [folder, *folder.rglob("*")]
    modes = {part: stat.S_IMODE(part.stat().st_mode) for part in parts}
    is_root = os.getuid() == 0
    for part in parts:
        part.chmod(0o555 if part.is_dir() else 0o444)
    if is_root:
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        with pytest.raises(PermissionError):
            (folder / "written").touch()
        yield
    finally:
        if is_root:
            os.setresuid(0, 0, 0)
        for part, mode in modes.items():
            part.chmod(mode)


@pytest.fixture
def public(kept, monkeypatch, cli, jobs_csv):
    """A copy of the store, with a folder for output, where every user can read; trusted by every user."""
    with tempfile.TemporaryDirectory(prefix="archive-") as made:
        here = Path(made)
        here.chmod(0o755)
        store = here / "store"
        shutil.copytree(kept, store)
        shutil.rmtree(store / "locks")
        out = here / "out"
        out.mkdir()
        out.chmod(0o777)
        keys = here / "config" / "fairmend" / "keys"
        shutil.copytree(RunStore(store).keyring.folder, keys)
        if os.getuid() == 0:
            for part in (keys, *keys.iterdir()):
                os.chown(part, NOBODY, NOBODY)
        shutil.copy(jobs_csv, here / "jobs.csv")
        monkeypatch.setenv("FAIRMEND_HOME", str(store))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(here / "config"))
        monkeypatch.chdir(here)
        assert cli("verify", "latest").code == 0  # loads all that the commands need
        yield store


READING = {
    "status": ("status",),
    "status of a run": ("status", "latest", "--json"),
    "verify": ("verify", "latest"),
    "resume": ("resume", "latest", "--json"),
    "report": ("report", "latest", "-o", "out/report"),
    "predict": ("predict", "latest", "--data", "jobs.csv"),
}


@pytest.mark.parametrize("command", READING)
def test_an_archive_is_read_where_nothing_can_be_written(cli, public, command):
    assert cli(*READING[command]).code == 0
    shutil.rmtree("out/report", ignore_errors=True)
    before = sorted(p.name for p in public.rglob("*"))
    with read_only(public):
        done = cli(*READING[command])
    assert done.code == 0, done.err
    assert sorted(p.name for p in public.rglob("*")) == before


@pytest.mark.parametrize(
    "command",
    [
        ("approve", "latest", "--gate", "gate-1", "--role", "domain expert", "--by", "Ada"),
        ("run", "light.yaml", "--data", "jobs.csv"),
    ],
    ids=["approve", "run"],
)
def test_an_archive_is_not_written_to(cli, public, folder, command):
    shutil.copy(folder / "light.yaml", public.parent / "light.yaml")
    with read_only(public):
        done = cli(*command)
    assert done.code in {1, 2}
    assert len(done.errors) == 1, done.err
    assert "Traceback" not in done.err


# -- a full disk --------------------------------------------------------------------------------------


class Disk:
    """Counts what a run writes, and is full from the k-th write on."""

    def __init__(self, patch: pytest.MonkeyPatch, full_at: int | None = None) -> None:
        self.full_at = full_at
        self.writes = 0
        fsync, connect = os.fsync, sqlite3.connect
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql, *given):
                if sql.lstrip().startswith(("INSERT", "UPDATE", "COMMIT")):
                    disk.write(sqlite3.OperationalError("database or disk is full"))
                return super().execute(sql, *given)

        def synced(handle):
            disk.write(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            fsync(handle)

        def appended(path, content):
            try:
                disk.write(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            except OSError as error:
                raise StoreError(f"{path} cannot be written: {error.strerror}") from error
            append(path, content)

        patch.setattr(artifacts.os, "fsync", synced)
        patch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Connection))
        patch.setattr("fairmend.pipeline.stored_runs.execution.append", appended)

    def write(self, error: Exception) -> None:
        self.writes += 1
        if self.full_at is not None and self.writes >= self.full_at:
            raise error


RUN = ("run", "light.yaml", "--data", "jobs.csv", "--assume-approved", "--json")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, folder):
    """How often an undisturbed run writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRMEND_HOME", str(tmp_path_factory.mktemp("undisturbed")))
        disk = Disk(patch)
        run = ["run", str(folder / "light.yaml"), "--data", str(folder / "jobs.csv"), "--assume-approved"]
        assert invoke(run) == 0
    return disk.writes


@pytest.mark.parametrize("part", [0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 1.0])
def test_a_full_disk_is_a_clear_error_and_the_run_goes_on_later(cli, arena, kept, undisturbed, part):
    place = 1 + round(part * (undisturbed - 1))
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, full_at=place)
        stopped = cli(*RUN)
        if part:  # else the store itself could not be made
            assert cli("status").code == 0
    assert stopped.code == 1
    assert stopped.out == ""
    assert len(stopped.errors) == 1, stopped.err
    assert "full" in stopped.errors[0] or "No space left" in stopped.errors[0]
    assert "Traceback" not in stopped.err
    known = cli("status", "--json").json
    again = cli("resume", "latest", "--json") if known else cli(*RUN)
    assert again.code == 0, again.err
    assert stable(again.json) == stable(RunStore(kept).run("latest").result)
    assert cli("verify", "latest").code == 0
    events = RunStore().events_path(again.json["run_id"]).read_text().splitlines()
    assert json.loads(events[-1])["event"] == "done"


def test_an_event_that_does_not_fit_leaves_no_part_of_it(tmp_path):
    path = tmp_path / "events.jsonl"
    append(path, b"whole\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(StoreError, match="cannot be written: No space left"):
            append(path, b"does not fit\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == b"whole\n"


# -- two processes ------------------------------------------------------------------------------------


def test_of_two_processes_on_a_run_one_is_refused(cli, archive, refused):
    store = RunStore()
    done = store.run("latest")
    jobs = Path("jobs.csv").resolve()
    store.create("cut-off", {**done.request, "data": {**done.request["data"], "path": str(jobs)}})
    with store.locks.lock("cut-off"):
        refused("resume", "cut-off", match="cut-off is being run by another process; wait", code=1)
    assert cli("resume", "cut-off", "--json").json["status"] == "deployable"
