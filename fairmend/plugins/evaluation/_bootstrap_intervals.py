"""Bootstrap confidence intervals of fairness metrics, Efron & Tibshirani 1993."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import StrOptions

from fairmend.base import (
    Floats,
    Groups,
    InferenceParameters,
    InferenceSettings,
    Ints,
    Measurement,
    Rate,
    ResamplingEvaluator,
    TechniqueMetadata,
    evaluation_tables,
    metric,
)

WITH_LABELS = ("true_positive_rate", "false_positive_rate", "positive_predictive_value", "accuracy")


def group_rate(rate: Rate, g: int, counts: Floats) -> Floats:
    """Return a rate of the group with index g: counts (..., G, 2, 2) to values (...)."""
    return rate.of(counts)[..., g]


class BootstrapIntervals(ResamplingEvaluator):
    """Estimate the sampling uncertainty of rates and of their differences between groups.

    Parameters
    ----------
    metrics : sequence of str, optional
        Rates and comparisons of groups; by default all rates that the inputs allow and the
        differences of demographic parity, equalized odds and predictive parity.
    method : {"percentile", "bca"}, default="percentile"
        Percentiles of the replicates, or corrected for bias and acceleration.
    n_boot, level, min_support, random_state : int, float, int, int
        Bootstrap replicates, coverage of the intervals, minimum rows per group, seed; by default
        2,000, 95 %, 30 and 0.

    Notes
    -----
    Resampling n rows with replacement draws the table of group x label x decision from a multinomial
    distribution, so the cost of a replicate is the number of cells. The intervals hold for this fitted model;
    they do not include the variance of training. A range over groups is larger in replicates than in the
    data: ``raw_interval`` has the uncorrected limits, in ``interval`` the limit closer to parity is
    corrected. A rate of 0 or 1 does not vary in replicates, so its interval has width 0. With a ``baseline``,
    both sets of decisions share each resample.

    References
    ----------
    B. Efron and R. J. Tibshirani (1993), "An introduction to the bootstrap", chapters 13 and 14
    (equations 14.10 and 14.15).

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import BootstrapIntervals
    >>> sex = pd.Series((["men"] * 4 + ["women"] * 4) * 25, name="sex")
    >>> qualified, hired = [1, 1, 0, 0] * 50, [1, 1, 0, 0, 1, 0, 0, 0] * 25
    >>> found = BootstrapIntervals(n_boot=500).evaluate(qualified, hired, sensitive_features=sex)
    >>> found["by_attribute"]["sex"]["selection_rate"]["by_group"]["women"]["value"]
    0.25
    >>> print(found["text"])
    8 metrics with 95% intervals of 500 replicates, for sex.
    """

    metadata = TechniqueMetadata(
        technique_id=115,
        slug="bootstrap-intervals",
        name="Bootstrap confidence intervals of fairness metrics",
        family="inference",
        summary="Computes a confidence interval by resampling for every rate and every difference between groups.",
        citation="efron1993introduction",
        addresses=("outcome-disparity", "error-rate-disparity", "representation-imbalance"),
        targets=("demographic_parity", "equalized_odds", "equal_opportunity", "predictive_parity"),
        tasks=("binary",),
        minimum_rows=50,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="A metric is reported or compared with a threshold, and its uncertainty must be shown.",
        avoid_when="Groups have a handful of rows or rates of exactly 0 or 1, where replicates hardly vary.",
        questions=(
            "How precise is the measured disparity?",
            "What is the confidence interval of the equalized odds difference?",
            "Does the interval of the parity ratio reach below four fifths?",
            "How sure are we that the fix reduced the gap on these people?",
        ),
        alternatives=(114,),
    )
    inference_defaults = InferenceSettings(n_boot=2000)
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metrics": [list, tuple, None],
        "method": [StrOptions({"percentile", "bca"})],
    }

    def __init__(
        self,
        metrics: list[str] | tuple[str, ...] | None = None,
        method: Literal["percentile", "bca"] = "percentile",
        **inference: Unpack[InferenceParameters],
    ) -> None:
        super().__init__(**inference)
        self.metrics = metrics
        self.method = method

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"n_boot": 200}

    def _evaluate(
        self,
        y_pred: Ints,
        groups: Groups,
        sample_weight: Floats,
        y_true: Ints | None = None,
        baseline: Ints | None = None,
    ) -> Mapping[str, Any]:
        labels = y_true is not None
        rates = ("selection_rate", *(WITH_LABELS if labels else ()))
        names = self.metrics or (*rates, *evaluation_tables.comparisons(None, labels))
        evaluation_tables.check_labels(names, labels)
        by_attribute: dict[str, dict[str, Any]] = {}
        for attribute, view in evaluation_tables.views(groups).items():
            table = evaluation_tables.decision_table(y_true, y_pred, view, sample_weight)
            measured = Measurement.of(table, settings=self.inference, method=self.method)
            by_attribute[attribute] = {name: self._figures(measured, name) for name in names}
        result: dict[str, Any] = {"by_attribute": by_attribute, "method": self.method, "level": self.level}
        if baseline is not None:
            result["change"] = evaluation_tables.changes(
                y_true, y_pred, baseline, groups, sample_weight, names, **self.inference.intervals
            )
        text = f"{len(names)} metrics with {self.level:.0%} intervals of {self.n_boot} replicates, for {', '.join(by_attribute)}."
        return result | {"text": text}

    def _figures(self, measured: Measurement, name: str) -> dict[str, Any]:
        """Return a comparison with both intervals, or a rate of all rows and of each group."""
        found = metric(name)
        if found.form is not None:
            raw = evaluation_tables.bootstrap_interval(measured, found.of)
            return {**measured.figure(name).to_json(), "raw_interval": raw}
        rate = found.rates[0]
        overall = evaluation_tables.bootstrap_interval(measured, found.of)
        by_group = {
            group: {
                **measured.figure(name, group).to_json(),
                "interval": evaluation_tables.bootstrap_interval(measured, partial(group_rate, rate, g)),
            }
            for g, group in enumerate(measured.groups)
        }
        return {**measured.figure(name).to_json(), "interval": overall, "by_group": by_group}
