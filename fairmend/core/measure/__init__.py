"""Measurement: group tables, metrics, calibration, intervals and tests.

Everything is a function of tables of counts, made in one pass over the rows (:mod:`.tables`), so
statistics cost the same for a thousand rows and for a thousand million. Start with
:func:`measure` for one set of decisions and :func:`compare` for two on the same rows.
"""

from __future__ import annotations

from fairmend.core.measure.compare import Change, Comparison, compare
from fairmend.core.measure.intervals import minimum_detectable_difference, newcombe, wilson
from fairmend.core.measure.metrics import by_group, evaluate, metric, metric_names
from fairmend.core.measure.multiplicity import benjamini_hochberg, holm
from fairmend.core.measure.permutation import PermutationResult, permutation_test
from fairmend.core.measure.report import Figure, Measurement, measure
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
    "evaluate",
    "holm",
    "measure",
    "metric",
    "metric_names",
    "minimum_detectable_difference",
    "newcombe",
    "permutation_test",
    "wilson",
]
