"""Distribution alignment by univariate and chained quantile maps, Johndrow & Lum 2019."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    EmpiricalDistribution,
    Floats,
    Groups,
    Preprocessor,
    TechniqueMetadata,
    Unseen,
    group_distributions,
    group_ranks,
    numbers,
    numeric_columns,
    row_hash,
    transport,
    uniform_by_row,
)
from fairmend.plugins.preprocessing._gaussian_copula import chain, chained, correlation


class DistributionAlignment(Preprocessor):
    """Give numeric features the same joint distribution in every group, that of all rows.

    Parameters
    ----------
    features : list of str or None, default=None
        Features to align, in the order of the chain; the first one changes least. None takes all numeric
        features sorted by name, so that the column order does not matter.
    method : {"chained", "univariate"}, default="chained"
        Align each feature given those before it, or each one separately, in which case the joint distribution
        still differs between groups.
    ties : {"together", "spread"}, default="together"
        Rows with the same value and group share a mid-rank, or are spread at random over the ranks they
        share, as in the paper for discrete features; the draw is fixed per row.
    unseen : {"error", "fallback"}, default="error"
        What to do with groups not seen in fit or with fewer than 5 values of a feature: raise an error, or
        rank their rows among all rows, which leaves their values unchanged.
    random_state : int or None, default=None
        Seed of the draws of ``ties="spread"``.

    Attributes
    ----------
    features_ : list of str
        Aligned features, in the order of the chain.
    diagnostics_ : dict
        Under ``"small_groups"``, the groups ranked among all rows, by feature.

    Notes
    -----
    Univariate: with F_a the distribution of a feature in group a and F that of all rows, x becomes
    F^{-1}(F_a(x)). Chained: F_a and F are distributions given the features before it, so that the aligned
    features have the joint distribution of all rows in every group. The paper leaves the model of these
    conditional distributions open; here they are those of a Gaussian copula: normal scores of the
    within-group ranks, a linear map from the group's correlation to the pooled one, and ranks of the result.
    The marginal distributions are then aligned for any copula; dependence is aligned as far as the
    correlation of the scores captures it. The correlation of a group is shrunk toward the pooled one, with a
    prior worth twice as many rows as there are features.

    The order within a group is kept by the univariate map and for the first feature of the chain. Aligned
    columns are floats. Missing values stay missing; later features of the row are aligned as if they were at
    the group's median. Values outside the range of the fitting data are clipped.

    References
    ----------
    J. E. Johndrow and K. Lum (2019), "An algorithm for removing sensitive information: Application to
    race-independent recidivism prediction", Annals of Applied Statistics 13(1), section 3.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import DistributionAlignment
    >>> loans = bank(2_000)
    >>> X, race = loans[["income", "credit_score"]], loans["race"]
    >>> aligned = DistributionAlignment().fit(X, sensitive_features=race).transform(X, sensitive_features=race)
    >>> X["income"].groupby(race).median().round(-2).to_dict()
    {'Asian': 51800.0, 'Black': 48500.0, 'Hispanic': 50200.0, 'White': 58200.0}
    >>> aligned["income"].groupby(race).median().round(-2).to_dict()
    {'Asian': 54500.0, 'Black': 54500.0, 'Hispanic': 54600.0, 'White': 54500.0}
    """

    metadata = TechniqueMetadata(
        technique_id=74,
        slug="distribution-alignment",
        name="Distribution alignment (univariate and chained quantile maps)",
        family="transformation",
        summary="Maps the features of each group to the joint distribution of all rows, one feature at a time given the previous ones.",
        citation="johndrow2019algorithm",
        addresses=("biased-mediator", "proxy-variable", "outcome-disparity"),
        targets=("demographic_parity",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        minimum_rows=500,
        complexity="low",
        duration_weeks=(1, 2),
        legal_notes="Uses the protected attribute for every decision and maps equal raw values differently by group; this is disparate treatment in some jurisdictions.",
        use_when="Several numeric features jointly predict the group, even after each was repaired separately.",
        avoid_when="Groups are small, features are categorical, or the protected attribute may not be used at decision time.",
        questions=(
            "How do I remove what a combination of columns reveals about race, not just each column?",
            "The repaired features still predict the group jointly; what removes the rest?",
            "Can I make the inputs independent of sex so that any model trained on them is neutral?",
            "Which quantile map brings each group's measurements to the distribution of the whole population?",
        ),
        alternatives=(69, 31),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "features": ["array-like", str, None],
        "method": [StrOptions({"chained", "univariate"})],
        "ties": [StrOptions({"together", "spread"})],
        "unseen": [StrOptions({"error", "fallback"})],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        features: Sequence[str] | str | None = None,
        method: str = "chained",
        ties: str = "together",
        unseen: Unseen = "error",
        random_state: int | None = None,
    ) -> None:
        self.features = features
        self.method = method
        self.ties = ties
        self.unseen = unseen
        self.random_state = random_state

    def _fit(self, X: pd.DataFrame, groups: Groups) -> None:
        features = numeric_columns(X, self.features)
        self.features_ = sorted(features, key=str) if self.features is None else features
        fallback = self.unseen == "fallback"
        self.laws_, small = group_distributions(X, self.features_, groups, fallback=fallback)
        self.diagnostics_ = {"small_groups": small}
        if self.method == "chained":
            everyone = np.full(len(X), -1)
            z, z_pooled = self._scores(X, groups.codes), self._scores(X, everyone)
            p, rows = z.shape[1], [groups.codes == a for a in range(groups.n_groups)]
            r_pooled = correlation(z_pooled, np.eye(p), 0)
            r_groups = [correlation(z[r], r_pooled, 2 * p) for r in rows]
            self.chains_ = np.stack([*(chain(r, r_pooled) for r in r_groups), np.eye(p)])
            w, w_pooled = chained(z, self.chains_, groups.codes), chained(z_pooled, self.chains_, everyone)
            self.chained_laws_ = [
                [*(EmpiricalDistribution.of(w[r, j]) for r in rows), EmpiricalDistribution.of(w_pooled[:, j])]
                for j in range(p)
            ]

    def _transform(self, X: pd.DataFrame, groups: Groups) -> pd.DataFrame:
        out, codes = X.copy(), groups.codes
        features, distributions, draws = (
            numeric_columns(X, self.features_),
            [*self.laws_.values()],
            self._draws(X),
        )
        columns = [numbers(X[name]) for name in features]
        if self.method == "chained":
            columns = [*chained(self._scores(X, codes), self.chains_, codes).T]
            distributions, draws = self.chained_laws_, [None] * len(features)
        for name, x, own, draw in zip(features, columns, distributions, draws, strict=True):
            out[name] = transport(x, own, codes, self.laws_[name][-1].knots, draw)
        return out

    def _draws(self, X: pd.DataFrame) -> list[Floats | None]:
        if self.ties == "together":
            return [None] * len(self.features_)
        hashes, seed = row_hash(X), self.random_state or 0
        return [uniform_by_row(hashes, seed + j) for j in range(len(self.features_))]

    def _scores(self, X: pd.DataFrame, codes: NDArray[np.intp]) -> Floats:
        pairs = zip(self.features_, self._draws(X), strict=True)
        ranks = [group_ranks(numbers(X[name]), self.laws_[name], codes, draw) for name, draw in pairs]
        return np.asarray(ndtri(np.column_stack(ranks)))
