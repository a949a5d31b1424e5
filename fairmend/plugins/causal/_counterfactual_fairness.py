"""Counterfactual-fairness audit, Kusner, Loftus, Russell & Silva 2017."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import CausalAnalysis, CausalGraph, Dataset, Groups, StructuralEquations, TechniqueMetadata
from fairmend.plugins.causal._predictors import (
    Predictor,
    World,
    contrasts,
    given,
    known_graph,
    learned,
    with_attributes,
)


def counterfactual_worlds(
    data: Dataset, equations: StructuralEquations, min_support: int
) -> tuple[list[World], list[str]]:
    """Return each group as it would be in the largest group of its attribute, and which are too small."""
    rows = with_attributes(data.X, data.sensitive)
    worlds, small = [], []
    for attribute in data.roles.protected:
        groups = Groups.of(data.sensitive[[attribute]])
        largest = int(groups.counts().argmax())
        other = rows[attribute][groups.codes == largest].mode().iloc[0]
        for code, group in enumerate(groups.labels):
            at = np.flatnonzero(groups.codes == code)
            if code == largest:
                continue
            if min(len(at), groups.counts()[largest]) < min_support:
                small.append(f"{attribute} {group}")
                continue
            there = equations.counterfactual(rows.iloc[at], {attribute: other})
            about = {"attribute": attribute, "group": group, "reference": groups.labels[largest]}
            people = data.sensitive.iloc[at].assign(**{attribute: groups.labels[largest]})
            worlds.append(World(about, at, there[list(data.X.columns)], people))
    return worlds, small


def fair_inputs(
    X: pd.DataFrame, sensitive: pd.DataFrame, equations: StructuralEquations, safe: list[str]
) -> pd.DataFrame:
    """Return what no attribute influences: non-descendants, and the noise of numbers that are descendants."""
    noise = equations.residuals(with_attributes(X, sensitive))
    return X[safe].join(noise.fillna(0.0).add_prefix("noise of ")).assign(constant=1.0)


def audit_row(predictor: Predictor, found: list[dict[str, Any]], tolerance: float) -> dict[str, Any]:
    """Return a predictor with its error, its contrasts, and whether the largest is within the tolerance."""
    largest = max((one["absolute_gap"] for one in found), default=None)
    return {
        "predictor": predictor.name,
        "rmse": predictor.rmse,
        "largest_gap": largest,
        "fair": None if largest is None else largest <= tolerance,
        "contrasts": found,
    }


class CounterfactualFairness(CausalAnalysis):
    """Ask what a model would say of the same people, had they belonged to another group.

    Parameters
    ----------
    tolerance : float, default=0.02
        Mean absolute change of the score up to which a model counts as counterfactually fair.
    min_support : int, default=30
        Smaller groups are insufficient evidence.

    Notes
    -----
    Everything an attribute influences in the graph has a structural equation: numbers are linear in their causes
    with additive noise, which a counterfactual keeps; categories have probabilities, and change as rarely as the
    other probabilities allow, since data do not determine who would change. Each group is compared with itself
    as the largest group of the attribute, one attribute at a time. A ``gap`` below 0 is a disadvantage.
    Without a graph, one is assumed as by technique 53. Columns outside the graph do not change.

    Beside the model, three regressions show what fairness costs, with errors on rows held out: ``full`` reads
    features and attributes, ``unaware`` only features, and ``fair`` what no attribute influences, that is
    non-descendants and the noise of numeric descendants. Under the assumed equations, ``fair`` has no gap.

    References
    ----------
    M. J. Kusner, J. Loftus, C. Russell and R. Silva (2017), "Counterfactual fairness", NeurIPS; ``fair`` is its
    model "Fair Add".

    Examples
    --------
    >>> from fairmend.base import CausalGraph, Dataset, Roles
    >>> from fairmend.plugins.causal import CounterfactualFairness
    >>> from fairmend.plugins.datasets import bank, bank_graph, bank_roles
    >>> data = Dataset.from_frame(bank(2_000), Roles(**bank_roles()))
    >>> found = CounterfactualFairness().analyze(data, CausalGraph.from_mapping(bank_graph()))
    >>> for one in found.result["predictors"]:
    ...     print(one["predictor"], round(one["rmse"], 3), one["fair"])
    full 0.306 False
    unaware 0.305 False
    fair 0.333 True
    """

    metadata = TechniqueMetadata(
        technique_id=58,
        slug="counterfactual-fairness",
        name="Counterfactual-fairness audit",
        family="counterfactuals",
        summary="Measures how scores and decisions of the same people would change, had they belonged to another group.",
        citation="kusner2017counterfactual",
        addresses=("outcome-disparity", "proxy-variable"),
        targets=("counterfactual_fairness",),
        tasks=("binary", "regression"),
        minimum_rows=100,
        complexity="medium",
        duration_weeks=(1, 2),
        use_when="A model must treat a person as it would have, had that person been of another group in every respect that follows.",
        avoid_when="There is no causal graph that people stand behind, or influences of the group on qualifications are accepted.",
        questions=(
            "Would this applicant have got the loan, had she been a man?",
            "Is our scoring model counterfactually fair?",
            "How much accuracy do we lose if the model may only use what race does not influence?",
            "Does leaving out gender suffice, or does it still enter through other columns?",
            "How many decisions flip if the same people had belonged to the majority?",
            "What does abduction, action, prediction say about our predictor?",
        ),
        alternatives=(53, 56),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "tolerance": [Interval(Real, 0, None, closed="left")],
        "min_support": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(self, tolerance: float = 0.02, min_support: int = 30) -> None:
        self.tolerance = tolerance
        self.min_support = min_support

    def _analyze(
        self, data: Dataset, graph: CausalGraph | None = None, model: Any = None
    ) -> Mapping[str, Any]:
        graph = known_graph(data, graph)
        roles, rows = data.roles, with_attributes(data.X, data.sensitive)
        equations = StructuralEquations.fit(
            rows, graph, roles.protected, weights=data.weights, leave_out=(roles.outcome,)
        )
        influenced = set(equations.equations) | set(roles.protected)
        safe = [str(c) for c in data.X.columns if c not in influenced]
        predictors = [
            learned("full", with_attributes, data),
            learned("unaware", lambda X, _: X.drop(columns=list(roles.protected), errors="ignore"), data),
            learned("fair", lambda X, s: fair_inputs(X, s, equations, safe), data),
        ]
        if model is not None:
            predictors.insert(0, given(model, data))
        worlds, small = counterfactual_worlds(data, equations, self.min_support)
        found = [audit_row(one, contrasts(one, data, worlds), self.tolerance) for one in predictors]
        audited = found[0] if model is not None else found[1]
        fair = found[-1]
        return {
            "predictors": found,
            "influenced": [c for c in equations.equations if c in data.X],
            "safe_predictors": [c for c in safe if c in graph.nodes],
            "not_in_graph": [c for c in safe if c not in graph.nodes],
            "insufficient_evidence": small,
            "fair": audited["fair"],
            "text": f"{_told(audited)} A regression on what no attribute influences has an RMSE of {fair['rmse']:.3f}, "
            f"one on all features and attributes {found[-3]['rmse']:.3f}.",
        }


def _told(audited: Mapping[str, Any]) -> str:
    name = "The model" if audited["predictor"] == "model" else "A regression on all features"
    if audited["largest_gap"] is None:
        return f"{name} cannot be audited: no group has enough rows."
    worst = max(audited["contrasts"], key=lambda one: one["absolute_gap"])
    flips = (
        "" if worst["changed"] is None else f", and {worst['changed']:.1%} of their decisions would differ"
    )
    verdict = "is counterfactually fair" if audited["fair"] else "is not counterfactually fair"
    return (
        f"{name} {verdict}: the scores of {worst['attribute']} {worst['group']} are {worst['gap']:+.3f} on average "
        f"compared with the same people as {worst['reference']}{flips}."
    )
