"""A technique reads what it names: private methods are called with the parameters they ask for.

Each stage offers names to each of the private methods that a technique may write. A parameter without a
default is needed, one with a default is read where it is there. What a technique needs (labels, the
protected attribute at fit or at prediction, a graph, a learner) is therefore read off its signatures: it
cannot be declared wrongly, and what a method does not name it never gets.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fairmend.core.errors import DataError, PluginError, unknown

Phase = Literal["fit", "prediction"]

MEANING: Mapping[str, str] = {
    "X": "the features",
    "y": "the labels",
    "groups": "the protected attribute",
    "sample_weight": "sample weights",
    "scores": "scores of a model",
    "y_true": "the labels (y_true)",
    "y_pred": "decisions (y_pred)",
    "y_score": "scores (y_score)",
    "baseline": "decisions of a model to compare with",
    "candidates": "a table of models with their measures (candidates)",
    "graph": "a causal graph",
    "learner": "a learner to train",
    "model": "the fitted model",
    "validation": "data that trained nothing",
    "proxies": "the columns that are proxies",
    "query": "the query of each row",
    "data": "the data with their roles",
    "finding": "a finding",
    "attribute": "the name of the protected attribute",
    "findings": "the findings of an audit",
    "record": "the record of a run",
    "stream": "batches of decisions",
}
"""What a person calls each name, for messages."""


@dataclass(frozen=True)
class Verb:
    """A private method that a technique of a stage may write.

    Attributes
    ----------
    name : str
        Name of the method.
    offers : tuple of str
        The parameters that it may name.
    phase : {"fit", "prediction"}
        Whether it learns, or is called for rows to decide on.
    """

    name: str
    offers: tuple[str, ...]
    phase: Phase


@dataclass(frozen=True)
class Reads:
    """What one private method of a technique names.

    Attributes
    ----------
    needed : tuple of str
        Parameters without a default.
    optional : tuple of str
        Parameters with a default.
    phase : {"fit", "prediction"}
        When it is called.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    phase: Phase

    def __contains__(self, name: object) -> bool:
        return name in self.needed or name in self.optional


def read_signature(owner: str, method: Callable[..., Any], verb: Verb) -> Reads:
    """Return what a private method names.

    Parameters
    ----------
    owner : str
        Name of the class, for messages.
    method : callable
        The method as written in the class.
    verb : Verb
        Which one it is.

    Raises
    ------
    PluginError
        It names something that the stage does not offer, or takes any number of arguments.
    """
    return _named(f"{owner}.{verb.name}", list(inspect.signature(method).parameters.values())[1:], verb)


def read_function(name: str, function: Callable[..., Any], verb: Verb) -> Reads:
    """Return what a function names, as :func:`read_signature` does of a method."""
    return _named(name, list(inspect.signature(function).parameters.values()), verb)


def _named(name: str, parameters: Iterable[inspect.Parameter], verb: Verb) -> Reads:
    needed: list[str] = []
    optional: list[str] = []
    for parameter in parameters:
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            raise PluginError(f"{name} takes *{parameter.name}; name what it reads: {', '.join(verb.offers)}")
        if parameter.name not in verb.offers:
            close = unknown(f"input of {name}", parameter.name, verb.offers)
            raise PluginError(f"{close}; it may name {', '.join(verb.offers)}")
        (needed if parameter.default is parameter.empty else optional).append(parameter.name)
    return Reads(tuple(needed), tuple(optional), verb.phase)


def arguments(reads: Reads, available: Mapping[str, Any], who: str) -> dict[str, Any]:
    """Return what a private method is called with.

    Parameters
    ----------
    reads : Reads
        What it names.
    available : mapping of str to object
        What there is; None stands for what was not given.
    who : str
        Name of the technique, for messages.

    Raises
    ------
    DataError
        Something that it needs was not given.
    """
    out: dict[str, Any] = {}
    for name in reads.needed:
        if available.get(name) is None:
            raise DataError(f"{who} reads {MEANING.get(name, name)}, which was not given")
        out[name] = available[name]
    for name in reads.optional:
        if available.get(name) is not None:
            out[name] = available[name]
    return out


def named_in(reads: Iterable[Reads], name: str, phase: Phase | None = None, *, needed: bool = False) -> bool:
    """Return whether any of these methods names something.

    Parameters
    ----------
    reads : iterable of Reads
        What the methods name.
    name : str
        What is looked for.
    phase : {"fit", "prediction"}, optional
        Only methods of this phase.
    needed : bool
        Whether it must be without a default.
    """
    return any(
        name in (r.needed if needed else (*r.needed, *r.optional))
        for r in reads
        if phase is None or r.phase == phase
    )
