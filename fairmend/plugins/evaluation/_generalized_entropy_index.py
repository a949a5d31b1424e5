"""Generalized entropy index of benefit, Speicher et al. 2018."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Unpack

import numpy as np
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Estimate,
    Floats,
    Groups,
    InferenceParameters,
    Ints,
    ResamplingEvaluator,
    TechniqueMetadata,
    between_group_entropy,
    bootstrap,
    evaluation_tables,
    generalized_entropy_index,
    within_group_entropy,
)

PARTS = {"total": generalized_entropy_index, "between": between_group_entropy, "within": within_group_entropy}


class GeneralizedEntropyIndex(ResamplingEvaluator):
    """Measure the inequality of the benefits of decisions, within and between groups.

    Parameters
    ----------
    alpha : float, default=2.0
        2 is half the squared coefficient of variation, 1 is Theil's index, 0 the mean log deviation.
    n_boot, level, min_support, random_state : int, float, int, int
        Bootstrap replicates, coverage of the intervals, minimum rows per group, seed; by default
        1,000, 95 %, 30 and 0.

    Notes
    -----
    The benefit of a decision is b = decision - label + 1: 0 for a rejected favorable label, 1 for a correct
    decision, 2 for an accepted unfavorable label. The index is E = 1 / (n alpha (alpha - 1)) sum_i [(b_i /
    mu)^alpha - 1], with mu the mean benefit, and it is the sum of a between-group and a within-group part.
    With alpha = 0 it is infinite (null in the result) if any row has benefit 0. The between-group part grows
    with the number of groups: compare it only for the same groups.

    References
    ----------
    T. Speicher et al. (2018), "A unified approach to quantifying algorithmic unfairness: Measuring
    individual & group unfairness via inequality indices", KDD, equation 2 and section 3.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import GeneralizedEntropyIndex
    >>> sex = pd.Series((["men"] * 4 + ["women"] * 4) * 25, name="sex")
    >>> qualified, hired = [1, 1, 0, 0] * 50, [1, 1, 0, 0, 1, 0, 0, 0] * 25
    >>> found = GeneralizedEntropyIndex().evaluate(qualified, hired, sensitive_features=sex)
    >>> print(found["text"])
    Generalized entropy of benefit 0.071 (alpha 2); between groups 14.3% by sex.
    """

    metadata = TechniqueMetadata(
        technique_id=5,
        slug="generalized-entropy-index",
        name="Generalized entropy index of benefit",
        family="individual fairness",
        summary="Measures how unequally decisions benefit people, split into within and between groups.",
        citation="speicher2018unified",
        addresses=("error-rate-disparity", "intersectional-disparity"),
        targets=("individual_fairness", "equalized_odds"),
        tasks=("binary",),
        minimum_rows=100,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="Both individual and group fairness matter, and one index should cover both.",
        avoid_when="The result must be explained in terms of rates, or labels are missing.",
        questions=(
            "Does closing the gap between groups make people within a group worse off?",
            "How unequal are the benefits of our decisions, as economists measure income inequality?",
            "What is the Theil index of the classifier's outcomes?",
            "How much of the unfairness lies between groups and how much inside them?",
        ),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, None, closed="left")]
    }

    def __init__(self, alpha: float = 2.0, **inference: Unpack[InferenceParameters]) -> None:
        super().__init__(**inference)
        self.alpha = alpha

    def _evaluate(
        self, y_true: Ints, y_pred: Ints, groups: Groups, sample_weight: Floats
    ) -> Mapping[str, Any]:
        by_attribute: dict[str, dict[str, Any]] = {}
        for name, view in evaluation_tables.views(groups).items():
            table = evaluation_tables.decision_table(y_true, y_pred, view, sample_weight)
            drawn = bootstrap.replicates(table, self.n_boot, bootstrap.generators(self.random_state, 1)[0])
            rows = table.rows.sum(axis=(1, 2))
            enough = bool((rows >= self.min_support).all())
            figures = {}
            for part, of in PARTS.items():
                interval = bootstrap.percentile_interval(of(drawn, self.alpha), self.level)
                figures[part] = Estimate(float(of(table.counts, self.alpha)), interval, table.n_rows, enough)
            share = figures["between"].value / figures["total"].value if figures["total"].value else np.nan
            own = generalized_entropy_index(table.counts[:, None], self.alpha)
            benefit = 1 + (table.counts[:, 0, 1] - table.counts[:, 1, 0]) / table.counts.sum(axis=(1, 2))
            by_group = {
                group: {"mean_benefit": benefit[g], "index": own[g], "support": rows[g]}
                for g, group in enumerate(view.labels)
            }
            by_attribute[name] = {**figures, "between_share": share, "by_group": by_group}
        total = next(iter(by_attribute.values()))["total"]
        text = (
            f"Generalized entropy of benefit {total.value:.3f} (alpha {self.alpha:g}); between groups "
            + ", ".join(f"{view['between_share']:.1%} by {name}" for name, view in by_attribute.items())
        )
        return {"alpha": self.alpha, "by_attribute": by_attribute, "text": f"{text}."}
