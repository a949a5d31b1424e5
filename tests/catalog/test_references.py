"""The bibliography: every entry can be read, every card's citation resolves."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from fairmend.catalog.references import cite, read_bibtex, references
from fairmend.catalog.registry import Registry
from fairmend.core.errors import UnknownNameError


def test_every_entry_of_the_file_is_read():
    text = resources.files("fairmend.catalog").joinpath("references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([^,]+),", text, re.MULTILINE)
    assert len(keys) > 100
    assert sorted(keys) == sorted(references())


@pytest.mark.parametrize("key", sorted(references()))
def test_an_entry_reads_as_a_reference(key):
    entry = references()[key]
    assert 1950 < entry.year < 2100
    assert str(entry.year) in key
    assert all(re.fullmatch(r"[^,{}\\]+, [^{}\\]+", author) for author in entry.authors), entry.authors
    assert re.search(r"\(\d{4}\)\. .+[.?!] .+\.$", entry.full())
    assert not re.search(r"[{}\\]|\.\.", entry.full())


def test_every_card_resolves():
    for card in Registry.installed(cache=None).cards():
        assert re.search(r"\(\d{4}\)", cite(card.metadata.citation)), card.metadata.slug


def test_forms():
    full = cite("kamiran2012data")
    assert full.startswith("Kamiran, F., & Calders, T. (2012). Data preprocessing techniques")
    assert cite("kamiran2012data", short=True) == "Kamiran & Calders (2012)"
    assert cite("feldman2015certifying", short=True) == "Feldman et al. (2015)"


def test_a_full_reference_passes_through():
    given = "Author, A. (2023). A method of our own. Technical report."
    assert cite(given) == given


@pytest.mark.parametrize("bad", ["feldman2015certifyin", "no such thing", "", "someone2020"])
def test_anything_else_is_an_error_that_names_close_keys(bad):
    with pytest.raises(UnknownNameError, match="no reference is called"):
        cite(bad)
    if bad.startswith("feldman"):
        with pytest.raises(UnknownNameError, match="feldman2015certifying"):
            cite(bad)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@book{a1999,\n  title = {T},\n  year = {1999},\n  publisher = {P},\n}\n", "author"),
        ("@book{a1999,\n  author = {A, B.},\n  title = {T},\n  year = {1999},\n}\n", "venue"),
        (
            "@book{a1999,\n  author = {A, B.},\n  title = {T},\n  year = {1999},\n  publisher = {P},\n}\n"
            * 2,
            "twice",
        ),
        ("@book{a1999,\n  author = {A, B.},\n", "open brace"),
    ],
)
def test_a_broken_bibliography_is_an_error(text, message):
    with pytest.raises(ValueError, match=message):
        read_bibtex(text)
