"""Proxy and resolving-variable analysis, Kilbertus, Rojas-Carulla, Parascandolo, Hardt, Janzing & Schölkopf 2017."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    CausalAnalysis,
    CausalGraph,
    Dataset,
    Groups,
    StructuralEquations,
    TechniqueMetadata,
    plural,
    unknown,
)
from fairmend.plugins.causal._predictors import (
    World,
    contrasts,
    given,
    known_graph,
    learned,
    with_attributes,
)


def unresolved_paths(graph: CausalGraph, attribute: str, resolving: Collection[str]) -> dict[str, list[str]]:
    """Return the columns with a directed path from an attribute past all resolving variables, each with a shortest one.

    This is unresolved discrimination; resolving variables themselves are resolved.
    """
    import networkx as nx

    opened = graph.network.subgraph(set(graph.nodes) - set(resolving))
    paths = nx.single_source_shortest_path(opened, attribute)
    return {node: paths[node] for node in graph.nodes if node in paths and node != attribute}


def proxy_paths(graph: CausalGraph, attribute: str, proxies: Collection[str]) -> dict[str, list[str]]:
    """Return the columns with a directed path from an attribute through a proxy, each with a shortest one.

    This is potential proxy discrimination; proxies themselves are left out.
    """
    import networkx as nx

    found: dict[str, list[str]] = {}
    for proxy in proxies:
        if proxy not in graph.descendants(attribute):
            continue
        to_proxy = nx.shortest_path(graph.network, attribute, proxy)
        for node in graph.descendants(proxy):
            path = [*to_proxy, *nx.shortest_path(graph.network, proxy, node)[1:]]
            if node not in proxies and len(path) < len(found.get(node, range(len(graph.nodes) + 1))):
                found[node] = path
    return {node: found[node] for node in graph.nodes if node in found}


def typical_values(data: Dataset, proxies: Collection[str], rows: Any) -> dict[str, Any]:
    """Return the means of numeric proxies and the most frequent values of others, among some rows."""
    weights = None if data.weights is None else data.weights[rows]
    typical: dict[str, Any] = {}
    for proxy in proxies:
        column = data.X[proxy].iloc[rows]
        if pd.api.types.is_numeric_dtype(column) and column.nunique() > 2:
            known = column.notna().to_numpy()
            typical[proxy] = np.average(column[known], weights=None if weights is None else weights[known])
        else:
            typical[proxy] = column.mode().iloc[0]
    return typical


class ProxyDiscrimination(CausalAnalysis):
    """Find influences of an attribute that pass proxies, or no resolving variable, and how large the former are.

    Parameters
    ----------
    proxies : list of str, optional
        Stand-ins for an attribute whose effect must not count; by default those declared in the roles.
    resolving : list of str, optional
        Columns whose dependence on an attribute is accepted; by default those declared in the roles.
    tolerance : float, default=0.02
        Mean change of the score of a group, if the proxies are set, up to which a model is free of proxy discrimination.
    min_support : int, default=30
        Smaller groups are insufficient evidence.

    Notes
    -----
    A column has *unresolved discrimination* if a directed path leads to it from a protected attribute past all
    resolving variables, and *potential proxy discrimination* if one leads to it through a proxy. A model has
    no proxy discrimination if the distribution of its scores is the same whatever value the proxies are set to.

    The size is estimated with structural equations, linear for numbers: for each group, the mean score as it is less the
    mean score if the proxies were set to what is typical in the largest group (the mean of a number, the most frequent category). The
    regression ``corrected`` reads no proxy, and the other features as they would be with the proxies set; what
    remains of them is not an effect of the proxies. Where their effects are linear, this is the constraint of the paper that the
    total effect of the proxies on the prediction vanishes. Estimating their effects takes the attributes into account.

    References
    ----------
    N. Kilbertus, M. Rojas-Carulla, G. Parascandolo, M. Hardt, D. Janzing and B. Schölkopf (2017), "Avoiding
    discrimination through causal reasoning", NeurIPS.

    Examples
    --------
    >>> from fairmend.base import CausalGraph, Dataset, Roles
    >>> from fairmend.plugins.causal import ProxyDiscrimination
    >>> from fairmend.plugins.datasets import bank, bank_graph, bank_roles
    >>> data = Dataset.from_frame(bank(2_000), Roles(**bank_roles()))
    >>> found = ProxyDiscrimination().analyze(data, CausalGraph.from_mapping(bank_graph()))
    >>> for row in found.result["proxy_paths"]:
    ...     print(" -> ".join(row["path"]))
    race -> zip_code -> income
    race -> redlining -> credit_score
    race -> zip_code -> approved
    >>> print(found.result["text"])
    5 features depend on a protected attribute past all resolving variables. A regression on all features shows proxy discrimination: proxies move the scores of race Black by -0.181 on average; without their effects the RMSE of a regression is 0.330, with them 0.305.
    """

    metadata = TechniqueMetadata(
        technique_id=59,
        slug="proxy-discrimination",
        name="Proxy and resolving-variable analysis",
        family="graphs",
        summary="Traces which paths from a protected attribute pass a proxy or no accepted reason, and measures the effect of proxies on scores.",
        citation="kilbertus2017avoiding",
        addresses=("proxy-variable",),
        targets=("counterfactual_fairness",),
        tasks=("binary", "regression"),
        minimum_rows=100,
        complexity="medium",
        duration_weeks=(1, 2),
        use_when="People can say which columns are mere stand-ins for an attribute, and which differences they accept.",
        avoid_when="Nobody can draw the causal graph, or the attribute must not count by any path.",
        questions=(
            "Which features carry gender into the decision without an accepted reason?",
            "How much of the score difference is due to the neighborhood alone?",
            "What remains of the other features if the effect of the postal code is removed?",
            "Is the difference in admissions explained by choice of department, which we accept?",
            "Would scores change if we intervened on the proxy and left everything else alone?",
            "Where in the diagram is the dependence on ethnicity unresolved?",
        ),
        alternatives=(53, 58, 65),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "proxies": [list, tuple, None],
        "resolving": [list, tuple, None],
        "tolerance": [Interval(Real, 0, None, closed="left")],
        "min_support": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        proxies: list[str] | None = None,
        resolving: list[str] | None = None,
        tolerance: float = 0.02,
        min_support: int = 30,
    ) -> None:
        self.proxies = proxies
        self.resolving = resolving
        self.tolerance = tolerance
        self.min_support = min_support

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return a proxy: the data of the checks declare none."""
        return {"proxies": ["mediator"]}

    def _analyze(
        self, data: Dataset, graph: CausalGraph | None = None, model: Any = None
    ) -> Mapping[str, Any]:
        graph, roles = known_graph(data, graph), data.roles
        proxies = roles.proxies if self.proxies is None else tuple(self.proxies)
        resolving = roles.resolving if self.resolving is None else tuple(self.resolving)
        features = [str(c) for c in data.X.columns if c not in roles.protected]
        for what, names in (("proxy", proxies), ("resolving variable", resolving)):
            for name in names:
                if name not in features:
                    raise unknown(what, name, features)
        proxies = tuple(name for name in proxies if name in graph.nodes)
        kinds = (("unresolved", unresolved_paths, resolving), ("proxy_paths", proxy_paths, proxies))
        traced: dict[str, list[dict[str, Any]]] = {
            kind: [
                {"attribute": attribute, "column": column, "path": path}
                for attribute in roles.protected
                for column, path in rule(graph, attribute, names).items()
            ]
            for kind, rule, names in kinds
        }
        read = [row["column"] for row in traced["unresolved"] if row["column"] in features]
        text = f"{plural(len(dict.fromkeys(read)), 'feature')} depend on a protected attribute past all resolving variables."
        result = {**traced, "proxies": list(proxies), "resolving": list(resolving)}
        if not proxies:
            return {
                **result,
                "predictors": [],
                "text": f"{text} No proxy in the graph is declared, so no effect is measured.",
            }
        measured = self._measured(data, graph, proxies, model)
        return {**result, "predictors": measured, "text": f"{text} {_told(measured)}"}

    def _measured(
        self, data: Dataset, graph: CausalGraph, proxies: tuple[str, ...], model: Any
    ) -> list[dict[str, Any]]:
        rows = with_attributes(data.X, data.sensitive)
        equations = StructuralEquations.fit(
            rows, graph, proxies, weights=data.weights, leave_out=(data.roles.outcome,)
        )
        largest = np.flatnonzero(data.groups.codes == data.groups.counts().argmax())
        typical = typical_values(data, proxies, largest)
        kept = [c for c in data.X.columns if c not in proxies and c not in data.roles.protected]

        def corrected(X: pd.DataFrame, sensitive: pd.DataFrame) -> pd.DataFrame:
            there = equations.counterfactual(with_attributes(X, sensitive), typical, separately=False)
            return there[kept].assign(constant=1.0)

        unaware = [c for c in data.X.columns if c not in data.roles.protected]
        predictors = [
            learned("unaware", lambda X, _: X[unaware], data),
            learned("corrected", corrected, data),
        ]
        if model is not None:
            predictors.insert(0, given(model, data))
        worlds = []
        for attribute in data.roles.protected:
            groups = Groups.of(data.sensitive[[attribute]])
            for code, group in enumerate(groups.labels):
                at = np.flatnonzero(groups.codes == code)
                if len(at) >= self.min_support:
                    there = equations.counterfactual(rows.iloc[at], typical)[list(data.X.columns)]
                    about = {"attribute": attribute, "group": group}
                    worlds.append(World(about, at, there, data.sensitive.iloc[at]))
        found = []
        for one in predictors:
            compared = contrasts(one, data, worlds)
            size = max((abs(row["gap"]) for row in compared), default=None)
            free = None if size is None else size <= self.tolerance
            found.append(
                {
                    "predictor": one.name,
                    "rmse": one.rmse,
                    "largest_gap": size,
                    "free": free,
                    "contrasts": compared,
                }
            )
        return found


def _told(measured: list[dict[str, Any]]) -> str:
    audited, corrected = measured[0], measured[-1]
    subject = "The model" if audited["predictor"] == "model" else "A regression on all features"
    if audited["largest_gap"] is None:
        return f"{subject} cannot be audited: no group has enough rows."
    worst = max(audited["contrasts"], key=lambda row: abs(row["gap"]))
    verdict = "shows no proxy discrimination" if audited["free"] else "shows proxy discrimination"
    return (
        f"{subject} {verdict}: proxies move the scores of {worst['attribute']} {worst['group']} by {worst['gap']:+.3f} on "
        f"average; without their effects the RMSE of a regression is {corrected['rmse']:.3f}, with them "
        f"{measured[-2]['rmse']:.3f}."
    )
