"""Preferential sampling, Kamiran & Calders 2012."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from fairmend.base import (
    Adjustment,
    DataChange,
    Floats,
    Groups,
    Ints,
    Preprocessor,
    TechniqueMetadata,
    fit_weighted,
    row_hash,
    uniform_by_row,
)
from fairmend.plugins.preprocessing._cells import cell_codes, cell_counts, nearest


def expected_counts(n_ay: Floats, strength: float = 1.0) -> Floats:
    """Return n_a n_y / n, the counts under independence of group and label, or a share of the way there.

    Examples
    --------
    >>> expected_counts(np.array([[3.0, 1.0], [3.0, 3.0]])).tolist()
    [[2.4, 1.6], [3.6, 2.4]]
    """
    n_a, n_y = n_ay.sum(axis=1, keepdims=True), n_ay.sum(axis=0, keepdims=True)
    return (1 - strength) * n_ay + strength * n_a * n_y / n_ay.sum()


def copies(cell: Ints, n: Floats, wanted: Floats, key: Floats, hashes: NDArray[np.uint64], w: Floats) -> Ints:
    """Return how often each row appears so that cells reach their wanted weight.

    A cell is repeated as a whole as often as fits; the rest are the rows with the smallest keys, which are
    repeated once more, or removed where the cell shrinks.
    """
    times = np.floor(wanted / n + 1e-12).astype(int)
    out = np.maximum(times, 1)[cell]
    for c in range(len(n)):
        change = wanted[c] - max(times[c], 1) * n[c]
        out[nearest(cell == c, key, hashes, w, abs(change))] += int(np.sign(change))
    return out


class PreferentialSampling(Preprocessor):
    """Repeat and remove the rows closest to the decision boundary until label and group are independent.

    Parameters
    ----------
    estimator : classifier with predict_proba, optional
        The ranker; the learner of the run by default. The paper uses naive Bayes.
    sampling : {"preferential", "uniform"}, default="preferential"
        Repeat and remove the rows closest to the boundary, or rows at random (the paper's uniform sampling).
    strength : float in [0, 1], default=1.0
        Share of the discrimination to remove: 1 is the paper's method, 0 changes nothing. Values between are
        an extension, used by rollbacks that reduce the correction.
    random_state : int or None, default=None
        Seed of ``sampling="uniform"``.

    Attributes
    ----------
    diagnostics_ : dict
        ``by_group``: rows and share of favorable labels, before and after.

    Notes
    -----
    With n_a rows in group a, n_y with label y and n_ay with both, the cell (a, y) ends with n_a n_y / n rows,
    rounded. Where it grows, all of its rows are repeated as often as fits, then those closest to the boundary
    once more; where it shrinks, those closest to the boundary are removed. Closest are favorable rows with
    the lowest score and unfavorable rows with the highest score of a ranker trained on the same rows.

    More than two groups are an extension: each ends with the share of favorable labels of all rows, to within
    the rounding. Ties, and the draws of uniform sampling, depend on the features of the row, never on its
    position; the latter repeat no row a second time before all others of its cell. With sample weights, rows
    are repeated or removed until their weight is as close as possible to the required amount.

    Repeated rows must not be split between training and test data: resample the training data alone.

    References
    ----------
    F. Kamiran and T. Calders (2012), "Data preprocessing techniques for classification without
    discrimination", Knowledge and Information Systems.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import PreferentialSampling
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score"]], loans["approved"], loans["race"]
    >>> technique = PreferentialSampling(LogisticRegression())
    >>> changed = technique.change(X / 1000, y, sensitive_features=race)
    >>> y.groupby(race).mean().round(2).to_dict()
    {'Asian': 0.87, 'Black': 0.62, 'Hispanic': 0.68, 'White': 0.82}
    >>> pd.Series(changed.y).groupby(changed.sensitive_features["race"]).mean().round(2).to_dict()
    {'Asian': 0.76, 'Black': 0.76, 'Hispanic': 0.76, 'White': 0.76}
    """

    metadata = TechniqueMetadata(
        technique_id=32,
        slug="preferential-sampling",
        name="Preferential sampling",
        family="resampling",
        summary="Repeats and removes the rows closest to the decision boundary until every group has the same share of favorable labels.",
        citation="kamiran2012data",
        addresses=("outcome-disparity", "base-rate-difference", "intersectional-disparity"),
        targets=("demographic_parity",),
        modifies=("rows",),
        minimum_rows=200,
        complexity="low",
        duration_weeks=(1, 2),
        use_when="Past decisions disadvantage a group, above all in borderline cases, the learner takes no sample weights, and no label may be edited.",
        avoid_when="A combination of group and label has no rows or very few, or rows must stay unique, as in data with one row per person and time.",
        questions=(
            "Which rows should be duplicated and which dropped so that the training set no longer favors men?",
            "How can I resample around the decision boundary to reduce bias?",
            "We may neither edit labels nor pass weights to the model; how do we rebalance groups?",
            "Is there a resampling alternative to reweighing?",
            "Can borderline acceptances of a disadvantaged group be sampled more often?",
            "How do I draw the same share of good outcomes for every group without inventing records?",
        ),
        adjustments=(Adjustment(parameter="strength", stronger=0.25, minimum=0.0, maximum=1.0),),
        alternatives=(31, 30, 36),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "sampling": [StrOptions({"preferential", "uniform"})],
        "strength": [Interval(Real, 0, 1, closed="both")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        estimator: Any = None,
        sampling: str = "preferential",
        strength: float = 1.0,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.sampling = sampling
        self.strength = strength
        self.random_state = random_state

    def _change(
        self, X: pd.DataFrame, y: Ints, groups: Groups, sample_weight: Floats, learner: Any
    ) -> DataChange:
        w, hashes = sample_weight, row_hash(X)
        n_ay = cell_counts(y, groups, w)
        wanted = expected_counts(n_ay, self.strength)
        if (w == 1).all():
            wanted = np.round(wanted)
        if self.sampling == "uniform":
            key = uniform_by_row(hashes, self.random_state or 0)
        else:
            score = fit_weighted(clone(learner), X, y, w).predict_proba(X)[:, 1]
            key = np.where(y == 1, score, -score)
        times = copies(cell_codes(y, groups), n_ay.ravel(), wanted.ravel(), key, hashes, w)
        rows = np.repeat(np.arange(len(X)), times)
        after = np.bincount(cell_codes(y, groups), weights=times * w, minlength=n_ay.size).reshape(-1, 2)
        by_group = {
            label: {
                "rows_before": n_ay[a].sum(),
                "rows_after": after[a].sum(),
                "favorable_before": n_ay[a, 1] / n_ay[a].sum(),
                "favorable_after": after[a, 1] / after[a].sum(),
            }
            for a, label in enumerate(groups.labels)
        }
        self.diagnostics_ = {"by_group": by_group}
        return DataChange(
            X=X.iloc[rows].reset_index(drop=True),
            y=y[rows],
            sample_weight=w[rows],
            sensitive_features=groups.frame.iloc[rows].reset_index(drop=True),
            origin=rows,
        )
