"""Measurement: group tables, metrics, calibration, intervals and tests.

Everything is a function of tables of counts, made in one pass over the rows (:mod:`.tables`), so
statistics cost the same for a thousand rows and for a thousand million. Start with
:func:`measure` for one set of decisions and :func:`compare` for two on the same rows.
"""

from __future__ import annotations

from fairmend.core.measure.compare import Change, Comparison, compare
from fairmend.core.measure.conditional import conditional_parity
from fairmend.core.measure.figures import Figure
from fairmend.core.measure.inequality import consistency, generalized_entropy_index, theil_index
from fairmend.core.measure.intervals import minimum_detectable_difference, newcombe, wilson
from fairmend.core.measure.metrics import by_group, evaluate, metric, metric_names
from fairmend.core.measure.multiplicity import benjamini_hochberg, holm
from fairmend.core.measure.permutation import PermutationResult, permutation_test
from fairmend.core.measure.ranking import exposure, ndkl, ranked_group_fairness, skew
from fairmend.core.measure.regression import ks_distance, measure_regression
from fairmend.core.measure.report import Measurement, measure
from fairmend.core.measure.resampled import corrected_resampled_ttest
from fairmend.core.measure.tables import GroupTable, PairedTable, ScoreTable

__all__ = [
    "Change",
    "Comparison",
    "Figure",
    "GroupTable",
    "Measurement",
    "PairedTable",
    "PermutationResult",
    "ScoreTable",
    "benjamini_hochberg",
    "by_group",
    "compare",
    "conditional_parity",
    "consistency",
    "corrected_resampled_ttest",
    "evaluate",
    "exposure",
    "generalized_entropy_index",
    "holm",
    "ks_distance",
    "measure",
    "measure_regression",
    "metric",
    "metric_names",
    "minimum_detectable_difference",
    "ndkl",
    "newcombe",
    "permutation_test",
    "ranked_group_fairness",
    "skew",
    "theil_index",
    "wilson",
]
