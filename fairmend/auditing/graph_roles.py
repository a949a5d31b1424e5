"""What an expert's causal graph changes in an audit of features, and what the data hold against the graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fairmend.core.causal.assumed_graph import dependences
from fairmend.core.causal.column_roles import UNFAIR, column_roles
from fairmend.core.causal.contradictions import contradictions
from fairmend.core.causal.covariates import regressors
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.interventions import failed_claims
from fairmend.core.data.dataset import Dataset
from fairmend.core.findings import Finding

ALPHA, MIN_EFFECT, MOST_CLAIMS = 0.05, 0.05, 300
MOST_TOLD = 10


def searches(data: Dataset, graph: CausalGraph | None) -> list[tuple[Dataset, frozenset[str] | None]]:
    """Return the searches for mediators and proxies: the data with the roles of each, and its columns.

    Parameters
    ----------
    data : Dataset
        The data with their declared roles.
    graph : CausalGraph or None
        An expert's graph. Its mediators count as declared; features outside it are searched by association,
        and features that it calls safe are not searched.

    Returns
    -------
    list of (Dataset, frozenset of str or None)
        The first holds the proxies; None stands for all columns.
    """
    if graph is None:
        return [(data, None)]
    roles = column_roles(graph, data.roles, map(str, data.X.columns))
    mediators = tuple(column for column, role in roles.items() if role in UNFAIR)
    outside = frozenset(column for column, role in roles.items() if role == "not in the graph")
    proxies = tuple(column for column, role in roles.items() if role == "proxy")
    drawn = data.roles.model_copy(update={"mediators": mediators, "proxies": proxies})
    found: list[tuple[Dataset, frozenset[str] | None]] = [
        (replace(data, roles=drawn), frozenset(mediators)),
        (replace(data, roles=drawn.model_copy(update={"mediators": ()})), outside),
    ]
    return found if outside else found[:1]


def against(graph: CausalGraph | None, data: Dataset, findings: Iterable[Finding]) -> list[str]:
    """Return what data and findings contradict in an expert's graph, as notes, the strongest first."""
    if graph is None:
        return []
    frame, _ = regressors(data.frame, data.frame.columns)
    said = contradictions(
        data,
        graph,
        findings=list(findings),
        found=dependences(data, frame, alpha=ALPHA, min_effect=MIN_EFFECT),
        failed=failed_claims(graph, frame, alpha=ALPHA, min_effect=MIN_EFFECT, most=MOST_CLAIMS)["failed"],
        min_effect=MIN_EFFECT,
    )
    told = [f"Contradicts the causal graph: {one['text']}" for one in said[:MOST_TOLD]]
    more = len(said) - MOST_TOLD
    return [*told, f"{more} more contradictions of the causal graph."] if more > 0 else told
