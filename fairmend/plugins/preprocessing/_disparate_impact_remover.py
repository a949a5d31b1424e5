"""Disparate impact remover, Feldman et al. 2015."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    Adjustment,
    EmpiricalDistribution,
    Floats,
    Groups,
    Preprocessor,
    TechniqueMetadata,
    Unseen,
    group_distributions,
    numbers,
    numeric_columns,
    row_hash,
    transport,
    uniform_by_row,
)


def target_quantiles(distributions: Sequence[EmpiricalDistribution], choice: str) -> tuple[Floats, Floats]:
    """Return levels u and F_A^{-1}(u), the median over groups a of F_a^{-1}(u) (section 5)."""
    u = np.sort(np.concatenate([distribution.knots[0] for distribution in distributions]))
    quantiles = np.stack([distribution.quantile(u) for distribution in distributions])
    if choice == "median" and len(distributions) == 2:  # the same as below, without the slow sort
        return u, quantiles.mean(axis=0)
    quantiles.sort(axis=0)
    lower, upper = quantiles[(len(distributions) - 1) // 2], quantiles[len(distributions) // 2]
    return u, lower if choice == "lower_median" else (lower + upper) / 2


def geometric(x: Floats, repaired: Floats, level: float) -> Floats:
    """Return values moved by the fraction ``level`` toward the full repair (section 5)."""
    return (1 - level) * x + level * repaired


def combinatorial(x: Floats, repaired: Floats, level: float, draw: Floats) -> Floats:
    """Return the full repair in a fraction ``level`` of the rows and the original values in the others."""
    return np.where(draw < level, repaired, x)


class DisparateImpactRemover(Preprocessor):
    """Repair numeric features so that no single one of them predicts the group.

    Parameters
    ----------
    features : list of str or None, default=None
        Features to repair; None repairs all numeric ones. Prefer to list only the biased ones: each repair
        loses information.
    repair_level : float in [0, 1], default=0.8
        How much to repair: 0 leaves the data unchanged, 1 gives all groups the same distribution.
    target : {"median", "lower_median"}, default="median"
        Target quantile function. With an even number of groups ``"median"`` averages the two central
        quantiles, so with two groups it is their mean (the Wasserstein barycenter); ``"lower_median"`` takes
        the lower of the two, as the authors' code does.
    ties : {"together", "spread"}, default="together"
        Rows with the same value and group keep a common value, or are spread at random over the ranks they
        share; the draw is fixed per row.
    partial : {"geometric", "combinatorial"}, default="geometric"
        Move every row by the fraction ``repair_level``, or repair that fraction of the rows fully.
    unseen : {"error", "fallback"}, default="error"
        What to do with groups not seen in fit or with fewer than 5 values of a feature: raise an error, or
        repair them by their rank among all rows. They do not affect the target.
    random_state : int or None, default=None
        Seed of the draws of ``ties="spread"`` and ``partial="combinatorial"``.

    Attributes
    ----------
    features_ : list of str
        Repaired features.
    diagnostics_ : dict
        Under ``"small_groups"``, the groups repaired by their rank among all rows, by feature.

    Notes
    -----
    With F_a the distribution of a feature in group a, a value x becomes (1 - lambda) x + lambda
    F_A^{-1}(F_a(x)), where F_A^{-1} is the target quantile function. Repaired columns are floats, even if
    they were integers. Missing values stay missing and are ignored in fit; values beyond the range of the
    fitting data get the repair of the extreme quantile. A constant column does not change; in a group where a
    column is constant it gets the middle of the target.

    On a column with few distinct values, ties leave differences between the groups, and can make them easier
    to tell apart: ties of different groups move to different values, which a tree detects at once. In that
    case ``ties="spread"`` with ``partial="combinatorial"`` removes as much as possible, at the price that
    equal rows get different values at random. Rows that are equal in all features share the draw.

    Features are repaired one at a time, so their joint distribution may still predict the group (see
    distribution alignment, technique 74). Drop the protected attribute itself from the training columns.
    Error rates are not addressed.

    References
    ----------
    M. Feldman, S. A. Friedler, J. Moeller, C. Scheidegger and S. Venkatasubramanian (2015),
    "Certifying and removing disparate impact", KDD, section 5.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import DisparateImpactRemover
    >>> loans = bank(2_000)
    >>> X, race = loans[["income", "credit_score"]], loans["race"]
    >>> remover = DisparateImpactRemover(repair_level=1.0).fit(X, sensitive_features=race)
    >>> repaired = remover.transform(X, sensitive_features=race)
    >>> X["credit_score"].groupby(race).median().round().to_dict()
    {'Asian': 690.0, 'Black': 656.0, 'Hispanic': 665.0, 'White': 690.0}
    >>> repaired["credit_score"].groupby(race).median().round().to_dict()
    {'Asian': 678.0, 'Black': 678.0, 'Hispanic': 678.0, 'White': 678.0}
    """

    metadata = TechniqueMetadata(
        technique_id=69,
        slug="disparate-impact-remover",
        name="Disparate impact remover",
        family="transformation",
        summary="Transforms numeric features so that they have the same distribution in every group, preserving ranks within each group.",
        citation="feldman2015certifying",
        addresses=("biased-mediator", "proxy-variable", "outcome-disparity"),
        targets=("demographic_parity",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        keeps_rank_order=True,
        minimum_rows=100,
        complexity="low",
        duration_weeks=(1, 2),
        legal_notes="Uses the protected attribute for every decision and treats equal raw values differently by group; this is disparate treatment in some jurisdictions.",
        use_when="One or a few numeric features carry a group's disadvantage into the model, such as a credit score shaped by past discrimination.",
        avoid_when="The features are categorical or have few distinct values, or the protected attribute may not be used at decision time.",
        questions=(
            "A test score is lower in one group because of past discrimination; can I correct the score before training?",
            "How do I repair a biased mediator such as income but keep the ranking inside each group?",
            "Which transformation makes a numeric column independent of race?",
            "Can I control how strongly a feature is corrected, say by 80 percent?",
        ),
        adjustments=(Adjustment(parameter="repair_level", stronger=0.2, minimum=0.0, maximum=1.0),),
        alternatives=(31, 74),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "features": ["array-like", str, None],
        "repair_level": [Interval(Real, 0, 1, closed="both")],
        "target": [StrOptions({"median", "lower_median"})],
        "ties": [StrOptions({"together", "spread"})],
        "partial": [StrOptions({"geometric", "combinatorial"})],
        "unseen": [StrOptions({"error", "fallback"})],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        features: Sequence[str] | str | None = None,
        repair_level: float = 0.8,
        target: str = "median",
        ties: str = "together",
        partial: str = "geometric",
        unseen: Unseen = "error",
        random_state: int | None = None,
    ) -> None:
        self.features = features
        self.repair_level = repair_level
        self.target = target
        self.ties = ties
        self.partial = partial
        self.unseen = unseen
        self.random_state = random_state

    def _fit(self, X: pd.DataFrame, groups: Groups) -> None:
        self.features_ = numeric_columns(X, self.features)
        fallback = self.unseen == "fallback"
        self.laws_, small = group_distributions(X, self.features_, groups, fallback=fallback)
        self.targets_: dict[str, tuple[Floats, Floats]] = {}
        for name, distributions in self.laws_.items():
            large = [
                distributions[a] for a, label in enumerate(groups.labels) if label not in small.get(name, ())
            ]
            self.targets_[name] = target_quantiles(large, self.target)
        self.diagnostics_ = {"small_groups": small}

    def _transform(self, X: pd.DataFrame, groups: Groups) -> pd.DataFrame:
        out = X.copy()
        if self.repair_level == 0:
            return out
        seed, draws = self.random_state or 0, self.ties == "spread" or self.partial == "combinatorial"
        hashes = row_hash(X) if draws else np.zeros(len(X), dtype=np.uint64)
        for place, name in enumerate(numeric_columns(X, self.features_), start=1):
            x = numbers(X[name])
            within = uniform_by_row(hashes, seed + place) if self.ties == "spread" else None
            repaired = transport(x, self.laws_[name], groups.codes, self.targets_[name], within)
            if self.partial == "geometric":
                out[name] = geometric(x, repaired, self.repair_level)
            else:
                out[name] = combinatorial(x, repaired, self.repair_level, uniform_by_row(hashes, seed))
        return out
