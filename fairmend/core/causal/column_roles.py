"""One role for every column: what a causal graph, the declared roles and an audit make of it together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, get_args

from fairmend.core.data.roles import Roles

if TYPE_CHECKING:
    from fairmend.core.causal.graph import CausalGraph
    from fairmend.core.findings import Finding

ColumnRole = Literal[
    "protected attribute",
    "outcome",
    "mediator",
    "mediator and proxy",
    "proxy",
    "resolving variable",
    "resolved",
    "safe predictor",
    "not in the graph",
]
COLUMN_ROLES: tuple[ColumnRole, ...] = get_args(ColumnRole)
UNFAIR: frozenset[ColumnRole] = frozenset({"mediator", "mediator and proxy"})
"""Roles of columns on a path from a protected attribute to the outcome that nothing justifies."""
MEDIATOR, PROXY = "biased-mediator", "proxy-variable"


def column_roles(
    graph: CausalGraph, roles: Roles, features: Iterable[str] = (), findings: Iterable[Finding] = ()
) -> dict[str, ColumnRole]:
    """Return the role of every node of a graph, and of features outside it.

    Parameters
    ----------
    graph : CausalGraph
        The graph, with all protected attributes and the outcome among its nodes.
    roles : Roles
        The declared roles. Resolving variables and proxies are a matter of judgment, and stay what they
        were declared to be wherever a protected attribute influences them.
    features : iterable of str
        What the model may read.
    findings : iterable of Finding
        An audit: a mediator that it found to be a proxy is both.

    Returns
    -------
    dict of str to ColumnRole
        A *mediator* is on a directed path from a protected attribute to the outcome that no resolving
        variable blocks; a *proxy* is influenced likewise, but has no path to the outcome; *resolved* is
        what an attribute influences through resolving variables only; a *safe predictor* is influenced by
        none (M. Kusner et al. 2017).

    Raises
    ------
    UsageError
        An edge has no direction, or no attribute influences a resolving variable.
    """
    known = graph.roles(roles.protected, roles.outcome, resolving=roles.resolving)
    found_proxies = {finding.column for finding in raised(findings, PROXY)}

    def role(column: str) -> ColumnRole:
        if column == roles.outcome:
            return "outcome"
        if column in roles.protected:
            return "protected attribute"
        if column not in graph.nodes:
            return "not in the graph"
        if column in known.resolving:
            return "resolving variable"
        if column not in known.descendants:
            return "safe predictor"
        if column in roles.proxies:
            return "proxy"
        if column not in known.proxy_candidates:
            return "resolved"
        if column not in known.mediators:
            return "proxy"
        return "mediator and proxy" if column in found_proxies else "mediator"

    return {column: role(column) for column in dict.fromkeys((*graph.nodes, *features))}


def raised(findings: Iterable[Finding], kind: str) -> list[Finding]:
    """Return the findings of a kind about single columns that an audit raised at any severity."""
    return [
        f
        for f in findings
        if f.kind == kind and f.column and f.severity not in {"none", "insufficient evidence"}
    ]


def may_repair(roles: Mapping[str, ColumnRole], column: str) -> bool:
    """Whether a column may be repaired: it lies on an unfair path, or the graph says nothing about it."""
    return roles.get(column, "not in the graph") in UNFAIR | {"not in the graph"}
