"""Read a policy by its name or from a file, and refuse what cannot be meant."""

from __future__ import annotations

import re
from pathlib import Path

from fairmend.catalog.policy.merging import policy_names, raw_policy
from fairmend.catalog.policy.rules import check_policy
from fairmend.catalog.policy.schema import Policy
from fairmend.catalog.registry import Registry
from fairmend.core.errors import UsageError, unknown
from fairmend.core.text.validation import validated


def load_policy(name: str | Path | Policy, registry: Registry | None = None) -> Policy:
    """Return a policy by its name or from a YAML file.

    A policy with ``extends`` states what differs, see :func:`.merging.raw_policy`.

    Parameters
    ----------
    name : str, Path or Policy
        A built-in policy, a file, or a policy, which is returned unchanged.
    registry : Registry, optional
        Where metrics of plugins come from; by default what is installed.

    Raises
    ------
    UnknownNameError
        No such policy or file.
    UsageError
        The file breaks the schema or cannot be meant as it stands, or bears the name of a built-in
        policy without being its equal; the message names the place.
    """
    if isinstance(name, Policy):
        return name
    name = str(name)
    what = f"policy {name}"
    raw = raw_policy(name)
    if name in policy_names():
        return validated(Policy, raw, what)
    if "file" in raw:
        raise UsageError(f"{what} is invalid at the top level: {unknown('field', 'file', ())}")
    policy = validated(Policy, {**raw, "file": name}, what)
    check_policy(policy, what, registry)
    _check_name(policy)
    return policy


def _check_name(policy: Policy) -> None:
    """Refuse the name of a built-in policy for a file that says something else."""
    for name in policy_names():
        if _letters(policy.policy) != _letters(name):
            continue
        if policy.digest() != validated(Policy, raw_policy(name), f"policy {name}").digest():
            raise UsageError(
                f"policy {policy.file} has the name {policy.policy!r} but differs from the built-in policy of that "
                "name; choose another name, e.g. 'policy: our-policy'"
            )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
