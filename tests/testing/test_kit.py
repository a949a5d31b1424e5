"""What the kit writes works as written: for each stage the suite passes, and nothing is overwritten."""

from __future__ import annotations

import ast
import tomllib

import pytest

from fairmend.catalog.registry import Registry
from fairmend.core.errors import PluginError, UnknownNameError, UsageError
from fairmend.core.vocabulary import STAGES
from fairmend.testing import check_technique
from fairmend.testing.kit import write_package
from fairmend.testing.resolve import techniques_of


@pytest.fixture
def registry():
    return Registry.installed(cache=None)


@pytest.mark.parametrize("stage", STAGES)
def test_a_package_of_each_stage_passes_the_suite_as_written(stage, tmp_path, monkeypatch, registry):
    monkeypatch.syspath_prepend(tmp_path)  # undone after the test, with what the check adds
    written = write_package(f"acme-kit-{stage}", stage, tmp_path)
    (technique,) = techniques_of(written.folder, registry)
    assert technique.metadata.stage == stage
    assert technique.metadata.technique_id == f"acme:kit-{stage}"
    assert technique.__doc__
    found = check_technique(technique)
    assert len(found.outcomes) >= 7
    assert not technique.exemptions


def test_what_is_written_is_an_installable_package(tmp_path):
    written = write_package("acme-my-technique", "evaluation", tmp_path)
    assert [str(f) for f in written.files] == [
        "README.md",
        "pyproject.toml",
        "src/acme_my_technique/__init__.py",
        "src/acme_my_technique/_my_technique.py",
        "tests/test_my_technique.py",
    ]
    assert sorted(p.relative_to(written.folder) for p in written.folder.rglob("*.*")) == list(written.files)
    project = tomllib.loads((written.folder / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["fairmend"] == {"acme-my-technique": "acme_my_technique"}
    for file in written.files:
        text = (written.folder / file).read_text()
        assert "{{" not in text
        assert text.endswith("\n")
        if file.suffix == ".py":
            ast.parse(text)
    assert [p.name for p in tmp_path.iterdir()] == ["acme-my-technique"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Acme-technique", "lower-case words"),
        ("technique", "starting with the owner"),
        ("acme-my_technique", "lower-case words"),
        ("acme-", "lower-case words"),
        ("../acme-technique", "lower-case words"),
        ("acme-technique\n", "lower-case words"),
        ("fairmend-technique", "belong to the project"),
    ],
)
def test_names_follow_the_rules(tmp_path, name, message):
    with pytest.raises(UsageError, match=message):
        write_package(name, "causal", tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_or_half_written(tmp_path, monkeypatch):
    (tmp_path / "acme-there").mkdir()
    with pytest.raises(UsageError, match="exists already; nothing was written"):
        write_package("acme-there", "causal", tmp_path)
    with pytest.raises(UsageError, match="there is no folder"):
        write_package("acme-new", "causal", tmp_path / "absent")
    with pytest.raises(UsageError, match="the stage must be one of causal"):
        write_package("acme-new", "sometimes", tmp_path)
    monkeypatch.setattr("fairmend.testing.kit.shutil.move", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_package("acme-new", "causal", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["acme-there"]


def test_a_file_a_package_and_a_module_can_be_checked(tmp_path, monkeypatch, registry):
    monkeypatch.syspath_prepend(tmp_path)
    written = write_package("acme-loose", "evaluation", tmp_path)
    source = written.folder / "src" / "acme_loose"
    (technique,) = techniques_of(source / "_loose.py", registry)
    assert technique.__name__ == "Loose"
    (technique,) = techniques_of(source, registry)
    assert technique.__module__ == "acme_loose._loose"
    assert techniques_of("acme_loose", registry) == [technique]
    (tmp_path / "acme_empty.py").write_text("")
    with pytest.raises(UsageError, match="acme_empty contains no technique"):
        techniques_of("acme_empty", registry)


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        ({"pyproject.toml": "[project]\nname = 'x'"}, UsageError, "names no plugin; add"),
        ({"notes.txt": ""}, UsageError, r"neither a pyproject\.toml nor an __init__\.py"),
        (
            {
                "pyproject.toml": "[project]\nname = 'x'\n[project.entry-points.fairmend]\nx = 'acme_boom'",
                "acme_boom.py": "1 / 0",
            },
            PluginError,
            "the plugin x breaks the contract: importing it raised ZeroDivisionError",
        ),
    ],
)
def test_what_cannot_be_checked_says_why(tmp_path, monkeypatch, registry, made, error, message):
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(error, match=message):
        techniques_of(tmp_path, registry)


def test_a_name_that_nothing_has_lists_the_close_ones(registry):
    with pytest.raises(UnknownNameError, match=r"did you mean fairmend\.plugins\.causal"):
        techniques_of("fairmend.plugin.causal", registry)


def test_a_file_whose_name_is_taken_must_be_renamed(tmp_path, registry):
    (tmp_path / "json.py").write_text("")
    with pytest.raises(UsageError, match=r"another module is called json; rename json\.py"):
        techniques_of(tmp_path / "json.py", registry)
