"""k-NN situation testing and relabelling, Luong, Ruggieri & Turini 2011."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    DataChange,
    Floats,
    Groups,
    Ints,
    Preprocessor,
    TechniqueMetadata,
    numbers,
    numeric_mask,
    row_hash,
    unknown,
)


def coordinates(X: pd.DataFrame) -> Floats:
    """Return rows whose Manhattan distance sums the differences of z-scores and 1 for each other category.

    A missing number is that of the mean; a missing category is a level of its own.

    Examples
    --------
    >>> coordinates(pd.DataFrame({"x": [1.0, 3.0], "c": ["u", "v"]})).tolist()
    [[-1.0, 0.5, 0.0], [1.0, 0.0, 0.5]]
    """
    parts = []
    for name, is_number in zip(X.columns, numeric_mask(X), strict=True):
        if is_number:
            x = pd.Series(numbers(X[name]))
            parts.append(((x - x.mean()) / (x.std(ddof=0) or 1)).fillna(0.0).to_numpy()[:, None])
        else:
            levels = pd.factorize(X[name], use_na_sentinel=False)[0]
            parts.append(np.eye(levels.max() + 1)[levels] / 2)
    return np.concatenate(parts, axis=1)


def refused_nearby(Z: Floats, y: Ints, tested: Ints, among: Ints, k: int) -> Floats:
    """Return the share of unfavorable labels among the k nearest of some rows, never counting a row itself."""
    search = NearestNeighbors(n_neighbors=min(k + 1, len(among)), metric="manhattan").fit(Z[among])
    found = among[search.kneighbors(Z[tested], return_distance=False)]
    itself = found == tested[:, None]
    other = ~itself & (np.cumsum(~itself, axis=1) <= k)
    return np.asarray((other * (y[found] == 0)).sum(axis=1) / other.sum(axis=1))


class SituationTesting(Preprocessor):
    """Make the unfavorable label favorable where similar people of the reference group were treated better.

    Parameters
    ----------
    k : int, default=16
        Number of nearest rows in each of the two groups.
    threshold : float > 0, default=0.1
        Smallest difference of the shares of unfavorable labels that counts as discrimination; above 1 nothing
        is changed.
    reference : str, optional
        Group that the others are compared with; by default the one with the largest share of favorable labels.

    Attributes
    ----------
    differences_ : ndarray of float, shape (n,)
        diff of each tested row, NaN of others.
    diagnostics_ : dict
        ``reference``, and ``by_group``: unfavorable rows tested, mean difference, and rows relabeled.

    Notes
    -----
    Situation testing sends pairs of people who differ in the group alone. Here the pairs are found in the data:
    for a row with the unfavorable label outside the reference group, p_1 is the share of unfavorable labels
    among its k nearest rows of its own group, itself excluded, and p_2 that among its k nearest rows of the
    reference group. With diff = p_1 - p_2 of at least the threshold, the row counts as discriminated against
    and gets the favorable label. No other label changes, so that there are more favorable labels afterwards.

    The distance is the sum over features of the difference of z-scores, or of 1 for another category; features
    that should not count must be left out, and a legitimate one that is not recorded looks like discrimination.
    Ties are ordered by the features of the rows, never by their position. More than two groups are an
    extension: each is compared with the reference. Weights of rows are not used. Time grows with the square of
    the rows.

    Keep the original labels: metrics computed on changed labels are meaningless.

    References
    ----------
    B. T. Luong, S. Ruggieri and F. Turini (2011), "k-NN as an implementation of situation testing for
    discrimination discovery and prevention", KDD.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import SituationTesting
    >>> loans = bank(2_000)
    >>> X, y = loans[["income", "employment_history", "debt_to_income"]], loans["approved"]
    >>> technique = SituationTesting(threshold=0.3)
    >>> changed = technique.change(X, y, sensitive_features=loans["race"])
    >>> told = technique.diagnostics_["by_group"]
    >>> {name: (group["tested"], group["relabeled"]) for name, group in told.items()}
    {'Black': (145, 55), 'Hispanic': (97, 33), 'White': (214, 24)}
    """

    metadata = TechniqueMetadata(
        technique_id=40,
        slug="situation-testing",
        name="k-NN situation testing and relabelling",
        family="relabelling",
        summary="Finds unfavorable labels that similar people of the reference group did not get, and makes them favorable.",
        citation="luong2011implementation",
        addresses=("outcome-disparity", "base-rate-difference"),
        targets=("individual_fairness", "demographic_parity"),
        modifies=("labels",),
        minimum_rows=500,
        complexity="medium",
        compute="medium",
        duration_weeks=(1, 3),
        legal_notes="Labels of real people are overwritten in the training data; keep the originals, log each change and have it approved.",
        use_when="The labels are past decisions, all legitimate reasons for them are recorded, and individual cases of discrimination should be found and corrected.",
        avoid_when="Labels are measured facts, legitimate reasons are not recorded, or groups hardly overlap in the features, so that nearest rows are not similar.",
        questions=(
            "Which rejected women would have been accepted had they been men?",
            "Can I find individual cases of discrimination in past decisions?",
            "How do I compare each applicant with similar applicants of the other group?",
            "What is the data version of sending matched testers to an employer?",
            "Which labels should be corrected because look-alikes elsewhere got a better decision?",
            "How do I prove with neighbors that a refusal was not explained by qualifications?",
        ),
        adjustments=(Adjustment(parameter="threshold", stronger=-0.1, minimum=0.05, maximum=1.0),),
        alternatives=(30, 32),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "k": [Interval(Integral, 1, None, closed="left")],
        "threshold": [Interval(Real, 0, None, closed="neither")],
        "reference": [str, None],
    }

    def __init__(self, k: int = 16, threshold: float = 0.1, reference: str | None = None) -> None:
        self.k = k
        self.threshold = threshold
        self.reference = reference

    def _change(self, X: pd.DataFrame, y: Ints, groups: Groups) -> DataChange:
        if self.reference is not None and self.reference not in groups.labels:
            raise unknown("group", self.reference, groups.labels)
        share = groups.counts(y.astype(float)) / groups.counts()
        reference = int(share.argmax()) if self.reference is None else groups.labels.index(self.reference)
        features = X.drop(columns=[name for name in groups.frame if name in X])
        order = np.lexsort((y, row_hash(features)))
        Z, codes = coordinates(features), groups.codes
        favored = order[codes[order] == reference]
        self.differences_ = np.full(len(X), np.nan)
        by_group = {}
        for a in range(groups.n_groups):
            own = order[codes[order] == a]
            tested = own[y[own] == 0]
            if a == reference or len(own) < 2 or not len(tested):
                continue
            p_1 = refused_nearby(Z, y, tested, own, self.k)
            p_2 = refused_nearby(Z, y, tested, favored, self.k)
            self.differences_[tested] = p_1 - p_2
            by_group[groups.labels[a]] = {
                "tested": len(tested),
                "mean_difference": float((p_1 - p_2).mean()),
                "relabeled": int((p_1 - p_2 >= self.threshold).sum()),
            }
        self.diagnostics_ = {"reference": groups.labels[reference], "by_group": by_group}
        return DataChange(y=np.where(self.differences_ >= self.threshold, 1, y))
