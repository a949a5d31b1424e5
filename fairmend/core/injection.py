"""Dependency injection: private methods are called with the parameters that they name.

Each stage defines which parameters the private methods of a technique may name. A parameter without a default
is required, one with a default is optional. What a technique needs (labels, the protected attribute at fit or
at prediction, a graph, a learner) is derived from its signatures: it cannot be declared wrongly, and a method
never gets what it does not name.
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
    "candidates": "a table of models with their metrics (candidates)",
    "graph": "a causal graph",
    "learner": "a learner to train",
    "model": "the fitted model",
    "validation": "data not used for training",
    "proxies": "the columns that are proxies",
    "query": "the query of each row",
    "data": "the data with their roles",
    "finding": "a finding",
    "attribute": "the name of the protected attribute",
    "findings": "the findings of an audit",
    "record": "the record of a run",
    "stream": "batches of decisions",
}
"""Description of each parameter, for messages."""


@dataclass(frozen=True)
class Verb:
    """A private method that a technique of a stage may define.

    Attributes
    ----------
    name : str
        Name of the method.
    offers : tuple of str
        The parameters it may name.
    phase : {"fit", "prediction"}
        Whether it is called to fit or to predict.
    """

    name: str
    offers: tuple[str, ...]
    phase: Phase


@dataclass(frozen=True)
class Reads:
    """The parameters of one private method of a technique.

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
    """Return the parameters of a private method.

    Parameters
    ----------
    owner : str
        Name of the class, for messages.
    method : callable
        The method as defined in the class.
    verb : Verb
        Its specification.

    Raises
    ------
    PluginError
        It has a parameter that the stage does not define, or takes ``*args`` or ``**kwargs``.
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
            raise PluginError(
                f"{name} takes *{parameter.name}; name its parameters: {', '.join(verb.offers)}"
            )
        if parameter.name not in verb.offers:
            close = unknown(f"input of {name}", parameter.name, verb.offers)
            raise PluginError(f"{close}; it may name {', '.join(verb.offers)}")
        (needed if parameter.default is parameter.empty else optional).append(parameter.name)
    return Reads(tuple(needed), tuple(optional), verb.phase)


def arguments(reads: Reads, available: Mapping[str, Any], who: str) -> dict[str, Any]:
    """Return the arguments for a private method.

    Parameters
    ----------
    reads : Reads
        Its parameters.
    available : mapping of str to object
        Available values; None if a value was not given.
    who : str
        Name of the technique, for messages.

    Raises
    ------
    DataError
        A required value was not given.
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
    """Return whether any of these methods has a parameter.

    Parameters
    ----------
    reads : iterable of Reads
        The parameters of the methods.
    name : str
        What is looked for.
    phase : {"fit", "prediction"}, optional
        Only methods of this phase.
    needed : bool
        Only parameters without a default.
    """
    return any(
        name in (r.needed if needed else (*r.needed, *r.optional))
        for r in reads
        if phase is None or r.phase == phase
    )
