"""The networks of adversarial debiasing, Zhang, Lemoine & Mitchell (AIES 2018), as functions of weight vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from fairmend.base import Floats, Groups, InsufficientDataError


def predictor_logit(W: Any, X: Any, hidden_units: int) -> Any:
    """Return the predictor's log-odds from its weight vector W; without hidden units it is linear."""
    if hidden_units == 0:
        return X @ W[:-1] + W[-1]
    cut = X.shape[1] * hidden_units
    layer = X @ W[:cut].reshape(X.shape[1], hidden_units) + W[cut : cut + hidden_units]
    return layer.clip(0) @ W[cut + hidden_units : -1] + W[-1]


def adversary_logits(U: Any, logit: Any, y: Any, constraint: str) -> Any:
    """Return the adversary's scores of the groups, shape (n, groups).

    Its input is s = sigma((1 + |c|) logit); for equalized odds it has separate weights and intercepts for
    each label (section 4). U holds c and then one row of weights or intercepts per group.
    """
    s = 1 / (1 + (-(1 + abs(U[0])) * logit).exp())
    rows = U[1:].reshape(4 if constraint == "equalized_odds" else 2, -1)
    scores = s[:, None] * rows[0] + rows[1]
    if constraint == "equalized_odds":
        scores = scores + y[:, None] * (s[:, None] * rows[2] + rows[3])
    return scores


def uninformed_loss(groups: Groups, y: NDArray[np.int64], weight: Floats, constraint: str) -> float:
    """Return the loss of an adversary that does not see the output.

    It is the entropy of the groups, given the label if that is an input.

    Raises
    ------
    InsufficientDataError
        A group has no row of a label that the constraint is conditional on.
    """
    event = np.zeros_like(y) if constraint == "demographic_parity" else y
    mass = np.array([groups.counts(weight * (event == e)) for e in np.unique(event[weight > 0])])
    if (mass == 0).any():
        e, group = np.argwhere(mass == 0)[0]
        label = np.unique(event[weight > 0])[e]
        raise InsufficientDataError(
            f"no row of the group {groups.labels[group]!r} has the label {label}, so {constraint} "
            "is undefined for it; merge groups, leave out this attribute, or use demographic_parity"
        )
    return float(entr(mass / mass.sum(axis=1, keepdims=True)).sum(axis=1) @ mass.sum(axis=1) / mass.sum())
