"""FairBalance, Yu, Chakraborty & Menzies 2024."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import Adjustment, DataChange, Floats, Groups, Ints, Preprocessor, TechniqueMetadata
from fairmend.plugins.preprocessing._cells import cell_codes, cell_counts


def balanced_weights(n_ay: Floats, group_totals: str = "size") -> Floats:
    """Return w(a, y) = n_a / (2 n_ay), or of the variant n / (2 k n_ay) with k groups.

    Examples
    --------
    >>> import numpy as np
    >>> balanced_weights(np.array([[3.0, 1.0], [2.0, 4.0]])).round(3).tolist()
    [[0.667, 2.0], [1.5, 0.75]]
    >>> balanced_weights(np.array([[3.0, 1.0], [2.0, 4.0]]), "equal").round(3).tolist()
    [[0.833, 2.5], [1.25, 0.625]]
    """
    n_a = n_ay.sum(axis=1, keepdims=True)
    return (n_a if group_totals == "size" else n_a.mean()) / (2 * n_ay)


class FairBalance(Preprocessor):
    """Weight rows so that both labels have the same weight in every group.

    Parameters
    ----------
    group_totals : {"size", "equal"}, default="size"
        Whether a group weighs as much as it has rows, or all groups weigh the same (the paper's variant).
        The second gives small groups large weights.
    strength : float in [0, 1], default=1.0
        Exponent of the weights: 1 is the paper's method, 0 changes nothing. Values between are an extension,
        used by rollbacks that reduce the correction; they keep the sum of the weights.

    Notes
    -----
    With n_a rows in group a and n_ay with label y as well, a row has the weight n_a / (2 n_ay); of the
    variant 1 / n_ay, scaled. The weights sum to n. The ratio of favorable to unfavorable weight is then 1:1 in
    every group: that it is the same in all groups is necessary for a learner to reach equalized odds, and
    that it is 1:1 makes the differences of true and of false positive rates cancel on average, the paper
    argues. They need not vanish one by one.

    The share of favorable labels that the learner sees is one half. Its scores are therefore no probabilities
    of the outcome, and where favorable labels are rare more people are selected: calibrate afterwards, or set
    the thresholds anew.

    References
    ----------
    Z. Yu, J. Chakraborty and T. Menzies (2024), "FairBalance: How to achieve equalized odds with data
    pre-processing", IEEE Transactions on Software Engineering.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import FairBalance
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score"]], loans["approved"], loans["race"]
    >>> weights = pd.Series(FairBalance().change(X, y, sensitive_features=race).sample_weight)
    >>> ((weights * y).groupby(race).sum() / weights.groupby(race).sum()).round(3).to_dict()
    {'Asian': 0.5, 'Black': 0.5, 'Hispanic': 0.5, 'White': 0.5}
    """

    metadata = TechniqueMetadata(
        technique_id=34,
        slug="fair-balance",
        name="FairBalance",
        family="reweighting",
        summary="Weights rows so that favorable and unfavorable labels count the same in every group, which brings error rates closer.",
        citation="yu2024fairbalance",
        addresses=("error-rate-disparity", "class-imbalance"),
        targets=("equalized_odds",),
        modifies=("weights",),
        minimum_rows=200,
        complexity="low",
        duration_weeks=(1, 1),
        use_when="True and false positive rates differ between groups because their base rates do, and the learner accepts sample weights.",
        avoid_when="Scores must be probabilities and are not recalibrated, the number of selected people is fixed, or a combination of group and label has no rows.",
        questions=(
            "How do I get closer to equalized odds by weights alone?",
            "False positives hit one group more often; is there a fix before training that needs no tuning?",
            "Can I balance good and bad labels within each group instead of overall?",
            "Which pre-processing method reduces the average odds difference?",
            "What is the cheapest method against unequal error rates if any learner may be used?",
            "How should I set class weights separately for men and women?",
        ),
        adjustments=(Adjustment(parameter="strength", stronger=0.25, minimum=0.0, maximum=1.0),),
        alternatives=(31, 36, 113),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "group_totals": [StrOptions({"size", "equal"})],
        "strength": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, group_totals: str = "size", strength: float = 1.0) -> None:
        self.group_totals = group_totals
        self.strength = strength

    def _change(self, y: Ints, groups: Groups, sample_weight: Floats) -> DataChange:
        n_ay = cell_counts(y, groups, sample_weight)
        by_cell = balanced_weights(n_ay, self.group_totals).ravel()
        w = sample_weight * by_cell[cell_codes(y, groups)] ** self.strength
        return DataChange(sample_weight=w * (sample_weight.sum() / w.sum()))
