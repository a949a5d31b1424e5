"""The indexed texts of the techniques, taken from the cards of the catalog."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from fairmend.catalog.references import cite
from fairmend.catalog.registry import Registry
from fairmend.core.findings import FindingKind
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.vocabulary import Modifies

Part = Literal["summary", "use_when", "question", "nature", "effect"]

_CHANGED: dict[Modifies, str] = {
    "features": "values of features",
    "weights": "the weights of rows",
    "rows": "which rows are there",
    "labels": "labels of rows",
    "model": "how the model is trained",
    "scores": "the scores",
    "decisions": "who gets the favorable decision",
    "ranking": "the order within a ranking",
    "prediction sets": "the set of classes that is said to hold the truth",
    "intervals": "the interval that is said to hold the truth",
    "abstention": "which cases are left to a person",
}


@dataclass(frozen=True)
class Passage:
    """A short text about a technique.

    Attributes
    ----------
    technique : int
        Position of the technique in the catalog.
    part : str
        Part of the card it comes from.
    text : str
        The text.
    """

    technique: int
    part: Part
    text: str


@dataclass(frozen=True)
class Catalog:
    """The installed techniques and finding kinds, in a fixed order.

    Attributes
    ----------
    techniques : tuple of TechniqueMetadata
        The techniques, numbered ones first.
    kinds : tuple of FindingKind
        The kinds of finding, by name.
    """

    techniques: tuple[TechniqueMetadata, ...]
    kinds: tuple[FindingKind, ...]

    @classmethod
    def of(cls, registry: Registry) -> Catalog:
        """Return the catalog of a registry."""
        answers = registry.collect("fairmend_finding_kinds")
        kinds = {kind.kind: kind for _, answer in answers for kind in answer}
        cards = tuple(card.metadata for card in registry.cards())
        return cls(cards, tuple(kinds[name] for name in sorted(kinds)))

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The passages of all techniques, in their order."""
        return tuple(
            Passage(i, part, text) for i, card in enumerate(self.techniques) for part, text in _passages(card)
        )

    @cached_property
    def kind_texts(self) -> tuple[tuple[int, str], ...]:
        """The texts of the finding kinds, each with the position of its kind."""
        return tuple(
            (i, text)
            for i, kind in enumerate(self.kinds)
            for text in (f"{kind.title}. {kind.description}", *kind.phrases)
        )

    @cached_property
    def documents(self) -> list[list[tuple[str, float]]]:
        """The words of each technique with their weights, for lexical search."""
        kinds = {kind.kind: kind for kind in self.kinds}
        return [_fields(card, [kinds[k] for k in card.addresses if k in kinds]) for card in self.techniques]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that the index is built from."""
        # A card from the cache has its mappings in another order than one that was just made.
        cards = [card.model_dump(mode="json") for card in (*self.techniques, *self.kinds)]
        texts = [f"{p.technique} {p.text}" for p in self.passages]
        return hashlib.sha256(json.dumps([cards, texts], sort_keys=True).encode()).hexdigest()


def spoken(word: str) -> str:
    """Return a vocabulary name as plain text."""
    return word.replace("_", " ")


def _passages(card: TechniqueMetadata) -> list[tuple[Part, str]]:
    found: list[tuple[Part, str]] = []
    summary, use_when, *questions = card.passages()
    found.append(("summary", summary))
    found.append(("use_when", use_when))
    found.extend(("question", question) for question in questions)
    found.append(("nature", nature(card)))
    if card.modifies:
        found.append(("effect", effect(card)))
    return found


def nature(card: TechniqueMetadata) -> str:
    """Return the sentence that says what kind of technique a card describes."""
    goals = f" It works towards {_listed(card.targets)}." if card.targets else ""
    other = [task for task in card.tasks if task != "binary"]
    tasks = f" It serves {_listed(other)}." if other else ""
    return f"{card.name} is one of the {card.stage} techniques, of the family {card.family}.{goals}{tasks}"


def effect(card: TechniqueMetadata) -> str:
    """Return a sentence about what a technique changes and what it does not."""
    changed = _listed([_CHANGED[name] for name in card.modifies])
    if card.stage == "pre-processing":
        return f"The training data is changed before a model is trained: {changed}."
    if card.needs_retraining:
        return f"The model is trained anew, and this changes {changed}."
    return f"The trained model is kept as it is; only {changed} changes afterwards."


def _listed(names: Sequence[str]) -> str:
    words = [spoken(name) for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _fields(card: TechniqueMetadata, kinds: Sequence[FindingKind]) -> list[tuple[str, float]]:
    """Return the texts of a card with the weights of their words; names have the highest weight."""
    fields = [
        (card.name, 3.0),
        (card.slug, 1.0),
        (cite(card.citation), 1.5),
        (card.family, 1.0),
        (card.stage.replace("-", ""), 0.5),
        (card.summary, 1.0),
        (card.use_when, 1.0),
        (nature(card), 0.5),
    ]
    fields.extend((question, 1.0) for question in card.questions)
    fields.extend((f"{kind.title} {' '.join(kind.phrases)}", 0.3) for kind in kinds)
    return fields
