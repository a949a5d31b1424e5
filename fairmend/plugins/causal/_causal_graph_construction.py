"""Causal graph construction for fairness analysis, Kusner, Loftus, Russell & Silva 2017."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from fairmend.base import (
    CausalAnalysis,
    CausalGraph,
    CausalResult,
    Dataset,
    Finding,
    TechniqueMetadata,
    assumed_graph,
    column_roles,
    contradictions,
    dependences,
    failed_claims,
    fitted_graph,
    intervention_points,
    read_graph,
    regressors,
)
from fairmend.plugins.causal._graph_report import column_table, columns_to_repair, summary


class CausalGraphConstruction(CausalAnalysis):
    """Build the causal graph, derive every column's role from it, and test it against the data.

    Parameters
    ----------
    edges : sequence of edges, mapping, CausalGraph or path, optional
        The graph: pairs (cause, effect) or triples with a provenance, a mapping, or a JSON, YAML or .dot
        file. By default the graph passed to the analysis, otherwise an assumed one: protected attributes
        act on the outcome directly and through mediators, resolving variables and proxies; covariates act
        on mediators and outcome. A feature without a declared role is a mediator if an audit found it
        biased, or if it depends on an attribute and the outcome depends on it.
    alpha : float, default=0.05
        Level of the tests, after Holm's correction.
    min_effect : float in [0, 1], default=0.05
        Minimum strength of dependence that counts; with many rows any dependence is significant.
    max_implications : int, default=300
        Maximum number of independences to test.

    Notes
    -----
    A predictor that uses only non-descendants of the protected attributes is counterfactually fair for any
    structural equations (Lemma 1): these are the ``safe_predictors``. Columns that are not in the graph are
    listed in ``not_in_graph``. A confounder of an attribute is one of its ancestors; columns that an
    attribute influences are mediators or proxies, never confounders.

    Data can reject a graph but not prove it: a missing edge implies an independence, which is tested; an edge
    implies nothing. The tests are linear for numeric columns. ``contradictions`` lists independences that
    the data reject, effects of an attribute that leave no trace in the data, and what the audit or the
    declared roles say against the graph; a declared resolving variable that no attribute influences is an
    error. Sample weights are used for the base rates only.

    References
    ----------
    M. J. Kusner, J. Loftus, C. Russell and R. Silva (2017), "Counterfactual fairness", NeurIPS, sections
    3 and 4. N. Kilbertus et al. (2017), "Avoiding discrimination through causal reasoning", NeurIPS,
    for resolving variables and proxies.

    Examples
    --------
    >>> from fairmend.base import Dataset, Roles
    >>> from fairmend.plugins.causal import CausalGraphConstruction
    >>> from fairmend.plugins.datasets import bank
    >>> roles = Roles(outcome="approved", protected=("race",), mediators=("income", "credit_score"))
    >>> data = Dataset.from_frame(bank(2_000).drop(columns="application_id"), roles)
    >>> found = CausalGraphConstruction().analyze(data)
    >>> print(found.result["text"])
    12 columns, 41 edges (assumed): 5 mediators, 0 proxies, 5 safe predictors; the data deny 7 of 25 tested claims; interventions are supported in pre-processing, post-processing.
    """

    metadata = TechniqueMetadata(
        technique_id=53,
        slug="causal-graph-construction",
        name="Causal graph construction for fairness analysis",
        family="graphs",
        summary="Derives the role of every column from assumed causes, tests the assumptions, and names where to intervene.",
        citation="kusner2017counterfactual",
        addresses=("biased-mediator", "proxy-variable", "outcome-disparity", "base-rate-difference"),
        targets=("counterfactual_fairness",),
        tasks=("binary",),
        minimum_rows=100,
        complexity="medium",
        duration_weeks=(2, 3),
        use_when="Domain experts can say what causes what, and mitigation should act where the bias enters.",
        avoid_when="Nobody can justify the edges, or only the size of the disparity matters and not its path.",
        questions=(
            "Through which path does race affect the decision, and where should we intervene?",
            "Which features are mediators, which are proxies, and which can a model use safely?",
            "What has to be adjusted for to estimate the effect of gender?",
            "Does our data contradict the diagram that the experts drew?",
            "Should we fix the data, the training or the thresholds first?",
            "How do I write down and check our assumptions about cause and effect?",
        ),
        alternatives=(52,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "edges": [list, tuple, dict, str, Path, CausalGraph, None],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "min_effect": [Interval(Real, 0, 1, closed="both")],
        "max_implications": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self, edges: Any = None, alpha: float = 0.05, min_effect: float = 0.05, max_implications: int = 300
    ) -> None:
        self.edges = edges
        self.alpha = alpha
        self.min_effect = min_effect
        self.max_implications = max_implications

    def _analyze(
        self, data: Dataset, graph: CausalGraph | None = None, findings: Sequence[Finding] = ()
    ) -> CausalResult:
        source = "given" if graph is not None else "assumed"
        if self.edges is not None:
            graph, source = read_graph(self.edges), "edges"
        if graph is not None:
            graph = fitted_graph(graph, data)
        outcome, resolving = data.roles.outcome, data.roles.resolving
        frame, notes = regressors(data.frame, data.frame.columns)
        levels = {"alpha": self.alpha, "min_effect": self.min_effect}
        found = dependences(data, frame, **levels)
        if graph is None:
            graph = assumed_graph(data, findings, found.values())
        joint = graph.roles(data.roles.protected, outcome, resolving=resolving)
        by_attribute = {}
        for attribute in data.roles.protected:
            accepted = [name for name in resolving if name in graph.descendants(attribute)]
            by_attribute[attribute] = graph.roles(attribute, outcome, resolving=accepted).to_mapping()
        roles = column_roles(graph, data.roles, map(str, data.X.columns), findings)
        claims = failed_claims(graph, frame, most=self.max_implications, **levels)
        against = contradictions(
            data, graph, findings=findings, found=found, failed=claims["failed"], min_effect=self.min_effect
        )
        points = intervention_points(data, frame, graph, **levels)
        stages = list(dict.fromkeys(point["stage"] for point in points if point["supported"]))
        safe = [name for name in joint.non_descendants if name not in data.roles.not_features()]
        return CausalResult({
            "source": source,
            "dag": graph.to_mapping(),
            "dot": graph.to_dot(),
            "roles": joint.to_mapping(),
            "by_attribute": by_attribute,
            "columns": column_table(roles, found),
            "safe_predictors": safe,
            "not_in_graph": [str(name) for name in data.X.columns if name not in graph.nodes],
            "contradictions": against,
            "implications": claims,
            "intervention_points": points,
            "strategy": "hybrid" if len(stages) > 1 else (stages or ["none"])[0],
            "notes": {name: said for name, said in notes.items() if name in graph.nodes},
            "text": summary(graph, source, roles, len(safe), claims, stages),
        }, graph, repair=columns_to_repair(data, roles, points, findings))  # fmt: skip
