"""Read YAML and JSON that people hand in: bounded, in UTF-8, each key once, every number finite."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from fairmend.core.errors import UsageError

try:
    from yaml import CSafeLoader as _SafeLoader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

MOST_YAML_BYTES = 4_000_000
MOST_JSON_BYTES = 200_000_000
MOST_DEPTH = 40  # of collections within each other, aliases written out
MOST_NODES = 200_000  # of a YAML document, aliases written out
MOST_DIGITS = 40  # of a number

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_KINDS = {f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map", "merge")}
_NOT_RESOLVED = {f"{_TAG}timestamp", f"{_TAG}value"}
# As in YAML 1.2: 1e-3 is a number, which YAML 1.1 reads as text.
EXPONENT = re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$")


class _Loader(_SafeLoader):
    """The safe loader; dates stay text, and numbers may have an exponent without a point."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag not in _NOT_RESOLVED]
    for first, rules in _SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(f"{_TAG}float", EXPONENT, list("-+.0123456789"))


def read_text(path: str | Path, what: str, most_bytes: int) -> str:
    """Return the text of a file in UTF-8.

    Raises
    ------
    UsageError
        It cannot be read, is larger than ``most_bytes``, or is not UTF-8.
    """
    try:
        with Path(path).open("rb") as handle:
            raw = handle.read(most_bytes + 1)
    except OSError as error:
        raise UsageError(f"{what} cannot be read: {error.strerror or error}") from error
    if len(raw) > most_bytes:
        raise UsageError(f"{what} is too large: at most {most_bytes:,} bytes are read")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{what} is not UTF-8: byte {error.start} is 0x{raw[error.start]:02x}; save it as UTF-8"
        ) from error


def read_yaml(path: str | Path, what: str) -> Any:
    """Return what a YAML file holds, by the rules of :func:`parse_yaml`."""
    return parse_yaml(read_text(path, what, MOST_YAML_BYTES), what)


def read_json(path: str | Path, what: str) -> Any:
    """Return what a JSON file holds, by the rules of :func:`parse_json`."""
    return parse_json(read_text(path, what, MOST_JSON_BYTES), what)


# -- YAML -----------------------------------------------------------------------------------------


def parse_yaml(text: str, what: str) -> Any:
    """Return what one YAML document holds: mappings with text as keys, lists, text, finite numbers, booleans.

    Parameters
    ----------
    text : str
        The document.
    what : str
        What it is, as messages begin, e.g. ``"policy mine.yaml"``.

    Raises
    ------
    UsageError
        It is not YAML, has a key twice or one that is not text, a number that is not finite or has too
        many digits, another type, or is too deep or too large once its aliases are written out; the
        message names the line.

    Examples
    --------
    >>> parse_yaml("bounds: [0.8, 1e-3]", "the text")
    {'bounds': [0.8, 0.001]}
    """
    try:
        _check_events(text, what)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _NodeCheck(what).check(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise UsageError(f"{what} is not YAML: {line}{_one_line(error.problem or error)}") from error
    except UsageError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{what} is not YAML: {_one_line(error)}") from error


def _check_events(text: str, what: str) -> None:
    """Check depth and size before anything is built of it, since building is recursive."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            continue
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        if depth > MOST_DEPTH:
            raise UsageError(_too_deep(what, _line(event)))
        if nodes > MOST_NODES:
            raise UsageError(f"{what} is too large: it has more than {MOST_NODES:,} values")


class _NodeCheck:
    """Checks a composed document; a node that aliases repeat is looked at once and counted each time."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._known: dict[int, tuple[int, int] | None] = {}

    def check(self, node: yaml.Node) -> tuple[int, int]:
        """Return the number of values in a node, and its depth."""
        if id(node) in self._known:
            found = self._known[id(node)]
            if found is None:
                raise self._error(node, "a value contains itself")
            return found
        self._known[id(node)] = None
        if node.tag not in _KINDS:
            raise self._error(node, f"the tag {node.tag!r} is not read; write plain text or a number")
        size, depth = 1, 0
        if isinstance(node, yaml.ScalarNode):
            self._scalar(node)
        else:
            for child in self._children(node):
                of_child, below = self.check(child)
                size, depth = size + of_child, max(depth, below + 1)
        if size > MOST_NODES:
            raise self._error(node, f"with its aliases expanded it has more than {MOST_NODES:,} values")
        if depth > MOST_DEPTH:
            raise UsageError(_too_deep(self.what, _line(node)))
        self._known[id(node)] = size, depth
        return size, depth

    def _children(self, node: yaml.Node) -> Iterable[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return node.value
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = _line(key)
            if key.tag == _MERGE:
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_TAG}str":
                shown = repr(key.value[:MOST_DIGITS]) if isinstance(key, yaml.ScalarNode) else "a collection"
                raise self._error(key, f"the key {shown} is not text; put it in quotes")
            if key.value in seen:
                raise self._error(key, f"the key {key.value!r} occurs twice, first in line {seen[key.value]}")
            seen[key.value] = line
        return [value for _, value in node.value]

    def _scalar(self, node: yaml.ScalarNode) -> None:
        if node.tag not in {f"{_TAG}int", f"{_TAG}float"}:
            return
        if len(node.value) > MOST_DIGITS:
            raise self._error(
                node, f"a number has {len(node.value):,} digits; at most {MOST_DIGITS} are read"
            )
        if node.tag == f"{_TAG}float" and not _finite(node.value):
            raise self._error(node, f"{node.value} is not a finite number")

    def _error(self, node: yaml.Node, problem: str) -> UsageError:
        return UsageError(f"{self.what}, line {_line(node)}: {problem}")


def _line(part: Any) -> int:
    """Return the line in which a node or event begins, from 1."""
    return int(part.start_mark.line) + 1


def _finite(text: str) -> bool:
    """Whether YAML's text of a number stands for a finite one; numbers to the base 60 do."""
    if text.lower().lstrip("+-") in {".inf", ".nan"}:
        return False
    return ":" in text or math.isfinite(float(text.replace("_", "")))


# -- JSON -----------------------------------------------------------------------------------------


def parse_json(text: str, what: str) -> Any:
    """Return what a JSON document holds.

    Raises
    ------
    UsageError
        It is not JSON, has a key twice, a number that is not finite or has too many digits, or is too deep.

    Examples
    --------
    >>> parse_json('{"rows": 3}', "the text")
    {'rows': 3}
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in found if names.count(name) > 1)
            raise UsageError(f"{what} has the key {twice[:80]!r} twice")
        return found

    def whole(digits: str) -> int:
        if len(digits) > MOST_DIGITS:
            raise UsageError(f"{what} has a number of {len(digits):,} digits; at most {MOST_DIGITS} are read")
        return int(digits)

    def finite(digits: str) -> float:
        if not math.isfinite(value := float(digits)):
            raise UsageError(f"{what} holds {digits[:MOST_DIGITS]}, which is not a finite number")
        return value

    try:
        value = json.loads(
            text, object_pairs_hook=unique, parse_int=whole, parse_float=finite, parse_constant=finite
        )
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"{what} is not JSON: {_one_line(error)}") from error
    except RecursionError as error:
        raise UsageError(_too_deep(what)) from error
    _check_json(value, what)
    return value


def _check_json(value: Any, what: str) -> None:
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item, *item.values()]
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and not _is_text(item):
                raise UsageError(f"{what} contains a lone surrogate, which is not text")
        if not below:
            return
        level = below
    raise UsageError(_too_deep(what))


def _is_text(item: str) -> bool:
    try:
        item.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_deep(what: str, line: int | None = None) -> str:
    where = "" if line is None else f", line {line}"
    return f"{what}{where}: values are nested more than {MOST_DEPTH} deep"


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split())[:160]
