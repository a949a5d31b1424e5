"""Search: semantic similarity, words and findings rank the techniques; constraints only filter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fairmend.catalog.references import cite
from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.core.metadata import TechniqueMetadata
from fairmend.index.answer import Answer, Excluded, Result
from fairmend.index.encoders import Encoder, encoder_named, unit_vectors
from fairmend.index.lexical import Lexicon, stems
from fairmend.index.passages import Catalog, Passage
from fairmend.index.stated_limits import with_stated
from fairmend.index.store import Vectors, topic_texts, vectors

DENSE, LEXICAL, STRUCTURE = 0.50, 0.50, 0.10  # weights of the three kinds of evidence
BEST = 0.8  # weight of a technique's best passage; the rest goes to the mean of its best three
NEARER = 0.0  # how much nearer to the field than to everyday matters a text must be
NAMED = 0.45  # share of its words in one card at which a text is on topic whatever its meaning
RELEVANT = 0.18  # least score of the best technique; below it the answer is empty
LEAST, SHARE = 0.10, 0.4  # least score of the others, and as a share of the best that is allowed
KIND = 0.35  # nearness at which a text begins to speak of a finding kind
LATER = 0.1  # what each later stage of a finding kind's list loses

_ID = re.compile(r"^(?:(?:technique|method|id|nr|no|number)\b\.?\s*)?#?\s*(\d{1,4})\s*[.?]?$", re.IGNORECASE)
_NAMED_ID = re.compile(r"(?:\btechnique\s+(?:no\.?\s*|number\s+|id\s+)?|#)(\d{1,4})\b", re.IGNORECASE)


@dataclass(frozen=True)
class QueryScores:
    """The evidence for each technique, shape (techniques,) each, and for the topic.

    Attributes
    ----------
    dense : ndarray
        Semantic similarity of the technique's passages.
    lexical : ndarray
        Weighted share of the query's words that the technique's card contains.
    structure : ndarray
        How well the query matches a finding that the technique addresses.
    passage : ndarray of int
        Index of the technique's most similar passage.
    kinds : ndarray, shape (kinds,)
        Similarity of each finding kind; 1 if the query contains one of its phrases.
    inside, outside : float
        Similarity to the field and to everyday topics. The former is the mean of the most similar passage and
        the most similar text on the field or a kind, since one of many passages may be similar by chance.
    """

    dense: NDArray[np.float64]
    lexical: NDArray[np.float64]
    structure: NDArray[np.float64]
    passage: NDArray[np.int64]
    kinds: NDArray[np.float64]
    inside: float
    outside: float

    @cached_property
    def fused(self) -> NDArray[np.float64]:
        """The scores, between 0 and 1."""
        mixed = DENSE * self.dense + LEXICAL * self.lexical + STRUCTURE * self.structure
        return np.clip(mixed, 0, 1)

    @property
    def on_topic(self) -> bool:
        """Whether the query is on the topic of the catalog."""
        return self.inside - self.outside > NEARER or float(self.lexical.max(initial=0)) >= NAMED


class Index:
    """A searchable catalog.

    Parameters
    ----------
    catalog : Catalog
        What is installed.
    encoder : Encoder
        What turns texts into vectors.
    """

    def __init__(self, catalog: Catalog, encoder: Encoder) -> None:
        self.catalog = catalog
        self.encoder = encoder
        self.vectors: Vectors = vectors(catalog, encoder)
        self.lexicon = Lexicon(catalog.documents)
        self._owner = np.array([p.technique for p in catalog.passages], dtype=np.int64)
        self._kind = np.array([kind for kind, _ in catalog.kind_texts], dtype=np.int64)
        self._phrases = [frozenset(stems(text)) for _, text in catalog.kind_texts]
        self._addresses = addressed_kinds(catalog)

    def evidence(self, text: str) -> QueryScores:
        """Return the evidence for each technique as an answer to a query."""
        vector = unit_vectors(self.encoder, [text])
        near = self._nearness(vector)
        dense, passage = self._dense(near)
        kinds = self._kinds(text, vector)
        topic = self.vectors.topic @ vector[0]
        field = len(topic_texts()["field"])
        return QueryScores(
            dense=dense,
            lexical=self.lexicon.scores(text),
            structure=(self._addresses * np.clip((kinds - KIND) / (1 - KIND), 0, 1)[:, None]).max(
                axis=0, initial=0
            ),
            passage=passage,
            kinds=kinds,
            inside=float(near.max(initial=0) + max(kinds.max(initial=0), topic[:field].max())) / 2,
            outside=float(topic[field:].max()),
        )

    def query(self, text: str, constraints: Constraints, top: int) -> Answer:
        """Return the techniques that answer a query, best first."""
        number = _ID.match(text.strip()) or _NAMED_ID.search(text)
        evidence = self.evidence(text)
        scores = evidence.fused.copy()
        named = None if number is None else self._position(number[1])
        off_topic = not evidence.on_topic or scores.max(initial=0) < RELEVANT
        if named is None and off_topic:
            named = self._called(text)
        if named is not None:
            scores[named] = 1.0
        elif off_topic:
            return Answer(text, (), ())
        order = [int(i) for i in np.argsort(-scores, kind="stable")]
        reasons = [constraints.reason(card) for card in self.catalog.techniques]
        allowed = [i for i in order if reasons[i] is None and scores[i] >= LEAST][:top]
        results = [
            self._result(self.catalog.techniques[i], i, float(scores[i]), evidence)
            for i in allowed
            if scores[i] >= SHARE * scores[allowed[0]]
        ]
        excluded = [
            Excluded.of(self.catalog.techniques[i], reason)
            for i in order[:top]
            if (reason := reasons[i]) is not None and scores[i] >= max(LEAST, SHARE * scores[order[0]])
        ]
        return Answer(text, tuple(results), tuple(excluded))

    def _nearness(self, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the cosine of each passage, in the order of the passages."""
        size = len(self.catalog.passages)
        near = np.zeros(size)
        if size:
            cosines, positions = self.vectors.passages.search(vector, size)
            near[positions[0]] = cosines[0]
        return near

    def _dense(self, near: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the similarity of each technique, and its most similar passage."""
        order = np.lexsort((-near, self._owner))
        starts = np.searchsorted(self._owner, np.arange(len(self.catalog.techniques)))
        best = near[order[starts[:, None] + np.arange(3)]]  # every card has three passages or more
        return BEST * best[:, 0] + (1 - BEST) * best.mean(axis=1), order[starts]

    def _kinds(self, text: str, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the similarity of each kind: semantic, or 1 if the query contains one of its phrases."""
        words = set(stems(text))
        said = np.array([len(phrase) > 1 and phrase <= words for phrase in self._phrases], dtype=float)
        near = np.maximum(self.vectors.kinds @ vector[0], said)
        kinds = np.zeros(len(self.catalog.kinds))
        np.maximum.at(kinds, self._kind, near)
        return kinds

    def _called(self, text: str) -> int | None:
        """Return the technique whose slug the query contains word by word, or None."""
        words = f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "
        called = (f" {t.slug.replace('-', ' ')} " in words for t in self.catalog.techniques)
        return next((place for place, found in enumerate(called) if found), None)

    def _position(self, number: str) -> int | None:
        ids = [str(card.technique_id) for card in self.catalog.techniques]
        return ids.index(number) if number in ids else None

    def _result(self, card: TechniqueMetadata, i: int, score: float, evidence: QueryScores) -> Result:
        passage = self.catalog.passages[evidence.passage[i]]
        why = [_sentence(card, passage)]
        addressed = np.flatnonzero(self._addresses[:, i])
        if len(addressed):
            kind = addressed[np.argmax(evidence.kinds[addressed])]
            if evidence.kinds[kind] > KIND:
                found = self.catalog.kinds[kind]
                why.append(f"{card.name} addresses the finding {found.title.lower()}: {found.description}")
        if passage.part != "use_when":
            why.append(f"{card.name} is made for this situation: {card.use_when}")
        return Result(
            card.technique_id,
            card.slug,
            card.name,
            card.stage,
            round(score, 4),
            tuple(f"{sentence} [{cite(card.citation, short=True)}]" for sentence in why),
            cite(card.citation),
        )


def query(
    text: str,
    *,
    registry: Registry,
    constraints: Constraints | None = None,
    top: int = 10,
    encoder: Encoder | str | None = None,
) -> Answer:
    """Return the techniques that answer a question, best first.

    Parameters
    ----------
    text : str
        A question, a finding, a situation, or the name, id or authors of a technique.
    registry : Registry
        What is installed.
    constraints : Constraints, optional
        Hard limits, in addition to those that the text states, such as "we cannot retrain". A technique that
        violates one is listed under ``excluded`` with the reason, if it would have been among the first ``top``.
    top : int
        Maximum number of results.
    encoder : Encoder or str, optional
        An encoder, the name of a plugin's encoder, or the name or folder of a sentence-transformers
        model; by default the bundled all-MiniLM-L6-v2.

    Returns
    -------
    Answer
        Empty if the query is not about fairness.

    Raises
    ------
    UsageError
        The query has no word, or ``top`` is below 1.
    """
    if not re.search(r"\w", text):
        raise UsageError(f"the query must have at least one word, got {text!r}")
    if top < 1:
        raise UsageError(f"top must be at least 1, got {top}")
    return index_of(registry, encoder).query(text, with_stated(constraints or Constraints(), text), top)


_indexes: dict[tuple[str, str], Index] = {}


def index_of(registry: Registry, encoder: Encoder | str | None = None) -> Index:
    """Return the index of the installed techniques; it is cached in this process."""
    catalog = Catalog.of(registry)
    name = encoder if isinstance(encoder, str | None) else encoder.name
    key = (catalog.digest, name or "")
    if key not in _indexes:
        chosen = encoder_named(encoder, registry) if isinstance(encoder, str | None) else encoder
        _indexes[key] = Index(catalog, chosen)
    return _indexes[key]


def addressed_kinds(catalog: Catalog) -> NDArray[np.float64]:
    """Return how well each technique fits each finding kind, shape (kinds, techniques).

    1 for a technique of the first stage in the kind's list, slightly less for each later stage, 0 if the
    technique does not address the kind.
    """
    fit = np.zeros((len(catalog.kinds), len(catalog.techniques)))
    for row, kind in enumerate(catalog.kinds):
        for column, card in enumerate(catalog.techniques):
            if kind.kind in card.addresses:
                listed = card.stage in kind.stages
                later = kind.stages.index(card.stage) if listed else len(kind.stages)
                fit[row, column] = 1 - LATER * later
    return fit


def _sentence(card: TechniqueMetadata, passage: Passage) -> str:
    match passage.part:
        case "summary":
            return passage.text
        case "use_when":
            return f"{card.name} is made for this situation: {passage.text}"
        case "question":
            return f"{card.name} answers the question “{passage.text}”"
        case "nature" | "effect":
            return f"{card.name}: {passage.text} {card.summary}"
