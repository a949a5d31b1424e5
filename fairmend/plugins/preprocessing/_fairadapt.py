"""Fair data adaptation with quantile preservation, Plečko & Meinshausen 2020."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    CausalGraph,
    DataChange,
    Floats,
    Groups,
    Ints,
    Preprocessor,
    TechniqueMetadata,
    row_hash,
    uniform_by_row,
)
from fairmend.plugins.preprocessing._adaptation import (
    baseline_of,
    decoded_column,
    encoded_column,
    fit_column,
    influenced,
    outcome_of,
)
from fairmend.plugins.preprocessing._adapted_node import adapted_values, fit_node


class FairAdapt(Preprocessor):
    """Replace the descendants of a protected attribute by their counterfactual values in the baseline group.

    Parameters
    ----------
    baseline : str, optional
        The group whose distribution all rows are adapted to; the largest one by default. Its rows do not
        change.
    resolving : list of str, optional
        Columns through which the attributes may legitimately act: they keep their values.
    outcome : str, optional
        The outcome's name in the graph; by default the only node that is neither a feature nor an attribute.
    adapt_labels : bool, default=True
        Whether to adapt the labels of the training data as well, as in the paper.
    method : {"forest", "linear"}, default="forest"
        How quantiles depend on a column's causes. ``linear`` is a linear model whose residuals share one
        distribution (a location shift), for few rows or nearly linear relations; ``forest`` is a quantile
        regression forest on the residuals of that model. Integers and categories always use the forest,
        without the linear model.
    n_trees : int, default=30
        Number of trees per forest.
    min_samples_leaf : int, default=80
        Minimum rows per leaf, limited to a quarter of the group; larger leaves give more stable levels.
    min_group_rows : int, default=20
        Minimum rows per group.
    random_state : int, optional
        Seed of the forests and of the draws.

    Attributes
    ----------
    adapted_ : tuple of str
        Changed columns, causes first.

    Notes
    -----
    In the order of the causal graph, each column V that some attribute A influences is replaced by Q(u | pa',
    a0), where u = F(v | pa, a) is the level of its value among rows with the same causes pa and the same
    attributes, pa' are the adapted causes, and a0 are the attributes of the baseline group. A row keeps its
    quantile, and if each column is a strictly increasing function of its own noise, this is the
    counterfactual under do(A = a0). Labels are adapted in the same way; for new rows only the features are.

    Levels are computed within the groups of those attributes that cause the column, so several attributes
    need fewer groups than there are intersections. All groups are adapted to the one baseline. Categories are
    ordered by their share of favorable labels. Integers and categories keep to observed values: if equal
    values share a range of levels, one level is drawn from the content of the row and the seed, so equal rows
    are treated equally. Missing values stay missing, and a missing cause counts as the median. Sample weights
    are ignored.

    The graph must contain all common causes: a hidden common cause of an adapted column is an error, and so
    is an undirected edge.

    References
    ----------
    D. Plečko and N. Meinshausen (2020), "Fair data adaptation with quantile preservation", JMLR 21. N. Meinshausen
    (2006), "Quantile regression forests", JMLR 7.

    Examples
    --------
    >>> from fairmend.base import CausalGraph
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import FairAdapt
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score"]], loans["approved"], loans[["race"]]
    >>> graph = CausalGraph.from_edges(
    ...     [("race", "income"), ("race", "credit_score"), ("income", "credit_score"), ("credit_score", "approved")]
    ... )
    >>> adapted = FairAdapt().change(X, y, sensitive_features=race, graph=graph).X
    >>> X["credit_score"].groupby(loans["race"]).mean().round().to_dict()
    {'Asian': 687.0, 'Black': 655.0, 'Hispanic': 664.0, 'White': 689.0}
    >>> adapted["credit_score"].groupby(loans["race"]).mean().round().to_dict()
    {'Asian': 689.0, 'Black': 689.0, 'Hispanic': 689.0, 'White': 689.0}
    """

    metadata = TechniqueMetadata(
        technique_id=67,
        slug="fairadapt",
        name="Fair data adaptation with quantile preservation",
        family="causal repair",
        summary="Adapts each row to one baseline group along a causal graph, keeping its rank among comparable rows.",
        citation="plecko2020fair",
        addresses=("biased-mediator", "proxy-variable", "outcome-disparity"),
        targets=("demographic_parity", "counterfactual_fairness"),
        modifies=("features", "labels"),
        minimum_rows=300,
        complexity="medium",
        duration_weeks=(2, 4),
        compute="medium",
        legal_notes="Uses the protected attribute for every decision and rewrites features and training labels with it; this is disparate treatment in some jurisdictions.",
        use_when="A causal graph is agreed on, the attribute acts through several columns that influence each other, and some of these paths may be legitimate.",
        avoid_when="The graph is uncertain or lacks common causes, or the protected attribute may not be used at decision time.",
        questions=(
            "What would this applicant's record look like had they belonged to the other group, and can we train on that?",
            "How do I repair several mediators together so that their relations stay consistent?",
            "Can we remove the causal effect of gender on salary but keep the part that goes through the job?",
            "Is there a pre-processing method that follows our causal diagram instead of treating columns one by one?",
            "Which method turns the training data into a counterfactual version while everybody keeps their relative rank?",
            "How do I adapt both features and outcomes to a reference group before fitting any model?",
        ),
        alternatives=(69, 74),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "baseline": [str, None],
        "resolving": [list, tuple, None],
        "outcome": [str, None],
        "adapt_labels": ["boolean"],
        "method": [StrOptions({"forest", "linear"})],
        "n_trees": [Interval(Integral, 1, None, closed="left")],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "min_group_rows": [Interval(Integral, 2, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        baseline: str | None = None,
        resolving: Sequence[str] | None = None,
        outcome: str | None = None,
        adapt_labels: bool = True,
        method: str = "forest",
        n_trees: int = 30,
        min_samples_leaf: int = 80,
        min_group_rows: int = 20,
        random_state: int | None = None,
    ) -> None:
        self.baseline = baseline
        self.resolving = resolving
        self.outcome = outcome
        self.adapt_labels = adapt_labels
        self.method = method
        self.n_trees = n_trees
        self.min_samples_leaf = min_samples_leaf
        self.min_group_rows = min_group_rows
        self.random_state = random_state

    def _change(self, X: pd.DataFrame, y: Ints, groups: Groups, graph: CausalGraph) -> DataChange:
        attributes = tuple(map(str, groups.frame.columns))
        outcome = outcome_of(self.outcome, graph, [*map(str, X.columns), *attributes])
        reached = influenced(graph, attributes, self.resolving or ())
        self.baseline_ = baseline_of(self.baseline, groups)
        first = int(np.argmax(groups.codes == self.baseline_))
        self.attribute_values_ = {a: groups.frame[a].tolist()[first] for a in attributes if a in X.columns}
        self.columns_ = {str(c): fit_column(X[c], y) for c in X.columns if str(c) in graph.nodes}
        values = self._encoded(X) | {outcome: y.astype(float)}
        self.nodes_ = {
            name: fit_node(
                name, values, graph, groups, self.columns_, least=self.min_group_rows, method=self.method,
                n_trees=self.n_trees, min_samples_leaf=self.min_samples_leaf, seed=self.random_state or 0,
            )
            for name in reached if name != outcome or self.adapt_labels
        }  # fmt: skip
        self.adapted_ = tuple(name for name in self.nodes_ if name != outcome)
        labels = {outcome: y.astype(float)} if self.adapt_labels else {}
        adapted, now = self._adapt(X, groups, labels)
        return DataChange(X=adapted, y=now[outcome].astype(y.dtype) if labels else None)

    def _encoded(self, X: pd.DataFrame) -> dict[str, Floats]:
        return {name: encoded_column(X[name], column) for name, column in self.columns_.items()}

    def _adapt(
        self, X: pd.DataFrame, groups: Groups, labels: dict[str, Floats]
    ) -> tuple[pd.DataFrame, dict[str, Floats]]:
        """Return the features, and all values as numbers, adapted to the baseline group."""
        before = self._encoded(X) | labels
        hashes, now, out = row_hash(X[sorted(X.columns, key=str)]), dict(before), X.copy()
        for place, (name, node) in enumerate(self.nodes_.items()):
            if name in before:
                within = uniform_by_row(hashes, (self.random_state or 0) + place)
                now[name] = adapted_values(
                    name, node, before, now, groups, self.columns_, baseline=self.baseline_, within=within
                )
        for name in self.adapted_:
            out[name] = decoded_column(now[name], before[name], X[name], self.columns_[name])
        return out.assign(**self.attribute_values_), now

    def _transform(self, X: pd.DataFrame, groups: Groups) -> pd.DataFrame:
        return self._adapt(X, groups, {})[0]
