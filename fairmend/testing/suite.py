"""The suite: which checks apply to a technique, and how it fares in each."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal

from fairmend.core.technique import Technique
from fairmend.core.text.display import Displayed

Applies = Callable[[type[Technique]], bool]


@dataclass(frozen=True)
class ConformanceCheck:
    """One check: a name, what it is about, and when it applies.

    Attributes
    ----------
    name : str
        Name, as exemptions use it.
    about : str
        One sentence.
    function : callable
        Takes the class; raises AssertionError where it fails.
    applies : callable
        Whether the check is meant for a class.
    """

    name: str
    about: str
    function: Callable[[type[Technique]], None]
    applies: Applies

    def __call__(self, technique: type[Technique]) -> None:
        """Run the check as a test: exemptions are strict."""
        outcome = run_check(self, technique)
        if outcome.status == "failed":
            raise AssertionError(outcome.message)
        if outcome.status == "exempt":
            import pytest

            pytest.xfail(f"exempt: {outcome.message}")


@dataclass(frozen=True)
class Outcome:
    """How a technique fared in a check.

    Attributes
    ----------
    technique_id, check : str
        Which technique and check.
    status : str
        ``passed``, ``failed`` or ``exempt``; ``same fault`` where an earlier check failed for the same
        reason.
    message : str
        Why it failed, the reason of the exemption, or the name of the earlier check.
    """

    technique_id: int | str
    check: str
    status: Literal["passed", "failed", "exempt", "same fault"]
    message: str = ""


CHECKS: list[ConformanceCheck] = []
# Where checks are written; they register when these modules are imported.
ROOMS = (
    "checks_form",
    "checks_behavior",
    "checks_declarations",
    "checks_data",
    "checks_effect",
    "checks_uncertainty",
    "checks_tasks",
)


def check(
    about: str, applies: Applies = lambda t: True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a check; its name is that of the function without ``check_``."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        CHECKS.append(ConformanceCheck(function.__name__.removeprefix("check_"), about, function, applies))
        return function

    return register


def all_checks() -> list[ConformanceCheck]:
    """Return all checks, in order."""
    for room in ROOMS:
        import_module(f"fairmend.testing.{room}")
    # Whichever of these modules was imported first, the order of the checks is the same.
    CHECKS.sort(key=lambda c: ROOMS.index(c.function.__module__.rpartition(".")[2]))
    return CHECKS


def checks_for(technique: type[Technique]) -> list[ConformanceCheck]:
    """Return the checks that apply to a technique, in order."""
    return [c for c in all_checks() if c.applies(technique)]


def run_check(one: ConformanceCheck, technique: type[Technique]) -> Outcome:
    """Run a check and hold the class's exemptions against the result."""
    reason = technique.exemptions.get(one.name)
    problem = failure(one.function, technique)
    key = technique.metadata.technique_id
    if reason is None:
        return Outcome(key, one.name, "failed" if problem else "passed", problem or "")
    if problem is None:
        return Outcome(key, one.name, "failed", f"the exemption is no longer needed: {reason}")
    return Outcome(key, one.name, "exempt", reason)


def failure(check: Callable[[Any], None], subject: Any) -> str | None:
    """Return why a check of something fails, None where it passes; any exception is a failure."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(subject)
    except AssertionError as error:
        return str(error) or "an assertion failed"
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return None


def told_once(outcomes: list[Outcome]) -> list[Outcome]:
    """Leave the message of a fault, numbers aside, with the first check that fails for it."""
    told: dict[str, str] = {}
    out = []
    for outcome in outcomes:
        if outcome.status == "failed":
            fault = re.sub(r"\d[\d.e+-]*", "#", outcome.message)
            first = told.setdefault(fault, outcome.check)
            if first != outcome.check:
                outcome = replace(outcome, status="same fault", message=first)
        out.append(outcome)
    return out


@dataclass(frozen=True, repr=False)
class Conformance(Displayed):
    """How a technique, or a finding kind, fared in all checks that apply to it.

    Attributes
    ----------
    technique_id, slug : str
        Which technique; the name of a finding kind is both.
    outcomes : tuple of Outcome
        One per check, in order.
    """

    technique_id: int | str
    slug: str
    outcomes: tuple[Outcome, ...]

    def facts(self) -> dict[str, object]:
        """Return the technique and how many checks it passes."""
        passed = sum(o.status == "passed" for o in self.outcomes)
        return {
            "technique": f"{self.slug} ({self.technique_id})",
            "passed": f"{passed} of {len(self.outcomes)}",
            "failed": ", ".join(o.check for o in self.failed) or "none",
        }

    def records(self) -> list[dict[str, Any]]:
        """Return the checks, in order."""
        return [{"check": o.check, "status": o.status, "message": o.message} for o in self.outcomes]

    @property
    def failed(self) -> list[Outcome]:
        """The checks that failed."""
        return [o for o in self.outcomes if o.status == "failed"]

    def to_json(self) -> dict[str, Any]:
        """Return counts, failures with their messages, and exemptions with their reasons; each fault is reported once."""
        return {
            "technique_id": self.technique_id,
            "slug": self.slug,
            "passed": sum(o.status == "passed" for o in self.outcomes),
            "failed": [{"check": o.check, "message": o.message} for o in self.failed],
            "same_fault": {o.check: o.message for o in self.outcomes if o.status == "same fault"},
            "exempt": {o.check: o.message for o in self.outcomes if o.status == "exempt"},
        }


def conformance(technique: type[Technique]) -> Conformance:
    """Run every check that applies; an exemption that names no check fails, too."""
    metadata = technique.metadata
    outcomes = told_once([run_check(c, technique) for c in checks_for(technique)])
    names = {c.name for c in CHECKS}
    outcomes += [
        Outcome(metadata.technique_id, name, "failed", "the exemption is for an unknown check")
        for name in technique.exemptions
        if name not in names
    ]
    return Conformance(metadata.technique_id, metadata.slug, tuple(outcomes))
