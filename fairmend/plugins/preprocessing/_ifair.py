"""Individually fair representations (iFair), Lahoti, Gummadi & Weikum 2019."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    Floats,
    InsufficientDataError,
    Ints,
    Preprocessor,
    TableEncoder,
    TechniqueMetadata,
    row_hash,
    unknown,
)


def memberships(X: Floats, V: Floats, alpha: Floats) -> Floats:
    """Return u_ik = softmax_k(-sum_n alpha_n (x_in - v_kn)^2), shape (rows, prototypes)."""
    distance = (X**2 @ alpha)[:, None] - 2 * (X * alpha) @ V.T + V**2 @ alpha
    return np.asarray(softmax(-distance, axis=1))


def objective(
    theta: Floats, X: Floats, pairs: Ints, apart: Floats, free: Ints, utility: float, fairness: float
) -> tuple[float, Floats]:
    """Return the loss of prototypes and distance weights, and its gradient.

    The loss is utility * mean_i |x_i - x'_i|^2 + fairness * mean over pairs of (|x'_i - x'_j|^2 - apart_ij)^2, with
    x'_i = sum_k u_ik v_k.

    Parameters
    ----------
    theta : ndarray of float, shape (n_free + K p,)
        Square roots of the weights of the free features, then the prototypes.
    X : ndarray of float, shape (n, p)
        Encoded features.
    pairs : ndarray of int, shape (2, m)
        Places of the rows that are compared.
    apart : ndarray of float, shape (m,)
        Squared distances of these rows in the features that are not protected.
    free : ndarray of int
        Features that have a weight; that of all others is 0.
    utility, fairness : float
        Weights of both terms.
    """
    p = X.shape[1]
    root, V = theta[: len(free)], theta[len(free) :].reshape(-1, p)
    alpha = np.zeros(p)
    alpha[free] = root**2
    U = memberships(X, V, alpha)
    R = U @ V
    off = R - X
    between = R[pairs[0]] - R[pairs[1]]
    excess = (between**2).sum(axis=1) - apart
    loss = utility * (off**2).sum() / len(X) + fairness * (excess**2).mean()
    G = 2 * utility / len(X) * off  # dloss / dR
    pull = 4 * fairness / len(excess) * excess[:, None] * between
    np.add.at(G, pairs[0], pull)
    np.subtract.at(G, pairs[1], pull)
    of_u = G @ V.T
    B = -U * (of_u - (U * of_u).sum(axis=1, keepdims=True))  # dloss / d distance
    total = B.sum(axis=0)
    of_v = U.T @ G + 2 * alpha * (total[:, None] * V - B.T @ X)
    of_alpha = B.sum(axis=1) @ X**2 - 2 * ((B @ V) * X).sum(axis=0) + total @ V**2
    return float(loss), np.concatenate([2 * root * of_alpha[free], of_v.ravel()])


class IFair(Preprocessor):
    """Replace each row by a mixture of prototypes that keeps the distances of what is not protected.

    Parameters
    ----------
    n_prototypes : int, default=10
        K.
    utility : float, default=1.0
        lambda, the weight of the reconstruction.
    fairness : float, default=1.0
        mu, the weight of the distances.
    protected : list of str, optional
        Features that say nothing of whom to treat alike, such as proxies; by default those that are declared proxies.
    max_rows : int, default=2000
        The fit uses at most so many rows.
    n_pairs : int, default=20
        Pairs of each row that are compared.
    max_iter : int, default=200
        Iterations of L-BFGS.
    random_state : int or None, default=None
        Seed of the start and of the pairs; None means 0.

    Attributes
    ----------
    prototypes_ : ndarray of float, shape (n_prototypes, encoded features)
        v_k.
    alpha_ : ndarray of float, shape (encoded features,)
        Weights of the distance; 0 for protected features.
    diagnostics_ : dict
        ``converged``, ``iterations``, and both terms of the loss, ``reconstruction`` and ``distortion``.

    Notes
    -----
    A row x_i becomes x'_i = sum_k u_ik v_k, with memberships u_ik = softmax_k(-d(x_i, v_k)) by a weighted squared distance.
    Prototypes and weights minimize lambda L_util + mu L_fair: L_util is the squared error of reconstruction, L_fair the
    squared difference between the squared distance of two mapped rows and that of the rows in the features that are not
    protected. So people who are alike but for protected features get nearly the same representation. Group parity is not
    aimed at. The protected attributes are not read.

    Departures: the loss is a mean, and pairs are drawn, so that a fit is linear in rows; protected features have weight
    exactly 0 in the distance to the prototypes (the paper starts near 0), so that changing them changes nothing. The
    objective has local optima; the start is drawn from the rows.

    References
    ----------
    P. Lahoti, K. P. Gummadi and G. Weikum (2019), "iFair: Learning individually fair data representations for algorithmic
    decision making", ICDE.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import IFair
    >>> loans = bank(1_000)
    >>> X = loans[["income", "credit_score", "zip_code"]]
    >>> ifair = IFair(protected=["zip_code"]).fit(X)
    >>> moved = ifair.transform(X.assign(zip_code=X["zip_code"].iloc[0]))
    >>> moved.equals(ifair.transform(X))
    True
    """

    metadata = TechniqueMetadata(
        technique_id=72,
        slug="ifair",
        name="Individually fair representations (iFair)",
        family="individual fairness",
        summary="Maps rows to mixtures of prototypes so that people who differ in protected features alone are represented alike.",
        citation="lahoti2019ifair",
        targets=("individual_fairness",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        minimum_rows=300,
        complexity="high",
        duration_weeks=(2, 4),
        compute="medium",
        legal_notes="Which features count for similarity is a judgment; decisions are explained by prototypes, not by the original features.",
        use_when="Similar people must be treated similarly by any model trained later, and proxies must not matter for similarity.",
        avoid_when="Parity between groups is required, or fine differences between people matter for accuracy.",
        questions=(
            "Can the data be mapped so that two applicants who differ only in their name are the same to the model?",
            "How do I learn a representation that treats like people alike, whichever classifier follows?",
            "Which embedding keeps distances of qualifications but forgets sensitive columns?",
            "Is there a fair representation that needs neither labels nor group membership?",
            "How can rankings and classifiers share one individually fair version of the data?",
            "We want soft clusters instead of raw records, with sensitive information obfuscated; what is there?",
        ),
        adjustments=(Adjustment(parameter="fairness", stronger=1.0, minimum=0.0, maximum=10.0),),
        alternatives=(73, 75),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_prototypes": [Interval(Integral, 1, None, closed="left")],
        "utility": [Interval(Real, 0, None, closed="left")],
        "fairness": [Interval(Real, 0, None, closed="left")],
        "protected": [list, tuple, None],
        "max_rows": [Interval(Integral, 10, None, closed="left")],
        "n_pairs": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        n_prototypes: int = 10,
        utility: float = 1.0,
        fairness: float = 1.0,
        protected: Sequence[str] | None = None,
        max_rows: int = 2000,
        n_pairs: int = 20,
        max_iter: int = 200,
        random_state: int | None = None,
    ) -> None:
        self.n_prototypes = n_prototypes
        self.utility = utility
        self.fairness = fairness
        self.protected = protected
        self.max_rows = max_rows
        self.n_pairs = n_pairs
        self.max_iter = max_iter
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"n_prototypes": 5, "n_pairs": 5, "max_iter": 20}

    def _fit(self, X: pd.DataFrame, proxies: Sequence[str] | None = None) -> None:
        hidden = (
            [c for c in proxies or () if c in X.columns] if self.protected is None else list(self.protected)
        )
        for name in hidden:
            if name not in X.columns:
                raise unknown("feature", name, X.columns)
        columns = sorted(X.columns, key=str)  # so that the order of columns does not matter
        shown = [c for c in columns if c not in hidden]
        if not shown:
            raise InsufficientDataError(
                "all features are protected, so nothing says who is alike; leave some out of protected"
            )
        self.parts_ = [part for part in (shown, hidden) if part]
        rows = X.iloc[np.argsort(row_hash(X[columns]), kind="stable")]  # nor does the order of the rows
        self.encoders_ = [TableEncoder("one-hot").fit(rows[part]) for part in self.parts_]
        rows = rows[: self.max_rows]
        Z, free = self._encoded(rows), np.arange(self.encoders_[0].transform(rows[shown]).shape[1])
        n, p = Z.shape
        if n <= self.n_prototypes:
            raise InsufficientDataError(
                f"n_prototypes must be below the {n} rows, got {self.n_prototypes}; reduce it"
            )
        rng = np.random.default_rng(self.random_state or 0)
        i = np.repeat(np.arange(n), self.n_pairs)
        pairs = np.stack([i, (i + rng.integers(1, n, len(i))) % n])
        apart = ((Z[pairs[0]][:, free] - Z[pairs[1]][:, free]) ** 2).sum(axis=1)
        start = Z[rng.choice(n, self.n_prototypes, replace=False)] + 0.01 * rng.normal(
            size=(self.n_prototypes, p)
        )
        theta = np.concatenate([np.ones(len(free)), start.ravel()])
        fit = minimize(
            objective,
            theta,
            args=(Z, pairs, apart, free, self.utility, self.fairness),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": self.max_iter},
        )
        self.alpha_ = np.zeros(p)
        self.alpha_[free] = fit.x[: len(free)] ** 2
        self.prototypes_ = fit.x[len(free) :].reshape(-1, p)
        terms = [objective(fit.x, Z, pairs, apart, free, *weights)[0] for weights in ((1.0, 0.0), (0.0, 1.0))]
        self.diagnostics_ = {
            "converged": bool(fit.success),
            "iterations": int(fit.nit),
            "reconstruction": terms[0],
            "distortion": terms[1],
        }

    def _encoded(self, X: pd.DataFrame) -> Floats:
        return np.hstack(
            [encoder.transform(X[part]) for encoder, part in zip(self.encoders_, self.parts_, strict=True)]
        )

    def _transform(self, X: pd.DataFrame) -> pd.DataFrame:
        R = memberships(self._encoded(X), self.prototypes_, self.alpha_) @ self.prototypes_
        return pd.DataFrame(R, index=X.index, columns=[f"ifair_{k}" for k in range(R.shape[1])])
