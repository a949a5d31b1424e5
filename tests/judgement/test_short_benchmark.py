"""The judgement benchmark in short: 20 small drawn problems with a fast learner."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import _cases
import pytest
from _evaluate import evaluate
from _verdicts import verdict

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def verdicts() -> dict[str, tuple[str, str]]:
    """Class and reason of each problem."""
    cases = (replace(_cases.find(name), fresh_rows=30_000) for name in _cases.small(20))
    return {case.name: verdict(evaluate(case, boot=300)) for case in cases}


def test_no_verdict_is_harmful(verdicts):
    assert {name: why for name, (kind, why) in verdicts.items() if kind == "harmful"} == {}


def test_nine_verdicts_in_ten_are_right(verdicts):
    wrong = {name: why for name, why in verdicts.items() if why[0] != "right"}
    assert Counter(kind for kind, _ in verdicts.values())["right"] >= 18, wrong
