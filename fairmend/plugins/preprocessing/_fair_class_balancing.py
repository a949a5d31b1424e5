"""Fair class balancing, Yan, Kao & Ferrara 2020."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    DataChange,
    Floats,
    Groups,
    Ints,
    Preprocessor,
    TableEncoder,
    TechniqueMetadata,
    numbers,
    numeric_mask,
)

_MOST_ROWS = 10_000  # that centers are learned from; more change them little and cost much
_CHOICES = range(2, 10)


def silhouettes(Z: Floats, centers: Floats) -> tuple[Ints, Floats]:
    """Return the cluster of each row and (b - a) / max(a, b), a and b its distances to the two nearest centers.

    Examples
    --------
    >>> silhouettes(np.array([[0.0], [1.0], [4.0]]), np.array([[0.0], [4.0]]))[1].round(2).tolist()
    [1.0, 0.67, 1.0]
    """
    squared = (Z**2).sum(axis=1, keepdims=True) - 2 * Z @ centers.T + (centers**2).sum(axis=1)
    distance = np.sqrt(np.maximum(squared, 0))
    a, b = np.sort(distance, axis=1)[:, :2].T
    return distance.argmin(axis=1), (b - a) / np.where(b > 0, b, 1)


def clustered(Z: Floats, n_clusters: int | None, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Return the cluster and the silhouette of each row; without a number, of 2 to 9 the best on average."""
    sample = Z if len(Z) <= _MOST_ROWS else Z[rng.choice(len(Z), _MOST_ROWS, replace=False)]
    distinct, seed = len(np.unique(sample, axis=0)), int(rng.integers(2**31))
    choices = [k for k in ([n_clusters] if n_clusters else _CHOICES) if 1 < k <= distinct]
    found = [
        silhouettes(Z, KMeans(k, n_init=2, random_state=seed).fit(sample).cluster_centers_) for k in choices
    ]
    if not found:
        return np.zeros(len(Z), dtype=np.int64), np.ones(len(Z))
    return max(found, key=lambda pair: float(pair[1].mean()))


def pairs(Z: Floats, pool: Ints, m: int, k: int, rng: np.random.Generator) -> Ints:
    """Return pairs of a row drawn from a pool and one of its k nearest rows there, shape (m, 2).

    A pool of a single row pairs it with itself.
    """
    first = rng.integers(0, len(pool), m)
    size = min(k, len(pool) - 1)
    if size == 0:
        return pool[np.column_stack([first, first])]
    near = NearestNeighbors(n_neighbors=size).fit(Z[pool]).kneighbors(return_distance=False)
    return pool[np.column_stack([first, near[first, rng.integers(0, size, m)]])]


def widened(Z: Floats, rare: Ints, rows: Ints, k: int) -> Ints:
    """Return the rarer rows together with the k rows of the cluster nearest to each, of any label."""
    near = NearestNeighbors(n_neighbors=min(k, len(rows))).fit(Z[rows])
    return np.union1d(rare, rows[near.kneighbors(Z[rare], return_distance=False)])


def between(X: pd.DataFrame, pair: Ints, u: Floats) -> pd.DataFrame:
    """Return rows x_i + u (x_j - x_i); a category is that of the nearer row."""
    nearer = np.where(u < 0.5, pair[:, 0], pair[:, 1])
    made = X.iloc[nearer].reset_index(drop=True)
    for name in X.columns[numeric_mask(X)]:
        x = numbers(X[name])
        value = x[pair[:, 0]] + u * (x[pair[:, 1]] - x[pair[:, 0]])
        made[name] = np.where(np.isnan(value), x[nearer], value)
    return made


class FairClassBalancing(Preprocessor):
    """Balance the labels within clusters of similar rows, without knowing anybody's group.

    Parameters
    ----------
    n_clusters : int or None, default=None
        Number of clusters; None chooses from 2 to 9 by the mean silhouette, and 1 is plain oversampling.
    filter_ratio : float in [0, 1), default=0.25
        Share of the rows to remove that fit their cluster least, as the authors do.
    k_neighbors : int, default=5
        Number of nearest rows to interpolate with.
    widen : bool, default=False
        Whether to interpolate also between the rows of any label nearest to the rarer ones, as the authors'
        code does. It moves the boundary further and costs more accuracy.
    strength : float in [0, 1], default=0.5
        Share of the missing rows to add: 1 is the paper's method, which takes from the model what clusters say
        about the outcome; 0 adds none. Values between are an extension.
    random_state : int or None, default=None
        Seed of the clusters and of the draws.

    Attributes
    ----------
    diagnostics_ : dict
        ``by_cluster``: rows left, share of favorable labels, and synthetic rows.

    Notes
    -----
    Clusters stand in for groups, since people of a group often resemble each other. In each cluster the rarer
    label is enlarged to the count of the other one. A synthetic row is x_i + u (x_j - x_i) with u from
    U(0, 1), where x_i and x_j are neighbors among the rarer rows, as in SMOTE. A cluster with one label stays
    as it is.

    Departures: rows are assigned to the nearest of the k-means centers, which are learned from at most 10,000
    rows, and silhouettes use the distances to the two nearest centers, so that time grows linearly with rows;
    clusters of one label are not removed; distances use standardized numbers and indicators. A missing number
    is taken from the nearer row. Integers become floats. A synthetic row has the protected attributes of the
    nearer row, where they are given, and the mean weight of the rarer rows of its cluster. No notion of
    fairness is guaranteed: it helps as far as groups form clusters. Calibrate probabilities afterwards.

    References
    ----------
    S. Yan, H. Kao and E. Ferrara (2020), "Fair class balancing: Enhancing model fairness without observing
    sensitive attributes", CIKM.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import FairClassBalancing
    >>> loans = bank(2_000)
    >>> X, y = loans[["income", "credit_score"]], loans["approved"]
    >>> changed = FairClassBalancing(n_clusters=3, filter_ratio=0, strength=1.0).change(X, y)
    >>> float(y.mean().round(2)), float(changed.y.mean())
    (0.76, 0.5)
    """

    metadata = TechniqueMetadata(
        technique_id=37,
        slug="fair-class-balancing",
        name="Fair class balancing",
        family="resampling",
        summary="Balances favorable and unfavorable labels within clusters of similar rows by synthetic rows, without reading the protected attribute.",
        citation="yan2020fair",
        addresses=("class-imbalance",),
        modifies=("rows",),
        minimum_rows=500,
        complexity="medium",
        compute="medium",
        duration_weeks=(1, 2),
        use_when="Labels are imbalanced, and membership in protected groups may not be collected or is unknown.",
        avoid_when="Groups are known and allowed to be used, people of a group do not resemble each other, or records may not be invented.",
        questions=(
            "We never recorded ethnicity; what can be done about bias in the training set?",
            "How do I oversample fairly if demographics are unknown?",
            "Can clusters of similar customers replace groups when balancing classes?",
            "Which technique needs no sensitive attribute at all, not even for training?",
            "Privacy rules forbid asking for gender; how do we still treat hidden groups better?",
            "How do I balance good and bad outcomes locally rather than over the whole data set?",
        ),
        adjustments=(Adjustment(parameter="strength", stronger=0.25, minimum=0.0, maximum=1.0),),
        alternatives=(36, 31),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "filter_ratio": [Interval(Real, 0, 1, closed="left")],
        "k_neighbors": [Interval(Integral, 1, None, closed="left")],
        "widen": ["boolean"],
        "strength": [Interval(Real, 0, 1, closed="both")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        n_clusters: int | None = None,
        filter_ratio: float = 0.25,
        k_neighbors: int = 5,
        widen: bool = False,
        strength: float = 0.5,
        random_state: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.filter_ratio = filter_ratio
        self.k_neighbors = k_neighbors
        self.widen = widen
        self.strength = strength
        self.random_state = random_state

    def _change(
        self, X: pd.DataFrame, y: Ints, sample_weight: Floats, groups: Groups | None = None
    ) -> DataChange:
        rng, Z = np.random.default_rng(self.random_state), TableEncoder("one-hot").fit_transform(X)
        cluster, silhouette = clustered(Z, self.n_clusters, rng)
        worst = int(self.filter_ratio * len(X)) if cluster.any() else 0
        kept = np.sort(np.argsort(silhouette, kind="stable")[worst:])
        origin, frames, labels, weights, people = (
            [kept],
            [X.iloc[kept]],
            [y[kept]],
            [sample_weight[kept]],
            [kept],
        )
        by_cluster = {}
        for c in np.unique(cluster[kept]):
            rows = kept[cluster[kept] == c]
            n_y = np.bincount(y[rows], minlength=2)
            m, rarer = round(self.strength * abs(n_y[1] - n_y[0])) if n_y.all() else 0, int(n_y.argmin())
            if m:
                rare = rows[y[rows] == rarer]
                pool = widened(Z, rare, rows, self.k_neighbors) if self.widen else rare
                pair, u = pairs(Z, pool, m, self.k_neighbors, rng), rng.random(m)
                frames.append(between(X, pair, u))
                labels.append(np.full(m, rarer))
                weights.append(np.full(m, sample_weight[rare].mean()))
                people.append(np.where(u < 0.5, pair[:, 0], pair[:, 1]))
                origin.append(np.full(m, -1))
            by_cluster[str(c)] = {"rows": len(rows), "favorable": float(y[rows].mean()), "synthetic": m}
        self.diagnostics_ = {"by_cluster": by_cluster}
        nearest = np.concatenate(people)
        return DataChange(
            X=pd.concat(frames, ignore_index=True),
            y=np.concatenate(labels),
            sample_weight=np.concatenate(weights),
            sensitive_features=None if groups is None else groups.frame.iloc[nearest].reset_index(drop=True),
            origin=np.concatenate(origin),
        )
