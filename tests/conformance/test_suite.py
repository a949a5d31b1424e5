"""The suite catches each planted fault with the check that is meant for it, and nothing else."""

from __future__ import annotations

from typing import ClassVar

import pytest

from fairmend.catalog.registry import Registry
from fairmend.testing import check_technique, conformance
from fairmend.testing.suite import CHECKS, Outcome, run_check
from tests.conformance.broken import BROKEN, InstanceWeighting
from tests.conformance.broken_heavy import HeavyImport

BROKEN["import_is_free"] = HeavyImport


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_each_fault_is_caught_by_exactly_its_check(name):
    failed = {o.check: o.message for o in conformance(BROKEN[name]).failed}
    assert set(failed) == {name}, failed


def test_every_check_has_its_planted_fault():
    check_technique(InstanceWeighting)
    assert {c.name for c in CHECKS} == set(BROKEN)


def test_exemptions_are_strict():
    class Excused(BROKEN["ten_rows"]):
        __doc__ = InstanceWeighting.__doc__
        exemptions: ClassVar = {
            "ten_rows": "the method needs twenty rows",
            "one_class": "no reason at all",
            "nonsense": "?",
        }

    outcomes = {o.check: o for o in conformance(Excused).outcomes}
    assert outcomes["ten_rows"].status == "exempt"
    assert outcomes["one_class"].status == "failed"
    assert "no longer needed" in outcomes["one_class"].message
    assert "for an unknown check" in outcomes["nonsense"].message


def test_a_failed_suite_names_the_checks():
    with pytest.raises(AssertionError, match=r"fails 1 of \d+ checks:\n  citation_resolves"):
        check_technique(BROKEN["citation_resolves"])


def test_a_check_never_lets_an_error_pass():
    only = next(c for c in CHECKS if c.name == "ten_rows")
    assert run_check(only, BROKEN["ten_rows"]) == Outcome(
        31, "ten_rows", "failed", "IndexError: index 19 is out of bounds"
    )


def test_the_registry_knows_every_technique_that_the_suite_runs_on():
    assert {31, 69, 20, 113, 48, 13, 53, 56, 45, 8, 109, 112} <= {
        c.metadata.technique_id for c in Registry.installed().cards()
    }
