"""Fair PCA, Kleindessner et al. 2023."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import Floats, Groups, InsufficientDataError, Preprocessor, TableEncoder, TechniqueMetadata

SMALLEST = 1e-10
"""Relative variance, or covariance, below which a direction counts as absent."""


def fair_directions(X: Floats, Z: Floats) -> Floats:
    """Return an orthonormal basis R of the directions u with Z'X u = 0, shape (d, d - rank).

    Examples
    --------
    >>> X = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 0.0], [-1.0, 0.0]])
    >>> Z = np.array([[0.5], [0.5], [-0.5], [-0.5]])
    >>> np.abs(fair_directions(X, Z)).round(6).tolist()  # only the second feature has the same mean in both
    [[0.0], [1.0]]
    """
    scale = np.linalg.norm(Z) * np.linalg.norm(X) + np.finfo(float).tiny
    _, s, V = np.linalg.svd(Z.T @ X / scale)
    return V[(s > SMALLEST).sum() :].T


def principal(X: Floats, R: Floats) -> tuple[Floats, Floats]:
    """Return U = R L, with L the eigenvectors of R'X'XR by decreasing eigenvalue, and the eigenvalues.

    The sign of a component, which is arbitrary, is that of the sum of its loadings times their positions.
    """
    values, L = np.linalg.eigh(R.T @ (X.T @ X) @ R)
    U = R @ L[:, ::-1]
    signs = np.sign(np.arange(1, len(U) + 1) @ U)
    return U * np.where(signs == 0, 1, signs), values[::-1]


class FairPCA(Preprocessor):
    """Replace all features by principal components that have the same mean in every group.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of components; None keeps all that vary.

    Attributes
    ----------
    encoder_ : TableEncoder
        Standardizes numbers and turns categories into indicators.
    mean_ : ndarray of shape (d,)
        Means of the encoded features.
    components_ : ndarray of shape (d, n_components)
        The projection U.
    diagnostics_ : dict
        ``variance_kept``: share of the variance of the encoded features in the components;
        ``variance_kept_by_pca``: the same for as many components of ordinary PCA.

    Notes
    -----
    With X the centered features and Z the centered group indicators, U maximizes the variance of X U subject
    to U'U = 1 and Z'X U = 0: no component is correlated with the group, so that a linear model of the
    components does no better than a constant at predicting it. The directions that meet the constraint are a
    linear space, in which ordinary PCA is done. This is the paper's method for several groups. Its variants
    with a kernel, or with equal covariances, are not implemented.

    In contrast to the paper, the method encodes its input: numbers are standardized, categories become
    indicators, missing numbers the median, and a missing category a level of its own, all without regard to
    sample weights. So the guarantee covers all features; but the components are mixtures, and reasons for a
    decision are hard to state. The map does not read the group. With k groups, k - 1 directions are lost.
    Models that are not linear may still tell the groups apart. Linear in the number of rows.

    References
    ----------
    M. Kleindessner, M. Donini, C. Russell and M. B. Zafar (2023), "Efficient fair PCA for fair representation
    learning", AISTATS.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import FairPCA
    >>> loans = bank(2_000)
    >>> X, race = loans[["age", "education", "income", "credit_score", "loan_amount"]], loans["race"]
    >>> pca = FairPCA().fit(X, sensitive_features=race)
    >>> components = pca.transform(X)  # without the protected attribute
    >>> list(components)
    ['component_1', 'component_2']
    >>> means = components.groupby(race).mean()
    >>> bool((means.max() - means.min()).max() < 1e-9)
    True
    >>> {name: round(share, 2) for name, share in pca.diagnostics_.items()}
    {'variance_kept': 0.35, 'variance_kept_by_pca': 0.56}
    """

    metadata = TechniqueMetadata(
        technique_id=42,
        slug="fair-pca",
        name="Fair PCA",
        family="representation",
        summary="Replaces all features by principal components that are uncorrelated with the protected attributes.",
        citation="kleindessner2023efficient",
        addresses=("proxy-variable", "biased-mediator", "outcome-disparity"),
        targets=("demographic_parity",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        minimum_rows=200,
        complexity="medium",
        duration_weeks=(1, 2),
        legal_notes="The protected attribute is used to fit the projection, but not for decisions; components make it hard to give reasons for a decision.",
        use_when="Many numeric and categorical features reveal the group together, a linear model follows, and single features need no interpretation.",
        avoid_when="Decisions must be explained by the original features, the model is not linear, or there are few features.",
        questions=(
            "Can dimensionality reduction hide which demographic group a person belongs to?",
            "How do I compute principal components that carry no information about sex?",
            "I compress a hundred survey answers with PCA; how can the compressed data be made neutral?",
            "Is there a fair representation with a closed-form solution, without training a network?",
            "How much explained variance do I lose if the components must not depend on the group?",
            "How do I share data for several later tasks without revealing a sensitive column?",
        ),
        alternatives=(70, 41, 74),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    def _fit(self, X: pd.DataFrame, groups: Groups, sample_weight: Floats) -> None:
        X = X[sorted(X.columns, key=str)]
        self.encoder_ = TableEncoder("one-hot")
        encoded = self.encoder_.fit_transform(X)
        p = sample_weight / sample_weight.sum()
        self.mean_ = p @ encoded
        root = np.sqrt(p)[:, None]
        Z = np.eye(groups.n_groups)[groups.codes]
        centered, Z = root * (encoded - self.mean_), root * (Z - p @ Z)
        U, variances = principal(centered, fair_directions(centered, Z))
        ordinary = principal(centered, np.eye(centered.shape[1]))[1]
        free = int((variances > SMALLEST * max(ordinary.sum(), np.finfo(float).tiny)).sum())
        wanted = free if self.n_components is None else self.n_components
        if not 0 < wanted <= free:
            raise InsufficientDataError(
                f"expected at least {max(wanted, 1)} directions in which the features vary and the means of "
                f"{groups.n_groups} groups agree, got {free}; give more features, or a smaller n_components"
            )
        self.components_ = U[:, :wanted]
        self.diagnostics_ = {
            "variance_kept": float(variances[:wanted].sum() / ordinary.sum()),
            "variance_kept_by_pca": float(ordinary[:wanted].sum() / ordinary.sum()),
        }

    def _transform(self, X: pd.DataFrame) -> pd.DataFrame:
        encoded = self.encoder_.transform(X[sorted(X.columns, key=str)])
        names = [f"component_{place}" for place in range(1, self.components_.shape[1] + 1)]
        return pd.DataFrame((encoded - self.mean_) @ self.components_, index=X.index, columns=names)
