"""The causal graph assumed when none is supplied: from declared roles, an audit, and dependences in the data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fairmend.core.causal.column_roles import MEDIATOR, PROXY, raised
from fairmend.core.causal.graph import CausalGraph, Independence
from fairmend.core.causal.independence import IndependenceTest, check_implications
from fairmend.core.data.dataset import Dataset

if TYPE_CHECKING:
    from fairmend.core.findings import Finding


@dataclass(frozen=True)
class Dependence:
    """How a feature depends on a protected attribute, and the outcome on the feature given the attribute.

    Attributes
    ----------
    attribute, column : str
        The two columns.
    of_attribute, of_outcome : IndependenceTest
        The tests, corrected together with those of all other columns.
    depends, carries : bool
        Whether either dependence is significant and of notable size.
    """

    attribute: str
    column: str
    of_attribute: IndependenceTest
    of_outcome: IndependenceTest
    depends: bool
    carries: bool


def dependences(
    data: Dataset, frame: pd.DataFrame, *, alpha: float, min_effect: float
) -> dict[tuple[str, str], Dependence]:
    """Test each feature against each protected attribute, and against the outcome given the attribute.

    Parameters
    ----------
    data : Dataset
        The data with their roles.
    frame : DataFrame
        The same, numbers without gaps.
    alpha : float
        Level, after Holm's correction over all tests.
    min_effect : float
        Strength of dependence (between 0 and 1) from which it is notable.

    Returns
    -------
    dict of (attribute, column) to Dependence
    """
    roles = data.roles
    features = [str(c) for c in data.X.columns if c not in roles.protected]
    pairs = [(attribute, column) for attribute in roles.protected for column in features]
    claims = [Independence(attribute, column, ()) for attribute, column in pairs]
    claims += [Independence(column, roles.outcome, (attribute,)) for attribute, column in pairs]
    tests = check_implications(CausalGraph(()), frame, claims=claims)

    def notable(test: IndependenceTest) -> bool:
        return bool(test.adjusted_p_value < alpha and test.effect >= min_effect)

    return {
        pair: Dependence(*pair, a, y, notable(a), notable(y))
        for pair, a, y in zip(pairs, tests[: len(pairs)], tests[len(pairs) :], strict=True)
    }


def assumed_graph(data: Dataset, findings: Iterable[Finding], found: Iterable[Dependence]) -> CausalGraph:
    """Return the graph of the declared roles, of an audit's findings, and of dependences in the data.

    A feature without a declared role that depends on a protected attribute and carries the outcome, or that
    an audit calls a biased mediator, is taken for a mediator of that attribute; one that only depends on
    it, or that an audit calls a proxy, for a proxy without an effect of its own. All other features are
    covariates, which act on mediators and outcome.

    Parameters
    ----------
    data : Dataset
        The data with their roles.
    findings : iterable of Finding
        What an audit found.
    found : iterable of Dependence
        What depends on what; see :func:`dependences`.

    Returns
    -------
    CausalGraph
        The provenance of an edge is ``role``, ``audit`` or ``data``.
    """
    roles, findings, found = data.roles, list(findings), list(found)
    features = [str(c) for c in data.X.columns if c not in roles.protected]
    declared = {
        role: [c for c in getattr(roles, role) if c in features]
        for role in ("mediators", "resolving", "proxies")
    }
    taken = {column for columns in declared.values() for column in columns}
    audited = {(f.attribute, f.column): f.kind for kind in (PROXY, MEDIATOR) for f in raised(findings, kind)}
    influenced: dict[Any, str] = {(d.attribute, d.column): "data" for d in found if d.depends}
    influenced |= dict.fromkeys(audited, "audit")
    influenced = {
        pair: source for pair, source in influenced.items() if pair[1] in features and pair[1] not in taken
    }
    carrying = {d.column: "data" for d in found if d.carries}
    carrying |= {str(column): "audit" for (_, column), kind in audited.items() if kind == MEDIATOR}
    reached = {column for _, column in influenced}
    mediators = [c for c in features if c in reached and c in carrying]
    stand_ins = [c for c in features if c in reached and c not in carrying]
    graph = CausalGraph.from_roles(
        roles.protected,
        outcome=roles.outcome,
        mediators=[*declared["mediators"], *mediators],
        resolving=declared["resolving"],
        proxies=[*declared["proxies"], *stand_ins],
        covariates=[c for c in features if c not in taken and c not in reached],
    )

    def source(cause: str, effect: str, by_role: str) -> str | None:
        if cause in roles.protected and effect in reached:
            return influenced.get((cause, effect))
        if cause in reached:  # its effect on the outcome
            return carrying.get(cause)
        return by_role

    edges = [(a, b, source(a, b, by)) for a, b, by in graph.edges]
    return CausalGraph.from_edges([edge for edge in edges if edge[2] is not None], nodes=graph.nodes)  # type: ignore[misc]
