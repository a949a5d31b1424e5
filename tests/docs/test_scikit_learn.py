"""The page on scikit-learn: its examples run, and its table names the methods that there are."""

from __future__ import annotations

import doctest
import re

import pytest

from fairmend.core import stages
from tests.environments import ROOT

PAGE = ROOT / "docs" / "scikit_learn.md"
ROWS = re.findall(
    r"^\| ([a-z][a-z-]+)[^|]* \| (.*?) \| .*? \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
)
BASES = {
    "pre-processing": stages.Preprocessor,
    "in-processing": stages.Inprocessor,
    "post-processing": stages.Postprocessor,
    "evaluation": stages.Evaluator,
    "causal": stages.CausalAnalysis,
    "operations": stages.Operation,
}


def test_examples_give_what_they_show():
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 15
    assert found.failed == 0


@pytest.mark.parametrize(("stage", "methods"), ROWS, ids=[methods[:30] for _, methods in ROWS])
def test_methods_of_the_table_exist(stage, methods):
    named = re.findall(r"`(\w+)", methods)
    assert named
    assert all(callable(getattr(BASES[stage], name)) for name in named)


def test_the_table_has_every_stage():
    assert {stage for stage, _ in ROWS} == set(BASES)
