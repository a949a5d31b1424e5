"""A recorded run on Adult: every figure that was right before is the same after.

``recorded/adult.json`` holds the figures of the run that the code of commit 46c83dd made, before modules were
moved and things renamed: the document of ``fairmend run --json`` under today's names of its sections, without
texts, times and versions. That code split the rows in four, read the playbook to the letter, and deployed the
shortest variant; so today's run has a holdout and the policy ``playbook-literal``, and what follows from the
choice of the final rule is not compared. After a change that is meant to move figures, name each figure and the
reason in ``MOVED``; do not record the whole file anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

RECORDED = Path(__file__).parent / "recorded" / "adult.json"
SECTIONS = (
    "notion",
    "data",
    "seed",
    "baseline",
    "steps",
    "gate_measurements",
    "cross_validation",
    "approvals",
)
TEXTS = {"text", "reason", "source", "reading", "note", "seconds", "time", "dot"}
MOVED: dict[str, str] = {}
"""Paths at or below which figures were meant to change since, each with the reason."""


def figures(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a document with its path; texts meant for people are left out."""
    children: Any = ()
    if isinstance(value, dict):
        children = ((key, child) for key, child in value.items() if key not in TEXTS)
    elif isinstance(value, list):
        yield f"{path}/length", len(value)
        children = enumerate(value)
    else:
        yield path, value
    for key, child in children:
        yield from figures(child, f"{path}/{key}" if path else str(key))


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    return dict(figures(json.loads(RECORDED.read_text())))


@pytest.fixture(scope="module")
def today(data_dir, tmp_path_factory) -> dict[str, Any]:
    """The same run on the code as it is, on one thread: the order of sums decides the last digit."""
    from fairmend.cli import invoke

    command = ["run", "--data", str(data_dir / "adult" / "adult_train.csv.gz"), "--outcome", "income"]
    command += [
        "--favorable",
        ">50K",
        "--protected",
        "sex",
        "--ignore",
        "fnlwgt",
        "--assume-approved",
        "--policy",
        "playbook-literal",
    ]
    out = tmp_path_factory.mktemp("recorded") / "run.json"
    with pytest.MonkeyPatch.context() as patch, out.open("w") as stream, threadpool_limits(1):
        patch.setenv("FAIRMEND_HOME", str(out.parent / "store"))
        patch.setattr("sys.stdout", stream)
        patch.setattr("fairmend.pipeline.cross_fitting.HOLDOUT_ABOVE", 0)
        invoke([*command, "--json"])
    document = json.loads(out.read_text())
    return dict(figures({section: document[section] for section in SECTIONS}))


pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_figure_is_the_same(recorded, today, section):
    expected = {path: value for path, value in recorded.items() if path.split("/")[0] == section}
    assert expected, f"nothing was recorded of {section}"
    differing = {
        path: (value, today.get(path, "absent"))
        for path, value in expected.items()
        if not any(_below(path, moved) for moved in MOVED) and not _same(value, today.get(path, "absent"))
    }
    assert not differing, f"{len(differing)} of {len(expected)} figures differ (recorded, today): {differing}"


def test_each_moved_figure_has_moved(recorded, today):
    for moved in MOVED:
        paths = [path for path in recorded if _below(path, moved)]
        assert paths, f"{moved} was never recorded"
        assert not all(_same(recorded[path], today.get(path)) for path in paths), (
            f"{moved} is as it was; take it out of MOVED"
        )


def _below(path: str, moved: str) -> bool:
    return path == moved or path.startswith(f"{moved}/")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and one == other
