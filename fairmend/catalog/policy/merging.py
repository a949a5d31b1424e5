"""The raw content of a policy: its file, on top of the policies that it extends."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from os.path import normpath
from pathlib import Path
from typing import Any

from fairmend.core.errors import UnknownNameError, UsageError, unknown
from fairmend.core.text.strict_reading import parse_yaml, read_yaml

LONGEST_CHAIN = 20  # policies that extend one another
CLOSE = 0.85  # likeness of an id from which it is taken for a slip of another


@lru_cache(maxsize=1)
def policy_names() -> tuple[str, ...]:
    """Return the names of the policies that come with fairmend."""
    folder = resources.files("fairmend.catalog").joinpath("policies")
    return tuple(
        sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))
    )


def raw_policy(name: str, chain: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what a policy says, joined with what it extends.

    Mappings are merged, lists whose items have an ``id`` are merged item by item, other values replace.

    Parameters
    ----------
    name : str
        A built-in policy, or a file; what a file extends is looked up next to it.
    chain : tuple of str
        The policies on the way here.

    Raises
    ------
    UnknownNameError
        No such policy or file.
    UsageError
        It is not a mapping in strict YAML, an id is there twice or is likely misspelt, or the policies
        extend each other in a circle or in too long a chain.
    """
    raw = _read(name)
    _check_ids(raw, f"policy {name}")
    parent = raw.get("extends")
    if parent is None:
        return raw
    if not isinstance(parent, str):
        raise UsageError(f"policy {name} is invalid at extends: expected the name or file of a policy")
    if parent not in policy_names():
        beside = normpath(Path(name).parent / parent)
        if not Path(beside).is_file():
            raise UnknownNameError(
                f"policy {name} extends an unknown policy: {unknown('policy', parent, policy_names())}"
            )
        parent = beside
    chain = (*chain, name)
    if parent in chain:
        raise UsageError(f"the policies extend each other in a cycle: {' -> '.join((*chain, parent))}")
    if len(chain) >= LONGEST_CHAIN:
        raise UsageError(f"policy {chain[0]} extends a chain of more than {LONGEST_CHAIN} policies")
    return merged(raw_policy(parent, chain), raw, f"policy {name}")


def _read(name: str) -> dict[str, Any]:
    if name in policy_names():
        return _built_in(name)
    if not Path(name).is_file():
        raise unknown("policy", name, policy_names())
    return _mapping(read_yaml(name, f"policy {name}"), name)


@lru_cache(maxsize=8)
def _built_in(name: str) -> dict[str, Any]:
    text = resources.files("fairmend.catalog").joinpath("policies", f"{name}.yaml").read_text("utf-8")
    return _mapping(parse_yaml(text, f"policy {name}"), name)


def _mapping(raw: Any, name: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise UsageError(f"policy {name} must be a mapping, got {type(raw).__name__}")
    return raw


def merged(base: Any, change: Any, what: str = "the policy") -> Any:
    """Return raw content with changes merged into it.

    Raises
    ------
    UsageError
        An item of a list has no id where the others have one, or one that is close to an id of the base
        without being it: it would add an item instead of changing one.
    """
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        both = {key: merged(base[key], change[key], what) for key in base if key in change}
        return {**base, **change, **both}
    if not (_has_ids(base) and isinstance(change, list) and change):
        return change
    by_id = {}
    for item in change:
        if not (isinstance(item, Mapping) and "id" in item):
            raise UsageError(
                f"{what} is invalid: every item must have an id if the items of the base policy have one ({_some(base)})"
            )
        by_id[item["id"]] = item
    known = [item["id"] for item in base]
    for name in by_id:
        if name not in known and (close := _likely(name, known)):
            raise UsageError(
                f"{what} adds {name!r}, an id that the base policy does not have; did you mean {close}? "
                "Give a new item a less similar id"
            )
    kept = [merged(item, by_id.pop(item["id"]), what) if item["id"] in by_id else item for item in base]
    return [*kept, *by_id.values()]


def _likely(name: str, known: list[str]) -> str | None:
    """Return the id that a new one is probably a slip of; one that goes on after a hyphen is meant."""
    others = [other for other in known if not name.startswith(f"{other}-")]
    close = difflib.get_close_matches(name, others, n=1, cutoff=CLOSE)
    return close[0] if close else None


def _some(items: list[Mapping[str, Any]]) -> str:
    names = [str(item["id"]) for item in items]
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def _check_ids(raw: Any, what: str) -> None:
    """Check that ids are text and that no list has one twice: merging would lose an item."""
    for place, items in _lists(raw, ""):
        seen: set[str] = set()
        for item in items:
            if not (isinstance(item, Mapping) and "id" in item):
                continue
            if not isinstance(item["id"], str):
                raise UsageError(f"{what} is invalid at {place}: the id {item['id']!r} must be a string")
            if item["id"] in seen:
                raise UsageError(f"{what} is invalid at {place}: the id {item['id']!r} occurs twice")
            seen.add(item["id"])


def _lists(raw: Any, place: str) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            yield from _lists(value, f"{place}.{key}".strip("."))
    elif isinstance(raw, list):
        yield place, raw
        for number, value in enumerate(raw):
            name = value.get("id", number) if isinstance(value, Mapping) else number
            yield from _lists(value, f"{place}.{name}")


def _has_ids(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) and "id" in v for v in value)
    )
