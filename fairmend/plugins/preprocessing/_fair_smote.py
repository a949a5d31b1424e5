"""Fair-SMOTE, Chakraborty, Majumder & Menzies 2021."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import HasMethods, Interval

from fairmend.base import (
    DataChange,
    Floats,
    Groups,
    Ints,
    NotFeasibleError,
    Preprocessor,
    TableEncoder,
    TechniqueMetadata,
    fit_weighted,
    numbers,
    numeric_mask,
)
from fairmend.plugins.preprocessing._cells import cell_codes, cell_counts


def triples(Z: Floats, cell: Ints, missing: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return for each missing row of each cell a parent drawn from the cell and its two nearest rows.

    Returns
    -------
    rows : ndarray of int, shape (m, 3)
        Parent a and neighbors b and c. In a cell of two rows c is the parent, in one of a single row all are.
    cells : ndarray of int, shape (m,)
        Cell of each.
    """
    found = [np.empty((0, 3), dtype=np.int64)]
    for k in np.flatnonzero(missing):
        members = np.flatnonzero(cell == k)
        near = np.tile(np.arange(len(members))[:, None], 3)
        if size := min(2, len(members) - 1):
            search = NearestNeighbors(n_neighbors=size).fit(Z[members])
            near[:, 1 : 1 + size] = search.kneighbors(return_distance=False)
        found.append(members[near[rng.integers(0, len(members), missing[k])]])
    return np.concatenate(found), np.repeat(np.arange(len(missing)), missing)


def crossover(
    X: pd.DataFrame, rows: Ints, rate: float, factor: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return a synthetic row per triple: with probability ``rate`` a number becomes a + factor (b - c).

    A category becomes that of a, b or c with the same probability. Numbers stay in the range of the column.
    """
    made = X.iloc[rows[:, 0]].reset_index(drop=True)
    kinds = dict(zip(X.columns, numeric_mask(X), strict=True))
    for name in sorted(X.columns, key=str):  # the order of columns changes no draw
        crossed = rng.random(len(rows)) < rate
        pick = np.where(crossed, rng.integers(0, 3, len(rows)), 0)
        if kinds[name]:
            x = numbers(X[name])
            a, b, c = x[rows.T]
            value = np.clip(a + factor * (b - c), np.nanmin(x, initial=np.inf), np.nanmax(x, initial=-np.inf))
            made[name] = np.where(crossed & ~np.isnan(value), value, a)
        else:
            made[name] = X[name].iloc[rows[np.arange(len(rows)), pick]].reset_index(drop=True)
    return made


def flips(model: Any, X: pd.DataFrame, labels: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return the rows whose decision is not the same in every group (situation testing)."""
    decided = [model.predict(X.assign(**{_GROUP: label})) for label in labels]
    return np.asarray(np.ptp(np.stack(decided), axis=0) > 0)


_GROUP = "protected group"


class FairSmote(Preprocessor):
    """Balance all combinations of group and label with synthetic rows, and remove rows that fail situation testing.

    Parameters
    ----------
    estimator : classifier, optional
        The model of situation testing; the learner of the run by default. The paper uses logistic regression.
    crossover_rate : float in [0, 1], default=0.8
        Probability with which a value differs from the parent's.
    factor : float in [0, 1], default=0.8
        Weight f of the difference of two neighbors.
    situation_testing : bool, default=True
        Whether to remove rows whose predicted label depends on the group.
    random_state : int or None, default=None
        Seed of the draws.

    Attributes
    ----------
    diagnostics_ : dict
        ``by_group``: rows before, added, and removed by situation testing.

    Notes
    -----
    Every combination of group and label is enlarged to the size of the largest. A synthetic row has a parent a
    drawn from the combination, and b and c are the two rows of it nearest to a: a number becomes
    a + f (b - c), a category that of a, b or c, each with the probability ``crossover_rate``. Then a model is
    trained on all rows, the group included; a row to which it would give another label in another group is
    removed, whether synthetic or not, so that the sizes differ slightly in the end.

    Departures from the authors' code: numbers stay in the range of their column, where they take the absolute
    value; distances use standardized numbers and indicators; booleans are categories; several attributes and
    values are crossed. A missing number of a, b or c leaves the parent's value. Numbers become floats. A
    synthetic row has the mean weight of its combination. The share of favorable labels becomes about one
    half, so that probabilities must be calibrated afterwards.

    References
    ----------
    J. Chakraborty, S. Majumder and T. Menzies (2021), "Bias in machine learning software: Why? How? What to
    do?", ESEC/FSE.

    Examples
    --------
    >>> from fairmend.base import make_learner
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import FairSmote
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score"]], loans["approved"], loans["race"]
    >>> technique = FairSmote(make_learner("logistic_regression"), random_state=0)
    >>> changed = technique.change(X, y, sensitive_features=race)
    >>> {name: told["added"] for name, told in technique.diagnostics_["by_group"].items()}
    {'Asian': 1749, 'Black': 1519, 'Hispanic': 1596, 'White': 736}
    """

    metadata = TechniqueMetadata(
        technique_id=35,
        slug="fair-smote",
        name="Fair-SMOTE",
        family="resampling",
        summary="Enlarges every combination of group and label to the same size with synthetic rows, and removes rows whose predicted label depends on the group.",
        citation="chakraborty2021bias",
        addresses=("class-imbalance", "error-rate-disparity"),
        targets=("equalized_odds",),
        modifies=("rows",),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(1, 2),
        use_when="Some combinations of group and label are rare, error rates differ, the learner takes no sample weights, and some labels are suspected of bias.",
        avoid_when="Combinations have only a handful of rows, records may not be invented, or probabilities must be calibrated without a calibration step.",
        questions=(
            "How do I make every mix of sex and outcome equally large with generated records?",
            "Can I throw out training examples that would be judged differently if the person had another race?",
            "Which oversampling method also takes suspicious labels away?",
            "Is there a SMOTE made for fairness?",
            "How do I create records that resemble two similar people of the same group?",
            "Both class sizes and group sizes are skewed; what balances them at once?",
        ),
        alternatives=(36, 34, 32),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "crossover_rate": [Interval(Real, 0, 1, closed="both")],
        "factor": [Interval(Real, 0, 1, closed="both")],
        "situation_testing": ["boolean"],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        estimator: Any = None,
        crossover_rate: float = 0.8,
        factor: float = 0.8,
        situation_testing: bool = True,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.crossover_rate = crossover_rate
        self.factor = factor
        self.situation_testing = situation_testing
        self.random_state = random_state

    def _change(
        self, X: pd.DataFrame, y: Ints, groups: Groups, sample_weight: Floats, learner: Any
    ) -> DataChange:
        rng = np.random.default_rng(self.random_state)
        n_ay = cell_counts(y, groups).astype(int).ravel()
        cell, kind = pd.factorize(cell_codes(y, groups))  # in order of appearance: names change nothing
        n = n_ay[kind]
        rows, added = triples(TableEncoder("one-hot").fit_transform(X), cell, n.max() - n, rng)
        made = crossover(X, rows, self.crossover_rate, self.factor, rng)
        frame = pd.concat([X, made], ignore_index=True)
        all_cells = np.concatenate([cell, added])
        w = np.concatenate([sample_weight, (np.bincount(cell, weights=sample_weight) / n)[added]])
        kept = np.ones(len(frame), dtype=bool)
        if self.situation_testing:
            known = frame.drop(columns=[c for c in groups.frame if c in frame])
            group = pd.factorize(kind // 2)[0].astype(str).astype(object)
            model = fit_weighted(
                clone(learner), known.assign(**{_GROUP: group[all_cells]}), kind[all_cells] % 2, w
            )
            kept = ~flips(model, known, tuple(np.unique(group)))
        left = np.bincount(kind[all_cells[kept]], minlength=len(n_ay)).reshape(-1, 2)
        if (left == 0).any():
            a, label = np.argwhere(left == 0)[0]
            raise NotFeasibleError(
                f"situation testing removes every row of the group {groups.labels[a]!r} with the label {label}; "
                "set situation_testing=False, or use a model that depends less on the group"
            )
        most = 2 * int(n.max())
        by_group = {
            label: {"rows": int(before), "added": most - int(before), "removed": most - int(after)}
            for label, before, after in zip(groups.labels, groups.counts(), left.sum(axis=1), strict=True)
        }
        self.diagnostics_ = {"by_group": by_group}
        people = np.concatenate([np.arange(len(X)), rows[:, 0]])[kept]
        return DataChange(
            X=frame[kept].reset_index(drop=True),
            y=kind[all_cells[kept]] % 2,
            sample_weight=w[kept],
            sensitive_features=groups.frame.iloc[people].reset_index(drop=True),
            origin=np.concatenate([np.arange(len(X)), np.full(len(rows), -1)])[kept],
        )
