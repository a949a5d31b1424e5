"""The bibliography: a small BibTeX reader, and citations as people read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fairmend.core.errors import UnknownNameError, unknown

_ENTRY = re.compile(r"^@(?P<kind>\w+)\{(?P<key>[^,\s]+),(?P<body>.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s*(?P<name>\w+)\s*=\s*\{(?P<value>.*?)\}\s*,?\s*$", re.MULTILINE)
_VENUES = ("journal", "booktitle", "publisher")
_FULL = re.compile(r"\b(1[89]|20)\d\d\b")


@dataclass(frozen=True)
class Reference:
    """An entry of the bibliography.

    Attributes
    ----------
    key : str
        Name of the entry.
    authors : tuple of str
        Authors in the form "Family, Given".
    year : int
        Year of publication.
    title : str
        Title.
    venue : str
        Journal, proceedings or publisher.
    """

    key: str
    authors: tuple[str, ...]
    year: int
    title: str
    venue: str

    def full(self) -> str:
        """Return "Authors (Year). Title. Venue."."""
        end = "" if self.title.endswith(("?", "!", ".")) else "."
        return f"{_joined(self.authors, ', ', ', & ')} ({self.year}). {self.title}{end} {self.venue}."

    def short(self) -> str:
        """Return the family names and the year, as a text cites the entry."""
        names = [author.partition(",")[0] for author in self.authors]
        who = f"{names[0]} et al." if len(names) > 2 else " & ".join(names)
        return f"{who} ({self.year})"


def read_bibtex(text: str) -> dict[str, Reference]:
    """Return the entries of a BibTeX text by key.

    The text is plain: one field per line, values in braces, authors as "Family, Given" joined by
    "and", UTF-8 in place of TeX accents.

    Raises
    ------
    ValueError
        An entry that cannot be read, lacks a field, or comes twice.
    """
    found: dict[str, Reference] = {}
    for entry in _ENTRY.finditer(text):
        key = entry["key"]
        fields = {f["name"].lower(): f["value"].strip() for f in _FIELD.finditer(entry["body"])}
        venue = next((fields[name] for name in _VENUES if fields.get(name)), "")
        lacking = [name for name in ("author", "title", "year") if not fields.get(name)]
        if lacking or not venue:
            raise ValueError(f"the reference {key} must have {', '.join(lacking) or 'a venue'}")
        if key in found:
            raise ValueError(f"the reference {key} comes twice")
        authors = tuple(name.strip() for name in fields["author"].split(" and "))
        found[key] = Reference(key, authors, int(fields["year"]), fields["title"], venue)
    starts = len(re.findall(r"^@\w+\{", text, re.MULTILINE))
    if starts != len(found):
        raise ValueError(f"{starts} references begin, but {len(found)} can be read; look for an open brace")
    return found


@cache
def references() -> dict[str, Reference]:
    """Return the bibliography of the catalog by key."""
    path = resources.files("fairmend.catalog").joinpath("references.bib")
    return read_bibtex(path.read_text(encoding="utf-8"))


def cite(citation: str, *, short: bool = False) -> str:
    """Return a citation as people read it.

    Parameters
    ----------
    citation : str
        Key into the bibliography, or a full reference with a year, which is returned unchanged.
    short : bool
        Family names and year only.

    Raises
    ------
    UnknownNameError
        Neither a key nor a full reference.

    Examples
    --------
    >>> cite("feldman2015certifying", short=True)
    'Feldman et al. (2015)'
    >>> cite("Doe, J. (2024). A method. Journal.")
    'Doe, J. (2024). A method. Journal.'
    """
    entry = references().get(citation)
    if entry is not None:
        return entry.short() if short else entry.full()
    if " " in citation.strip() and _FULL.search(citation):
        return citation.strip()
    raise UnknownNameError(
        f"{unknown('reference', citation, references())}; a citation is a key of the bibliography or a full reference with a year"
    )


def _joined(names: tuple[str, ...], between: str, last: str) -> str:
    return names[0] if len(names) == 1 else between.join(names[:-1]) + last + names[-1]
