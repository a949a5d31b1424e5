"""The causal picture of a run: one role for each column, where it comes from, and what the plan does with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fairmend.core.causal.column_roles import MEDIATOR, PROXY, ColumnRole, column_roles, raised
from fairmend.reports.verdict import p_text

if TYPE_CHECKING:
    from fairmend.core.causal.graph import CausalGraph
    from fairmend.pipeline.run.record import RunRecord

MOST_CONTRADICTIONS = 15
SOURCES = {
    "expert": "expert",
    "role": "declared roles",
    "audit": "audit",
    "data": "dependence in the data",
    "discovery": "causal discovery",
}
_WORDS = {MEDIATOR: "biased mediator", PROXY: "proxy"}


def roles_of(record: RunRecord) -> dict[str, ColumnRole]:
    """Return the role of every column; without a graph, or with open directions, there is none."""
    graph = record.graph
    if graph is None or graph.undirected:
        return {}
    return column_roles(graph, record.spec.roles, record.data["features"], record.spec.findings)


def repaired(record: RunRecord) -> set[str]:
    """Return the features that the steps of the final rule changed."""
    rule = record.deployed_steps()
    effects = [step.effect for step in record.steps if step.status == "ran" and step.slug in rule]
    return {
        name
        for effect in effects
        if effect and effect.kind == "features"
        for name in effect.detail["features"]
    }


def picture_rows(record: RunRecord) -> list[dict[str, str]]:
    """Return the columns of the causal picture, as texts."""
    graph, roles, changed = record.graph, roles_of(record), repaired(record)
    if graph is None:
        return []
    measured = {row["column"]: row for row in _analysis(record).get("columns", ())}
    told: dict[str, list[str]] = {}
    for kind, word in _WORDS.items():
        for finding in raised(record.spec.findings, kind):
            value = "" if finding.value is None else f", {finding.value:.3f}"
            told.setdefault(str(finding.column), []).append(f"{word} ({finding.severity}{value})")
    features = set(record.data["features"])
    return [
        {
            "column": column,
            "role": role,
            "source": _source(graph, record.spec.roles.protected, column, role),
            "dependence": _dependence(measured.get(column)),
            "audit": "; ".join(told.get(column, ())),
            "plan": "repaired"
            if column in changed
            else "read as it is"
            if column in features
            else "not a feature",
        }
        for column, role in roles.items()
    ]


def contradiction_texts(record: RunRecord) -> list[str]:
    """Return where data, audit and declared roles contradict the graph, with figures, the strongest first."""
    said = [one["text"] for one in _analysis(record).get("contradictions", ())]
    more = len(said) - MOST_CONTRADICTIONS
    return [*said[:MOST_CONTRADICTIONS], f"{more} more, in run.json."] if more > 0 else said


def _analysis(record: RunRecord) -> Mapping[str, Any]:
    """Return the result of the step that held the graph against the data."""
    return next(
        (one for one in record.technique_results.values() if "contradictions" in one and "dag" in one), {}
    )


def _source(graph: CausalGraph, protected: tuple[str, ...], column: str, role: str) -> str:
    """Return where the role of a column comes from: by the edges that lead to it from a protected attribute."""
    if role in {"protected attribute", "outcome"}:
        return SOURCES["role"]
    if role == "not in the graph":
        return ""
    into = [edge for edge in graph.edges if edge.effect == column]
    direct = [edge for edge in into if edge.cause in protected]
    found = direct or into or [edge for edge in graph.edges if edge.cause == column]
    named = dict.fromkeys(edge.provenance for edge in found)
    if role == "safe predictor" and named and set(named) <= {"role"}:
        return "no notable dependence in the data"
    return ", ".join(SOURCES.get(source, source) for source in named)


def _dependence(row: Mapping[str, Any] | None) -> str:
    if row is None or row["dependence"] is None:
        return ""
    p = p_text(row["p_holm"])
    return f"{row['dependence']:.2f} on {row['attribute']}, p {p if p.startswith('<') else f'= {p}'}"
