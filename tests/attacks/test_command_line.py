"""The edges of the command line: encodings, arguments, files that are read and written, readers that go away."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click
import pandas as pd
import pytest

from fairmend.cli import invoke
from fairmend.cli.output import out
from fairmend.cli.streams import steady_streams

ROLES = ("--outcome", "hired", "--favorable", "yes", "--protected", "sex")
RUN = ("run", "light.yaml", "--data", "jobs.csv")
FINDINGS = "findings.json"


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
    message = refused(*arguments, match=r"argument \d+ .* not valid UTF-8", code=2)
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
    "drawing over findings": (_nothing, ("compose", "--findings", FINDINGS, "--diagram", FINDINGS)),
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
    [told] = [line for line in done.err.splitlines() if "like formulas" in line]
    assert "cells of note start" in told


# -- environment ------------------------------------------------------------------------------------


def _file(arena: Path) -> Path:
    return arena / "jobs.csv"


def _below_a_file(arena: Path) -> Path:
    return arena / "jobs.csv" / "below"


def _no_database(arena: Path) -> Path:
    folder = arena.parent / "broken"
    folder.mkdir()
    (folder / "runs.sqlite").write_bytes(b"no database" * 100)
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


# -- encodings --------------------------------------------------------------------------------------


@pytest.fixture
def process(arena):
    """Run a command as a process does, with streams of its own; returns exit code, stdout and stderr."""

    def run(*arguments: str, encoding: str = "utf-8", out: int | None = None) -> tuple[int, bytes, bytes]:
        with (
            open(arena.parent / "out" if out is None else out, "w", encoding=encoding) as stdout,
            open(arena.parent / "err", "w", encoding=encoding) as stderr,
            redirect_stdout(stdout),
            redirect_stderr(stderr),
        ):
            steady_streams()
            code = invoke(arguments)
            sys.stdout.flush()
            sys.stderr.flush()
        written = b"" if out is not None else (arena.parent / "out").read_bytes()
        return code, written, (arena.parent / "err").read_bytes()

    return run


ENCODINGS = ("ascii", "latin-1", "cp1252", "utf-8", "cp437")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_encoding_breaks_a_listing(process, encoding):
    code, out, err = process("technique", "show", "9", encoding=encoding)
    assert (code, err) == (0, b"")
    assert b"group-thresholds" in out
    out.decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_encoding_breaks_an_error(process, encoding):
    code, out, err = process("technique", "show", "東京 → ½", encoding=encoding)
    assert (code, out) == (1, b"")
    assert err.decode(encoding).startswith("fairmend: error: no technique is called ")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_data_are_exact_in_every_encoding(process, encoding):
    Path("light.yaml").write_text(Path("light.yaml").read_text().replace("name: light", "name: Grüße 東京"))
    code, out, err = process("policy", "diff", "playbook", "strict", "--json", encoding=encoding)
    assert (code, err) == (0, b"")
    assert json.loads(out.decode("utf-8" if not out.isascii() else "ascii"))


# -- a reader that goes away ------------------------------------------------------------------------

GONE = {
    "a listing": (("technique", "list"), 0),
    "help": (("--help",), 0),
    "json": (("technique", "list", "--json"), 0),
    "an error": (("technique", "show", "nobody"), 1),
    "usage": (("audit",), 2),
}


@pytest.mark.parametrize(("command", "code"), GONE.values(), ids=GONE)
def test_the_exit_code_outlives_the_reader(process, command, code):
    reader, writer = os.pipe()
    os.close(reader)
    found, _, err = process(*command, out=writer)
    assert found == code
    assert b"Traceback" not in err


@pytest.mark.parametrize("code", [0, 3, 4])
def test_a_verdict_outlives_the_reader(process, monkeypatch, code):
    @click.command()
    def verdict() -> int:
        for _ in range(500):
            out().print("a line of a verdict")
        return code

    monkeypatch.setattr("fairmend.cli.discover.query", verdict)
    reader, writer = os.pipe()
    os.close(reader)
    assert process("query", out=writer)[0] == code


def test_a_process_of_its_own_ends_as_its_command_did(arena):
    script = f'"{sys.executable}" -c "from fairmend.cli import main; main()" technique show nobody 2>&1 | true; echo ${{PIPESTATUS[0]}}'
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C"}
    done = subprocess.run(["bash", "-c", script], env=known, capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"1\n", b"")


# -- MLflow that does not answer --------------------------------------------------------------------


def test_a_tracking_server_that_does_not_answer_is_told_at_the_start(refused, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setattr("fairmend.pipeline.mlflow_tracking.PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        refused(
            *RUN, "--no-save", "--mlflow", address, match="cannot log to MLflow.*no answer within", code=2
        )


# -- plain words ------------------------------------------------------------------------------------


def test_a_pipeline_that_breaks_the_schema_is_told_in_plain_words(refused, arena):
    text = Path("light.yaml").read_text()
    faults = {
        "name: 3": r"at name: text was expected, got 3",
        "color: blue": r"at the top: no key is called 'color'",
        "seed: high": r"at seed: a whole number was expected, got 'high'",
        "split: {train: much}": r"at split\.train: a number was expected, got 'much'",
    }
    for fault, match in faults.items():
        kept = "\n".join(line for line in text.splitlines() if not line.startswith(fault.split(":")[0] + ":"))
        Path("light.yaml").write_text(f"{kept}\n{fault}\n")
        message = refused(*RUN, match=match)
        assert "Input should" not in message
        assert "Extra inputs" not in message
