"""Instance weighting (reweighing), Kamiran & Calders 2012."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    DataChange,
    Groups,
    Preprocessor,
    TechniqueMetadata,
)
from fairmend.plugins.preprocessing._cells import cell_codes, cell_counts


def cell_weights(n_ay: NDArray[Any]) -> NDArray[np.float64]:
    """Return w(a, y) = P(a) P(y) / P(a, y) from the counts of group and label (section 5.3.1).

    Examples
    --------
    >>> cell_weights(np.array([[3.0, 1.0], [2.0, 4.0]])).round(4).tolist()
    [[0.6667, 2.0], [1.5, 0.75]]
    """
    n_a = n_ay.sum(axis=1, keepdims=True)
    n_y = n_ay.sum(axis=0, keepdims=True)
    return n_a * n_y / (n_ay.sum() * n_ay)


class InstanceWeighting(Preprocessor):
    """Weight rows so that label and group are independent in the weighted data.

    Parameters
    ----------
    strength : float in [0, 1], default=1.0
        Exponent of the weights: 1 is the paper's method, 0 changes nothing. Values between are an extension,
        used by rollbacks that reduce the correction; they keep the sum of the weights.

    Notes
    -----
    With n_a rows in group a, n_y with label y and n_ay with both, a row has the weight n_a n_y / (n n_ay).
    The weights sum to n and do not change the weighted totals of groups and of labels. Parity of the data
    does not imply parity of a model's decisions: a flexible model can still infer the group from the
    features.

    References
    ----------
    F. Kamiran and T. Calders (2012), "Data preprocessing techniques for classification without
    discrimination", Knowledge and Information Systems, section 5.3.1, algorithm 3.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import InstanceWeighting
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score"]], loans["approved"], loans["race"]
    >>> weights = InstanceWeighting().change(X, y, sensitive_features=race).sample_weight
    >>> favorable = (weights * y).groupby(race).sum() / pd.Series(weights).groupby(race).sum()
    >>> favorable.round(3).to_dict()
    {'Asian': 0.763, 'Black': 0.762, 'Hispanic': 0.763, 'White': 0.762}
    """

    metadata = TechniqueMetadata(
        technique_id=31,
        slug="instance-weighting",
        name="Instance weighting (reweighing)",
        family="reweighting",
        summary="Gives each combination of group and label the weight that makes label and group independent.",
        citation="kamiran2012data",
        addresses=(
            "outcome-disparity",
            "base-rate-difference",
            "representation-imbalance",
            "intersectional-disparity",
        ),
        targets=("demographic_parity",),
        tasks=("binary",),
        modifies=("weights",),
        minimum_rows=200,
        complexity="low",
        duration_weeks=(1, 1),
        use_when="Favorable labels are rarer in one group, and the learner accepts sample weights.",
        avoid_when="A combination of group and label has no rows, or the learner ignores sample weights.",
        questions=(
            "How can I rebalance the training data without changing any value?",
            "One group gets the good label less often in my training set; can I weight the rows?",
            "Which fix leaves features and labels unchanged?",
        ),
        adjustments=(Adjustment(parameter="strength", stronger=0.25, minimum=0.0, maximum=1.0),),
        alternatives=(36, 69),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "strength": [Interval(Real, 0, 1, closed="both")]
    }

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def _change(self, y: NDArray[np.int64], groups: Groups, sample_weight: NDArray[np.float64]) -> DataChange:
        n_ay = cell_counts(y, groups, sample_weight)
        w = sample_weight * cell_weights(n_ay).ravel()[cell_codes(y, groups)] ** self.strength
        return DataChange(sample_weight=w * (sample_weight.sum() / w.sum()))
