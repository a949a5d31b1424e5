"""Selection-rate audit and the four-fifths rule, Feldman et al. 2015."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Unpack

from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Estimate,
    Floats,
    Groups,
    InferenceParameters,
    Ints,
    TechniqueMetadata,
    Verdict,
    evaluation_tables,
)
from fairmend.plugins.evaluation._group_comparison import GroupComparison

RATIO, DIFFERENCE = "demographic_parity_ratio", "demographic_parity_difference"


def verdict(ratio: Estimate, threshold: float) -> Verdict:
    """Return whether the lowest selection rate is at least ``threshold`` times the highest."""
    if not ratio.enough or math.isnan(ratio.value):
        return "insufficient evidence"
    return "passed" if ratio.value >= threshold else "failed"


class SelectionRateAudit(GroupComparison):
    """Compare how often each group gets the favorable decision.

    Parameters
    ----------
    reference : str or mapping of str to str, default="to_best"
        What each group is compared with: the group with the best rate, all rows (``"to_overall"``), or a
        group named per attribute.
    threshold : float, default=0.8
        Minimum ratio of selection rates that passes; 0.8 is the four-fifths rule.
    n_permutations : int, default=5000
        Permutations of the test.
    n_boot, level, min_support, random_state : int, float, int, int
        Bootstrap replicates, coverage of the intervals, minimum rows per group, seed; by default
        1,000, 95 %, 30 and 0.

    Notes
    -----
    The ratio is the lowest selection rate of all groups divided by the highest. It is undefined if nobody is
    selected, and there is no verdict if a group is too small, because tiny groups have extreme rates. The
    verdict uses the point estimate, as the rule does; ``beyond_doubt`` is true if the whole interval is on
    the same side. Each attribute is audited separately, and all of them crossed.

    References
    ----------
    M. Feldman, S. A. Friedler, J. Moeller, C. Scheidegger and S. Venkatasubramanian (2015), "Certifying and
    removing disparate impact", KDD, definition 1.1 (the 80 % rule).

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import SelectionRateAudit
    >>> sex = pd.Series((["men"] * 4 + ["women"] * 4) * 25, name="sex")
    >>> hired = [1, 1, 0, 0, 1, 0, 0, 0] * 25
    >>> found = SelectionRateAudit().evaluate(y_pred=hired, sensitive_features=sex)
    >>> print(found["text"])
    sex: ratio 0.50, failed.
    """

    metadata = TechniqueMetadata(
        technique_id=1,
        slug="selection-rate-audit",
        name="Selection-rate audit (demographic parity, four-fifths rule)",
        family="group metrics",
        summary="Compares how often each group gets the favorable decision, by ratio and by difference.",
        citation="feldman2015certifying",
        addresses=("outcome-disparity", "intersectional-disparity"),
        targets=("demographic_parity",),
        tasks=("binary",),
        minimum_rows=30,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="Decisions are known, and the first question is whether groups are selected at different rates.",
        avoid_when="Errors matter more than rates; selection rates do not show who was qualified.",
        questions=(
            "Do our approval rates meet the 80 percent rule?",
            "Is there adverse impact against any group of applicants?",
            "How large is the demographic parity gap, and could it be chance?",
            "How do I check hiring decisions when the true outcome is unknown?",
            "Which ethnic group is selected least often compared with the most selected one?",
        ),
        alternatives=(2, 8),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **GroupComparison._parameter_constraints,
        "threshold": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        reference: str | Mapping[str, str] = "to_best",
        threshold: float = 0.8,
        n_permutations: int = 5000,
        **inference: Unpack[InferenceParameters],
    ) -> None:
        super().__init__(reference, n_permutations, **inference)
        self.threshold = threshold

    def _evaluate(
        self, y_pred: Ints, groups: Groups, sample_weight: Floats, y_true: Ints | None = None
    ) -> Mapping[str, Any]:
        views = evaluation_tables.rate_views(
            y_true, y_pred, groups, sample_weight, ["selection_rate"], [RATIO, DIFFERENCE], reference=self.reference,
            settings=self.inference,
        )  # fmt: skip
        said = []
        for attribute, view in views.items():
            ratio = view["comparisons"][RATIO]
            view["verdict"] = verdict(ratio, self.threshold)
            sides = [end >= self.threshold for end in ratio.interval or ()]
            view["beyond_doubt"] = view["verdict"] != "insufficient evidence" and len(set(sides)) == 1
            said.append(f"{attribute}: ratio {ratio.value:.2f}, {view['verdict']}")
        return {"by_attribute": views, "threshold": self.threshold, "text": f"{'; '.join(said)}."}
