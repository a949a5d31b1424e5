"""Predictive parity and sufficiency audit, Chouldechova 2017."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairmend.base import (
    Floats,
    Groups,
    Ints,
    TechniqueMetadata,
    evaluation_tables,
    to_plain,
)
from fairmend.plugins.evaluation._group_comparison import GroupComparison

RATES = (
    "positive_predictive_value",
    "negative_predictive_value",
    "base_rate",
    "false_positive_rate",
    "false_negative_rate",
)
COMPARISONS = (
    "predictive_parity_difference",
    "negative_predictive_value_difference",
    "base_rate_difference",
)


def implied_false_positive_rate(p: float | None, ppv: float | None, fnr: float | None) -> float | None:
    """Return FPR = p / (1 - p) (1 - PPV) / PPV (1 - FNR), equation 2.6; None where undefined.

    Examples
    --------
    >>> round(implied_false_positive_rate(0.5, 0.8, 0.2), 6)
    0.2
    """
    if p is None or ppv is None or fnr is None or p == 1 or ppv == 0:
        return None
    return p / (1 - p) * (1 - ppv) / ppv * (1 - fnr)


class PredictiveParityAudit(GroupComparison):
    """Compare the predictive values of decisions between groups.

    Parameters
    ----------
    reference : str or mapping of str to str, default="to_best"
        What each group is compared with: the group with the best rate, all rows (``"to_overall"``), or a
        group named per attribute.
    n_permutations : int, default=5000
        Permutations of the tests; predictive values are permuted within decisions.
    n_boot, level, min_support, random_state : int, float, int, int
        Bootstrap replicates, coverage of the intervals, minimum rows per group, seed; by default
        1,000, 95 %, 30 and 0.

    Notes
    -----
    With prevalence p in a group, its rates satisfy FPR = p/(1-p) (1-PPV)/PPV (1-FNR). If base rates differ,
    equal predictive values make the error rates unequal: ``equal_ppv_would_give`` shows the false positive
    rate that each group would have with the predictive value of all rows and its own false negative rate.

    References
    ----------
    A. Chouldechova (2017), "Fair prediction with disparate impact: A study of bias in recidivism
    prediction instruments", Big Data, equation 2.6.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import PredictiveParityAudit
    >>> sex = pd.Series((["men"] * 4 + ["women"] * 4) * 25, name="sex")
    >>> qualified, hired = [1, 1, 0, 0] * 50, [1, 1, 0, 0, 1, 0, 0, 0] * 25
    >>> found = PredictiveParityAudit().evaluate(hired, qualified, sensitive_features=sex)
    >>> print(found["text"])
    sex: predictive values differ by 0.500.
    """

    metadata = TechniqueMetadata(
        technique_id=3,
        slug="predictive-parity-audit",
        name="Predictive parity and sufficiency audit",
        family="group metrics",
        summary="Compares predictive values of all groups and shows how base rates affect their error rates.",
        citation="chouldechova2017fair",
        addresses=("group-miscalibration", "error-rate-disparity", "base-rate-difference"),
        targets=("predictive_parity",),
        tasks=("binary",),
        minimum_rows=100,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="A decision or flag should mean the same probability of the outcome in every group.",
        avoid_when="Labels exist for one kind of decision only, so that predictive values cannot be computed.",
        questions=(
            "Is a high-risk flag equally reliable for all groups?",
            "Why are false positive rates unequal although the score is equally precise?",
            "Does precision differ significantly between men and women?",
            "Can we have equal error rates and equal predictive values with these base rates?",
        ),
        alternatives=(2, 45),
    )

    def _evaluate(
        self, y_true: Ints, y_pred: Ints, groups: Groups, sample_weight: Floats
    ) -> Mapping[str, Any]:
        views = to_plain(evaluation_tables.rate_views(
            y_true, y_pred, groups, sample_weight, RATES, COMPARISONS, reference=self.reference,
            settings=self.inference,
        ))  # fmt: skip
        said = []
        for attribute, view in views.items():
            ppv = view["overall"]["positive_predictive_value"]["value"]
            p, fnr = view["by_group"]["base_rate"], view["by_group"]["false_negative_rate"]
            view["equal_ppv_would_give"] = {
                group: implied_false_positive_rate(p[group]["value"], ppv, fnr[group]["value"]) for group in p
            }
            gap = view["comparisons"]["predictive_parity_difference"]["value"]
            said.append(
                f"{attribute}: " + ("undefined" if gap is None else f"predictive values differ by {gap:.3f}")
            )
        return {"by_attribute": views, "text": f"{'; '.join(said)}."}
