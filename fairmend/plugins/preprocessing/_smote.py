"""SMOTE by group and class, Chawla et al. 2002."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    DataChange,
    Floats,
    Groups,
    MissingExtraError,
    Preprocessor,
    TechniqueMetadata,
    decoded,
    encoded,
    numeric_mask,
)
from fairmend.plugins.preprocessing._cells import cell_codes, cell_counts


def wanted_counts(n_ay: NDArray[np.int64], target: str) -> NDArray[np.int64]:
    """Return how many rows each cell of group and label should have, never fewer than it has.

    Examples
    --------
    >>> wanted_counts(np.array([[6, 2], [1, 3]]), "all_equal").tolist()
    [[6, 6], [6, 6]]
    >>> wanted_counts(np.array([[6, 2], [1, 3]]), "class_balance").tolist()
    [[6, 6], [3, 3]]
    """
    most = n_ay.max() if target == "all_equal" else n_ay.max(axis=1, keepdims=True)
    return np.broadcast_to(most, n_ay.shape).copy()


def sampler(numeric: NDArray[np.bool_], **settings: Any) -> Any:
    """Return the sampler of imbalanced-learn for these kinds of features."""
    try:
        from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
    except ImportError as error:
        raise MissingExtraError("SMOTE needs imbalanced-learn: pip install 'fairmend[resampling]'") from error
    if numeric.all():
        return SMOTE(**settings)
    return SMOTENC(np.flatnonzero(~numeric).tolist(), **settings) if numeric.any() else SMOTEN(**settings)


class Smote(Preprocessor):
    """Oversample rare combinations of group and label with synthetic rows between neighbors of the same combination.

    Parameters
    ----------
    target : {"class_balance", "all_equal"}, default="class_balance"
        Oversample the rarer label of each group to the count of the other one, or all combinations of group
        and label to the count of the most frequent one. The second inflates small groups, and with many
        groups the data set.
    k_neighbors : int, default=5
        Number of nearest neighbors to interpolate with.
    random_state : int or None, default=None
        Seed of the draws.

    Notes
    -----
    A synthetic row is x_i + u (x_nn - x_i), with x_i a row of a cell, x_nn one of its k nearest rows in the
    cell, and u from U(0, 1). Distances use standardized numbers; categories, booleans and texts take the most
    frequent value among the neighbors and add to the distance (SMOTE-NC; SMOTE-N if no feature is numeric).
    The implementation is that of imbalanced-learn.

    The paper balances two classes. Cells of group and label are an extension that targets no particular
    fairness notion. A cell of k rows or fewer uses all of its other rows as neighbors; a single row is
    repeated. The original rows come first and do not change; integers become floats, because synthetic rows
    take values between. A synthetic row has the protected attributes and the mean weight of its cell; the
    target counts ignore weights. The share of favorable labels changes, so probabilities need calibration
    afterwards.

    References
    ----------
    N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer (2002), "SMOTE: Synthetic minority
    over-sampling technique", Journal of Artificial Intelligence Research 16, sections 4.2 and 6.1.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import Smote
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score"]], loans["approved"], loans["race"]
    >>> changed = Smote(random_state=0).change(X, y, sensitive_features=race)
    >>> y.groupby(race).mean().round(2).to_dict()
    {'Asian': 0.87, 'Black': 0.62, 'Hispanic': 0.68, 'White': 0.82}
    >>> pd.Series(changed.y).groupby(changed.sensitive_features["race"]).mean().round(2).to_dict()
    {'Asian': 0.5, 'Black': 0.5, 'Hispanic': 0.5, 'White': 0.5}
    """

    metadata = TechniqueMetadata(
        technique_id=36,
        slug="smote",
        name="SMOTE by group and class",
        family="resampling",
        summary="Adds synthetic rows to rare combinations of group and label, each between two similar rows of the same combination.",
        citation="chawla2002smote",
        addresses=("class-imbalance", "representation-imbalance", "base-rate-difference"),
        tasks=("binary",),
        modifies=("rows",),
        minimum_rows=200,
        complexity="low",
        duration_weeks=(1, 2),
        extras=("resampling",),
        use_when="Favorable labels are rare in a group, the learner takes no sample weights, and the features are mostly numeric.",
        avoid_when="A combination of group and label has only a handful of rows, numeric values are missing, or probabilities must be calibrated without a calibration step.",
        questions=(
            "There are hardly any positive examples for one group; can I create more?",
            "How do I oversample a minority group without only copying its rows?",
            "Which method creates synthetic rows for rare approvals among women?",
            "Our learner ignores sample weights; how else can I balance classes inside each group?",
            "Can neighbors be interpolated to enlarge a small class?",
        ),
        alternatives=(31,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "target": [StrOptions({"class_balance", "all_equal"})],
        "k_neighbors": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self, target: str = "class_balance", k_neighbors: int = 5, random_state: int | None = None
    ) -> None:
        self.target = target
        self.k_neighbors = k_neighbors
        self.random_state = random_state

    def _change(
        self, X: pd.DataFrame, y: NDArray[np.int64], groups: Groups, sample_weight: Floats
    ) -> DataChange:
        n_ay = cell_counts(y, groups).astype(int)
        cell, kind = pd.factorize(cell_codes(y, groups))  # in order of appearance: names change nothing
        n, member = n_ay.ravel()[kind], np.unique(cell, return_index=True)[1]
        extra = wanted_counts(n_ay, self.target).ravel()[kind] - n
        numeric, Z = numeric_mask(X), encoded(X)
        middle = np.where(numeric, Z.mean(axis=0), 0)
        spread = np.where(numeric & (Z.std(axis=0) > 0), Z.std(axis=0), 1)
        Z = (Z - middle) / spread
        k = np.minimum(self.k_neighbors, n - 1)
        single = np.flatnonzero((extra > 0) & (k == 0))
        repeats = np.repeat(member[single], extra[single])
        made, made_cell = [np.empty((0, Z.shape[1]))], [cell[repeats]]
        for size in np.unique(k[(extra > 0) & (k > 0)]):
            counts = {c: n[c] + extra[c] for c in np.flatnonzero((extra > 0) & (k == size))}
            smote = sampler(
                numeric, sampling_strategy=counts, k_neighbors=int(size), random_state=self.random_state
            )
            rows, cells = smote.fit_resample(Z, cell)
            made.append(rows[len(X) :] * spread + middle)
            made_cell.append(cells[len(X) :])
        cells = np.concatenate(made_cell)
        weight = np.bincount(cell, weights=sample_weight) / n
        people = [groups.frame, groups.frame.iloc[member[cells]]]
        return DataChange(
            X=pd.concat([X, X.iloc[repeats], decoded(np.concatenate(made), X)], ignore_index=True),
            y=np.concatenate([y, kind[cells] % 2]),
            sample_weight=np.concatenate([sample_weight, weight[cells]]),
            sensitive_features=pd.concat(people, ignore_index=True),
            origin=np.concatenate([np.arange(len(X)), repeats, np.full(len(cells) - len(repeats), -1)]),
        )
