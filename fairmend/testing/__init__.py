"""The public conformance suite: what every technique must do, checked by behavior.

Two lines in a test file of a plugin::

    from fairmend.testing import parametrize_with_checks

    @parametrize_with_checks([MyTechnique])
    def test_conformance(technique, check):
        check(technique)

or, without pytest, ``check_technique(MyTechnique)``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fairmend.core.technique import Technique
from fairmend.testing.finding_kinds import check_finding_kind, kind_conformance
from fairmend.testing.suite import Conformance, ConformanceCheck, Outcome, checks_for, conformance

__all__ = [
    "Conformance",
    "ConformanceCheck",
    "Outcome",
    "check_finding_kind",
    "check_technique",
    "checks_for",
    "conformance",
    "kind_conformance",
    "parametrize_with_checks",
]


def check_technique(technique: type[Technique]) -> Conformance:
    """Run every check that applies to a technique.

    Parameters
    ----------
    technique : type
        The class.

    Returns
    -------
    Conformance
        One outcome a check: passed or exempt.

    Raises
    ------
    AssertionError
        At least one check failed; the message names each with its reason.
    """
    found = conformance(technique)
    if found.failed:
        lines = "\n".join(f"  {o.check}: {o.message}" for o in found.failed)
        raise AssertionError(
            f"{technique.__qualname__} fails {len(found.failed)} of {len(found.outcomes)} checks:\n{lines}"
        )
    return found


def parametrize_with_checks(techniques: Iterable[type[Technique]]) -> Any:
    """Return a pytest decorator that runs each check of each technique as a test of its own.

    The test takes ``technique`` and ``check`` and calls ``check(technique)``. Exemptions that the class
    states are strict: a check that is exempt and passes fails the test.
    """
    import pytest

    pairs = [
        pytest.param(technique, check, id=f"{technique.__name__}-{check.name}")
        for technique in techniques
        for check in checks_for(technique)
    ]
    return pytest.mark.parametrize(("technique", "check"), pairs)
