"""Pareto frontier of fairness and performance; on the trade-off see Wick, Panda & Tristan 2019."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from fairmend.base import INFERENCE_CONSTRAINTS, DataError, Evaluator, TechniqueMetadata, pareto


class ParetoFrontier(Evaluator):
    """Find the models that no other model dominates in fairness and performance.

    Parameters
    ----------
    objectives : mapping of str to {"max", "min"} or sequence of str, optional
        Metrics to compare, with their directions; the directions of this package's metrics are known. By
        default all metrics of the candidates.
    reference : mapping of str to float, optional
        Point from which the hypervolume is measured; by default the worst value of each objective.
    n_boot : int, default=1000
        Number of draws if the candidates have intervals.
    random_state : int, default=0
        Seed of these draws.

    Notes
    -----
    ``candidates`` is a table of models (rows, named by the index or a column ``model``) and metrics
    (columns). Uncertainty is given in one of two forms: columns ``<metric>_replicates`` with a sequence of
    bootstrap replicates in each cell, where the k-th of all models and metrics come from the same resample;
    or columns ``<metric>_low`` and ``<metric>_high``, 95 % intervals, from which independent normal values
    are drawn. ``share_non_dominated`` is then the share of draws in which a model is on the frontier. Models
    that lack a metric are excluded and listed; ties are all kept.

    The values should come from data that were not used to choose the models. The knee (the model
    closest to the best value of every objective, after scaling) is a heuristic, not an optimum.

    The paper is cited for the warning that a trade-off measured on biased labels or a biased sample may
    vanish when these are corrected; the filter itself is Pareto dominance.

    References
    ----------
    M. Wick, S. Panda and J.-B. Tristan (2019), "Unlocking fairness: A trade-off revisited", NeurIPS.

    Examples
    --------
    >>> from fairmend.plugins.evaluation import ParetoFrontier
    >>> models = {
    ...     "model": ["plain", "fair", "fairer", "beaten"],
    ...     "accuracy": [0.86, 0.85, 0.82, 0.81],
    ...     "demographic_parity_ratio": [0.4, 0.8, 0.9, 0.7],
    ... }
    >>> ParetoFrontier().evaluate(candidates=models)["frontier"]
    ['plain', 'fair', 'fairer']
    """

    metadata = TechniqueMetadata(
        technique_id=112,
        slug="pareto-frontier",
        name="Pareto frontier of fairness and performance",
        family="trade-offs",
        summary="Selects the models that no other model dominates in fairness and performance.",
        citation="wick2019unlocking",
        targets=("demographic_parity", "equalized_odds", "equal_opportunity", "calibration"),
        tasks=("binary", "multiclass", "regression", "ranking"),
        arity=("binary", "many groups", "several attributes", "continuous"),
        minimum_rows=1,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="There are several models or settings, and people must choose a trade-off between fairness and accuracy.",
        avoid_when="There is only one model, or the metrics come from the data on which the models were chosen.",
        questions=(
            "Which of my candidate models are not worth considering at all?",
            "How much accuracy does each further step toward parity cost?",
            "How do I show the trade-off between error and disparity to a committee?",
            "Which constraint weight should we pick from the sweep?",
        ),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "objectives": [dict, list, tuple, None],
        "reference": [dict, None],
        "n_boot": INFERENCE_CONSTRAINTS["n_boot"],
        "random_state": INFERENCE_CONSTRAINTS["random_state"],
    }

    def __init__(
        self,
        objectives: Mapping[str, str] | list[str] | tuple[str, ...] | None = None,
        reference: Mapping[str, float] | None = None,
        n_boot: int = 1000,
        random_state: int = 0,
    ) -> None:
        self.objectives = objectives
        self.reference = reference
        self.n_boot = n_boot
        self.random_state = random_state

    def _evaluate(self, candidates: pd.DataFrame) -> Mapping[str, Any]:
        frame = candidates.set_index("model") if "model" in candidates.columns else candidates
        directions = pareto.objective_directions(frame.columns, self.objectives)
        names = list(directions)
        sign = np.array([1.0 if way == "max" else -1.0 for way in directions.values()])
        missing = frame[names].isna()
        kept = frame[~missing.any(axis=1)]
        if kept.empty:
            raise DataError(f"no candidate has all of {', '.join(names)}; there is nothing to compare")
        models = [str(model) for model in kept.index]
        points = kept[names].to_numpy(dtype=float) * sign
        front = pareto.non_dominated(points)
        drawn, source = pareto.value_draws(kept, names, self.n_boot, np.random.default_rng(self.random_state))
        share: Any = None
        if drawn is not None:
            signed = np.nan_to_num(drawn * sign, nan=-np.inf)  # an undefined replicate is the worst
            share = np.mean([pareto.non_dominated(draw) for draw in signed], axis=0)
        reference = pareto.reference_point(directions, points.min(axis=0) * sign, self.reference or {})
        spread = np.ptp(points, axis=0)
        far = (points.max(axis=0) - points) / np.where(spread > 0, spread, 1.0)
        return {
            "objectives": directions,
            "frontier": [model for model, on in zip(models, front, strict=True) if on],
            "models": [
                {
                    "model": model,
                    "values": dict(zip(names, points[i] * sign, strict=True)),
                    "non_dominated": front[i],
                    "dominated_by": [models[j] for j in np.flatnonzero(pareto.dominates(points, points[i]))],
                    "share_non_dominated": None if share is None else share[i],
                }
                for i, model in enumerate(models)
            ],
            "excluded": [
                {"model": str(model), "missing": [name for name in names if row[name]]}
                for model, row in missing[missing.any(axis=1)].iterrows()
            ],
            "uncertainty": source,
            "hypervolume": pareto.hypervolume(points, reference * sign),
            "reference": dict(zip(names, reference, strict=True)),
            "knee": models[int(np.where(front, (far**2).sum(axis=1), np.inf).argmin())],
            "text": f"{int(front.sum())} of {len(models)} models are not dominated in {', '.join(names)}.",
        }  # fmt: skip
