"""Where data, an audit or declared roles contradict a causal graph, each with its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fairmend.core.causal.assumed_graph import Dependence
from fairmend.core.causal.column_roles import MEDIATOR, PROXY, raised
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset

if TYPE_CHECKING:
    from fairmend.core.findings import Finding

FOUND = {"audit", "data"}
ASSUMED = {"role", *FOUND}
"""Provenances of edges that no expert drew."""
_DETECTABLE = (1.96 + 1.28) ** 2
"""Rows times squared effect from which a test of level 0.05 finds the effect with probability 0.9."""


def contradictions(
    data: Dataset,
    graph: CausalGraph,
    *,
    findings: Iterable[Finding],
    found: Mapping[tuple[str, str], Dependence],
    failed: Iterable[Mapping[str, Any]],
    min_effect: float,
) -> list[dict[str, Any]]:
    """Return what contradicts a graph: what concerns a protected attribute first, the strongest first.

    Parameters
    ----------
    data : Dataset
        The data with their declared roles.
    graph : CausalGraph
        The graph, with attributes and outcome among its nodes.
    findings : iterable of Finding
        What an audit found.
    found : mapping of (attribute, column) to Dependence
        Tests of the features; see :func:`.assumed_graph.dependences`.
    failed : iterable of mapping
        Claims of independence that the data deny, as :func:`.interventions.failed_claims` returns them.
    min_effect : float
        Strength of dependence from which a test counts.

    Returns
    -------
    list of dict
        ``source`` (``data``, ``audit`` or ``roles``), ``columns``, ``given``, ``measure``, ``value``,
        ``interval``, ``p_value`` and ``text``.

    Notes
    -----
    In an assumed graph, covariates are not related to each other; only its claims about protected
    attributes are tested against the data.
    """
    protected = set(data.roles.protected)
    drawn = any(edge.provenance not in ASSUMED for edge in graph.edges)
    said = [_of_claim(claim) for claim in failed if drawn or protected & {claim["x"], claim["y"]}]
    said += _not_borne_out(graph, found, min_effect, len(data))
    said += _of_audit(graph, protected, findings)
    said += _of_roles(data, graph)
    return sorted(said, key=lambda one: (not protected & set(one["columns"]), -(one["value"] or 0.0)))


def _of_claim(claim: Mapping[str, Any]) -> dict[str, Any]:
    x, y, given = claim["x"], claim["y"], claim["given"]
    held = (
        f"no path between {x} and {y}"
        if not given
        else f"no path between {x} and {y} given {', '.join(given)}"
    )
    return _entry(
        "data", (x, y), given, "dependence", claim["effect"], claim["p_holm"],
        f"The graph has {held}, but in the data they depend on each other",
    )  # fmt: skip


def _not_borne_out(
    graph: CausalGraph, found: Mapping[tuple[str, str], Dependence], min_effect: float, rows: int
) -> list[dict[str, Any]]:
    """Return the effects of an attribute that leave no trace in the data.

    Too few rows contradict nothing: they must suffice to find a dependence of the least size that counts.
    """
    if rows * min_effect**2 < _DETECTABLE:
        return []
    said = []
    for edge in graph.edges:
        one = found.get((edge.cause, edge.effect))
        if one is None or edge.provenance in FOUND or not one.of_attribute.effect < min_effect:
            continue
        test = one.of_attribute
        said.append(
            _entry(
                "data", (edge.cause, edge.effect), (), "dependence", test.effect, test.adjusted_p_value,
                f"In the graph {edge.cause} affects {edge.effect}, but the data show no dependence of {min_effect:g} or more",
            )
        )  # fmt: skip
    return said


def _of_audit(graph: CausalGraph, protected: set[str], findings: Iterable[Finding]) -> list[dict[str, Any]]:
    said = []
    found = list(findings)
    for kind, word in ((MEDIATOR, "a biased mediator"), (PROXY, "a proxy")):
        for one in raised(found, kind):
            attribute, column = str(one.attribute), str(one.column)
            if (
                attribute not in protected
                or column not in graph.nodes
                or column in graph.descendants(attribute)
            ):
                continue
            said.append(
                {
                    "source": "audit",
                    "columns": [attribute, column],
                    "given": [],
                    "measure": one.measure,
                    "value": one.value,
                    "interval": one.interval,
                    "p_value": None,
                    "text": f"The audit calls {column} {word} of {attribute} ({one.severity}; {one.measure.replace('_', ' ')} "
                    f"{_number(one.value)}), but in the graph {attribute} does not influence it.",
                }
            )
    return said


def _of_roles(data: Dataset, graph: CausalGraph) -> list[dict[str, Any]]:
    """Return the declared roles that the graph denies."""
    attributes, outcome = data.roles.protected, data.roles.outcome
    descendants = graph.descendants(attributes)
    mediators = set(descendants) & set(graph.ancestors(outcome))
    said = []
    for role, allowed, why in (
        (
            "mediators",
            mediators,
            "no directed path leads from a protected attribute through it to the outcome",
        ),
        ("proxies", descendants, "no protected attribute influences it"),
    ):
        said += [
            _entry("roles", (column,), (), "", None, None, f"{column} is declared among the {role}, but in the graph {why}")
            for column in getattr(data.roles, role)
            if column not in allowed
        ]  # fmt: skip
    return said


def _entry(
    source: str,
    columns: Iterable[str],
    given: Iterable[str],
    measure: str,
    value: float | None,
    p_value: float | None,
    text: str,
) -> dict[str, Any]:
    figures = "" if value is None else f" (size {_number(value)}, p {_p(p_value)})"
    return {
        "source": source,
        "columns": list(columns),
        "given": list(given),
        "measure": measure or None,
        "value": value,
        "interval": None,
        "p_value": p_value,
        "text": f"{text}{figures}.",
    }


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _p(p_value: float | None) -> str:
    if p_value is None:
        return "not defined"
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"
