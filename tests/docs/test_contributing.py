"""The way to a technique works: each block of CONTRIBUTING.md is run, in order, in a clone of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.environments import ROOT, Environment

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# file: (\S+)\n")
NEW = "fairmend/plugins/preprocessing/_group_centering.py"
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_every_block_is_of_a_kind_that_is_run():
    assert PAGE.count("```") == 2 * len(BLOCKS)
    assert {kind for kind, _ in BLOCKS} == {"sh", "python", "console"}
    assert all(FILE.match(text) for kind, text in BLOCKS if kind == "python")


def test_only_setting_up_and_the_whole_suite_are_not_run():
    shown = [line for kind, text in BLOCKS if kind == "console" for line in text.splitlines()]
    assert shown == ["$ git clone REPOSITORY fairmend", "$ cd fairmend", "$ make lint", "$ make test"]


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert len(links) >= 3
    assert all((ROOT / link).exists() for link in links)


@pytest.mark.parametrize("form", [f for f in FORMS if f.stem != "config"], ids=lambda f: f.stem)
def test_an_issue_form_is_one(form):
    """What GitHub demands of a form: a name, a description, and fields with their own id and a label."""
    read = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(read)
    fields = [field for field in read["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in fields} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert len({field["id"] for field in fields}) == len(fields) > 3
    assert all(field["attributes"]["label"] for field in fields)


def test_there_is_a_form_for_each_kind_of_issue():
    assert {f.stem for f in FORMS} == {"config", "data-problem", "new-technique", "wrong-result"}


def test_hooks_are_the_checks_of_make():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    hooks = " ".join(hook["entry"] for hook in repository["hooks"])
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for tool in ("ruff check", "ruff format", "mypy", "lint-imports"):
        assert tool in hooks
        assert tool in makefile


def clone(folder: Path) -> Path:
    """Return a copy of the working tree: what git knows of it, and what it would be told next."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def set_up(folder: Path) -> Environment:
    """Return the environment that make would create in a clone, made of what is installed here."""
    environment = Environment(clone(folder), ".venv")
    (environment.packages / "clone.pth").write_text(f"{folder}\n")
    for tool in ("fairmend", "ruff", "mypy", "lint-imports"):
        script = (Path(sys.executable).parent / tool).read_bytes()
        interpreter, _, rest = script.partition(b"\n")
        own = environment.home / "bin" / tool
        own.write_bytes(f"#!{environment.python}\n".encode() + rest if interpreter[:2] == b"#!" else script)
        own.chmod(0o755)
    for done in (".base", ".test"):
        (environment.home / done).touch()
    return environment


@pytest.mark.slow
def test_from_a_clone_to_a_technique(tmp_path):
    environment = set_up(tmp_path / "fairmend")
    for kind, text in BLOCKS:
        named = FILE.match(text)
        if named is not None:
            (environment.folder / named[1]).write_text(text[named.end() :], encoding="utf-8")
        elif kind == "sh":
            environment.call("bash", "-e", "-c", text)
    (checked,) = json.loads(environment.fairmend("plugin", "check", NEW, "--json").stdout)
    assert (checked["failed"], checked["exempt"]) == ([], {})
    assert checked["passed"] > 25
    assert "(group-centering.md)" in (environment.folder / "docs/techniques/README.md").read_text()
