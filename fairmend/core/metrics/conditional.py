"""Parity within strata: groups compared among people alike in legitimate factors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.errors import UsageError
from fairmend.core.metrics.estimate import Estimate
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.measurement import Measurement
from fairmend.core.metrics.rates import metric
from fairmend.core.metrics.tables import input_validation
from fairmend.core.metrics.tables.contingency import GroupTable


@dataclass(frozen=True)
class ConditionalParity:
    """A comparison of groups within strata.

    Attributes
    ----------
    by_stratum : dict of str to Estimate
        The comparison in each stratum.
    mean : Estimate
        Their mean, weighted by the rows of the strata, over the strata where it is defined; the
        others are ``lacking``, as are those that have too small a cell.
    """

    by_stratum: dict[str, Estimate]
    mean: Estimate


def conditional_parity(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    strata: Any,
    name: str = "demographic_parity_difference",
    sample_weight: ArrayLike | None = None,
    n_boot: int = 2000,
    level: float = 0.95,
    min_support: int = 30,
    seed: int = 0,
) -> ConditionalParity:
    """Compare groups among people alike in legitimate factors (Corbett-Davies et al. 2017, section 2).

    Parameters
    ----------
    y_true, y_pred, sensitive_features, sample_weight, n_boot, level, min_support, seed
        See :func:`.report.measure`.
    strata : array, Series, DataFrame or mapping, n rows
        The factors that may explain a difference; several are crossed. Bin numbers first.
    name : str
        A comparison that :func:`.metrics.metric` knows.

    Returns
    -------
    ConditionalParity

    Raises
    ------
    UsageError
        When the metric compares no groups, in addition to the errors of :func:`.report.measure`.
    """
    found = metric(name)
    if found.ideal is None:
        raise UsageError(f"{name} does not compare groups; try {name}_difference")
    InferenceSettings(n_boot, level, min_support, seed)
    stratum, strata_labels = input_validation.groups(strata)
    group, group_labels = input_validation.groups(sensitive_features)
    input_validation.same_length(strata=stratum, sensitive_features=group)
    n_groups, n_strata = len(group_labels), len(strata_labels)
    cross = SimpleNamespace(
        codes=stratum * n_groups + group, labels=[f"{s} & {g}" for s in strata_labels for g in group_labels]
    )
    table = GroupTable.from_arrays(y_true, y_pred, cross, sample_weight=sample_weight)
    (rng,) = bootstrap.generators(seed, 1)
    drawn = bootstrap.replicates(table, n_boot, rng).reshape(n_boot, n_strata, n_groups, 2, 2)
    by_stratum = {}
    for s, label in enumerate(strata_labels):
        part = slice(s * n_groups, (s + 1) * n_groups)
        moments = None if table.moments is None else table.moments[:, part]
        own = GroupTable(group_labels, table.rows[part], moments)
        by_stratum[label] = Measurement(own, None, level, min_support, "percentile", drawn[:, s]).figure(name)
    counts = table.counts.reshape(n_strata, n_groups, 2, 2)
    values = found.of(counts)
    known = np.isfinite(values)
    lacking = tuple(s for s, k in zip(strata_labels, known, strict=True) if not k or not by_stratum[s].enough)
    if not known.any():
        return ConditionalParity(by_stratum, Estimate(math.nan, None, table.n_rows, False, lacking))
    weight = counts.sum(axis=(1, 2, 3))[known]
    replicates = found.of(drawn[:, known]) @ weight / weight.sum()
    value = float(values[known] @ weight / weight.sum())
    interval = bootstrap.percentile_interval(replicates, level)
    return ConditionalParity(by_stratum, Estimate(value, interval, table.n_rows, not lacking, lacking))
