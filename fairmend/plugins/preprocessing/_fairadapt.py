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
    cells_of_groups,
    decoded_column,
    encoded_column,
    enough,
    fit_column,
    influenced,
    outcome_of,
    side_by_side,
)
from fairmend.plugins.preprocessing._conditional_quantiles import fit_conditional, quantiles_kept


class FairAdapt(Preprocessor):
    """Replace what a protected attribute causes by what it would have been in the baseline group.

    Parameters
    ----------
    baseline : str, optional
        The group whose world all rows are moved to; the largest one by default. Its rows stay as they are.
    resolving : list of str, optional
        Columns through which an influence of the attributes is accepted: they keep their values.
    outcome : str, optional
        The outcome's name in the graph; by default its only node that is neither feature nor attribute.
    adapt_labels : bool, default=True
        Whether the labels of the training data are adapted as well, as in the paper.
    method : {"forest", "linear"}, default="forest"
        How quantiles depend on a column's causes: a line with residuals of one distribution (a location
        shift), for few rows or relations that are nearly linear, or a quantile regression forest on the
        residuals of that line. Integers and categories always take the forest, without a line.
    n_trees : int, default=30
        Trees of each forest.
    min_samples_leaf : int, default=80
        Least rows of a leaf, and at most a quarter of the group: large leaves give steady levels.
    min_group_rows : int, default=20
        Rows that every group needs.
    random_state : int, optional
        Seed of the forests and of the draws.

    Attributes
    ----------
    adapted_ : tuple of str
        Columns that are changed, causes first.

    Notes
    -----
    In the order of the causal graph, each column V that some attribute A influences is replaced by
    Q(u | pa', a0), where u = F(v | pa, a) is the level of its value among rows with the same causes pa and the
    same attributes, pa' are its causes as already adapted, and a0 are the attributes of the baseline group.
    So a row keeps its quantile, and if each column is a strictly increasing function of its own noise this is
    the counterfactual under do(A = a0). Labels are adapted in the same way; of new rows, features alone.

    A column's level is taken within the groups of those attributes that are among its causes, so with
    several attributes fewer groups are needed than there are crossings. More than two groups are moved to
    the one baseline. Categories are ordered by their share of favorable labels. Integers and categories
    keep to the values that occur: where equal values share a range of levels, one of them is drawn by the
    content of the row and the seed, so equal rows are treated equally. Missing values stay missing, and a
    missing cause counts as the median. Sample weights are not used.

    The graph must hold all common causes: hidden ones that act on an adapted column are refused, and so
    are edges without a direction.

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
        summary="Moves each row to the world of one baseline group along a causal graph, keeping its rank among rows like it.",
        citation="plecko2020fair",
        addresses=("biased-mediator", "proxy-variable", "outcome-disparity"),
        targets=("demographic_parity", "counterfactual_fairness"),
        modifies=("features", "labels"),
        minimum_rows=300,
        complexity="medium",
        duration_weeks=(2, 4),
        compute="medium",
        legal_notes="Reads the protected attribute for every decision and rewrites features and training labels by it; disparate treatment in some jurisdictions.",
        use_when="A causal graph is agreed on, the attribute acts through several columns that influence each other, and some of these ways may be accepted.",
        avoid_when="The graph is in doubt or lacks common causes, or the protected attribute may not be read at decision time.",
        questions=(
            "What would this applicant's record look like had they belonged to the other group, and can we train on that?",
            "How do I repair several mediators together so that their relations stay consistent?",
            "Can we remove the causal effect of gender on salary but keep the part that runs through the job?",
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
        self.nodes_: dict[str, dict[str, Any]] = {}
        for node in reached:
            if node != outcome or self.adapt_labels:
                parents = graph.parents(node)
                causes = [p for p in parents if p not in attributes]
                cells = cells_of_groups(groups, [p for p in parents if p in attributes])
                fitted = self._fit_node(node, values, causes, cells[groups.codes], groups)
                self.nodes_[node] = {"causes": causes, "cell_of_group": cells, "fitted": fitted}
        self.adapted_ = tuple(node for node in self.nodes_ if node != outcome)
        labels = {outcome: y.astype(float)} if self.adapt_labels else {}
        adapted, now = self._adapt(X, groups, labels)
        return DataChange(X=adapted, y=now[outcome].astype(y.dtype) if labels else None)

    def _encoded(self, X: pd.DataFrame) -> dict[str, Floats]:
        return {name: encoded_column(X[name], column) for name, column in self.columns_.items()}

    def _fit_node(
        self, node: str, values: dict[str, Floats], causes: Sequence[str], cell: Ints, groups: Groups
    ) -> list[dict[str, Any]]:
        """Return F(v | pa, a) for each group a of the attributes that cause the node."""
        pa, v = side_by_side(values, causes, self.columns_, len(cell)), values[node]
        fitted = []
        for a in range(int(cell.max()) + 1):
            rows = (cell == a) & ~np.isnan(v)
            enough(node, groups.labels[groups.codes[cell == a][0]], int(rows.sum()), self.min_group_rows)
            fitted.append(fit_conditional(
                pa[rows], v[rows], method=self.method, discrete=self._is_discrete(node), n_trees=self.n_trees,
                min_samples_leaf=min(self.min_samples_leaf, max(int(rows.sum()) // 4, 1)), seed=self.random_state or 0,
            ))  # fmt: skip
        return fitted

    def _adapt(
        self, X: pd.DataFrame, groups: Groups, labels: dict[str, Floats]
    ) -> tuple[pd.DataFrame, dict[str, Floats]]:
        """Return the features, and all values as numbers, in the world of the baseline group."""
        before = self._encoded(X) | labels
        hashes, now, out = row_hash(X[sorted(X.columns, key=str)]), dict(before), X.copy()
        for place, node in enumerate(self.nodes_):
            if node in before:
                within = uniform_by_row(hashes, (self.random_state or 0) + place)
                now[node] = self._adapt_node(node, before, now, groups, within)
        for name in self.adapted_:
            out[name] = decoded_column(now[name], before[name], X[name], self.columns_[name])
        return out.assign(**self.attribute_values_), now

    def _adapt_node(
        self, node: str, before: dict[str, Floats], now: dict[str, Floats], groups: Groups, within: Floats
    ) -> Floats:
        """Return Q(u | pa', a0) at u = F(v | pa, a), where a or pa is not as in the baseline's world."""
        told = self.nodes_[node]
        cells, a0 = told["cell_of_group"], int(told["cell_of_group"][self.baseline_])
        pa, pa_new = (
            side_by_side(values, told["causes"], self.columns_, len(groups)) for values in (before, now)
        )
        return quantiles_kept(
            told["fitted"], cells[groups.codes], a0, before[node], pa, pa_new, within, self._is_discrete(node)
        )

    def _is_discrete(self, node: str) -> bool:
        """Return whether only values that occur are values of the node, as of the outcome."""
        return node not in self.columns_ or bool(self.columns_[node]["discrete"])

    def _transform(self, X: pd.DataFrame, groups: Groups) -> pd.DataFrame:
        return self._adapt(X, groups, {})[0]
