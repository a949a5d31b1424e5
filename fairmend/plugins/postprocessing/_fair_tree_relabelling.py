"""Relabelling of the leaves of a trained decision tree, Kamiran, Calders and Pechenizkiy 2010."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    Adjustment,
    DataError,
    Floats,
    Groups,
    Postprocessor,
    TechniqueMetadata,
    fitted_parts,
    make_learner,
)
from fairmend.plugins.postprocessing._error_costs import OBJECTIVES, error_costs
from fairmend.plugins.postprocessing._roc_thresholds import roc_curves
from fairmend.plugins.postprocessing._tree_leaves import favorable_leaves, greedy, leaves_of, optimal


class FairTreeRelabelling(Postprocessor):
    """Flip the labels of some leaves of a decision tree until the groups' selection rates are similar.

    Flipping leaf l changes the discrimination disc (here the difference between the highest and the lowest
    selection rate) and costs accuracy. Choosing the leaves so that disc <= epsilon at the minimum cost is a
    knapsack problem.

    Parameters
    ----------
    epsilon : float in [0, 1], default=0.05
        Maximum difference of selection rates on the fitting data.
    solver : {"greedy", "optimal"}, default="greedy"
        ``greedy`` takes the leaves in order of discrimination removed per accuracy lost, as in the paper;
        ``optimal`` solves the knapsack problem within the solver's node limit.
    objective : {"cost", "balanced_accuracy", "f1"}, default="cost"
        What the decisions optimize on the fitting data: the cost of errors, balanced accuracy or F1.
    false_positive_cost, false_negative_cost : float, default=1.0
        Costs of the errors for the objective ``cost``; equal costs are the paper's accuracy.

    Attributes
    ----------
    relabelled_ : ndarray of int
        Node numbers of the flipped leaves, in the order in which they were chosen.
    n_nodes_ : int
        Number of nodes of the tree, used to detect another tree at prediction.
    diagnostics_ : dict
        Total and relabelled leaves; selection rates by group, their difference and accuracy on the fitting
        data, before and after; ``reached``, whether the difference is within epsilon.

    Notes
    -----
    The splits do not change, so each decision is still a path in the tree, and no decision uses the protected
    attribute. Leaves with few fitting rows of a group are chosen by chance: the difference then shrinks on
    the fitting data but not on new data. Use leaves with at least 30 rows of each group, and compare the two
    differences.

    Departures: the leaves are evaluated on the data passed to fit, which need not be (and in a run are not)
    the tree's training data. The paper has one deprived and one favored group and bounds the signed
    difference; here disc is the difference of the two groups farthest apart, so more than two groups are
    supported and other leaves can correct one that overshoots. A leaf whose relabelling costs no accuracy on
    the fitting data comes first.

    References
    ----------
    F. Kamiran, T. Calders and M. Pechenizkiy (2010), "Discrimination aware decision tree learning", ICDM.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import FairTreeRelabelling
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> tree = DecisionTreeClassifier(min_samples_leaf=100, random_state=0).fit(X, y)
    >>> scores = tree.predict_proba(X)[:, 1]
    >>> fair = FairTreeRelabelling(epsilon=0.1)
    >>> fair = fair.fit(scores, y, sensitive_features=race, X=X, model=tree)
    >>> fair.relabelled_.tolist()
    [10, 5]
    >>> pd.Series(tree.predict(X)).groupby(race).mean().round(2).to_dict()
    {'Asian': 0.9, 'Black': 0.74, 'Hispanic': 0.79, 'White': 0.88}
    >>> pd.Series(fair.predict(scores, X=X, model=tree)).groupby(race).mean().round(2).to_dict()
    {'Asian': 0.92, 'Black': 0.84, 'Hispanic': 0.86, 'White': 0.93}
    """

    metadata = TechniqueMetadata(
        technique_id=94,
        slug="fair-tree-relabelling",
        name="Leaf relabelling of a trained tree",
        family="trees",
        summary="Flips the decision of some leaves of a trained decision tree, those that remove the most discrimination per accuracy lost.",
        citation="kamiran2010discrimination",
        addresses=("outcome-disparity", "base-rate-difference"),
        targets=("demographic_parity",),
        minimum_rows=2000,
        duration_weeks=(1, 2),
        legal_notes=(
            "No decision uses the protected attribute, but the leaves are chosen with it, and people in a "
            "relabelled leaf get the opposite of the leaf's majority label. Record which leaves were "
            "flipped and why."
        ),
        use_when="The model is a single decision tree that people read, its selection rates differ by group, and the tree itself must not change.",
        avoid_when="The model is not a decision tree, or has so many leaves that each contains few rows of a group.",
        questions=(
            "We must keep our published decision tree; can some of its end nodes be decided differently to be fair?",
            "Which leaves of a tree cause most of the gap between men and women?",
            "How do I make a rule set less discriminatory without growing the tree again?",
            "Is there a repair for decision trees that never looks at ethnicity when deciding?",
            "What is the cheapest set of tree rules to flip so that acceptance rates get close?",
            "Auditors want to see exactly which rules were changed for fairness; what method shows that?",
        ),
        target_parameters={"demographic_parity_difference": "epsilon"},
        adjustments=(Adjustment(parameter="epsilon", stronger=-0.02, minimum=0.0, maximum=0.2),),
        alternatives=(9, 19),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "epsilon": [Interval(Real, 0, 1, closed="both")],
        "solver": [StrOptions({"greedy", "optimal"})],
        "objective": [StrOptions(OBJECTIVES)],
        "false_positive_cost": [Interval(Real, 0, None, closed="neither")],
        "false_negative_cost": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        epsilon: float = 0.05,
        solver: str = "greedy",
        objective: str = "cost",
        false_positive_cost: float = 1.0,
        false_negative_cost: float = 1.0,
    ) -> None:
        self.epsilon = epsilon
        self.solver = solver
        self.objective = objective
        self.false_positive_cost = false_positive_cost
        self.false_negative_cost = false_negative_cost

    @classmethod
    def test_learner(cls) -> Any:
        """Return the learner whose model the conformance suite uses."""
        return make_learner("decision_tree")

    def _fit(
        self,
        scores: Floats,
        X: pd.DataFrame,
        groups: Groups,
        y: NDArray[np.int64],
        sample_weight: Floats,
        model: Any,
    ) -> None:
        numbers, place = np.unique(leaves_of(model, X), return_inverse=True)
        favorable = favorable_leaves(model, X)
        turned = np.where(favorable, -1.0, 1.0)
        members = np.column_stack([groups.codes == code for code in range(groups.n_groups)])
        share = sample_weight[:, None] * members / np.maximum(groups.counts(sample_weight), 1e-12)
        right = sample_weight * np.where(favorable == y, 1.0, -1.0) / sample_weight.sum()
        effect = np.stack([np.bincount(place, turned * part) for part in share.T], axis=1).astype(float)
        *_, pooled = roc_curves(scores, groups, y, sample_weight)
        c_fp, c_fn = error_costs(self.objective, self.false_positive_cost, self.false_negative_cost, pooled)
        loss = np.bincount(place, right * np.where(y == 1, c_fn, c_fp)).astype(float)
        rates = favorable @ share
        solve = optimal if self.solver == "optimal" else greedy
        chosen = solve(rates, effect, loss, self.epsilon)
        self.relabelled_ = numbers[chosen]
        self.n_nodes_ = fitted_parts(model)[1].tree_.node_count
        after = rates + effect[chosen].sum(axis=0)
        accuracy = float(right[right > 0].sum())
        self.diagnostics_ = {
            "leaves": len(numbers),
            "relabelled": self.relabelled_.tolist(),
            "reached": bool(np.ptp(after) <= self.epsilon + 1e-9),
            **{
                name: {
                    "difference": float(np.ptp(r)),
                    "accuracy": a,
                    "selection_rate": dict(zip(groups.labels, r.tolist(), strict=True)),
                }
                for name, r, a in (
                    ("before", rates, accuracy),
                    ("after", after, accuracy - float(np.bincount(place, right)[chosen].sum())),
                )
            },
        }

    def _decide(self, X: pd.DataFrame, model: Any) -> Floats:
        leaves = leaves_of(model, X)
        if fitted_parts(model)[1].tree_.node_count != self.n_nodes_:
            raise DataError(f"{self.metadata.name} was fitted for another tree; refit it for this one")
        return (favorable_leaves(model, X) != np.isin(leaves, self.relabelled_)).astype(float)
