"""Leaves of a trained decision tree: which to relabel, and which row is in which."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from sklearn.tree import DecisionTreeClassifier

from fairmend.base import DataError, Floats, Ints, fitted_parts

NODES = 10_000  # nodes that the exact search may open, so that its work is bounded


def greedy(rates: Floats, effect: Floats, loss: Floats, epsilon: float) -> Ints:
    """Return the leaves to relabel, chosen greedily by the best ratio of parity gained to accuracy lost.

    ``effect`` is the change of each group's rate by each leaf, shape (n_leaves, n_groups). The gain is
    measured for the two groups that are farthest apart at that step. If no choice is within epsilon, the one
    with the smallest difference is returned.
    """
    chosen: list[int] = []
    best, least = 0, float(np.ptp(rates))
    price = np.maximum(loss, 1e-12)
    while np.ptp(rates) > epsilon + 1e-12:
        gain = effect[:, rates.argmin()] - effect[:, rates.argmax()]
        gain[chosen] = 0.0
        leaf = int((gain / price).argmax())
        if gain[leaf] <= 0:
            break
        chosen.append(leaf)
        rates = rates + effect[leaf]
        if np.ptp(rates) < least:
            best, least = len(chosen), float(np.ptp(rates))
    return np.array(chosen[:best], dtype=np.int64)


def optimal(rates: Floats, effect: Floats, loss: Floats, epsilon: float) -> Ints:
    """Return the leaves whose relabelling costs the least accuracy among all choices within epsilon.

    The knapsack program in z, with the lowest rate u free: u <= rates + effect' z <= u + epsilon.
    """
    n_leaves, n_groups = effect.shape
    if np.ptp(rates) <= epsilon + 1e-12:
        return np.empty(0, dtype=np.int64)
    matrix = np.column_stack([effect.T, -np.ones(n_groups)])
    solved = milp(
        np.append(loss, 0.0),
        constraints=LinearConstraint(matrix, -rates, epsilon - rates),
        integrality=np.append(np.ones(n_leaves), 0),
        bounds=Bounds(0, 1),
        options={"node_limit": NODES, "mip_rel_gap": 0.0},
    )
    if solved.x is None:
        return greedy(rates, effect, loss, epsilon)
    return np.flatnonzero(solved.x[:-1] > 0.5)


def leaves_of(model: Any, X: pd.DataFrame) -> Ints:
    """Return the number of the leaf that each row falls into.

    Raises
    ------
    DataError
        The model is no single decision tree.
    """
    encoder, tree = fitted_parts(model)
    if not isinstance(tree, DecisionTreeClassifier):
        raise DataError(
            f"leaf relabelling reads the leaves of a decision tree, got {type(tree).__name__}; train one "
            "(--learner decision_tree), or use a technique that reads scores"
        )
    return np.asarray(tree.apply(encoder.transform(X)), dtype=np.int64)


def favorable_leaves(model: Any, X: pd.DataFrame) -> NDArray[np.bool_]:
    """Return where the tree predicts the favorable class, its last one."""
    return np.asarray(model.predict_proba(X))[:, -1] >= 0.5
