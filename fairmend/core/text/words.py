"""Words: numbers with their nouns, and names that read alike."""

from __future__ import annotations

import unicodedata


def plural(count: int, noun: str, many: str | None = None) -> str:
    """Return a count with its noun, such as ``1 step`` or ``2,000 rows``.

    Parameters
    ----------
    count : int
        How many.
    noun : str
        The noun of one.
    many : str, optional
        The noun of several; by default with an ``s``.

    Examples
    --------
    >>> plural(1, "step"), plural(2000, "row"), plural(0, "analysis", "analyses")
    ('1 step', '2,000 rows', '0 analyses')
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def skeleton(label: str) -> str:
    r"""Return what a name has in common with names that look or read alike.

    Examples
    --------
    >>> skeleton("Female") == skeleton("female") == skeleton("fe\u200bmale")
    True
    """
    plain = unicodedata.normalize("NFKC", label).casefold()
    return " ".join("".join(c for c in plain if unicodedata.category(c) != "Cf").split()).rstrip(".")
