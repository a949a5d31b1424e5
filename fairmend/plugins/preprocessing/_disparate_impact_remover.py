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
from fairmend.core.types import Floats


def target_quantiles(distributions: Sequence[EmpiricalDistribution], choice: str) -> tuple[Floats, Floats]:
    """Return places u and F_A^{-1}(u), the median over groups a of F_a^{-1}(u) (section 5)."""
    u = np.sort(np.concatenate([distribution.knots[0] for distribution in distributions]))
    quantiles = np.stack([distribution.quantile(u) for distribution in distributions])
    if choice == "median" and len(distributions) == 2:  # the same as below, without the slow sort
        return u, quantiles.mean(axis=0)
    quantiles.sort(axis=0)
    lower, upper = quantiles[(len(distributions) - 1) // 2], quantiles[len(distributions) // 2]
    return u, lower if choice == "lower_median" else (lower + upper) / 2


def geometric(x: Floats, repaired: Floats, level: float) -> Floats:
    """Return values moved a share ``level`` of the way to the full repair (section 5)."""
    return (1 - level) * x + level * repaired


def combinatorial(x: Floats, repaired: Floats, level: float, draw: Floats) -> Floats:
    """Return the full repair in a share ``level`` of the rows and the old values in the others."""
    return np.where(draw < level, repaired, x)


class DisparateImpactRemover(Preprocessor):
    """Repair numeric features until the groups cannot be told apart by any one of them.

    Parameters
    ----------
    features : list of str or None, default=None
        Features to repair; None repairs all numeric ones. Name the biased ones: each repair costs
        information.
    repair_level : float in [0, 1], default=0.8
        How much to repair: 0 returns the data as they are, 1 gives all groups the same distribution.
    target : {"median", "lower_median"}, default="median"
        Which of the groups' quantiles all groups get. With an even number of groups ``"median"`` is the
        middle of the two central ones, with two groups therefore their mean (the Wasserstein
        barycentre); ``"lower_median"`` takes the lower of them, as the authors' code does.
    ties : {"together", "spread"}, default="together"
        Rows of the same value and group keep a common value, or are spread over the places that they
        share, by a draw fixed for each row.
    partial : {"geometric", "combinatorial"}, default="geometric"
        Move every row a share ``repair_level`` of the way, or a share of the rows all the way.
    unseen : {"error", "fallback"}, default="error"
        What to do with groups that were not there at fit, or had fewer than 5 values of a feature:
        raise, or repair them by their rank among all rows. They do not shape the target.
    random_state : int or None, default=None
        Seed of the draws of ``ties="spread"`` and ``partial="combinatorial"``.

    Attributes
    ----------
    features_ : list of str
        Features that are repaired.
    diagnostics_ : dict
        Under ``"small_groups"``, the groups repaired by their rank among all rows, by feature.

    Notes
    -----
    With F_a the distribution of a feature in group a, a value x becomes
    (1 - lambda) x + lambda F_A^{-1}(F_a(x)), where F_A^{-1} is the target quantile function. Repaired
    columns are floats, also where they held integers. Missing values stay missing and shape nothing;
    values beyond those of the fit take the repair of the end quantile; a column that is constant
    does not change, and one that is constant in a group takes the middle of the target there.

    On a column with few distinct values, ties leave the groups different, and worse: groups whose
    ties land on different values can be told apart by them, which a tree finds at once. There,
    ``ties="spread"`` with ``partial="combinatorial"`` removes what can be removed, at the price that
    equal people are treated unequally by a draw. Rows equal in all features share the draw.

    Features are repaired one at a time: what their joint distribution tells about the group stays
    (distribution alignment, technique 74, goes on from there). The protected attribute itself must
    leave the training columns. Error rates by label are not addressed.

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
        summary="Moves the values of numeric features so that every group has the same distribution of them, keeping the order within each group.",
        citation="feldman2015certifying",
        addresses=("biased-mediator", "proxy-variable", "outcome-disparity"),
        targets=("demographic_parity",),
        tasks=("binary", "multiclass", "regression", "ranking"),
        keeps_rank_order=True,
        minimum_rows=100,
        complexity="low",
        duration_weeks=(1, 2),
        legal_notes="Reads the protected attribute for every decision and scores equal raw values differently by group; disparate treatment in some jurisdictions.",
        use_when="One or a few ordered numeric features carry a group's disadvantage into the model, as a credit score shaped by past discrimination does.",
        avoid_when="The features are categories or have few distinct values, or the protected attribute may not be read at decision time.",
        questions=(
            "A test score is lower in one group because of past discrimination; can I correct the score before training?",
            "How do I repair a skewed mediator such as income but keep who is ahead of whom inside each group?",
            "Which transformation makes a numeric column say nothing about race?",
            "Can I dial how strongly an input is corrected, say by 80 percent?",
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
