"""A technique and a public implementation of it, which do the same work on the same data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Calls = tuple[Callable[[], object], Callable[[], object]]


@dataclass(frozen=True)
class Pair:
    """A row of the table.

    Attributes
    ----------
    slug : str
        The technique.
    peer : str
        The distribution that implements it, too.
    rows : int
        How many rows of data both get.
    make : callable
        Takes the number of rows and returns our call and the peer's, which only have to be timed.
    """

    slug: str
    peer: str
    rows: int
    make: Callable[[int], Calls]


PAIRS: list[Pair] = []


def pair(slug: str, peer: str, rows: int) -> Callable[[Callable[[int], Calls]], Callable[[int], Calls]]:
    """Add a row to the table; the decorated function is its ``make``."""

    def add(make: Callable[[int], Calls]) -> Callable[[int], Calls]:
        PAIRS.append(Pair(slug, peer, rows, make))
        return make

    return add
