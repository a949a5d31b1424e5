"""Intersectional bias audit by differential fairness, Foulds, Islam, Keya & Pan 2020."""

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
    bootstrap,
    differential,
    epsilon,
    evaluation_tables,
    log_probabilities,
)


class IntersectionalBiasAudit(ResamplingEvaluator):
    """Measure the maximum ratio of outcome probabilities between intersections of the attributes.

    Parameters
    ----------
    concentration : float, default=1.0
        Prior rows per cell, K alpha with K = 2 outcomes.
    n_boot, level, min_support, random_state : int, float, int, int
        Bootstrap replicates, coverage of the intervals, minimum rows per group, seed; by default
        1,000, 95 %, 30 and 0.

    Notes
    -----
    Epsilon is the largest log ratio of the probabilities of an outcome, favorable or not, in two cells: 0 is
    parity, and ln(1/0.8) = 0.223 is the four-fifths rule for one outcome. Bias amplification is epsilon of
    the decisions minus that of the labels. Empty cells are skipped; a cell with a single outcome makes the
    unsmoothed epsilon infinite (null in the result), and in small cells the prior dominates: ``supported``
    therefore excludes cells with fewer rows than ``min_support``.

    The replicates of a maximum are biased upward, so the lower limit of an interval is that of the pair of
    cells with the largest ratio in the data. Dropping an attribute never increases the unsmoothed epsilon;
    ``by_subset`` shows what each intersection adds.

    References
    ----------
    J. R. Foulds, R. Islam, K. N. Keya and S. Pan (2020), "An intersectional definition of fairness",
    ICDE: differential fairness, its smoothed empirical estimate, and bias amplification.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import IntersectionalBiasAudit
    >>> sex, age = (["men"] * 4 + ["women"] * 4) * 50, ["young"] * 200 + ["old"] * 200
    >>> people = pd.DataFrame({"sex": sex, "age": age})
    >>> hired = [1, 1, 0, 0, 1, 1, 0, 0] * 25 + [1, 1, 0, 0, 1, 0, 0, 0] * 25
    >>> found = IntersectionalBiasAudit().evaluate(y_pred=hired, sensitive_features=people)
    >>> print(found["text"])
    Between women & old and men & old the probability of an outcome differs by the factor 1.98 (epsilon 0.683); 0 of 4 intersections have fewer than 30 rows.
    """

    metadata = TechniqueMetadata(
        technique_id=8,
        slug="intersectional-bias-audit",
        name="Intersectional bias auditing (differential fairness)",
        family="intersectional",
        summary="Bounds the ratio of outcome probabilities over all intersections of the protected attributes.",
        citation="foulds2020intersectional",
        addresses=("intersectional-disparity", "outcome-disparity"),
        targets=("demographic_parity",),
        tasks=("binary",),
        minimum_rows=100,
        complexity="medium",
        duration_weeks=(0.5, 1),
        use_when="Several protected attributes are known, and their intersections may have the worst rates.",
        avoid_when="Most intersections have only a handful of rows, so that the smoothing dominates the result.",
        questions=(
            "Are Black women treated worse than either Black people or women alone would suggest?",
            "What single number bounds the disparity over all subgroups?",
            "Did the repaired data introduce a new intersectional disparity?",
            "Does the model amplify the bias that is already in the labels?",
            "How do I audit age, race and gender together without comparing every pair by hand?",
        ),
        alternatives=(109,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "concentration": [Interval(Real, 0, None, closed="left")]
    }

    def __init__(self, concentration: float = 1.0, **inference: Unpack[InferenceParameters]) -> None:
        super().__init__(**inference)
        self.concentration = concentration

    def _evaluate(
        self, y_pred: Ints, groups: Groups, sample_weight: Floats, y_true: Ints | None = None
    ) -> Mapping[str, Any]:
        alpha = self.concentration / 2
        table = evaluation_tables.decision_table(y_true, y_pred, groups, sample_weight)
        drawn = bootstrap.replicates(table, self.n_boot, bootstrap.generators(self.random_state, 1)[0])
        counts, drawn_counts = table.counts.sum(axis=1), drawn.sum(axis=2)
        rows = table.rows.sum(axis=(1, 2))
        large = rows >= self.min_support

        def figure(n: Any, replicates: Any, prior: float = alpha, cells: Any = slice(None)) -> Estimate:
            return differential.epsilon_figure(
                tuple(np.array(table.groups, dtype=object)[cells]), n[cells], replicates[:, cells], rows[cells],
                alpha=prior, settings=self.inference,
            )  # fmt: skip

        smoothed = figure(counts, drawn_counts)
        result: dict[str, Any] = {
            "epsilon": smoothed,
            "unsmoothed": figure(counts, drawn_counts, 0.0),
            "supported": figure(counts, drawn_counts, cells=large),
        }
        if y_true is not None:
            labels, drawn_labels = table.counts.sum(axis=2), drawn.sum(axis=3)
            of_labels = figure(labels, drawn_labels)
            gains = [epsilon(log_probabilities(n, alpha)) for n in (drawn_counts, drawn_labels)]
            interval = bootstrap.percentile_interval(gains[0] - gains[1], self.level)
            amplified = Estimate(
                smoothed.value - of_labels.value,
                interval,
                smoothed.support,
                smoothed.enough,
                smoothed.lacking,
            )
            result |= {"epsilon_of_labels": of_labels, "bias_amplification": amplified}
        rates = (np.exp(log_probabilities(counts, prior)[:, 1]) for prior in (0.0, alpha))
        names = ("support", "selection_rate", "smoothed_rate", "enough")
        result["cells"] = {
            cell: dict(zip(names, figures, strict=True))
            for cell, *figures in zip(table.groups, rows, *rates, large, strict=True)
        }
        by_subset = differential.epsilon_by_subset(groups, counts, alpha)
        text = (
            f"Between {smoothed.worst_group} and {smoothed.best_group} the probability of an outcome differs by "
            f"the factor {np.exp(smoothed.value):.2f} (epsilon {smoothed.value:.3f}); {int((~large).sum())} of "
            f"{len(rows)} intersections have fewer than {self.min_support} rows."
        )
        return result | {"smallest_cell": rows.min(), "by_subset": by_subset, "text": text}
