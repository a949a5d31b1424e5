"""Policies: read, identify and compare them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairmend.catalog.policy import Policy, PolicyComparison, PolicyRecord


def load_policy(name: str | Path | Policy = "playbook") -> Policy:
    """Return a policy by its name or file, checked.

    Raises
    ------
    UnknownNameError
        No such policy or file.
    UsageError
        The file breaks the schema or cannot be meant as it stands; the message names the place.
    """
    from fairmend.catalog.policy import Policy
    from fairmend.catalog.policy import load_policy as load

    return load(name if isinstance(name, Policy) else str(name))


def identify_policy(policy: str | Path | Policy) -> PolicyRecord:
    """Return what a run says of a policy: name, file, hash, and where it requires less than the playbook."""
    from fairmend.catalog.policy import PolicyRecord

    return PolicyRecord.of(load_policy(policy))


def not_deployable(policy: str | Path | Policy) -> dict[str, list[str]]:
    """Return for which notions no run under a policy can be called deployable, with the reasons."""
    from fairmend.catalog.policy import not_deployable as reasons_against

    found = load_policy(policy)
    against = {str(notion): reasons_against(found, notion) for notion in found.targets}
    return {notion: reasons for notion, reasons in against.items() if reasons}


def compare_policies(first: str | Path | Policy, second: str | Path | Policy) -> PolicyComparison:
    """Return in what two policies differ, and where each requires less than the other."""
    from fairmend.catalog.policy import PolicyComparison

    return PolicyComparison.of(load_policy(first), load_policy(second))
