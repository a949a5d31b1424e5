"""The page on tasks: its blocks run, and it shows what the commands print."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "docs" / "beyond_two_outcomes.py"))
TEXT = SCRIPT["PAGE"].read_text(encoding="utf-8")
NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")


def figures(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def test_the_page_shows_every_task_and_each_block_has_output():
    blocks = [content for language, content in SCRIPT["BLOCK"].findall(TEXT) if language == "console"]
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    assert len(commands) == 7
    assert all("Traceback" not in block and len(block.splitlines()) > 1 for block in blocks)
    for task in ("regression", "ranking", "multiclass"):
        assert f"a {task} outcome; " in TEXT or f"read as {task}" in TEXT


@pytest.mark.slow
@pytest.mark.data
def test_the_page_is_what_its_commands_print(data_dir):
    now = SCRIPT["rendered"](TEXT, data_dir)
    assert NUMBER.sub("#", now) == NUMBER.sub("#", TEXT)
    assert figures(now) == pytest.approx(figures(TEXT), rel=0.01, abs=0.005)
