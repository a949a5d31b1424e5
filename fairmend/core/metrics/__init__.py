"""Measurement: group tables, metrics, calibration, intervals and tests.

Everything is a function of tables of counts, made in one pass over the rows (:mod:`.tables`), so
statistics cost the same for a thousand rows and for a thousand million. Start with
:func:`measure` for one set of decisions and :func:`compare` for two on the same rows.
"""

from __future__ import annotations

from fairmend.core.metrics.compare import Comparison, MetricChange, compare
from fairmend.core.metrics.conditional import conditional_parity
from fairmend.core.metrics.estimate import Estimate
from fairmend.core.metrics.inequality import consistency, generalized_entropy_index, theil_index
from fairmend.core.metrics.inference.corrected_ttest import corrected_resampled_ttest
from fairmend.core.metrics.inference.intervals import minimum_detectable_difference, newcombe, wilson
from fairmend.core.metrics.inference.multiple_testing import benjamini_hochberg, holm
from fairmend.core.metrics.inference.permutation import PermutationResult, permutation_test
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.measurement import Measurement
from fairmend.core.metrics.rates import by_group, evaluate, metric, metric_names
from fairmend.core.metrics.report import measure
from fairmend.core.metrics.tables.contingency import GroupTable, PairedTable, ScoreTable
from fairmend.core.metrics.tasks.distributions import ks_distance
from fairmend.core.metrics.tasks.measurement import TaskMeasurement, task_changes
from fairmend.core.metrics.tasks.multiclass import measure_multiclass
from fairmend.core.metrics.tasks.ranking import exposure, ndkl, ranked_group_fairness, skew
from fairmend.core.metrics.tasks.ranking_by_group import measure_ranking
from fairmend.core.metrics.tasks.regression import measure_regression
from fairmend.core.metrics.tasks.uncertainty import (
    UncertaintyMeasurement,
    compare_uncertainty,
    measure_abstention,
    measure_intervals,
    measure_sets,
    uncertainty_columns,
)

__all__ = [
    "Comparison",
    "Estimate",
    "GroupTable",
    "InferenceSettings",
    "Measurement",
    "MetricChange",
    "PairedTable",
    "PermutationResult",
    "ScoreTable",
    "TaskMeasurement",
    "UncertaintyMeasurement",
    "benjamini_hochberg",
    "by_group",
    "compare",
    "compare_uncertainty",
    "conditional_parity",
    "consistency",
    "corrected_resampled_ttest",
    "evaluate",
    "exposure",
    "generalized_entropy_index",
    "holm",
    "ks_distance",
    "measure",
    "measure_abstention",
    "measure_intervals",
    "measure_multiclass",
    "measure_ranking",
    "measure_regression",
    "measure_sets",
    "metric",
    "metric_names",
    "minimum_detectable_difference",
    "ndkl",
    "newcombe",
    "permutation_test",
    "ranked_group_fairness",
    "skew",
    "task_changes",
    "theil_index",
    "uncertainty_columns",
    "wilson",
]
