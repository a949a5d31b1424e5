"""The edges of the command line: encodings, arguments, files that are read and written, readers that go away."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROLES = ("--outcome", "hired", "--favorable", "yes", "--protected", "sex")
RUN = ("run", "light.yaml", "--data", "jobs.csv")
FINDINGS = "findings.json"


def run_shell(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script of bash in which ``fairmend`` is this one, as its own process."""
    program = f'fairmend() {{ "{sys.executable}" -c "from fairmend.cli import main; main()" "$@"; }}\n'
    known = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))
    }
    return subprocess.run(
        ["bash", "-c", program + script],
        cwd=folder,
        env={
            **known,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "FAIRMEND_HOME": str(folder / "store"),
            **variables,
        },
        capture_output=True,
        check=False,
    )


# -- arguments that are no text ---------------------------------------------------------------------

NO_TEXT = {
    "query": ("query", "bias \udcff"),
    "file": ("audit", "jobs\udce9.csv", *ROLES),
    "column": ("audit", "jobs.csv", "--outcome", "h\udc80", "--protected", "sex"),
    "output": (*RUN, "--report", "out\udcfe"),
    "null": ("audit", "jobs.csv\0", *ROLES),
    "command": ("aud\udc99it",),
    "technique": ("technique", "show", "re\udc99weighing"),
    "person": ("approve", "latest", "--gate", "gate-1", "--role", "owner", "--by", "\udcffEve"),
}


@pytest.mark.parametrize("arguments", NO_TEXT.values(), ids=NO_TEXT)
def test_bytes_that_are_no_text_are_refused_by_place(refused, arguments):
    message = refused(*arguments, match=r"argument \d+ .* no UTF-8 text", code=2)
    message.encode("utf-8")


LONG = "x" * 60_000
OVER_LONG = {
    "command": (LONG,),
    "technique": ("technique", "show", LONG),
    "file": ("audit", LONG, *ROLES),
    "pipeline": ("run", LONG, "--data", "jobs.csv"),
    "policy": ("policy", "show", LONG),
    "column": ("audit", "jobs.csv", "--outcome", LONG, "--protected", "sex"),
    "constraint": ("query", "bias", "-c", f"{LONG}=1"),
    "run": ("status", LONG),
    "stage": ("technique", "list", "--stage", LONG),
    "findings": ("recommend", "--findings", LONG),
    "sweep": ("compose", "--sweep", LONG),
}


@pytest.mark.parametrize("arguments", OVER_LONG.values(), ids=OVER_LONG)
def test_an_over_long_name_is_cut_in_the_error(refused, arguments):
    assert len(refused(*arguments, match="x{40}")) <= 1300


# -- outputs that are inputs ------------------------------------------------------------------------


@pytest.fixture
def findings(arena):
    """An audit as a file in the arena."""
    raw = {"rows": 1}
    (arena / FINDINGS).write_text(json.dumps(raw))
    return raw


def _hard_link(arena: Path) -> None:
    (arena / "other.csv").hardlink_to(arena / "jobs.csv")


def _symbolic_link(arena: Path) -> None:
    (arena / "other.csv").symlink_to("jobs.csv")


def _linked_folder(arena: Path) -> None:
    (arena / "here").symlink_to(".")


def _nothing(_: Path) -> None:
    pass


TECHNIQUE = ("technique", "run", "instance-weighting", "--data", "jobs.csv", *ROLES)
SWEEP = ("sweep", "--data", "jobs.csv", *ROLES)
OVERWRITES = {
    "audit over its data": (_nothing, ("audit", "jobs.csv", *ROLES, "-o", "jobs.csv")),
    "technique over its data": (_nothing, (*TECHNIQUE, "-o", "jobs.csv")),
    "by another path": (_nothing, (*TECHNIQUE, "-o", "./../arena/jobs.csv")),
    "by a hard link": (_hard_link, (*TECHNIQUE, "-o", "other.csv")),
    "by a symbolic link": (_symbolic_link, (*TECHNIQUE, "-o", "other.csv")),
    "by a linked folder": (_linked_folder, (*TECHNIQUE, "-o", "here/jobs.csv")),
    "scores in the data": (
        _nothing,
        ("audit", "jobs.csv", *ROLES, "--scores", f"{FINDINGS}:score", "-o", FINDINGS),
    ),
    "compose over findings": (_nothing, ("compose", "--findings", FINDINGS, "-o", FINDINGS)),
    "drawing over findings": (_nothing, ("compose", "--findings", FINDINGS, "--draw", FINDINGS)),
    "compose over a policy": (
        _nothing,
        ("compose", "--findings", FINDINGS, "--policy", "light.yaml", "-o", "light.yaml"),
    ),
    "sweep over its data": (_nothing, (*SWEEP, "-o", "jobs.csv")),
    "sweep's pipeline over its findings": (
        _nothing,
        (*SWEEP, "--findings", FINDINGS, "--pipeline", FINDINGS),
    ),
    "predict over its data": (_nothing, ("predict", "latest", "--data", "jobs.csv", "-o", "jobs.csv")),
    "report among the data": (_nothing, (*RUN, "--report", ".")),
    "report of a sweep among the data": (_nothing, (*SWEEP, "--report", "../arena")),
    "report in a linked folder": (_linked_folder, (*RUN, "--report", "here")),
    "two outputs in one": (_nothing, (*SWEEP, "-o", "new.json", "--pipeline", "./new.json")),
}


@pytest.mark.parametrize(("prepare", "arguments"), OVERWRITES.values(), ids=OVERWRITES)
def test_what_is_read_is_not_written_over(refused, arena, findings, prepare, arguments):
    prepare(arena)
    refused(*arguments, match="name another (file|folder)", code=2)


def test_force_writes_over_what_is_read(cli, arena):
    before = pd.read_csv("jobs.csv")
    done = cli(*TECHNIQUE, "-o", "jobs.csv", "--force")
    assert done.code == 0, done.err
    after = pd.read_csv("jobs.csv")
    assert len(after) == len(before)
    assert list(after.columns) != list(before.columns)


def test_another_file_that_is_there_is_replaced_as_ever(cli, arena):
    Path("old.csv").write_text("old")
    assert cli(*TECHNIQUE, "-o", "old.csv").code == 0
    assert Path("old.csv").read_text() != "old"


# -- formulas in the user's own data ----------------------------------------------------------------


def test_cells_that_are_formulas_stay_and_are_told(cli, arena):
    frame = pd.read_csv("jobs.csv").assign(note="=HYPERLINK(1)", figure=-1.5, signed="-2.5")
    frame.to_csv("hostile.csv", index=False)
    done = cli(*TECHNIQUE, "--data", "hostile.csv", "--ignore", "note,signed", "-o", "out.csv")
    assert done.code == 0, done.err
    assert set(pd.read_csv("out.csv")["note"]) == {"=HYPERLINK(1)"}
    [told] = [line for line in done.err.splitlines() if "as formulas do" in line]
    assert "cells of note begin" in told


# -- environment ------------------------------------------------------------------------------------


def _file(arena: Path) -> Path:
    return arena / "jobs.csv"


def _below_a_file(arena: Path) -> Path:
    return arena / "jobs.csv" / "below"


def _no_database(arena: Path) -> Path:
    folder = arena.parent / "broken"
    folder.mkdir()
    (folder / "runs.db").write_bytes(b"no database" * 100)
    return folder


def _over_long(arena: Path) -> Path:
    return arena / ("x" * 400)


HOMES = {"a file": _file, "below a file": _below_a_file, "no database": _no_database, "over-long": _over_long}


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
def test_a_store_that_cannot_be_is_one_line(refused, arena, monkeypatch, home):
    monkeypatch.setenv("FAIRMEND_HOME", str(home(arena)))
    refused("status", match="run store|database", code=1)


@pytest.mark.parametrize(
    "cache", [_file, _below_a_file, _over_long], ids=["a file", "below a file", "over-long"]
)
def test_a_cache_that_cannot_be_is_done_without(cli, arena, monkeypatch, cache):
    monkeypatch.setenv("FAIRMEND_CACHE", str(cache(arena)))
    done = cli("technique", "show", "31")
    assert (done.code, done.errors) == (0, [])


@pytest.mark.parametrize("limit", ["soon", "-1", "nan", "0", ""])
def test_a_plugin_limit_that_is_none_is_one_line_or_the_default(arena, limit):
    done = run_shell("fairmend technique show 31", arena, FAIRMEND_PLUGIN_TIMEOUT=limit)
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 1, 2)
    assert (done.returncode == 0) == (b"error" not in done.stderr)


# -- encodings --------------------------------------------------------------------------------------

LOCALES = {
    "C": {"LC_ALL": "C"},
    "POSIX": {"LANG": "POSIX"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "strict ascii": {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"},
    "C without coercion": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "latin": {"PYTHONIOENCODING": "latin-1"},
}


@pytest.mark.parametrize("variables", LOCALES.values(), ids=LOCALES)
def test_no_encoding_breaks_a_listing_or_an_error(arena, variables):
    done = run_shell("fairmend technique show 9; fairmend technique show 東京; echo $?", arena, **variables)
    assert b"Traceback" not in done.stderr
    assert b"UnicodeEncodeError" not in done.stderr
    assert b"group-thresholds" in done.stdout
    assert done.stdout.endswith(b"1\n") or done.stdout.endswith(b"2\n")
    if "ascii" in variables.get("PYTHONIOENCODING", ""):
        assert done.stdout.isascii()
        assert done.stderr.isascii()


def test_json_stays_json_in_every_encoding(arena):
    ways = [run_shell("fairmend technique show 9 --json", arena, **v) for v in ({}, LOCALES["ascii"])]
    first, second = (json.loads(done.stdout.decode("utf-8")) for done in ways)
    assert first == second


# -- a reader that goes away ------------------------------------------------------------------------

GONE = {
    "a listing": ("technique list", 0),
    "help": ("--help", 0),
    "json": ("technique list --json", 0),
    "an error": ("technique show nobody", 1),
    "usage": ("audit", 2),
    "a failed check": ("plugin check broken.py", 4),
}


@pytest.mark.parametrize(("command", "code"), GONE.values(), ids=GONE)
def test_the_exit_code_outlives_the_reader(arena, command, code):
    (arena / "broken.py").write_text(BROKEN)
    done = run_shell(f"fairmend {command} 2>&1 | true; echo ${{PIPESTATUS[0]}}", arena)
    assert done.stdout == f"{code}\n".encode(), done.stderr
    assert b"Traceback" not in done.stderr


BROKEN = '''
from fairmend.plugins.preprocessing import InstanceWeighting


class Broken(InstanceWeighting):
    """Breaks its promises: the name says nothing of it."""

    metadata = InstanceWeighting.metadata.model_copy(update={"technique_id": "own:broken", "slug": "broken"})

    def _fit(self, *arguments, **options):
        raise RuntimeError("\\x1b[31mbroken")
'''


# -- MLflow that does not answer --------------------------------------------------------------------


def test_a_tracking_server_that_does_not_answer_is_told_at_the_start(refused, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setattr("fairmend.pipeline.tracking.PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        refused(
            *RUN, "--no-keep", "--mlflow", address, match="cannot log to MLflow.*no answer within", code=2
        )


# -- plain words ------------------------------------------------------------------------------------


def test_a_pipeline_that_breaks_the_schema_is_told_in_plain_words(refused, arena):
    text = Path("light.yaml").read_text()
    faults = {
        "name: 3": r"at name: text was expected, got 3",
        "colour: blue": r"at the top: no key is called 'colour'",
        "seed: high": r"at seed: a whole number was expected, got 'high'",
        "split: {train: much}": r"at split\.train: a number was expected, got 'much'",
    }
    for fault, match in faults.items():
        kept = "\n".join(line for line in text.splitlines() if not line.startswith(fault.split(":")[0] + ":"))
        Path("light.yaml").write_text(f"{kept}\n{fault}\n")
        message = refused(*RUN, match=match)
        assert "Input should" not in message
        assert "Extra inputs" not in message
