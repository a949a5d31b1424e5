"""Intersectional fairness evaluation: every metric in every intersection, Buolamwini & Gebru 2018."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from numbers import Real
from typing import Any, ClassVar, Unpack

from sklearn.utils._param_validation import Interval

from fairmend.base import (
    SCORE_STATISTICS,
    Floats,
    Groups,
    InferenceParameters,
    Ints,
    PairedTable,
    ResamplingEvaluator,
    Task,
    TechniqueMetadata,
    bootstrap,
    evaluation_tables,
    intersections,
    measure,
    task_cells,
)


class IntersectionalEvaluation(ResamplingEvaluator):
    """Compute metrics for every intersection of the protected attributes, and find the worst one.

    Parameters
    ----------
    metrics : sequence of str, optional
        Rates such as ``"true_positive_rate"``, and ``"expected_calibration_error"``,
        ``"maximum_calibration_error"`` and ``"brier"`` if scores are given. Default: selection rate, error
        rates, predictive value, accuracy and calibration error, as far as the inputs allow. For
        several classes ``"accuracy"``, ``"selection_rate[c]"`` and ``"recall[c]"`` of each class c, for regression
        ``"mean_prediction"``, ``"mean_error"`` and ``"mean_absolute_error"``, for ranking ``"exposure"`` and
        ``"top_share_ratio"``.
    attributes : sequence of str, optional
        Attributes to intersect; all by default.
    tolerance : float, default=0.05
        Maximum deviation from the overall value that counts as equal.
    n_permutations : int, default=5000
        Permutations of the tests.
    n_boot, level, min_support, random_state : int, float, int, int
        Bootstrap replicates, coverage of the intervals, minimum rows per group, seed; by default
        1,000, 95 %, 30 and 0.

    Notes
    -----
    Each cell is compared with all rows; ``mean_of_cells`` gives every cell the same weight, ``overall`` every
    row. The tests permute rows between cells (error rates within labels), and Holm's correction covers the
    cells of a metric; ``p_any`` tests the largest deviation, which is large by chance if there are many
    cells. With a ``baseline``, ``change`` gives the paired change of each cell and lists the cells that left
    the tolerance. Combinations without rows are listed, not measured.

    The paper compares the accuracy of classifiers; other metrics are treated alike. Values of a regression are
    in standard deviations of the outcome. Beyond two outcomes a deviation is tested against its bootstrap
    standard error instead of by permutations.

    References
    ----------
    J. Buolamwini and T. Gebru (2018), "Gender shades: Intersectional accuracy disparities in commercial
    gender classification", FAT*, section 4.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import IntersectionalEvaluation
    >>> sex, age = (["men"] * 4 + ["women"] * 4) * 50, ["young"] * 200 + ["old"] * 200
    >>> people = pd.DataFrame({"sex": sex, "age": age})
    >>> hired = [1, 1, 0, 0, 1, 1, 0, 0] * 25 + [1, 1, 0, 0, 1, 0, 0, 0] * 25
    >>> found = IntersectionalEvaluation().evaluate(y_pred=hired, sensitive_features=people)
    >>> print(found["text"])
    Of 4 intersections, women & old is farthest from the overall selection rate, by -0.188.
    """

    metadata = TechniqueMetadata(
        technique_id=109,
        slug="intersectional-evaluation",
        name="Intersectional fairness evaluation",
        family="intersectional",
        summary="Computes metrics for every intersection of the protected attributes and names the worst one.",
        citation="buolamwini2018gender",
        addresses=(
            "intersectional-disparity",
            "error-rate-disparity",
            "outcome-disparity",
            "error-gap",
            "class-error-gap",
        ),
        targets=("demographic_parity", "equalized_odds", "equal_opportunity", "minimax"),
        tasks=("binary", "multiclass", "regression", "ranking"),
        minimum_rows=100,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="Metrics look fair for each attribute alone, but intersections may still be treated worse.",
        avoid_when="Only one protected attribute is known, or most intersections have too few rows for a conclusion.",
        questions=(
            "Which combination of gender and skin color does the classifier serve worst?",
            "Has the new model made things worse for some subgroup than the old one did?",
            "Are all crossings within five points of the average?",
            "Could the worst subgroup be a fluke of many comparisons?",
            "For which combination of age and origin are our price predictions off the most?",
        ),
        alternatives=(8,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metrics": [list, tuple, None],
        "attributes": [list, tuple, None],
        "tolerance": [Interval(Real, 0, None, closed="left")],
        "n_permutations": evaluation_tables.WHOLE,
    }

    def __init__(
        self,
        metrics: list[str] | tuple[str, ...] | None = None,
        attributes: list[str] | tuple[str, ...] | None = None,
        tolerance: float = 0.05,
        n_permutations: int = 5000,
        **inference: Unpack[InferenceParameters],
    ) -> None:
        super().__init__(**inference)
        self.metrics = metrics
        self.attributes = attributes
        self.tolerance = tolerance
        self.n_permutations = n_permutations

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"n_boot": 200, "n_permutations": 300}

    def _evaluate(
        self,
        y_pred: Ints,
        groups: Groups,
        sample_weight: Floats,
        y_true: Ints | None = None,
        y_score: Floats | None = None,
        baseline: Ints | None = None,
        query: Ints | None = None,
        task: Task = "binary",
        classes: tuple[str, ...] = (),
    ) -> Mapping[str, Any]:
        groups = evaluation_tables.crossing(groups, self.attributes)
        if task != "binary":
            found = task_cells(
                task, y_true, y_pred, groups, metrics=self.metrics, tolerance=self.tolerance, settings=self.inference,
                classes=classes, query=query, sample_weight=sample_weight, baseline=baseline,
            )  # fmt: skip
            return {**found, "text": self._told(found["metrics"], groups)}
        names = intersections.report_metrics(self.metrics, y_true is not None, y_score is not None)
        weights = evaluation_tables.row_weights(sample_weight)
        labels = evaluation_tables.labels_or_zeros(y_true, y_pred)
        scores = y_score if set(names) & set(SCORE_STATISTICS) else None
        measured = measure(
            labels, y_pred, sensitive_features=groups, y_score=scores, sample_weight=weights,
            **self.inference.intervals,
        )  # fmt: skip
        rngs = iter(bootstrap.generators(self.random_state, 2 * len(names)))
        testing = partial(
            intersections.cell_report, measured, tolerance=self.tolerance, n_permutations=self.n_permutations
        )
        reports = {name: testing(name, rng=next(rngs)) for name in names}
        result: dict[str, Any] = {"metrics": reports, "empty_cells": intersections.empty_cells(groups)}
        if baseline is not None:
            table = PairedTable.from_arrays(labels, baseline, y_pred, groups, sample_weight=weights)
            result["change"] = {
                name: intersections.cell_changes(
                    table, name, tolerance=self.tolerance, settings=self.inference, rng=next(rngs)
                )
                for name in names
                if name not in SCORE_STATISTICS
            }
        return {**result, "text": self._told(reports, groups)}

    def _told(self, reports: Mapping[str, Any], groups: Groups) -> str:
        far = {name: r["worst_deviation"] for name, r in reports.items() if r["worst_deviation"]}
        if not far:
            return f"No two of the {groups.n_groups} intersections have enough rows to be compared."
        name = max(far, key=lambda key: abs(far[key]["value"]))
        return (
            f"Of {groups.n_groups} intersections, {far[name]['cell']} is farthest from the overall "
            f"{name.replace('_', ' ')}, by {far[name]['value']:+.3f}."
        )
