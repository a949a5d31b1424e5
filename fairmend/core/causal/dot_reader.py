"""Read the part of Graphviz's DOT language that a causal graph can be written in.

The grammar is that of https://graphviz.org/doc/info/lang.html, without HTML labels; in a ``digraph``,
``a -- b`` is read as ``a -> b [dir=none]``. What the attributes mean is left to the caller.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from fairmend.core.errors import UsageError

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/|\#[^\n]*)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<mark>->|--|[{}\[\]=,;:])
      | (?P<name>-?\.?\w[\w.]*)""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = frozenset({"graph", "node", "edge", "subgraph", "digraph", "strict"})


class DotEdge(NamedTuple):
    """One arrow of the drawing, with its attributes."""

    tail: str
    head: str
    attributes: dict[str, str]


class DotGraph(NamedTuple):
    """What a DOT text draws: its nodes in order of appearance, and its arrows."""

    nodes: tuple[str, ...]
    edges: tuple[DotEdge, ...]


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def read_dot(text: str) -> DotGraph:
    """Return nodes and arrows of a directed graph in the DOT language.

    Parameters
    ----------
    text : str
        One ``digraph``; chains (``a -> b -> c``), groups (``{a b} -> c``), subgraphs, ports,
        default edge attributes and comments are understood.

    Returns
    -------
    DotGraph
        Node names and edges; the attributes of an edge include the defaults in force.

    Raises
    ------
    UsageError
        If the text is no directed graph in this language; the message names the line.

    Examples
    --------
    >>> read_dot('digraph { race -> {income "zip code"} [label=expert] }').nodes
    ('race', 'income', 'zip code')
    """
    return _Reader(_tokens(text)).graph()


def _tokens(text: str) -> list[_Token]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        line = text.count("\n", 0, position) + 1
        if match is None:
            raise UsageError(
                f"cannot read the DOT text at line {line}: {text[position : position + 20]!r} is not a name, quoted string, '->' or bracket; put names with other characters in double quotes"
            )
        if match.lastgroup != "space":
            tokens.append(_Token(str(match.lastgroup), match.group(), line))
        position = match.end()
    return tokens


class _Reader:
    """Recursive descent over the tokens, one method a rule of the grammar."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.nodes: dict[str, None] = {}
        self.edges: list[DotEdge] = []

    def graph(self) -> DotGraph:
        self._accept("strict")
        if not self._accept("digraph"):
            raise self._error("'digraph' (causes have a direction)")
        if not self._next_is("{"):
            self._name()
        self._group({})
        if self.position < len(self.tokens):
            raise self._error("the end of the text")
        return DotGraph(tuple(self.nodes), tuple(self.edges))

    def _group(self, inherited: dict[str, str]) -> list[str]:
        """Read ``{ statements }`` and return the nodes named in it."""
        defaults = dict(inherited)
        members: dict[str, None] = {}
        self._expect("{")
        while not self._accept("}"):
            members.update(dict.fromkeys(self._statement(defaults)))
            self._accept(";")
        return list(members)

    def _statement(self, defaults: dict[str, str]) -> list[str]:
        for keyword in ("graph", "node", "edge"):
            if self._accept(keyword):
                attributes = self._attributes()
                if keyword == "edge":
                    defaults.update(attributes)
                return []
        if self._next_is("=", ahead=1):
            self._name()
            self._expect("=")
            self._name()
            return []
        ends, marks = [self._end(defaults)], []
        while (directed := self._accept("->")) or self._accept("--"):
            marks.append({} if directed else {"dir": "none"})
            ends.append(self._end(defaults))
        attributes = defaults | self._attributes()
        for (tails, heads), mark in zip(pairwise(ends), marks, strict=True):
            self.edges += [DotEdge(tail, head, attributes | mark) for tail in tails for head in heads]
        return [name for end in ends for name in end]

    def _end(self, defaults: dict[str, str]) -> list[str]:
        """Read one end of an arrow: a node, or a group that stands for all its nodes."""
        if self._accept("subgraph") and not self._next_is("{"):
            self._name()
        if self._next_is("{"):
            return self._group(defaults)
        name = self._name()
        while self._accept(":"):
            self._name()
        self.nodes.setdefault(name)
        return [name]

    def _attributes(self) -> dict[str, str]:
        attributes = {}
        while self._accept("["):
            while not self._accept("]"):
                key = self._name()
                self._expect("=")
                attributes[key] = self._name()
                if not self._accept(","):
                    self._accept(";")
        return attributes

    def _name(self) -> str:
        token = self._peek()
        if token is None or token.kind == "mark" or self._keyword(token) in _KEYWORDS:
            raise self._error("a name")
        self.position += 1
        if token.kind == "quoted":
            return token.text[1:-1].replace("\\\n", "").replace('\\"', '"').replace("\\\\", "\\")
        return token.text

    @staticmethod
    def _keyword(token: _Token) -> str:
        """Return the token as a keyword or mark would be written; quoted text is neither."""
        return "" if token.kind == "quoted" else token.text.lower()

    def _peek(self, ahead: int = 0) -> _Token | None:
        at = self.position + ahead
        return self.tokens[at] if at < len(self.tokens) else None

    def _next_is(self, text: str, ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token is not None and self._keyword(token) == text

    def _accept(self, text: str) -> bool:
        found = self._next_is(text)
        self.position += found
        return found

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._error(repr(text))

    def _error(self, expected: str) -> UsageError:
        token = self._peek()
        got = f"{token.text!r} at line {token.line}" if token else "the end of the text"
        return UsageError(f"cannot read the DOT text: expected {expected}, got {got}")
