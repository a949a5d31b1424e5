r"""Texts from outside made safe, one function for each medium.

Names of groups, columns, people, policies, files and plugins, notes, and what a plugin prints are written by
strangers. Whatever shows them passes through here, at the last place before the medium: the console of the
command line, the templates of reports, labels of drawings, JSON and YAML. What could act on its reader instead
of being read is shown as its code, such as ``\x1b``: names that differ still look different.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Control characters but tab and line feed; soft hyphen; marks of direction and their overrides; characters
# without width; line separators; annotations, tags, byte order mark; halves of surrogate pairs. Joiners have
# a meaning after letters outside ASCII only.
ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]|(?:(?<=[\x00-\x7f])|^)[\u200c\u200d]"
)
# What Markdown (CommonMark and GitHub's tables, autolinks, mathematics) would take for its own.
_MARKDOWN = re.compile(
    r"[\\`*|~$]"  # wherever they stand
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # emphasis; within a word it is none
    r"|<(?=[A-Za-z/!?])|&(?=\#?[A-Za-z0-9]+;)"  # tags and entities
    r"|\](?=[(\[])|^\[|!(?=\[)"  # links, their definitions, images, boxes to tick
    r"|(?<=[A-Za-z]):(?=//)|(?<=www)\."  # bare addresses
    r"|^[#>]|^[-+=](?![0-9.])|^[0-9]{1,9}[.)](?= |$)",  # blocks
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")
_ENTITIES = {"<": "&lt;", "&": "&amp;"}
# Mermaid reads these characters in a label as its own, even between quotes.
_MERMAID = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"})
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?%?")


def visible(text: object) -> str:
    r"""Return a text in which no character acts on a terminal or a reader's eye; lines stay lines.

    Examples
    --------
    >>> visible("red \x1b[31m, reversed \u202e, José 東京")
    'red \\x1b[31m, reversed \\u202e, José 東京'
    """
    return ACTING.sub(lambda found: _code(found[0]), str(text))


def one_line(text: object, limit: int | None = None) -> str:
    r"""Return a text as :func:`visible` does, on one line, cut with ``…`` where it is longer than a limit.

    Examples
    --------
    >>> one_line("a\n b", limit=10), one_line("a" * 30, limit=10)
    ('a b', 'aaaaaaaaa…')
    """
    line = " ".join(visible(text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def shown(value: object, limit: int = 80) -> str:
    """Return a value as an error message quotes it, of bounded length.

    Examples
    --------
    >>> shown("red"), shown(1.5), shown("x" * 200, limit=12)
    ("'red'", '1.5', "'xxxxxxxxxx…")
    """
    if isinstance(value, (str, bytes)) and len(value) > limit:
        value = value[:limit]
    try:
        return one_line(repr(value), limit)
    except (ValueError, RecursionError):  # an integer of thousands of digits, data that hold themselves
        return f"a {type(value).__name__} too long to show"


class Markdown(str):
    """A text that is Markdown already."""

    __slots__ = ()


def markdown(text: object) -> Markdown:
    r"""Return a text as Markdown that shows it, on one line and without structure of its own.

    Examples
    --------
    >>> print(markdown("# <b>[x](javascript:1)"), markdown("two_year_recid < 0.5"))
    \# &lt;b>[x\](javascript:1) two_year_recid < 0.5
    """
    if isinstance(text, Markdown):
        return text
    line = _SPACES.sub(" ", visible(text))
    before, after = line[: line.startswith(" ")], line[len(line.rstrip()) :]
    escaped = _MARKDOWN.sub(lambda m: _ENTITIES.get(m[0], f"{m[0][:-1]}\\{m[0][-1]}"), line.strip())
    return Markdown(before + escaped + after if escaped else line)


def markdown_code(text: object) -> Markdown:
    """Return a text as a code span of Markdown; a backtick would end it and becomes an apostrophe."""
    return Markdown("`" + one_line(text).replace("`", "'").replace("|", "¦") + "`")


def mermaid_label(text: object) -> str:
    """Return a text as it stands between quotes in Mermaid, on one line."""
    return one_line(one_line(text).translate(_MERMAID))


def is_formula(cell: object) -> bool:
    """Return whether a spreadsheet would take a cell for a formula.

    Examples
    --------
    >>> [is_formula(cell) for cell in ("=1+1", "@SUM(A1)", "-1.5", "+4 %", "a=b", -1.5)]
    [True, True, False, True, False, False]
    """
    return isinstance(cell, str) and bool(_FORMULA.match(cell)) and not _NUMBER.fullmatch(cell)


def json_text(value: Any, indent: int | None = 2) -> str:
    """Return JSON as it is printed and written: exact, with what acts as its code; NaN not allowed."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return ACTING.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
