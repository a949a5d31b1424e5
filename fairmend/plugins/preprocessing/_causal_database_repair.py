"""Causal database repair by independent coupling, Salimi, Rodriguez, Howe & Suciu 2019."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    Adjustment,
    DataChange,
    Floats,
    Groups,
    InsufficientDataError,
    Ints,
    Preprocessor,
    TechniqueMetadata,
    plural,
    row_hash,
    uniform_by_row,
    unknown,
)


def independent_coupling(counts: Floats) -> Floats:
    """Return the repaired counts n(a, y) n(a, i) / n(a), with Y independent of I given A; shape (A, I, Y).

    Examples
    --------
    >>> independent_coupling(np.array([[[3.0, 1.0], [1.0, 5.0]]])).tolist()
    [[[1.6, 2.4], [2.4, 3.6]]]
    """
    of_y, of_i, of_a = (
        counts.sum(axis=1, keepdims=True),
        counts.sum(axis=2, keepdims=True),
        counts.sum(axis=(1, 2), keepdims=True),
    )
    return np.asarray(of_y * of_i / np.where(of_a > 0, of_a, 1))


def conditional_mutual_information(counts: Floats) -> float:
    """Return I(Y; I | A) in nats from counts of shape (A, I, Y); 0 if and only if the data need no repair."""
    expected = independent_coupling(counts)
    seen = counts > 0
    return float((counts[seen] * np.log(counts[seen] / expected[seen])).sum() / counts.sum())


def copies(cell: Ints, times: Floats, key: Floats) -> Ints:
    """Return how often each row is taken so that a cell of n rows gets n * times of them, to the nearest whole number.

    Within a cell, rows are taken at even distances in the order of their keys.

    Examples
    --------
    >>> copies(np.zeros(4, dtype=int), np.full(4, 0.5), np.array([0.1, 0.2, 0.3, 0.4])).tolist()
    [1, 0, 1, 0]
    """
    order = np.lexsort((key, cell))
    n = np.bincount(cell)
    rank = np.empty(len(cell))
    rank[order] = np.arange(len(cell)) - (np.cumsum(n) - n)[cell[order]]
    return np.asarray(np.floor((rank + 1) * times + 0.5) - np.floor(rank * times + 0.5), dtype=np.int64)


def levels(column: pd.Series[Any], bins: int, w: Floats) -> Ints:
    """Return the value of each row as a code; numbers with more values than ``bins`` are cut at their quantiles."""
    if not pd.api.types.is_numeric_dtype(column) or column.nunique() <= bins:
        return np.asarray(Groups.of(column).codes)
    x = column.to_numpy(dtype=float, na_value=np.nan)
    known = ~np.isnan(x) & (w > 0)
    cuts = np.quantile(x[known], np.arange(1, bins) / bins, method="inverted_cdf", weights=w[known])
    return np.where(np.isnan(x), bins, np.searchsorted(cuts, x))


class CausalDatabaseRepair(Preprocessor):
    """Make the labels independent of the inadmissible attributes given the admissible ones.

    Parameters
    ----------
    admissible : list of str, optional
        Features that may explain differences between the groups; none by default.
    inadmissible : list of str, optional
        Features that may not, beside the protected attributes; by default those that are declared proxies.
    method : {"rows", "weights"}, default="rows"
        Repeat, remove and insert rows, or weight them. An inserted row is a copy with the other label, where a
        combination has no row.
    bins : int, default=4
        Numeric features with more values are cut into this many quantile bins.
    strength : float in [0, 1], default=1.0
        1 is the paper's method, 0 changes nothing; values between mix the counts before and after.
    random_state : int or None, default=None
        Seed of the rounding and the choice of rows of ``method="rows"``.

    Attributes
    ----------
    diagnostics_ : dict
        Conditional mutual information of label and inadmissible attributes, ``dependence_before`` and
        ``dependence_after``, and ``inserted`` and ``removed`` rows.

    Notes
    -----
    A classifier is justifiably fair if the label Y is independent of the inadmissible attributes I given the admissible
    ones A in its training data. Independent coupling replaces the count n(a, i, y) of each combination by n(a, y) n(a, i)
    / n(a): the joint distributions of (A, Y) and of (A, I) stay, and Y and I are independent in every stratum of A. With
    nothing admissible it is instance weighting (technique 31). Features that are neither stay with their rows; a model
    that reads them may use what they tell of I.

    Weights are exact, but cannot restore a combination without rows, and refuse it; rows are inserted, and exact to one
    row per combination. The paper's repairs by satisfiability and by matrix factorization, which change the fewest rows, are not
    implemented.

    References
    ----------
    B. Salimi, L. Rodriguez, B. Howe and D. Suciu (2019), "Interventional fairness: Causal database repair for algorithmic
    fairness", SIGMOD.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import CausalDatabaseRepair
    >>> loans = bank(3_000)
    >>> X, y, race = loans[["income", "credit_score"]], loans["approved"], loans["race"]
    >>> repair = CausalDatabaseRepair(admissible=["income"])
    >>> repaired = repair.change(X, y, sensitive_features=race)
    >>> {name: round(value, 4) for name, value in repair.diagnostics_.items()}
    {'dependence_before': 0.0144, 'dependence_after': 0.0, 'inserted': 0, 'removed': 152}
    """

    metadata = TechniqueMetadata(
        technique_id=91,
        slug="causal-database-repair",
        name="Causal database repair (interventional fairness)",
        family="causal repair",
        summary="Repairs the training data so that labels are independent of inadmissible attributes given the admissible ones.",
        citation="salimi2019interventional",
        addresses=("outcome-disparity", "proxy-variable"),
        targets=("demographic_parity",),
        modifies=("weights", "rows"),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(1, 3),
        legal_notes="Which features are admissible is a judgment that decides what is repaired; record who made it. Inserted rows are not observations.",
        use_when="Some features legitimately explain a difference between groups, the rest of it should go, and no full causal graph is agreed on.",
        avoid_when="Nobody can say which features are admissible, or their combinations are too many for the rows at hand.",
        questions=(
            "Departments may explain admissions, sex may not; how do I repair the training set accordingly?",
            "How can the data be changed so that the label depends on gender only through qualifications?",
            "Is there a repair of the database that respects explanatory attributes and needs no complete causal model?",
            "Which tuples should be inserted or removed for a fair training table?",
            "Can reweighing be made conditional on job level, so that only the unexplained part is removed?",
            "How do I get rid of Simpson's paradox when parity is enforced on training data?",
        ),
        adjustments=(Adjustment(parameter="strength", stronger=0.25, minimum=0.0, maximum=1.0),),
        alternatives=(31, 30, 75),
    )
    exemptions: ClassVar[dict[str, str]] = {
        "integer_weights": "whole rows are drawn, to the nearest number; with method='weights' weights act as repetition"
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "admissible": [list, tuple, None],
        "inadmissible": [list, tuple, None],
        "method": [StrOptions({"rows", "weights"})],
        "bins": [Interval(Integral, 2, None, closed="left")],
        "strength": [Interval(Real, 0, 1, closed="both")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        admissible: Sequence[str] | None = None,
        inadmissible: Sequence[str] | None = None,
        method: str = "rows",
        bins: int = 4,
        strength: float = 1.0,
        random_state: int | None = None,
    ) -> None:
        self.admissible = admissible
        self.inadmissible = inadmissible
        self.method = method
        self.bins = bins
        self.strength = strength
        self.random_state = random_state

    def _codes(self, X: pd.DataFrame, names: Sequence[str], first: Ints, w: Floats) -> Ints:
        """Return a code of each combination of some features, and of what is coded already."""
        code = first
        for name in names:
            if name not in X.columns:
                raise unknown("feature", name, X.columns)
            code = np.unique(code * (len(X) + 1) + levels(X[name], self.bins, w), return_inverse=True)[1]
        return code

    def _change(
        self,
        X: pd.DataFrame,
        y: Ints,
        groups: Groups,
        sample_weight: Floats,
        proxies: Sequence[str] | None = None,
    ) -> DataChange:
        w, admissible = sample_weight, list(self.admissible or ())
        inadmissible = (
            [c for c in (proxies or ()) if c in X.columns] if self.inadmissible is None else self.inadmissible
        )
        a = self._codes(X, admissible, np.zeros(len(X), dtype=np.int64), w)
        i = self._codes(X, [c for c in inadmissible if c not in admissible], groups.codes, w)
        shape = (int(a.max()) + 1, int(i.max()) + 1, 2)
        cell = np.ravel_multi_index((a, i, y), shape)
        counts = np.asarray(np.bincount(cell, w, int(np.prod(shape))), dtype=float).reshape(shape)
        target = (1 - self.strength) * counts + self.strength * independent_coupling(counts)
        self.diagnostics_ = {
            "dependence_before": conditional_mutual_information(counts),
            "dependence_after": conditional_mutual_information(target),
        }
        if self.method == "rows":
            return self._rows(X, y, groups, w, cell, counts, target)
        lost = (counts == 0) & (target > 1e-9)
        if lost.any():
            raise InsufficientDataError(
                f"{plural(int(lost.sum()), 'combination')} of admissible and inadmissible values with one label only, which "
                "weights cannot repair; use method='rows', fewer bins, or fewer features"
            )
        self.diagnostics_ |= {"inserted": 0, "removed": 0}
        with np.errstate(invalid="ignore"):
            return DataChange(sample_weight=w * (target / counts).reshape(-1)[cell])

    def _rows(
        self, X: pd.DataFrame, y: Ints, groups: Groups, w: Floats, cell: Ints, counts: Floats, target: Floats
    ) -> DataChange:
        """Return rows drawn so that each combination has its repaired count; cells are numbered 2 (a, i) + y."""
        before, after = counts.reshape(-1), target.reshape(-1)
        hashes = row_hash(X[sorted(X.columns, key=str)])  # the order of the columns does not matter
        draw = uniform_by_row(hashes, self.random_state or 0)
        kept = copies(cell, after[cell] / before[cell], draw)
        other = cell ^ 1  # the same row with the other label
        made = copies(cell, np.where(before[other] == 0, after[other] / before[cell], 0.0), draw)
        at = np.repeat(np.arange(2 * len(X)), np.concatenate([kept, made]))
        rows, copied = at % len(X), at < len(X)
        self.diagnostics_ |= {"inserted": int(made.sum()), "removed": int((kept == 0).sum())}
        return DataChange(
            X=X.iloc[rows].reset_index(drop=True),
            y=np.where(copied, y[rows], 1 - y[rows]),
            sample_weight=w[rows],
            sensitive_features=groups.frame.iloc[rows].reset_index(drop=True),
            origin=np.where(copied, rows, -1),
        )
