"""Expected calibration error by group, Naeini, Cooper & Hauskrecht 2015."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Unpack

import numpy as np

from fairmend.base import (
    Floats,
    Groups,
    InferenceParameters,
    InferenceSettings,
    Ints,
    ResamplingEvaluator,
    ScoreTable,
    TechniqueMetadata,
    bootstrap,
    calibration,
    evaluation_tables,
    holm,
    to_plain,
)

WIDTH: dict[str, Callable[[Floats], Floats]] = {
    "expected_calibration_error": calibration.expected_calibration_error,
    "maximum_calibration_error": calibration.maximum_calibration_error,
    "mean_calibration_error": calibration.mean_calibration_error,
}
MASS: dict[str, Callable[[Floats], Floats]] = {
    "expected_calibration_error_equal_mass": calibration.expected_calibration_error
}

UNWEIGHTED = ("by_chance", "p_value", "p_holm", "debiased_squared_error")


class ExpectedCalibrationError(ResamplingEvaluator):
    """Measure the gap between predicted probabilities and observed shares in each group.

    Parameters
    ----------
    bins : int, default=10
        Number of bins, M.
    n_boot, level, min_support, random_state : int, float, int, int
        Bootstrap replicates, coverage of the intervals, minimum rows per group, seed; by default
        1,000, 95 %, 100 and 0.

    Notes
    -----
    ECE = sum_b (n_b / n) |share of favorable labels in b - mean score in b|, of the probability of the
    favorable outcome (not of the more likely label). The bins are the same for all groups, so the error of
    all rows never exceeds the mean of the groups' errors weighted by their rows; bins of equal mass have
    equal numbers of rows over all groups. Empty bins are ignored.

    A binned error is above 0 even for calibrated scores, and larger for small groups: ``by_chance`` is its
    mean for calibrated scores, ``p_value`` the probability of an error at least as large under calibration
    (Holm's correction over the groups in ``p_holm``). The bootstrap interval shares the upward bias. Both
    require equal weights.

    References
    ----------
    M. P. Naeini, G. F. Cooper and M. Hauskrecht (2015), "Obtaining well calibrated probabilities using
    Bayesian binning", AAAI, the measures ECE and MCE.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import ExpectedCalibrationError
    >>> sex = pd.Series((["men"] * 4 + ["women"] * 4) * 25, name="sex")
    >>> repaid, score = [1, 1, 1, 0, 1, 1, 0, 0] * 25, [0.75] * 200
    >>> found = ExpectedCalibrationError(n_boot=200).evaluate(repaid, y_score=score, sensitive_features=sex)
    >>> print(found["text"])
    Expected calibration error 0.125 over all rows; of sex it is worst for women (0.250).
    """

    metadata = TechniqueMetadata(
        technique_id=45,
        slug="expected-calibration-error",
        name="Expected calibration error by group",
        family="calibration",
        summary="Compares predicted probabilities with observed shares of favorable outcomes, bin by bin in each group.",
        citation="naeini2015obtaining",
        addresses=("group-miscalibration",),
        targets=("calibration",),
        tasks=("binary",),
        minimum_rows=100,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="Decisions use scores as probabilities, and a score should mean the same probability in each group.",
        avoid_when="Only decisions or ranks are available, or groups are so small that the error is mostly chance.",
        questions=(
            "Does a predicted probability of 70 percent come true 70 percent of the time in every group?",
            "How do I draw a reliability diagram for each ethnic group?",
            "Is the risk score too high for women and too low for men?",
            "Is the calibration error of a small group more than chance?",
            "Which calibration figures belong in a validation report, ECE or MCE?",
        ),
        alternatives=(46,),
    )
    inference_defaults = InferenceSettings(n_boot=1000, min_support=100)
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"bins": evaluation_tables.WHOLE}

    def __init__(self, bins: int = 10, **inference: Unpack[InferenceParameters]) -> None:
        super().__init__(**inference)
        self.bins = bins

    def _evaluate(
        self, y_true: Ints, y_score: Floats, groups: Groups, sample_weight: Floats
    ) -> Mapping[str, Any]:
        weights = evaluation_tables.row_weights(sample_weight)
        of_view = partial(self._view, y_true, y_score, weights)
        overall = of_view(Groups.of(np.full(len(y_true), "all")))["by_group"]["all"]
        by_attribute = {name: of_view(view) for name, view in evaluation_tables.views(groups).items()}
        text = (
            f"Expected calibration error {overall['expected_calibration_error']['value']:.3f} over all rows"
        )
        for name, view in by_attribute.items():
            if view["worst_group"] is not None:
                text += f"; of {name} it is worst for {view['worst_group']} ({view['worst_value']:.3f})"
        return {"overall": overall, "by_attribute": by_attribute, "bins": self.bins, "text": f"{text}."}

    def _view(self, y_true: Ints, y_score: Floats, weights: Floats | None, groups: Groups) -> dict[str, Any]:
        """Return all metrics of the groups of one attribute, or of an intersection."""
        rngs = bootstrap.generators(self.random_state, 3)
        of_scores = partial(
            ScoreTable.from_arrays, y_true, y_score, groups, sample_weight=weights, bins=self.bins
        )
        width, mass = of_scores(), of_scores(strategy="mass")
        figures: dict[str, dict[str, Any]] = {group: {} for group in groups.labels}
        for table, statistics, rng in ((width, WIDTH, rngs[0]), (mass, MASS, rngs[1])):
            found = evaluation_tables.score_figures(table, statistics, rng, self.inference)
            for group in groups.labels:
                figures[group] |= found[group]
        if weights is None:
            by_chance, p = evaluation_tables.chance_level(width, self.n_boot, rngs[2])
            debiased = calibration.debiased_calibration_error(width.sums)
            for group, *numbers in zip(groups.labels, by_chance, p, holm(p), debiased, strict=True):
                figures[group] |= dict(zip(UNWEIGHTED, numbers, strict=True))
        ece = {g: f["expected_calibration_error"] for g, f in figures.items()}
        worst = max((g for g in ece if ece[g].enough), key=lambda g: ece[g].value, default=None)
        return to_plain({
            "by_group": figures,
            "worst_group": worst,
            "worst_value": None if worst is None else ece[worst].value,
            "reliability": calibration.reliability(width),
        })  # fmt: skip
