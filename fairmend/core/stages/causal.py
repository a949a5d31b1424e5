"""The causal stage: look at data and a causal graph, change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fairmend.core.case import Case, Effect
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import DataError, InsufficientDataError
from fairmend.core.injection import Verb
from fairmend.core.stages._returned import returned_mapping
from fairmend.core.technique import Technique
from fairmend.core.vocabulary import Stage

if TYPE_CHECKING:
    from fairmend.core.causal.graph import CausalGraph
    from fairmend.core.findings import Finding


@dataclass(frozen=True)
class CausalResult:
    """What a causal analysis finds.

    Attributes
    ----------
    result : mapping
        The findings, ready for JSON; ``text`` is the sentence for people.
    graph : CausalGraph or None
        The graph that it made, which becomes the graph of the case.
    repair : tuple of str
        Columns that carry an unfair path and should be repaired: what a pre-processing step acts on that
        names no features of its own.
    leave_out : tuple of str
        Columns that a model should not read.
    """

    result: Mapping[str, Any]
    graph: CausalGraph | None = None
    repair: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()


class CausalAnalysis(Technique):
    """Base of the causal stage: look at data and a causal graph, change nothing.

    Write ``_analyze(...)``. It may name ``data`` (a :class:`~fairmend.core.data.dataset.Dataset`),
    ``graph``, ``model`` (the fitted rule of the case), ``proxies`` and ``findings`` (of the audit), and
    returns a :class:`CausalResult`, or a mapping for JSON where it finds nothing that steers the plan.
    """

    stage: ClassVar[Stage] = "causal"
    verbs: ClassVar[tuple[Verb, ...]] = (
        Verb("_analyze", ("data", "graph", "model", "proxies", "findings"), "fit"),
    )

    def analyze(
        self,
        data: Dataset,
        graph: CausalGraph | None = None,
        model: Any = None,
        findings: Sequence[Finding] = (),
    ) -> CausalResult:
        """Return what the analysis finds.

        Parameters
        ----------
        data : Dataset
            Features, outcome and protected attributes with their roles.
        graph : CausalGraph, optional
            The causal graph, where the technique reads one.
        model : FairModel, optional
            The fitted rule, where the technique audits one.
        findings : sequence of Finding
            What an audit found, where the technique reads it.

        Raises
        ------
        DataError
            The technique needs a graph and there is none, or there are too few rows.
        """
        self.check_parameters()
        if self.metadata.needs_graph and graph is None:
            raise DataError(f"{self.metadata.name} needs a causal graph; construct one first (technique 53)")
        if len(data) < self.metadata.minimum_rows:
            raise InsufficientDataError(
                f"{self.metadata.name} needs at least {self.metadata.minimum_rows} rows, got {len(data)}"
            )
        proxies = data.roles.proxies or None
        found = self._call(
            "_analyze", data=data, graph=graph, model=model, proxies=proxies, findings=tuple(findings)
        )
        return (
            found
            if isinstance(found, CausalResult)
            else CausalResult(returned_mapping(self, "_analyze", found))
        )

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Analyze the training data; the result, a graph and what steers the plan join the case."""
        found = self.analyze(case.train, case.graph, case.model, case.findings)
        if found.graph is not None:
            case = case.replace(graph=found.graph)
        case = case.replace(
            repair=(*case.repair, *(c for c in found.repair if c not in case.repair)),
            leave_out=(*case.leave_out, *(c for c in found.leave_out if c not in case.leave_out)),
        )
        result = dict(found.result)
        text = str(result.get("text", f"{self.metadata.name} analyzed {len(case.train)} rows."))
        return case.with_result(self.metadata.slug, result), Effect("none", 0.0, text, detail=result)
