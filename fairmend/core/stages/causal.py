"""The causal stage: look at data and a causal graph, change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from fairmend.core.case import Case, Effect
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import DataError, InsufficientDataError
from fairmend.core.stages._returned import returned_mapping
from fairmend.core.technique import Technique
from fairmend.core.vocabulary import Stage

if TYPE_CHECKING:
    from fairmend.core.causal.graph import CausalGraph


class CausalAnalysis(Technique):
    """Base of the causal stage: look at data and a causal graph, change nothing.

    Write ``_analyse(data, graph)``: it returns a JSON-able mapping; under the key ``"graph"`` it may
    put a :class:`~fairmend.core.causal.graph.CausalGraph`, which becomes the graph of the case.
    """

    stage: ClassVar[Stage] = "causal"

    def analyse(self, data: Dataset, graph: CausalGraph | None = None) -> dict[str, Any]:
        """Return what the analysis finds.

        Parameters
        ----------
        data : Dataset
            Features, outcome and protected attributes with their roles.
        graph : CausalGraph, optional
            The causal graph, where the technique needs one.

        Raises
        ------
        DataError
            The technique needs a graph and none was given, or too few rows.
        """
        self.check_parameters()
        if self.metadata.needs_graph and graph is None:
            raise DataError(f"{self.metadata.name} needs a causal graph; construct one first (technique 53)")
        if len(data) < self.metadata.minimum_rows:
            raise InsufficientDataError(
                f"{self.metadata.name} needs at least {self.metadata.minimum_rows} rows, got {len(data)}"
            )
        return returned_mapping(self, "_analyse", self._analyse(data, graph))

    def _analyse(self, data: Dataset, graph: CausalGraph | None) -> Mapping[str, Any]:
        raise NotImplementedError

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Analyse the training data; the result, and a graph if there is one, join the case."""
        result = self.analyse(case.train, case.graph)
        graph = result.pop("graph", None)
        if graph is not None:
            case = case.replace(graph=graph)
        text = str(result.get("text", f"{self.metadata.name} looked at {len(case.train)} rows."))
        return case.with_result(self.metadata.slug, result), Effect("none", 0.0, text, detail=result)
