"""Which policy a run was judged by, and in what two policies differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from fairmend.catalog.policy.loading import load_policy
from fairmend.catalog.policy.merging import policy_names
from fairmend.catalog.policy.schema import Policy
from fairmend.catalog.policy.strength import Weakness, weaker_than
from fairmend.core.text.escaping import one_line


@dataclass(frozen=True)
class PolicyRecord:
    """By which policy a run was judged.

    Attributes
    ----------
    name : str
        What it calls itself.
    file : str or None
        Where it was read; None for a built-in one, or one that a program made.
    sha256 : str
        Of what it says.
    evidence : str
        Whether the estimate or the whole interval decides.
    built_in : bool
        Whether it is what comes with fairmend under that name.
    weaker_than_playbook : tuple of Weakness
        Where it requires less than the playbook.
    """

    name: str
    file: str | None
    sha256: str
    evidence: str
    built_in: bool
    weaker_than_playbook: tuple[Weakness, ...]

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return what a run says of its policy."""
        digest = policy.digest()
        built_in = policy.policy in policy_names() and load_policy(policy.policy).digest() == digest
        weaker = tuple(weaker_than(policy, load_policy("playbook")))
        return cls(policy.policy, policy.file, digest, policy.evidence, built_in, weaker)

    @property
    def text(self) -> str:
        """The policy in one line: name, origin and the beginning of its hash."""
        origin = "built in" if self.built_in else one_line(self.file or "not from a file")
        return f"{self.name} ({origin}), SHA-256 {self.sha256[:12]}"

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {**self.__dict__, "weaker_than_playbook": [w.to_json() for w in self.weaker_than_playbook]}


@dataclass(frozen=True)
class PolicyComparison:
    """In what two policies differ.

    Attributes
    ----------
    changed : dict of str to (object, object)
        What each says at a place where they differ, by its path.
    first_weaker, second_weaker : tuple of Weakness
        Where one requires less than the other.
    """

    changed: dict[str, tuple[Any, Any]]
    first_weaker: tuple[Weakness, ...]
    second_weaker: tuple[Weakness, ...]

    @classmethod
    def of(cls, first: Policy, second: Policy) -> Self:
        """Return the comparison of two policies."""
        a, b = (_leaves(policy.model_dump(mode="json", exclude={"file"})) for policy in (first, second))
        changed = {k: (a.get(k), b.get(k)) for k in sorted({*a, *b}) if a.get(k) != b.get(k)}
        return cls(changed, tuple(weaker_than(first, second)), tuple(weaker_than(second, first)))

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {
            "changed": [{"place": k, "first": x, "second": y} for k, (x, y) in self.changed.items()],
            "weaker": {
                "first": [w.to_json() for w in self.first_weaker],
                "second": [w.to_json() for w in self.second_weaker],
            },
        }


def _leaves(value: Any, place: str = "") -> dict[str, Any]:
    """Return the leaves of nested data by their path; items with an id are named by it."""
    if isinstance(value, dict):
        return {
            k: v
            for name, item in value.items()
            for k, v in _leaves(item, f"{place}.{name}".strip(".")).items()
        }
    if isinstance(value, list):
        named = [
            (str(item.get("id", i)) if isinstance(item, dict) else str(i), item)
            for i, item in enumerate(value)
        ]
        return {k: v for name, item in named for k, v in _leaves(item, f"{place}.{name}").items()}
    return {place: value}
