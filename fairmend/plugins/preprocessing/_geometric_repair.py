"""Optimal-transport repair (total, geometric and random), Gordaliza et al. 2019."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    InsufficientDataError,
    Preprocessor,
    TechniqueMetadata,
    Unseen,
    barycenter,
    group_distributions,
    numeric_columns,
    row_hash,
    transport,
    uniform_by_row,
)
from fairmend.plugins.preprocessing._gaussian_transport import gaussian_barycenter, optimal_map
from fairmend.plugins.preprocessing._numeric_matrix import deviations, matrix_of, means, with_matrix


def geometric(X: Floats, total: Floats, level: float) -> Floats:
    """Return the geometric repair: each row moved by the fraction ``level`` toward the total repair."""
    return (1 - level) * X + level * total


def random(X: Floats, total: Floats, level: float, draw: Floats) -> Floats:
    """Return the random repair: the total repair of a row with the probability ``level``, else the row itself."""
    return np.where(draw[:, None] < level, total, X)


class GeometricRepair(Preprocessor):
    """Move the distribution of each group to the Wasserstein barycenter of the groups.

    Parameters
    ----------
    features : list of str or None, default=None
        Features to repair; None repairs all numeric ones.
    repair_level : float in [0, 1], default=1.0
        How much to repair: 0 leaves the data unchanged, 1 is the total repair.
    method : {"joint", "marginal"}, default="joint"
        Transport all features together by the optimal map between normal distributions, which gives all
        groups the same means and covariances; or each feature alone by its exact quantile map, which gives
        it the same distribution in all groups.
    partial : {"geometric", "random"}, default="geometric"
        Move each row by the fraction ``repair_level``, or repair that fraction of the rows totally.
    unseen : {"error", "fallback"}, default="error"
        What to do with groups not seen in fit or with too few rows: raise an error, or transport them as if
        they were drawn from all rows. They do not affect the barycenter.
    random_state : int or None, default=None
        Seed of ``partial="random"``; the draw is fixed per row.

    Attributes
    ----------
    features_ : list of str
        Repaired features.
    diagnostics_ : dict
        Under ``"small_groups"``, the groups transported as if drawn from all rows.

    Notes
    -----
    Among all distributions, the barycenter of the groups' distributions, with weights p_a, their shares of
    the rows, is where all groups can be moved with the smallest mean squared change. On one feature its
    quantile function is the mean of theirs, which is the exact solution. For several features the paper solves a
    transport problem between the samples, with no rule for new rows; here, as an approximation, the
    distributions are replaced by normal ones, for which the optimal maps are linear and the barycenter is a
    fixed point. The approximation is exact if the groups differ by location and a linear map. Distances are
    measured in standard deviations of all rows.

    The geometric repair leaves a difference 1 - lambda times as large; a classifier may still find it. The
    random repair bounds, in the paper, how well any classifier can tell the groups apart: a fraction lambda of the
    rows reveals nothing. The disparate impact remover (technique 69) moves to the median of the quantile functions instead.

    Missing values stay missing. In the joint method they count as the mean of the group. Values outside the
    range of the fitting data are clipped by the marginal method.

    References
    ----------
    P. Gordaliza, E. del Barrio, F. Gamboa and J.-M. Loubes (2019), "Obtaining fairness using optimal transport
    theory", ICML.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import GeometricRepair
    >>> loans = bank(2_000)
    >>> X, race = loans[["income", "credit_score"]], loans["race"]
    >>> repaired = GeometricRepair().fit_transform(X, sensitive_features=race)
    >>> X["credit_score"].groupby(race).agg(["mean", "std"]).round().to_dict("index")["Black"]
    {'mean': 655.0, 'std': 65.0}
    >>> repaired["credit_score"].groupby(race).agg(["mean", "std"]).round().drop_duplicates().to_dict("list")
    {'mean': [678.0], 'std': [65.0]}
    """

    metadata = TechniqueMetadata(
        technique_id=43,
        slug="geometric-repair",
        name="Optimal-transport repair (geometric and random)",
        family="transformation",
        summary="Moves the features of each group to the Wasserstein barycenter of the groups, jointly or one by one, totally or in part.",
        citation="gordaliza2019obtaining",
        addresses=("biased-mediator", "proxy-variable", "outcome-disparity"),
        targets=("demographic_parity",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        minimum_rows=200,
        complexity="medium",
        duration_weeks=(1, 2),
        legal_notes="Uses the protected attribute for every decision and moves equal raw values differently by group; this is disparate treatment in some jurisdictions.",
        use_when="Several continuous features differ between groups in level, spread and correlation, and the change to the data should be as small as possible.",
        avoid_when="The features are categorical or mostly zeros, or the protected attribute may not be used at decision time.",
        questions=(
            "How do I use a Wasserstein barycenter to make the inputs of a model fair?",
            "Which optimal transport method repairs training data with the least distortion?",
            "What is the difference between a random repair and a geometric repair of the data?",
            "Means, variances and correlations of our measurements differ by sex; can all be equalized at once?",
            "Can I repair only a random share of the records completely and leave the others alone?",
            "How do I bound what any classifier can find out about the group from the inputs?",
        ),
        adjustments=(Adjustment(parameter="repair_level", stronger=0.2, minimum=0.0, maximum=1.0),),
        alternatives=(69, 74, 41),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "features": ["array-like", str, None],
        "repair_level": [Interval(Real, 0, 1, closed="both")],
        "method": [StrOptions({"joint", "marginal"})],
        "partial": [StrOptions({"geometric", "random"})],
        "unseen": [StrOptions({"error", "fallback"})],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        features: Sequence[str] | str | None = None,
        repair_level: float = 1.0,
        method: str = "joint",
        partial: str = "geometric",
        unseen: Unseen = "error",
        random_state: int | None = None,
    ) -> None:
        self.features = features
        self.repair_level = repair_level
        self.method = method
        self.partial = partial
        self.unseen = unseen
        self.random_state = random_state

    def _fit(self, X: pd.DataFrame, groups: Groups, sample_weight: Floats) -> None:
        self.features_ = numeric_columns(X, self.features)
        n_a = groups.counts(sample_weight)
        if self.method == "joint":
            self._fit_joint(matrix_of(X, self.features_), groups, sample_weight, n_a)
            return
        self.laws_, small = group_distributions(
            X, self.features_, groups, fallback=self.unseen == "fallback", sample_weight=sample_weight
        )
        self.targets_: dict[str, tuple[Floats, Floats]] = {}
        for name, laws in self.laws_.items():
            large = [a for a, label in enumerate(groups.labels) if label not in small.get(name, ())]
            self.targets_[name] = barycenter([laws[a] for a in large], n_a[large] / n_a[large].sum())
        self.diagnostics_ = {"small_groups": small}

    def _fit_joint(self, Z: Floats, groups: Groups, w: Floats, n_a: Floats) -> None:
        least, there = max(5, 2 * Z.shape[1]), ~np.isnan(Z)
        values = np.array([(w[r] @ there[r]).min() for r in (groups.codes == a for a in range(len(n_a)))])
        large = np.flatnonzero(values >= least)
        if len(large) < (2 if self.unseen == "fallback" else groups.n_groups):
            label = groups.labels[int(values.argmin())]
            raise InsufficientDataError(
                f"expected at least {least} values per group for the covariance of {Z.shape[1]} features, got {values.min():g} in "
                f"the group {label!r}; merge groups, use method='marginal', or set unseen='fallback' (two others must remain)"
            )
        counted = np.isin(groups.codes, large)
        mean, covariance = _moments(Z[counted], w[counted])
        self.scale_ = np.sqrt(np.diag(covariance))
        self.scale_[self.scale_ <= 1e-10 * np.abs(mean)] = 1.0  # of a constant only rounding is left
        S = np.outer(self.scale_, self.scale_)
        found = [_moments(Z[groups.codes == a], w[groups.codes == a]) for a in large]
        p = n_a[large] / n_a[large].sum()
        self.target_ = p @ np.stack([m for m, _ in found])
        sigma = gaussian_barycenter([c / S for _, c in found], p)
        self.centers_ = np.tile(mean, (groups.n_groups + 1, 1))  # last, and for small groups: all others
        self.maps_ = np.tile(optimal_map(covariance / S, sigma), (groups.n_groups + 1, 1, 1))
        for a, (m, c) in zip(large, found, strict=True):
            self.centers_[a], self.maps_[a] = m, optimal_map(c / S, sigma)
        small = [label for a, label in enumerate(groups.labels) if a not in large]
        self.diagnostics_ = {"small_groups": dict.fromkeys(map(str, self.features_), small) if small else {}}

    def _transform(self, X: pd.DataFrame, groups: Groups) -> pd.DataFrame:
        Z = matrix_of(X, self.features_)
        total = self._joint(Z, groups) if self.method == "joint" else self._marginal(Z, groups)
        if self.partial == "geometric":
            return with_matrix(X, self.features_, geometric(Z, total, self.repair_level))
        draw = uniform_by_row(row_hash(X), self.random_state or 0)
        return with_matrix(X, self.features_, random(Z, total, self.repair_level, draw))

    def _joint(self, Z: Floats, groups: Groups) -> Floats:
        out = np.empty_like(Z)
        for a in np.unique(groups.codes):
            rows = groups.codes == a
            D = deviations(Z[rows], self.centers_[a]) / self.scale_
            out[rows] = self.target_ + (D @ self.maps_[a].T) * self.scale_
        out[np.isnan(Z)] = np.nan
        return out

    def _marginal(self, Z: Floats, groups: Groups) -> Floats:
        columns = zip(self.features_, Z.T, strict=True)
        moved = [transport(x, self.laws_[name], groups.codes, self.targets_[name]) for name, x in columns]
        return np.column_stack(moved)


def _moments(Z: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Return mean and covariance; missing values count as the mean."""
    p = w / w.sum()
    mean = means(Z, p)
    D = deviations(Z, mean)
    return mean, (D * p[:, None]).T @ D
