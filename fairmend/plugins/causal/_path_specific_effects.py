"""Path-specific effects by the edge g-formula, Nabi & Shpitser 2018."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    CausalAnalysis,
    CausalGraph,
    Dataset,
    Floats,
    Groups,
    NotFeasibleError,
    StructuralEquations,
    TechniqueMetadata,
    UsageError,
    row_hash,
    uniform_by_row,
)
from fairmend.plugins.causal._predictors import known_graph, with_attributes

Arrow = tuple[str, str]


def first_edges(
    graph: CausalGraph, attribute: str, outcome: str, paths: Sequence[Sequence[str]]
) -> list[Arrow]:
    """Return the edges out of an attribute with which some paths to the outcome begin.

    Raises
    ------
    UsageError
        A path is not one of the graph.
    NotFeasibleError
        There is a recanting witness: a column at which these paths part from one that is not among them. It
        would need two values at once, so that no data identify the effect (Avin, Shpitser & Pearl 2005).
    """
    import networkx as nx

    chosen = {tuple(map(str, path)) for path in paths}
    beginnings = {path[:2]: path for path in chosen if len(path) > 1}
    for path in chosen:
        if len(path) < 2 or path[0] != attribute or path[-1] != outcome:
            raise UsageError(
                f"a path must lead from {attribute!r} to {outcome!r}, got {' -> '.join(path)}; give all its columns in order"
            )
    for first, path in beginnings.items():
        known = [(attribute, *rest) for rest in _paths(nx, graph, first[1], outcome)]
        for other in known:
            if other in chosen:
                continue
            shared = next(i for i, (a, b) in enumerate(zip(path, other, strict=False)) if a != b)
            raise NotFeasibleError(
                f"the effect along {' -> '.join(path)} is not identified: {path[shared - 1]} is a recanting witness, since "
                f"{' -> '.join(other)} is not among the paths; add it, or leave out all paths that begin with "
                f"{' -> '.join(first)}"
            )
        if stray := [one for one in chosen if one[:2] == first and one not in known]:
            raise UsageError(f"the causal graph has no path {' -> '.join(stray[0])}; take one of its paths")
    return sorted(beginnings)  # type: ignore[arg-type]


def _paths(nx: Any, graph: CausalGraph, start: str, outcome: str) -> list[tuple[str, ...]]:
    if start not in graph.nodes:
        return []
    if start == outcome:
        return [(outcome,)]
    return [tuple(path) for path in nx.all_simple_paths(graph.network, start, outcome)]


class PathSpecificEffects(CausalAnalysis):
    """Split a group's disadvantage into the parts that different causal paths carry.

    Parameters
    ----------
    paths : list of lists of str, optional
        Paths from a protected attribute to the outcome whose joint effect is wanted, beside those of all bundles.
    reference : mapping of str to str, optional
        Attribute to its reference group; by default the largest group.
    alpha : float, default=0.05
        Intervals cover 1 - alpha.
    min_support : int, default=30
        Smaller groups are insufficient evidence.
    n_blocks : int, default=10
        Blocks of rows left out in turn, for the intervals; 0 for none.

    Notes
    -----
    Each effect is the mean outcome of a group less what it would be if the attribute had the value of the
    reference group along some paths, and its own along all others. Data identify it for bundles of paths: all
    those that begin with the same edge out of the attribute, such as the direct path, or everything through
    income. A part of a bundle has a recanting witness and is refused. Effects of bundles add up to the total
    effect where all equations are linear.

    Numbers are linear in their causes, categories have shares within all combinations of causes if these are
    categories with enough rows, and otherwise follow a logistic regression, as does a binary outcome. No
    common cause may be hidden between a column and its causes. Intervals are from a delete-a-block jackknife,
    which repeats the estimation of all equations. One attribute changes at a time.

    References
    ----------
    R. Nabi and I. Shpitser (2018), "Fair inference on outcomes", AAAI. C. Avin, I. Shpitser and J. Pearl (2005),
    "Identifiability of path-specific effects", IJCAI.

    Examples
    --------
    >>> from fairmend.base import CausalGraph, Dataset, Roles
    >>> from fairmend.plugins.causal import PathSpecificEffects
    >>> from fairmend.plugins.datasets import bank, bank_graph, bank_roles
    >>> data = Dataset.from_frame(bank(2_000), Roles(**bank_roles()))
    >>> found = PathSpecificEffects(n_blocks=0).analyze(data, CausalGraph.from_mapping(bank_graph()))
    >>> for effect in found.result["effects"]:
    ...     if effect["group"] == "Black":
    ...         print(effect["path"], round(effect["effect"], 2))
    race to approved -0.2
    race -> education -> ... -0.03
    race -> zip_code -> ... -0.07
    race -> redlining -> ... -0.1
    race -> approved -0.02
    """

    metadata = TechniqueMetadata(
        technique_id=57,
        slug="path-specific-effects",
        name="Path-specific effects",
        family="effects",
        summary="Splits the effect of a protected attribute on the outcome into what each bundle of causal paths carries.",
        citation="nabi2018fair",
        addresses=("outcome-disparity", "base-rate-difference", "biased-mediator"),
        targets=("counterfactual_fairness",),
        tasks=("binary", "regression"),
        minimum_rows=100,
        complexity="medium",
        duration_weeks=(1, 2),
        compute="medium",
        use_when="Some paths from the attribute to the outcome are accepted and others are not, and both are in a causal graph.",
        avoid_when="Mediators share hidden causes with the outcome, or the wanted path is only a part of a bundle.",
        questions=(
            "How much of the gender gap in admissions runs through the choice of department?",
            "Which causal path carries most of the racial difference in approvals?",
            "Can we separate the effect through prior convictions from the direct one?",
            "What would the gap be if race acted through income only?",
            "Is the effect along this path identified, or is there a recanting witness?",
            "Which share of the disparity remains after the accepted paths are taken out?",
        ),
        alternatives=(53, 56, 58),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "paths": [list, tuple, None],
        "reference": [dict, None],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "min_support": [Interval(Integral, 2, None, closed="left")],
        "n_blocks": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        paths: Sequence[Sequence[str]] | None = None,
        reference: Mapping[str, str] | None = None,
        alpha: float = 0.05,
        min_support: int = 30,
        n_blocks: int = 10,
    ) -> None:
        self.paths = paths
        self.reference = reference
        self.alpha = alpha
        self.min_support = min_support
        self.n_blocks = n_blocks

    def _analyze(self, data: Dataset, graph: CausalGraph | None = None) -> Mapping[str, Any]:
        graph, roles = known_graph(data, graph), data.roles
        wanted, small = self._wanted(data, graph)
        rows = with_attributes(data.X, data.sensitive).assign(**{roles.outcome: data.y})
        found = self._estimated(data, graph, rows, wanted, np.ones(len(data), dtype=bool))
        block = np.full(len(data), -1)
        if self.n_blocks > 1:
            hashes = row_hash(rows[sorted(set(map(str, rows)) - set(roles.protected))])
            hashes = hashes ^ row_hash(pd.Series(hashes).groupby(hashes).cumcount())
            block = (self.n_blocks * uniform_by_row(hashes, 0)).astype(int)
        parts = [
            self._estimated(data, graph, rows, wanted, block != b)
            for b in range(self.n_blocks if block[0] >= 0 else 0)
        ]
        effects = []
        for place, (about, effect) in enumerate(zip(wanted, found, strict=True)):
            interval = self._interval(effect, np.array([part[place] for part in parts]))
            shown = {key: value for key, value in about.items() if key not in ("edges", "at", "changed")}
            effects.append({**shown, "effect": effect, "interval": interval})
        return {"effects": effects, "insufficient_evidence": small, "text": _told(effects, roles.outcome)}

    def _wanted(self, data: Dataset, graph: CausalGraph) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the effects to estimate: for each group in total, of each bundle, and of the given paths."""
        outcome, wanted, small = data.roles.outcome, list[dict[str, Any]](), []
        begin = {str(path[0]) for path in self.paths or () if len(path)}
        if strange := sorted(begin - set(data.roles.protected)):
            raise UsageError(f"a path must begin with a protected attribute, got {strange[0]!r}")
        for attribute in data.roles.protected:
            groups = Groups.of(data.sensitive[[attribute]])
            largest = groups.labels[int(groups.counts().argmax())]
            base = (self.reference or {}).get(attribute, largest)
            if base not in groups.labels:
                raise UsageError(
                    f"the reference of {attribute} must be one of {', '.join(groups.labels)}; got {base!r}"
                )
            reaches = {outcome, *graph.ancestors(outcome)}
            children = [child for child in graph.children(attribute) if child in reaches]
            bundles: list[tuple[str, str, Any]] = [("total", f"{attribute} to {outcome}", None)]
            for child in children:
                kind = "accepted bundle" if child in data.roles.resolving else "bundle"
                path = f"{attribute} -> {outcome}" if child == outcome else f"{attribute} -> {child} -> ..."
                bundles.append((kind, path, [(attribute, child)]))
            if given := [path for path in self.paths or () if path[0] == attribute]:
                edges = first_edges(graph, attribute, outcome, given)
                bundles.append(("paths", "; ".join(" -> ".join(path) for path in given), edges))
            other = with_attributes(data.X, data.sensitive)[attribute]
            value = other[groups.codes == groups.labels.index(base)].mode().iloc[0]
            for code, group in enumerate(groups.labels):
                at = groups.codes == code
                if group == base:
                    continue
                if at.sum() < self.min_support or outcome not in graph.descendants(attribute):
                    small += [f"{attribute} {group}"] if at.sum() < self.min_support else []
                    continue
                about = {"attribute": attribute, "group": group, "reference": base, "support": int(at.sum())}
                for kind, path, edges in bundles:
                    task = {"edges": edges, "at": at, "changed": {attribute: value}}
                    wanted.append({**about, "kind": kind, "path": path, **task})
        return wanted, small

    def _estimated(
        self,
        data: Dataset,
        graph: CausalGraph,
        rows: pd.DataFrame,
        wanted: Sequence[Mapping[str, Any]],
        use: Any,
    ) -> list[float]:
        """Return each effect: the mean outcome as it is less that with the other value along the edges."""
        roles, weights = data.roles, np.ones(len(data)) if data.weights is None else data.weights
        equations = StructuralEquations.fit(rows[use], graph, roles.protected, weights=weights[use])
        as_is = np.zeros(len(data))
        if wanted:
            as_is[use] = equations.expected(roles.outcome, rows[use], {})
        effects = []
        for one in wanted:
            at = use & one["at"]
            there = equations.expected(roles.outcome, rows[at], one["changed"], edges=one["edges"])
            effects.append(float(np.average(as_is[at] - there, weights=weights[at])))
        return effects

    def _interval(self, effect: float, parts: Floats) -> list[float] | None:
        if len(parts) < 2:
            return None
        from scipy.special import stdtrit

        error = np.sqrt((len(parts) - 1) / len(parts) * ((parts - parts.mean()) ** 2).sum())
        half = float(-stdtrit(len(parts) - 1, self.alpha / 2) * error)
        return [effect - half, effect + half]


def _told(effects: Sequence[Mapping[str, Any]], outcome: str) -> str:
    totals = [one for one in effects if one["kind"] == "total"]
    if not totals:
        return f"No protected attribute with enough rows has a directed path to {outcome}."
    worst = max(totals, key=lambda one: abs(one["effect"]))
    parts = [
        one
        for one in effects
        if one["kind"].endswith("bundle")
        and (one["attribute"], one["group"]) == (worst["attribute"], worst["group"])
    ]
    parts.sort(key=lambda one: -abs(one["effect"]))
    shown = ", ".join(f"{one['path']} {one['effect']:+.3f}" for one in parts[:3])
    return (
        f"The effect of {worst['attribute']} {worst['group']} against {worst['reference']} on {outcome} is "
        f"{worst['effect']:+.3f}; its largest parts: {shown}."
    )
