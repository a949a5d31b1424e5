"""Where to intervene: what a causal graph and the data say about mediators, proxies and base rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fairmend.core.causal.graph import CausalGraph, Independence
from fairmend.core.causal.independence import IndependenceTest, check_implications
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups


def claim_json(test: IndependenceTest) -> dict[str, Any]:
    """Return a test of an independence as plain JSON types; what could not be tested is None."""
    known = not np.isnan(test.p_value)
    return {
        "claim": str(test.claim),
        "x": test.claim.x,
        "y": test.claim.y,
        "given": list(test.claim.given),
        "method": test.method,
        "p_value": test.p_value if known else None,
        "p_holm": test.adjusted_p_value if known else None,
        "effect": test.effect if known else None,
    }


def failed_claims(
    graph: CausalGraph, frame: pd.DataFrame, *, alpha: float, min_effect: float, most: int
) -> dict[str, Any]:
    """Test what the missing edges of a graph claim, and return the claims that the data deny.

    Parameters
    ----------
    graph : CausalGraph
        Its nodes are columns of the data.
    frame : DataFrame
        The data, numbers without gaps.
    alpha : float
        Level, after Holm's correction.
    min_effect : float
        Strength of dependence (between 0 and 1) from which a denial counts; with many rows any
        dependence is significant.
    most : int
        Claims to test at most; those with the fewest columns to condition on come first.

    Returns
    -------
    dict
        ``implied``, ``tested``, ``untestable`` (numbers) and ``failed``, strongest first.
    """
    claims = sorted(graph.implications(), key=lambda claim: len(claim.given))
    tests = check_implications(graph, frame, claims=claims[:most])
    failed = [t for t in tests if t.adjusted_p_value < alpha and t.effect >= min_effect]
    return {
        "implied": len(claims),
        "tested": len(tests),
        "untestable": sum(bool(np.isnan(test.p_value)) for test in tests),
        "failed": [claim_json(test) for test in sorted(failed, key=lambda test: -test.effect)],
    }


def intervention_points(
    data: Dataset, frame: pd.DataFrame, graph: CausalGraph, *, alpha: float, min_effect: float
) -> list[dict[str, Any]]:
    """Return the candidates for an intervention, each with its evidence.

    Parameters
    ----------
    data : Dataset
        The data and the declared roles.
    frame : DataFrame
        The same, numbers without gaps.
    graph : CausalGraph
        The graph.
    alpha : float
        Level, after Holm's correction over all tests made here.
    min_effect : float
        Strength of dependence from which evidence counts.

    Returns
    -------
    list of dict
        ``stage``, ``attribute``, ``column`` (None for base rates), ``supported``, ``evidence`` and
        ``text``. Mediators that are neither resolving nor declared proxies are candidates for
        pre-processing; declared proxies, and columns that an attribute influences without a path to
        the outcome, for in-processing; base rates that differ, for post-processing.

    Notes
    -----
    A mediator or proxy is supported if it depends on the attribute and, given the attribute, the
    outcome depends on it.
    """
    outcome, resolving, proxies = data.roles.outcome, set(data.roles.resolving), set(data.roles.proxies)
    pairs = []
    for attribute in data.roles.protected:
        accepted = [name for name in data.roles.resolving if name in graph.descendants(attribute)]
        roles = graph.roles(attribute, outcome, resolving=accepted)
        for column in (*roles.mediators, *roles.proxy_candidates):
            if column not in resolving and (attribute, column) not in pairs:
                pairs.append((attribute, column))
    mediators = set(graph.roles(data.roles.protected, outcome).mediators)
    claims = [Independence(attribute, column, ()) for attribute, column in pairs]
    claims += [Independence(column, outcome, (attribute,)) for attribute, column in pairs]
    claims += [Independence(attribute, outcome, ()) for attribute in data.roles.protected]
    tests = check_implications(graph, frame, claims=claims)

    def shown(test: IndependenceTest) -> bool:
        return test.adjusted_p_value < alpha and test.effect >= min_effect

    points: list[dict[str, Any]] = []
    for k, (attribute, column) in enumerate(pairs):
        with_attribute, with_outcome = tests[k], tests[len(pairs) + k]
        repair = column in mediators and column not in proxies
        what = "a mediator influenced by" if repair else "a proxy for"
        supported = shown(with_attribute) and shown(with_outcome)
        doubt = "" if supported else ", which the data do not support"
        points.append(
            {
                "stage": "pre-processing" if repair else "in-processing",
                "attribute": attribute,
                "column": column,
                "supported": supported,
                "evidence": [claim_json(with_attribute), claim_json(with_outcome)],
                "text": f"In the graph {column} is {what} {attribute}{doubt}.",
            }
        )
    for attribute, test in zip(data.roles.protected, tests[2 * len(pairs) :], strict=True):
        rates = _base_rates(data, attribute)
        low, high = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
        points.append(
            {
                "stage": "post-processing",
                "attribute": attribute,
                "column": None,
                "supported": shown(test),
                "evidence": [{**claim_json(test), "base_rates": rates}],
                "text": f"Base rates by {attribute} run from {rates[low]:.2f} ({low}) to {rates[high]:.2f} ({high}).",
            }
        )
    return points


def _base_rates(data: Dataset, attribute: str) -> dict[str, float]:
    """Return the share of favorable outcomes of each group."""
    groups = Groups.of(data.sensitive[[attribute]])
    weights = np.ones(len(data)) if data.weights is None else data.weights
    favorable = np.bincount(groups.codes, weights=weights * data.y, minlength=groups.n_groups)
    return dict(zip(groups.labels, (favorable / groups.counts(weights)).tolist(), strict=True))
