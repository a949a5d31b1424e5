"""What a tested causal graph says of the columns: their roles, which of them to repair, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairmend.base import UNFAIR, CausalGraph, Dataset, Dependence, Finding, plural


def column_table(
    roles: Mapping[str, str], found: Mapping[tuple[str, str], Dependence]
) -> list[dict[str, Any]]:
    """Return each column with its role and the protected attribute on which it depends most."""
    return [_row(name, role, found) for name, role in roles.items()]


def _row(column: str, role: str, found: Mapping[tuple[str, str], Dependence]) -> dict[str, Any]:
    """Return a column with its role and the protected attribute on which it depends most."""
    known = [
        one for (_, name), one in found.items() if name == column and not np.isnan(one.of_attribute.p_value)
    ]
    row: dict[str, Any] = {
        "column": column,
        "role": role,
        "attribute": None,
        "dependence": None,
        "p_holm": None,
    }
    if known:
        test = max((one.of_attribute for one in known), key=lambda test: test.effect)
        row |= {"attribute": test.claim.x, "dependence": test.effect, "p_holm": test.adjusted_p_value}
    return row


def columns_to_repair(
    data: Dataset, roles: Mapping[str, str], points: Sequence[Mapping[str, Any]], findings: Sequence[Finding]
) -> tuple[str, ...]:
    """Return the numeric mediators and proxies that an audit found biased, or else that the data support as such."""
    supported = {point["column"] for point in points if point["supported"]}
    biased = {f.column for f in findings if f.kind == "biased-mediator" and f.severity in ("medium", "high")}
    numbers = map(str, data.X.select_dtypes("number").columns)
    return tuple(name for name in numbers if roles[name] in UNFAIR and name in (biased or supported))


def summary(
    graph: CausalGraph,
    source: str,
    roles: Mapping[str, str],
    safe: int,
    claims: Mapping[str, Any],
    stages: Sequence[str],
) -> str:
    """Return the graph, its roles and its tests in one sentence.

    Parameters
    ----------
    graph : CausalGraph
        The graph.
    source : str
        Where it comes from.
    roles : mapping of str to str
        Role of each column.
    safe : int
        Number of safe predictors.
    claims : mapping
        How many implied independences were ``tested``, and those that ``failed``.
    stages : sequence of str
        Stages in which the data support an intervention.
    """
    count = Counter(part for role in roles.values() for part in role.split(" and "))
    return (
        f"{plural(len(graph.nodes), 'column')}, {plural(len(graph.edges), 'edge')} ({source}): "
        f"{plural(count['mediator'], 'mediator')}, {plural(count['proxy'], 'proxy', 'proxies')}, "
        f"{plural(safe, 'safe predictor')}; the data deny {len(claims['failed'])} of {claims['tested']} tested "
        f"claims; interventions are supported in {', '.join(stages) or 'no stage'}."
    )
