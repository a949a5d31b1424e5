"""Lexical search: BM25 over the techniques, with light stemming and correction of misspelled words."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

K1 = 1.2  # how soon a repeated word stops to count (Robertson & Zaragoza 2009)
B = 0.5  # how far long texts are discounted; low, for the texts of a card are of similar length
CLOSE = 0.55  # least overlap of letter n-grams at which a word passes for a misspelling of another

_WORD = re.compile(r"[a-z0-9]+")
_YEAR = re.compile(r"(19|20)\d\d")
_COMMON = """
a about after all also am an and any are as at be because been before being but by can cannot could did do does
doing down during each else ever every few for from further get gets give given gives go had has have having he
her here hers him his how i if in into is it its just let like made make makes me more most much must my need
needs no nor not now of off on once one only or other our ours out over own per s same see shall she should so
some such take than that the their theirs them then there these they thing this those through to too under until
up upon us use used uses using very via want wants was we were what when where whether which while who whom whose
why will with within without would yes yet you your technique techniques method methods approach algorithm way
"""
_ENDINGS = """
ization isation ation atively ative ator ating ated ate
izing ising ized ised izer iser ize ise
ically ity iest ment ness ing edly ed ively ive able
ence ance ion er ally al ly ic y e
"""
_STOPWORDS = frozenset(_COMMON.split())
_BY_LENGTH = sorted(_ENDINGS.split(), key=len, reverse=True)


def stems(text: str) -> list[str]:
    """Return the word stems of a text, in order, without accents and stop words.

    Only years are kept of the numbers: the values in a finding do not identify a method.

    Examples
    --------
    >>> stems("Which thresholds equalize the Rényi correlations of 2019 and 0.4?")
    ['threshold', 'equal', 'renyi', 'correl', '2019']
    """
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    plain = plain.replace("n't", " not").replace("'s ", " ")
    return [
        _stem(word)
        for word in _WORD.findall(plain)
        if word not in _STOPWORDS and (not word.isdigit() or _YEAR.fullmatch(word))
    ]


class Lexicon:
    """BM25 over documents with weighted fields.

    Parameters
    ----------
    documents : sequence of sequences of (str, float)
        The fields of each document: a text and the weight of its words.
    """

    def __init__(self, documents: Sequence[Sequence[tuple[str, float]]]) -> None:
        self.size = len(documents)
        counts = [_weighted(fields) for fields in documents]
        lengths = np.array([sum(c.values()) for c in counts]) if counts else np.zeros(0)
        mean = lengths.mean() if self.size and lengths.any() else 1.0
        postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for document, count in enumerate(counts):
            room = K1 * (1 - B + B * lengths[document] / mean)
            for stem, times in count.items():
                postings[stem].append((document, times / (times + room)))
        self._postings: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {
            stem: (np.array([d for d, _ in found]), np.array([w for _, w in found]))
            for stem, found in postings.items()
        }
        self._grams: dict[str, set[str]] = defaultdict(set)
        for stem in self._postings:
            for gram in _grams(stem):
                self._grams[gram].add(stem)

    def scores(self, text: str) -> NDArray[np.float64]:
        """Return the share of the text's weight that each document covers, between 0 and 1.

        A word is weighted by its rarity among the documents. An unknown word has the weight of the rarest one
        and matches no document, so a text on another topic scores low everywhere.
        """
        total = np.zeros(self.size)
        weight = 0.0
        for stem in dict.fromkeys(stems(text)):
            found, sureness = self._nearest(stem)
            weight += self._rarity(found) if found else self._rarity(None)
            if found:
                documents, parts = self._postings[found]
                total[documents] += sureness * self._rarity(found) * parts
        return total / weight if weight else total

    def _rarity(self, stem: str | None) -> float:
        holders = len(self._postings[stem][0]) if stem else 0
        return math.log(1 + (self.size - holders + 0.5) / (holders + 0.5))

    def _nearest(self, stem: str) -> tuple[str | None, float]:
        """Return the closest known word and its similarity (Dice coefficient of n-grams)."""
        if stem in self._postings:
            return stem, 1.0
        if len(stem) < 5 or stem.isdigit():
            return None, 0.0
        mine = _grams(stem)
        shared = Counter(word for gram in mine for word in self._grams.get(gram, ()))
        best, overlap = None, 0.0
        for word, common in sorted(shared.items()):
            dice = 2 * common / (len(mine) + len(_grams(word)))
            if dice > overlap and abs(len(word) - len(stem)) <= 2:
                best, overlap = word, dice
        return (best, overlap) if overlap >= CLOSE else (None, 0.0)


def _stem(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in _BY_LENGTH:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def _weighted(fields: Sequence[tuple[str, float]]) -> dict[str, float]:
    count: dict[str, float] = defaultdict(float)
    for text, weight in fields:
        for stem in stems(text):
            count[stem] += weight
    return count


def _grams(word: str) -> set[str]:
    """Return the character bigrams and trigrams of a word, with start and end marked."""
    marked = f"<{word}>"
    return {marked[i : i + n] for n in (2, 3) for i in range(len(marked) - n + 1)}
