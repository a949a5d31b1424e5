"""Learning fair representations, Zemel et al. 2013."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.optimize import OptimizeResult, minimize
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Ints,
    Preprocessor,
    TableEncoder,
    TechniqueMetadata,
    row_hash,
)
from fairmend.plugins.preprocessing._prototype_losses import PrototypeLosses, memberships


def minimized(losses: PrototypeLosses, n_prototypes: int, max_iter: int, seed: int) -> OptimizeResult:
    """Return the local minimum found from one random start: prototypes like rows, chances of 1/2."""
    rng = np.random.default_rng(seed)
    d = losses.X.shape[1]
    start = np.concatenate([rng.uniform(0.3, 0.7, n_prototypes), rng.normal(size=n_prototypes * d)])
    return minimize(
        losses.objective,
        start,
        args=(n_prototypes,),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * n_prototypes + [(None, None)] * (n_prototypes * d),
        options={"maxiter": max_iter, "maxfun": 2 * max_iter},
    )


class LearningFairRepresentations(Preprocessor):
    """Replace all features by memberships in a few prototypes that are equally frequent in every group.

    Parameters
    ----------
    n_prototypes : int, default=5
        Number of prototypes, K.
    parity_weight : float, default=50.0
        A_z, the weight of equal mean memberships.
    label_weight : float, default=1.0
        A_y, the weight of predicting the label.
    reconstruction_weight : float, default=0.01
        A_x, the weight of reconstructing the features.
    n_starts : int, default=2
        Random starts, of which the one with the smallest objective is kept; the objective is not convex.
    max_iter : int, default=1000
        Limit of iterations per start.
    random_state : int or None, default=None
        Seed of the starts.

    Attributes
    ----------
    encoder_ : TableEncoder
        Standardizes numbers and turns categories into indicators.
    prototypes_ : ndarray of shape (K, d)
        The prototypes V, in encoded features.
    chances_ : ndarray of shape (K,)
        The chance w of a favorable label at each prototype.
    diagnostics_ : dict
        The losses ``reconstruction``, ``label`` and ``parity`` at the end, the sum ``objective``, ``converged``,
        ``iterations``, and ``predicted_favorable``, the share of rows with a chance of at least 1/2. Where
        that is 0 or 1, the representation is equal but useless: lower ``parity_weight``.

    Notes
    -----
    A row x belongs to prototype v_k with the probability M_k proportional to exp(-|x - v_k|). The
    reconstruction of x is sum_k M_k v_k, the predicted chance of a favorable label sum_k M_k w_k. Prototypes
    and chances minimize A_x L_x + A_y L_y + A_z L_z: squared error of the reconstruction, logarithmic loss of
    the label, and absolute difference of the groups' mean memberships. Defaults and scales of the losses are
    those of AIF360, as is the Euclidean distance: the paper weights features in the distance, by group, and
    reads the group at prediction. With more than two groups, which is an extension, the reconstruction is averaged over groups and the
    parity over pairs of groups.

    The gradient is analytic, so that a fit to convergence takes less than AIF360's finite differences take
    for a few steps; each step is linear in the rows. The transformed features are the memberships; the
    reconstruction is a linear function of them. They are equal in the mean only: a model that is not linear
    may still tell groups apart. Labels are unchanged. Numbers are standardized and categories become
    indicators; missing numbers become the median, missing categories a level of their own.

    References
    ----------
    R. Zemel, Y. Wu, K. Swersky, T. Pitassi and C. Dwork (2013), "Learning fair representations", ICML.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import LearningFairRepresentations
    >>> loans = bank(1_000)
    >>> X, y, black = loans[["income", "credit_score", "debt_to_income"]], loans["approved"], loans["race"] == "Black"
    >>> learned = LearningFairRepresentations(random_state=0).fit(X, y, sensitive_features=black)
    >>> learned.diagnostics_["parity"] < 0.01
    True
    >>> learned.transform(X).sum(axis=1).round(6).unique().tolist()  # without the protected attribute
    [1.0]
    """

    metadata = TechniqueMetadata(
        technique_id=68,
        slug="learning-fair-representations",
        name="Learning fair representations (prototypes)",
        family="representation",
        summary="Replaces all features by memberships in learned prototypes that have the same mean in every group and predict the label.",
        citation="zemel2013learning",
        addresses=("proxy-variable", "biased-mediator", "outcome-disparity"),
        targets=("demographic_parity",),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(2, 4),
        compute="medium",
        legal_notes="The protected attribute is used to fit the prototypes, but not for decisions; memberships make it hard to give reasons for a decision.",
        use_when="Data are to be handed on in a form that keeps what predicts the label and obscures the group, and single features need no interpretation.",
        avoid_when="Decisions must be explained by the original features, data are few, or a loss of accuracy cannot be accepted.",
        questions=(
            "How do I encode applicants by a few typical profiles so that both sexes look alike?",
            "Which method learns a new representation that forgets membership in a group but remains useful for the outcome?",
            "I want to publish a sanitized version of the inputs; can it be learned with prototypes?",
            "Is there a method that trades off reconstruction, accuracy and statistical parity by three weights?",
            "Can similar people be mapped to the same cluster so that treatment is alike across groups?",
            "Is there a faster way to fit the representation of Zemel and colleagues?",
        ),
        adjustments=(Adjustment(parameter="parity_weight", stronger=25.0, minimum=0.0, maximum=500.0),),
        alternatives=(42, 70, 43),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_prototypes": [Interval(Integral, 2, None, closed="left")],
        "parity_weight": [Interval(Real, 0, None, closed="left")],
        "label_weight": [Interval(Real, 0, None, closed="left")],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "n_starts": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        n_prototypes: int = 5,
        parity_weight: float = 50.0,
        label_weight: float = 1.0,
        reconstruction_weight: float = 0.01,
        n_starts: int = 2,
        max_iter: int = 1000,
        random_state: int | None = None,
    ) -> None:
        self.n_prototypes = n_prototypes
        self.parity_weight = parity_weight
        self.label_weight = label_weight
        self.reconstruction_weight = reconstruction_weight
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.random_state = random_state

    def _fit(self, X: pd.DataFrame, y: Ints, groups: Groups, sample_weight: Floats) -> None:
        # Rounding, which many steps would amplify, must depend neither on the order of rows nor of columns.
        X = X[sorted(X.columns, key=str)]
        order = np.lexsort((groups.codes, y, row_hash(X)))
        X, y, codes, w = X.iloc[order], y[order], groups.codes[order], sample_weight[order]
        self.encoder_ = TableEncoder("one-hot")
        encoded = self.encoder_.fit_transform(X)
        losses = PrototypeLosses(
            encoded, y, codes, w, self.reconstruction_weight, self.label_weight, self.parity_weight
        )
        first = self.random_state or 0
        starts = range(first, first + self.n_starts)
        best = min(
            (minimized(losses, self.n_prototypes, self.max_iter, seed) for seed in starts),
            key=lambda found: float(found.fun),
        )
        self.chances_ = best.x[: self.n_prototypes]
        self.prototypes_ = best.x[self.n_prototypes :].reshape(self.n_prototypes, -1)
        L_x, L_y, L_z = losses.losses(best.x, self.n_prototypes)
        favorable = memberships(encoded, self.prototypes_) @ self.chances_ >= 0.5
        self.diagnostics_ = {
            "reconstruction": L_x,
            "label": L_y,
            "parity": L_z,
            "objective": float(best.fun),
            "converged": bool(best.success),
            "iterations": int(best.nit),
            "predicted_favorable": float(np.average(favorable, weights=w)),
        }

    def _transform(self, X: pd.DataFrame) -> pd.DataFrame:
        M = memberships(self.encoder_.transform(X[sorted(X.columns, key=str)]), self.prototypes_)
        names = [f"prototype_{k}" for k in range(1, self.n_prototypes + 1)]
        return pd.DataFrame(M, index=X.index, columns=names)
