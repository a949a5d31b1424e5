"""LEACE: least-squares concept erasure, Belrose et al. 2023."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import Adjustment, Floats, Groups, Preprocessor, TechniqueMetadata, numeric_columns
from fairmend.plugins.preprocessing._numeric_matrix import deviations, matrix_of, means, with_matrix

SMALLEST = 1e-10
"""Relative variance, or correlation, below which a direction counts as absent."""


def whitening(sigma_xx: Floats) -> tuple[Floats, Floats]:
    """Return the whitening matrix W, the root of the pseudoinverse of a covariance, and its pseudoinverse.

    Examples
    --------
    >>> W, W_plus = whitening(np.diag([4.0, 0.0]))
    >>> W.tolist(), W_plus.tolist()
    ([[0.5, 0.0], [0.0, 0.0]], [[2.0, 0.0], [0.0, 0.0]])
    """
    values, V = np.linalg.eigh(sigma_xx)
    root = np.sqrt(np.where(values > SMALLEST * values.max(), values, 0.0))
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    return (V * inverse) @ V.T, (V * root) @ V.T


def erasure(sigma_xx: Floats, sigma_xz: Floats) -> Floats:
    """Return A = W+ P W, with P the orthogonal projection on the columns of W Sigma_xz.

    x - A (x - mean) is the affine map of x without covariance with z that changes x least in mean square.
    """
    W, W_plus = whitening(sigma_xx)
    U, s, _ = np.linalg.svd(W @ sigma_xz, full_matrices=False)
    U = U[:, s > SMALLEST]
    return np.asarray(W_plus @ U @ U.T @ W)


class Leace(Preprocessor):
    """Change numeric features as little as possible so that no linear model can predict the group from them.

    Parameters
    ----------
    features : list of str or None, default=None
        Features to change; None takes all numeric ones.
    strength : float in [0, 1], default=1.0
        Fraction of the erased part to subtract: 1 is the paper's method, 0 changes nothing. Values between
        are an extension, used by rollbacks that reduce the correction.

    Attributes
    ----------
    features_ : list of str
        Changed features.
    mean_ : ndarray of shape (p,)
        Their means.
    erasure_ : ndarray of shape (p, p)
        The matrix A below.
    diagnostics_ : dict
        ``linear_r2``: per group, the share of variance of its indicator that a least-squares regression on
        the features explained before. Afterwards it is 0; where it was about 0, there was nothing to erase.

    Notes
    -----
    x becomes x - A (x - mean), where A = W+ P W, W whitens the features, and P projects on the columns of W
    times the cross-covariance of features and group indicators. On the fitting data the group means are then
    equal, so that for every convex loss no linear model does better than a constant at predicting the group.
    The map does not read the group, so that decisions on new rows need no protected attribute, in contrast to
    the correlation remover (technique 41), which changes the features less but reads it.

    Nothing is promised for models that are not linear, and nothing for features that are not numeric, which
    are unchanged: encode them first if they reveal the group. With k groups, k - 1 directions are erased, so
    that k - 1 features or fewer become constant. Missing values stay missing; they count as the mean, so that
    the erasure is then approximate. The features are standardized for the computation, which does not affect
    the result. Linear in the number of rows and cubic in the number of features.

    References
    ----------
    N. Belrose, D. Schneider-Joseph, S. Ravfogel, R. Cotterell, E. Raff and S. Biderman (2023), "LEACE: Perfect
    linear concept erasure in closed form", NeurIPS.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import Leace
    >>> loans = bank(2_000)
    >>> X, race = loans[["income", "credit_score", "loan_amount", "debt_to_income"]], loans["race"]
    >>> eraser = Leace().fit(X, sensitive_features=race)
    >>> {group: round(r2, 3) for group, r2 in eraser.diagnostics_["linear_r2"].items()}
    {'Asian': 0.003, 'Black': 0.035, 'Hispanic': 0.009, 'White': 0.039}
    >>> erased = eraser.transform(X)  # without the protected attribute
    >>> X["credit_score"].groupby(race).mean().round().to_dict()
    {'Asian': 687.0, 'Black': 655.0, 'Hispanic': 664.0, 'White': 689.0}
    >>> erased["credit_score"].groupby(race).mean().round().to_dict()
    {'Asian': 678.0, 'Black': 678.0, 'Hispanic': 678.0, 'White': 678.0}
    """

    metadata = TechniqueMetadata(
        technique_id=70,
        slug="leace",
        name="LEACE (least-squares concept erasure)",
        family="transformation",
        summary="Erases from numeric features all that a linear model could use to predict the group, with the smallest possible change.",
        citation="belrose2023leace",
        addresses=("biased-mediator", "proxy-variable", "outcome-disparity"),
        targets=("demographic_parity",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        minimum_rows=200,
        complexity="low",
        duration_weeks=(0.5, 1),
        legal_notes="The protected attribute is used to fit the map, but not for decisions.",
        use_when="A linear model reads embeddings or many numeric features, and the protected attribute is not available at decision time.",
        avoid_when="The model is not linear, the informative features are categories, or there are about as many groups as features.",
        questions=(
            "How do I erase gender from text embeddings before I train a classifier on them?",
            "Is there a projection after which no logistic regression can guess ethnicity from the inputs?",
            "Can I scrub a concept from the features without knowing the group of new applicants?",
            "What is a closed-form alternative to iterative null-space projection?",
            "How do I remove linear traces of a sensitive variable from hidden states of a neural network?",
            "Which erasure of age information distorts my vectors the least?",
        ),
        adjustments=(Adjustment(parameter="strength", stronger=0.2, minimum=0.0, maximum=1.0),),
        alternatives=(41, 74, 69),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "features": ["array-like", str, None],
        "strength": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, features: Sequence[str] | str | None = None, strength: float = 1.0) -> None:
        self.features = features
        self.strength = strength

    def _fit(self, X: pd.DataFrame, groups: Groups, sample_weight: Floats) -> None:
        self.features_ = numeric_columns(X, self.features)
        Z, p = matrix_of(X, self.features_), sample_weight / sample_weight.sum()
        self.mean_ = means(Z, p)
        z, root = np.eye(groups.n_groups)[groups.codes], np.sqrt(p)[:, None]
        p_a, D = p @ z, deviations(Z, self.mean_)
        D *= root
        sigma_xx, sigma_xz = D.T @ D, D.T @ (root * (z - p_a))
        scale = np.sqrt(np.diag(sigma_xx))
        scale[scale <= SMALLEST * np.abs(self.mean_)] = 1.0  # of a constant only rounding is left
        sigma_xx, sigma_xz = sigma_xx / np.outer(scale, scale), sigma_xz / scale[:, None]
        self.erasure_ = scale[:, None] * erasure(sigma_xx, sigma_xz) / scale
        r2 = ((whitening(sigma_xx)[0] @ sigma_xz) ** 2).sum(axis=0) / (p_a * (1 - p_a))
        self.diagnostics_ = {"linear_r2": dict(zip(groups.labels, r2.tolist(), strict=True))}

    def _transform(self, X: pd.DataFrame) -> pd.DataFrame:
        Z = matrix_of(X, self.features_)
        erased = deviations(Z, self.mean_) @ (self.strength * self.erasure_.T)
        return with_matrix(X, self.features_, Z - erased)
