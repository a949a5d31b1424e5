"""Kept runs under adverse conditions: no data file, a pipe, a read-only archive, a full disk, two processes."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from fairmend.cli import invoke
from fairmend.pipeline.store import RunStore

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
    monkeypatch.setattr("fairmend.pipeline.stored.run", None)
    assert cli("resume", "latest").code == 0


def test_a_record_that_does_not_agree_with_its_result_is_not_reported(archive):
    from fairmend import api
    from fairmend.pipeline.stored import read_record

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
        patch.setattr("fairmend.pipeline.store.datetime", Past)
        store.create("run-of-a-slow-clock", request)
    assert store.run("latest").run_id == "run-of-a-slow-clock"
    assert store.runs()[0].run_id == "run-of-a-slow-clock"


class Past:
    """A clock that was set back."""

    @staticmethod
    def now(zone):
        from datetime import datetime

        return datetime(1999, 1, 1, tzinfo=zone)
