"""The operations stage: make a document or a set-up from a case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from fairmend.core.case import Case, Effect
from fairmend.core.stages._returned import returned_mapping
from fairmend.core.technique import Technique
from fairmend.core.vocabulary import Stage


class Operation(Technique):
    """Base of the operations stage: make a document or a set-up from a case.

    Write ``_produce(case)``; it returns a JSON-able mapping.
    """

    stage: ClassVar[Stage] = "operations"

    def produce(self, case: Case) -> dict[str, Any]:
        """Return the document or set-up."""
        self.check_parameters()
        return returned_mapping(self, "_produce", self._produce(case))

    def _produce(self, case: Case) -> Mapping[str, Any]:
        raise NotImplementedError

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Produce from the case; the result joins it."""
        result = self.produce(case)
        text = str(result.get("text", f"{self.metadata.name} was written."))
        return case.with_result(self.metadata.slug, result), Effect("none", 0.0, text, detail=result)
