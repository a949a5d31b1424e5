"""The operations stage: documents and set-ups from the record of a run, or from a stream of decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from fairmend.core.case import Case, Effect
from fairmend.core.errors import UsageError
from fairmend.core.injection import Verb
from fairmend.core.stages._returned import returned_kind
from fairmend.core.technique import Technique
from fairmend.core.vocabulary import Stage


@dataclass(frozen=True)
class OperationResult:
    """What an operation makes.

    Attributes
    ----------
    result : mapping
        What it found or set up, as plain JSON types; ``text`` is a one-sentence summary.
    documents : mapping of str to str
        Contents of files by name.
    """

    result: Mapping[str, Any]
    documents: Mapping[str, str] = field(default_factory=dict)


class Operation(Technique):
    """Base of the operations stage: documents and set-ups from the record of a run, or a stream.

    Write ``_produce(...)``. It may name ``record`` (the record of a run as the mapping that
    ``fairmend run --json`` prints) and ``stream`` (an iterable of DataFrames, each a batch of decisions in
    the order in which they were made), and returns an :class:`OperationResult`.
    """

    stage: ClassVar[Stage] = "operations"
    verbs: ClassVar[tuple[Verb, ...]] = (Verb("_produce", ("record", "stream"), "fit"),)

    def produce(
        self, record: Mapping[str, Any] | None = None, *, stream: Iterable[pd.DataFrame] | None = None
    ) -> OperationResult:
        """Return documents or set-up.

        Parameters
        ----------
        record : mapping, optional
            The record of a run.
        stream : iterable of DataFrame, optional
            Batches of decisions, in order.

        Raises
        ------
        DataError
            What the operation reads is missing.
        """
        self.check_parameters()
        found = self._call("_produce", record=record, stream=stream)
        return returned_kind(self, "_produce", found, OperationResult)

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Refuse: an operation follows a run, with its record."""
        raise UsageError(f"{self.metadata.name} works on the record of a run; list it under operations")
