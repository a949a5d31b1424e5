"""The words that the writing guide rules out do not come back."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.environments import ROOT

GUIDE = ROOT / "docs" / "contributing" / "writing.md"
ROW = re.compile(r"^\| (?P<banned>[^|]+) \| (?P<better>[^|]+) \| (?P<why>[^|]+) \|$", re.MULTILINE)
ROWS = [row for row in ROW.findall(GUIDE.read_text(encoding="utf-8")) if row[0] != "not"]
SUFFIXES = {".py", ".md", ".yaml", ".j2"}

# Files where an expression is data and not our own words, with the reason.
EXCEPTIONS = {
    "fairmend/index/topic.yaml": "everyday phrases that mark what lies outside the field",
    "docs/contributing/writing.md": "the table itself",
}


@cache
def texts() -> dict[str, str]:
    """Return the text of every file that the guide is about, by its path."""
    files = [ROOT / "README.md"]
    for folder in ("fairmend", "docs"):
        files += [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES]
    names = {path.relative_to(ROOT).as_posix(): path for path in files}
    return {name: path.read_text(encoding="utf-8") for name, path in names.items() if name not in EXCEPTIONS}


def uses(banned: str) -> list[str]:
    """Return where an expression occurs as whole words, in any case, also across the end of a line."""
    words = r"\s+".join(map(re.escape, banned.split()))
    pattern = re.compile(rf"(?<![\w-]){words}(?![\w-])", re.IGNORECASE)
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        for name, text in texts().items()
        for match in pattern.finditer(text)
    ]


def test_the_guide_has_a_replacement_and_a_reason_for_every_expression():
    assert len(ROWS) >= 30
    assert len({banned for banned, _, _ in ROWS}) == len(ROWS)
    assert all(part.strip() for row in ROWS for part in row)


def test_an_expression_would_be_found():
    assert uses("fairmend")
    assert not uses("fairmen")


@pytest.mark.parametrize(("banned", "better", "why"), ROWS, ids=[row[0] for row in ROWS])
def test_no_expression_of_the_guide_is_used(banned, better, why):
    assert not uses(banned), f"write {better!r} ({why})"


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_is_a_file(name):
    assert (ROOT / name).is_file()
