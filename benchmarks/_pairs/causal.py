"""Causal analyses against causal-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from _pairs.pair import Calls, pair
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.plugins import causal as ours


@pair("causal-discovery-pc", "causal-learn", 5_000)
def causal_discovery_pc(rows: int) -> Calls:
    """Ten binary variables, the first of them protected and the last the outcome, each with up to three causes."""
    from causallearn.search.ConstraintBased.PC import pc

    rng = np.random.default_rng(0)
    values = np.zeros((rows, 10), dtype=int)
    for node in range(10):
        causes = rng.choice(node, min(node, rng.integers(4)), replace=False)
        values[:, node] = rng.random(rows) < 0.2 + 0.6 * values[:, causes].sum(axis=1) / max(len(causes), 1)
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(10)])
    roles = Roles(outcome="x9", favorable=1, protected=("x0",))
    data = Dataset.from_frame(frame.astype({"x0": str}), roles)
    technique = ours.CausalDiscoveryPC(0.01, max_conditioning=None, use_roles=False, n_subsamples=0)
    return (
        lambda: technique.analyze(data),
        lambda: pc(values, 0.01, "gsq", stable=True, show_progress=False),
    )
