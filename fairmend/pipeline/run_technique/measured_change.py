"""What a change of the data does: to the distributions of features, and to a model trained on the data."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.errors import FairmendError
from fairmend.pipeline.run_technique.held_out import train
from fairmend.pipeline.run_technique.result import TechniqueResult


def measured(
    done: TechniqueResult, technique: Any, data: Dataset, learner: str, seed: int, graph: CausalGraph | None
) -> TechniqueResult:
    """Return the result with what the change does.

    The distance between groups is measured on all rows, for each numeric feature that changed. A model is
    trained on one part of a seeded split with and without the technique, and measured on the test part;
    where that is impossible, the result says why.

    Parameters
    ----------
    done : TechniqueResult
        The changed table.
    technique : Preprocessor
        The technique; a copy of it is fitted.
    data : Dataset
        The data before the change, with a binary outcome.
    learner, seed, graph
        As in :func:`~fairmend.pipeline.run_technique.run_technique`.
    """
    distances = ks_distances(data.X, done.table, data.groups)
    parts = [f"{name} {old:.3f} to {new:.3f}" for name, (old, new) in distances.items()]
    text = f"{done.text} Largest KS distance between groups: {', '.join(parts)}." if parts else done.text
    found = {name: {"before": old, "after": new} for name, (old, new) in distances.items()}
    done = replace(done, text=text, figures={**done.figures, "ks_distance": found} if found else done.figures)
    try:
        held_out = train(technique, data, learner, seed, graph)
    except FairmendError as error:
        return replace(done, text=f"{done.text} Models with and without it were not compared: {error}.")
    return replace(done, before=held_out.before, after=held_out.after, tests=held_out.tests)


def ks_distances(
    before: pd.DataFrame, after: pd.DataFrame | None, groups: Groups
) -> dict[str, tuple[float, float]]:
    """Return the largest Kolmogorov-Smirnov distance between two groups, before and after, of changed features."""
    if after is None or len(after) != len(before):
        return {}
    changed = [
        name
        for name in before.select_dtypes("number").columns
        if name in after.columns and not np.array_equal(before[name], after[name], equal_nan=True)
    ]
    return {str(name): (_largest(before[name], groups), _largest(after[name], groups)) for name in changed}


def _largest(column: pd.Series[Any], groups: Groups) -> float:
    samples = [column[groups.codes == a].dropna() for a in range(groups.n_groups)]
    pairs = combinations([sample for sample in samples if len(sample)], 2)
    return max((float(ks_2samp(a, b, method="asymp").statistic) for a, b in pairs), default=0.0)
