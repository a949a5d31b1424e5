"""Files that the documents name are there."""

from __future__ import annotations

import re

import pytest

from tests.environments import ROOT

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
NAMED = re.compile(r"`((?:fairmend|docs|tests|benchmarks|examples)/[\w./-]+)(?::\w+)?`")
LINKED = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
ELSEWHERE = {"fairmend/catalog/techniques.json", "fairmend/keys"}  # in the wheel; in the user's configuration


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_named_and_linked_files_exist(path):
    text = path.read_text(encoding="utf-8")
    named = [name for name in NAMED.findall(text) if name not in ELSEWHERE]
    absent = [name for name in named if not (ROOT / name).exists() and not list(ROOT.glob(f"{name}*"))]
    absent += [link for link in LINKED.findall(text) if not (path.parent / link).exists()]
    assert not absent, f"{path.name} names {', '.join(absent)}, which is not there"
