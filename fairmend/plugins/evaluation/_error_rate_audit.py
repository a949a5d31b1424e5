"""Error-rate audit: equalized odds and equal opportunity, Hardt, Price & Srebro 2016."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairmend.base import (
    Floats,
    Groups,
    Ints,
    TechniqueMetadata,
    evaluation_tables,
)
from fairmend.plugins.evaluation._group_comparison import GroupComparison

RATES = ("true_positive_rate", "false_positive_rate", "false_negative_rate", "true_negative_rate", "accuracy")
COMPARISONS = ("equalized_odds_difference", "equal_opportunity_difference", "average_odds_difference")


class ErrorRateAudit(GroupComparison):
    """Compare how often each group is wrongly rejected and wrongly accepted.

    Parameters
    ----------
    reference : str or mapping of str to str, default="to_best"
        What each group is compared with: the group with the best rate, all rows (``"to_overall"``), or a
        group named per attribute.
    n_permutations : int, default=5000
        Permutations of the tests, within labels.
    n_boot, level, min_support, random_state : int, float, int, int
        Bootstrap replicates, coverage of the intervals, minimum rows per group, seed; by default
        1,000, 95 %, 30 and 0.

    Notes
    -----
    The equalized odds difference is the larger of the ranges of true and of false positive rates over all
    groups, the equal opportunity difference the range of true positive rates; the average odds difference
    uses the mean of both rates in each group, where gaps of opposite sign cancel, so it is never used alone.
    A rate over no rows is undefined, not 0. If labels exist only for past approvals, the rates are
    conditional on that selection.

    References
    ----------
    M. Hardt, E. Price and N. Srebro (2016), "Equality of opportunity in supervised learning", NeurIPS,
    definitions 2.1 and 2.2.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import ErrorRateAudit
    >>> sex = pd.Series((["men"] * 4 + ["women"] * 4) * 25, name="sex")
    >>> qualified, hired = [1, 1, 0, 0] * 50, [1, 1, 0, 0, 1, 0, 0, 0] * 25
    >>> found = ErrorRateAudit().evaluate(qualified, hired, sensitive_features=sex)
    >>> print(found["text"])
    sex: equalized odds difference 0.500.
    """

    metadata = TechniqueMetadata(
        technique_id=2,
        slug="error-rate-audit",
        name="Error-rate audit (equalized odds, equal opportunity)",
        family="group metrics",
        summary="Compares true and false positive rates of all groups, with intervals and tests.",
        citation="hardt2016equality",
        addresses=("error-rate-disparity", "intersectional-disparity"),
        targets=("equalized_odds", "equal_opportunity"),
        tasks=("binary",),
        minimum_rows=100,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="True outcomes are known, and the model's errors should affect all groups equally.",
        avoid_when="Labels are missing, or are themselves affected by the bias in question.",
        questions=(
            "Are qualified applicants of one group turned down more often?",
            "Do false alarms hit one ethnic group harder than others?",
            "Does the model satisfy equal opportunity across ages?",
            "Is the difference in recall between groups larger than chance?",
        ),
        alternatives=(1, 3),
    )

    def _evaluate(
        self, y_true: Ints, y_pred: Ints, groups: Groups, sample_weight: Floats
    ) -> Mapping[str, Any]:
        views = evaluation_tables.rate_views(
            y_true, y_pred, groups, sample_weight, RATES, COMPARISONS, reference=self.reference,
            settings=self.inference,
        )  # fmt: skip
        said = [
            f"{attribute}: equalized odds difference {view['comparisons'][COMPARISONS[0]].value:.3f}"
            for attribute, view in views.items()
        ]
        return {"by_attribute": views, "text": f"{'; '.join(said)}."}
