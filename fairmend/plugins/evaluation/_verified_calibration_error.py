"""Verified (debiased) calibration error, Kumar, Liang & Ma 2019."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Unpack

import numpy as np
from sklearn.utils._param_validation import StrOptions

from fairmend.base import (
    Estimate,
    Floats,
    Groups,
    InferenceParameters,
    Ints,
    ResamplingEvaluator,
    ScoreTable,
    TechniqueMetadata,
    bootstrap,
    debiased_calibration_error,
    evaluation_tables,
)


def plug_in_error(sums: Floats) -> Floats:
    """Return the weighted mean over bins of (y - s)^2, which is biased upward: (..., 3, G, K, 2) to (..., G)."""
    n_b = sums[..., 0, :, :, :].sum(axis=-1)
    gap = sums[..., 0, :, :, 1] - sums[..., 1, :, :, :].sum(axis=-1)
    return (gap**2 / np.where(n_b > 0, n_b, 1.0)).sum(axis=-1) / n_b.sum(axis=-1)


def pivoted_interval(value: float, plug_in: float, drawn: Floats, level: float) -> bootstrap.Interval | None:
    """Return the interval of a debiased error from its replicates, shape (B,).

    A basic (reverse percentile) bootstrap: the deviations of the replicates from the plug-in error of the
    data are reflected around the estimate.
    """
    ends = bootstrap.percentile_interval(drawn, level)
    if ends is None or math.isnan(value):
        return None
    return value - (ends[1] - plug_in), value - (ends[0] - plug_in)


class VerifiedCalibrationError(ResamplingEvaluator):
    """Estimate the calibration error of each group without the upward bias of small samples.

    Parameters
    ----------
    bins : int, default=15
        Number of bins.
    strategy : {"mass", "width"}, default="mass"
        Bins with equal numbers of rows over all groups, or of equal width.
    n_boot, level, min_support, random_state : int, float, int, int
        Bootstrap replicates, coverage of the intervals, minimum rows per group, seed; by default
        1,000, 95 %, 30 and 0.

    Notes
    -----
    In a bin of n_b rows with mean score s and share of favorable labels y, (y - s)^2 is too large by y (1 -
    y) / (n_b - 1) on average, which is subtracted; ``squared_error`` is the mean over rows. For calibrated
    scores it is about 0, and negative half of the time; ``error`` is its square root, 0 if negative. Binning
    hides the error inside bins, so the estimate is a lower bound for continuous scores. Weights must be
    integers, which count as repeated rows.

    References
    ----------
    A. Kumar, P. Liang and T. Ma (2019), "Verified uncertainty calibration", NeurIPS, definition 5.1.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import VerifiedCalibrationError
    >>> sex = pd.Series((["men"] * 4 + ["women"] * 4) * 25, name="sex")
    >>> repaid, score = [1, 1, 1, 0, 1, 1, 0, 0] * 25, [0.75] * 200
    >>> found = VerifiedCalibrationError(n_boot=200).evaluate(repaid, y_score=score, sensitive_features=sex)
    >>> print(found["text"])
    Debiased calibration error 0.120 over all rows.
    """

    metadata = TechniqueMetadata(
        technique_id=46,
        slug="verified-calibration-error",
        name="Verified (debiased) calibration error",
        family="calibration",
        summary="Estimates the calibration error of each group without the upward bias of small samples.",
        citation="kumar2019verified",
        addresses=("group-miscalibration", "representation-imbalance"),
        targets=("calibration",),
        tasks=("binary",),
        minimum_rows=100,
        complexity="medium",
        duration_weeks=(0.5, 1),
        use_when="The calibration of groups of different size is compared, or a small group fails a calibration gate.",
        avoid_when="A contract or a regulator requires the usual binned error, or only decisions are known.",
        questions=(
            "Is the minority's calibration error real or just an effect of few rows?",
            "How do I compare calibration between groups of very different size?",
            "Why does a perfectly calibrated small group show a large ECE?",
            "Which estimate of miscalibration does not grow as the sample shrinks?",
        ),
        alternatives=(45,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "bins": evaluation_tables.WHOLE,
        "strategy": [StrOptions({"mass", "width"})],
    }

    def __init__(
        self,
        bins: int = 15,
        strategy: str = "mass",
        **inference: Unpack[InferenceParameters],
    ) -> None:
        super().__init__(**inference)
        self.bins = bins
        self.strategy = strategy

    def _evaluate(
        self, y_true: Ints, y_score: Floats, groups: Groups, sample_weight: Floats
    ) -> Mapping[str, Any]:
        rows = evaluation_tables.repeated_rows(sample_weight)
        everyone = Groups.of(np.full(len(y_true), "all"))
        found = {
            name: {"by_group": self._by_group(y_true[rows], y_score[rows], view.take(rows))}
            for name, view in {"": everyone, **evaluation_tables.views(groups)}.items()
        }
        overall = found.pop("")["by_group"]["all"]
        text = f"Debiased calibration error {overall['error']:.3f} over all rows."
        return {"overall": overall, "by_attribute": found, "bins": self.bins, "text": text}

    def _by_group(self, y_true: Ints, y_score: Floats, groups: Groups) -> dict[str, dict[str, Any]]:
        strategy: Literal["width", "mass"] = "width" if self.strategy == "width" else "mass"
        table = ScoreTable.from_arrays(y_true, y_score, groups, bins=self.bins, strategy=strategy)
        (rng,) = bootstrap.generators(self.random_state, 1)
        drawn = bootstrap.score_replicates(table, self.n_boot, rng, {"squared": debiased_calibration_error})
        value, plug_in = debiased_calibration_error(table.sums), plug_in_error(table.sums)
        rows = table.rows.sum(axis=(1, 2))
        found = {}
        for g, group in enumerate(groups.labels):
            interval = pivoted_interval(
                float(value[g]), float(plug_in[g]), drawn["squared"][:, g], self.level
            )
            found[group] = {
                "squared_error": Estimate(
                    float(value[g]), interval, int(rows[g]), bool(rows[g] >= self.min_support)
                ),
                "error": math.sqrt(max(float(value[g]), 0.0)),
                "plug_in_squared_error": plug_in[g],
            }
        return found
