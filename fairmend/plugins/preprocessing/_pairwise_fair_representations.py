"""Pairwise fair representations, Lahoti, Gummadi & Weikum 2019."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.linalg import eigh
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import HasMethods, Interval

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    InsufficientDataError,
    Ints,
    Preprocessor,
    TableEncoder,
    TechniqueMetadata,
    fit_weighted,
    row_hash,
)


def neighbor_scatter(X: Floats, k: int) -> Floats:
    """Return X' L X / sum W of the graph of k nearest neighbors, whose edges weigh exp(-d^2 / mean d^2).

    X' L X is the weighted sum of (x_i - x_j)(x_i - x_j)' over the edges.
    """
    distance, at = NearestNeighbors(n_neighbors=k).fit(X).kneighbors()
    weight = np.exp(-(distance**2) / max(float((distance**2).mean()), 1e-12)).ravel()
    difference = np.repeat(X, k, axis=0) - X[at.ravel()]
    return np.asarray((difference * weight[:, None]).T @ difference / weight.sum())


def quantile_scatter(X: Floats, quantile: Ints, group: Ints) -> Floats:
    """Return X' L X / sum W of the graph that joins rows of different groups in the same quantile of their group.

    Within a quantile, the sum of (x_i - x_j)(x_i - x_j)' over all pairs of n rows is n X'X - s s', with s the sum of
    the rows; pairs of the same group are subtracted. So no edge is made.
    """

    def pairs(code: Ints) -> tuple[Floats, float]:
        n = np.bincount(code)
        sums = np.zeros((len(n), X.shape[1]))
        np.add.at(sums, code, X)
        return (X * n[code][:, None]).T @ X - sums.T @ sums, float((n * (n - 1.0)).sum() / 2)

    every, same = pairs(quantile), pairs(quantile * (int(group.max()) + 1) + group)
    edges = every[1] - same[1]
    return np.asarray((every[0] - same[0]) / (edges if edges > 0 else 1.0))


def projection(S_x: Floats, S_f: Floats, gamma: float, n_components: int) -> Floats:
    """Return V that minimizes trace V' ((1 - gamma) S_x + gamma S_f) V with V'V = I, shape (p, n_components).

    Examples
    --------
    >>> V = projection(np.diag([1.0, 1.0]), np.diag([0.0, 9.0]), 0.5, 1)  # the second feature parts equal ranks
    >>> np.abs(V).round(6).tolist()
    [[1.0], [0.0]]
    """
    return np.asarray(eigh((1 - gamma) * S_x + gamma * S_f, subset_by_index=[0, n_components - 1])[1])


def whitening(Z: Floats) -> Floats:
    """Return a matrix that turns centered features into uncorrelated ones of variance 1, shape (p, rank)."""
    values, vectors = np.linalg.eigh(np.cov(Z, rowvar=False).reshape(Z.shape[1], -1))
    kept = values > 1e-8 * max(values.max(), 1e-300)
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


def ranks(score: Floats, group: Ints, hashes: Any, quantiles: int) -> Ints:
    """Return the quantile of each score within its group, equal scores in the order of the row's hash."""
    order = np.lexsort((hashes, score, group))
    n = np.bincount(group)
    rank = np.empty(len(score))
    rank[order] = np.arange(len(score)) - (np.cumsum(n) - n)[group[order]]
    return np.asarray(rank * quantiles / n[group], dtype=np.int64)


class PairwiseFairRepresentations(Preprocessor):
    """Project the features so that people of equal rank in different groups come close, and neighbors stay close.

    Parameters
    ----------
    gamma : float in [0, 1], default=0.5
        Weight of the fairness graph against that of the neighbors.
    n_components : int, optional
        Dimensions of the representation; by default half the rank of the encoded features.
    quantiles : int, default=10
        Number of quantiles of the ranking within each group.
    n_neighbors : int, default=10
        Neighbors of each row.
    estimator : classifier with predict_proba, optional
        Ranks the rows of a group, trained on that group alone; the learner of the run by default.
    max_rows : int, default=5000
        The graph of neighbors is made of at most so many rows.

    Attributes
    ----------
    projection_ : ndarray of float, shape (encoded features, n_components)
        V, times the whitening.

    Notes
    -----
    The fairness graph joins people of different groups who are in the same quantile of their own group (a "between-group
    quantile graph"), which says that equal ranks are equally deserving. The projection minimizes trace V'X'((1 - gamma)
    L_x + gamma L_f)X V with V'V = I, where L_x and L_f are the Laplacians of both graphs. Ranks come from a model of each group, so that levels of different groups need not
    be comparable; labels biased within a group still bias it.

    Departures: features are whitened first, since otherwise columns of small scale are taken for close pairs; each graph is
    divided by the sum of its weights, so that gamma does not depend on the number of edges. The method's kernel variant is not
    implemented. New rows need neither rank nor group.

    References
    ----------
    P. Lahoti, K. P. Gummadi and G. Weikum (2019), "Operationalizing individual fairness with pairwise fair
    representations", PVLDB.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import PairwiseFairRepresentations
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score", "age"]], loans["approved"], loans["race"]
    >>> pairs = PairwiseFairRepresentations(estimator=LogisticRegression(max_iter=1000))
    >>> pairs.fit(X / 1000, y, sensitive_features=race).transform(X / 1000).columns.tolist()
    ['pfr_0']
    """

    metadata = TechniqueMetadata(
        technique_id=73,
        slug="pairwise-fair-representations",
        name="Pairwise fair representations",
        family="individual fairness",
        summary="Projects the features so that people with equal ranks in their own groups get similar representations.",
        citation="lahoti2019operationalizing",
        addresses=("biased-mediator", "proxy-variable"),
        targets=("individual_fairness", "demographic_parity"),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(2, 3),
        legal_notes="Equal ranks within groups are declared equally deserving, which is a judgment; record who made it.",
        use_when="Scores of different groups are not comparable, but ranks within each group say who is equally deserving.",
        avoid_when="Decisions must be explained by the original features, or ranks within a group are themselves biased.",
        questions=(
            "Can pairs of equally deserving people from different groups be mapped close together?",
            "How do I use judgments about who should be treated alike instead of a distance metric?",
            "The top tenth of each school should look the same to the model; how is that built in?",
            "Is there a linear projection of the data that respects both similarity and fairness between groups?",
            "What can be done if nobody can write down a similarity measure for individual fairness?",
            "How can a fairness graph be combined with nearest neighbors in one embedding?",
        ),
        adjustments=(Adjustment(parameter="gamma", stronger=0.2, minimum=0.0, maximum=1.0),),
        alternatives=(69, 67, 74),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "gamma": [Interval(Real, 0, 1, closed="both")],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "quantiles": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "max_rows": [Interval(Integral, 10, None, closed="left")],
    }

    def __init__(
        self,
        gamma: float = 0.5,
        n_components: int | None = None,
        quantiles: int = 10,
        n_neighbors: int = 10,
        estimator: Any = None,
        max_rows: int = 5000,
    ) -> None:
        self.gamma = gamma
        self.n_components = n_components
        self.quantiles = quantiles
        self.n_neighbors = n_neighbors
        self.estimator = estimator
        self.max_rows = max_rows

    def _fit(self, X: pd.DataFrame, y: Ints, groups: Groups, learner: Any) -> None:
        self.encoder_ = TableEncoder("one-hot").fit(X)
        Z = self.encoder_.transform(X)
        white = whitening(Z)
        Z, rank = Z @ white, white.shape[1]
        d = max(rank // 2, 1) if self.n_components is None else self.n_components
        if d > rank:
            raise InsufficientDataError(
                f"n_components must be at most {rank}, the rank of the features, got {d}"
            )
        if len(X) <= self.n_neighbors:
            raise InsufficientDataError(
                f"n_neighbors must be below the {len(X)} rows, got {self.n_neighbors}; reduce it"
            )
        score = np.empty(len(X))
        for g, label in enumerate(groups.labels):
            rows = np.flatnonzero(groups.codes == g)
            if len(np.unique(y[rows])) < 2:
                raise InsufficientDataError(
                    f"all {len(rows)} rows of the group {label!r} have the same label, so they cannot be ranked; merge groups"
                )
            ranker = fit_weighted(clone(learner), X.iloc[rows], y[rows], np.ones(len(rows)))
            score[rows] = ranker.predict_proba(X.iloc[rows])[:, 1]
        hashes = row_hash(X[sorted(X.columns, key=str)])
        some = np.sort(np.argsort(hashes, kind="stable")[: self.max_rows])
        S_f = quantile_scatter(Z, ranks(score, groups.codes, hashes, self.quantiles), groups.codes)
        V = white @ projection(neighbor_scatter(Z[some], self.n_neighbors), S_f, self.gamma, d)
        self.projection_ = V * np.sign(
            V[np.abs(V).argmax(axis=0), np.arange(d)]
        )  # of two signs, always the same

    def _transform(self, X: pd.DataFrame) -> pd.DataFrame:
        Z = self.encoder_.transform(X) @ self.projection_
        return pd.DataFrame(Z, index=X.index, columns=[f"pfr_{k}" for k in range(Z.shape[1])])
