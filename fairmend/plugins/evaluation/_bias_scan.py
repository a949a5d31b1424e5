"""Scan over all subgroups for significant predictive bias, Zhang & Neill 2016."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import DataError, Evaluator, Floats, Groups, Ints, TechniqueMetadata, unknown
from fairmend.plugins.evaluation._subset_scan import (
    Cells,
    random_subset,
    scan,
    scan_statistic,
    simulated_scores,
)

DIRECTIONS = {"overestimated": -1, "underestimated": 1}


def attribute_values(column: pd.Series[Any], bins: int, weights: Floats) -> tuple[Ints, list[str]]:
    """Return the value of each row as a code, and the names of the values.

    Numbers with more distinct values than ``bins`` are cut at their quantiles; of others the most frequent value
    comes first. Missing values are a value.

    Examples
    --------
    >>> codes, names = attribute_values(pd.Series([1.5, 2.5, 3.5, None, 4.5]), 2, np.ones(5))
    >>> names
    ['up to 2.5', 'above 2.5', 'missing']
    >>> codes.tolist()
    [0, 0, 1, 2, 1]
    """
    if pd.api.types.is_numeric_dtype(column) and column.dtype != bool and column.nunique() > bins:
        x = column.to_numpy(dtype=float, na_value=np.nan)
        known = ~np.isnan(x) & (weights > 0)
        levels = np.arange(1, bins) / bins
        cuts = np.unique(np.quantile(x[known], levels, method="inverted_cdf", weights=weights[known]))
        cuts = cuts[cuts < x[known].max()]
        inner = [f"{low:g} to {high:g}" for low, high in pairwise(cuts)]
        names = [
            f"up to {cuts[0]:g}",
            *inner,
            f"above {cuts[-1]:g}",
            *(["missing"] if np.isnan(x).any() else []),
        ]
        return np.where(np.isnan(x), len(cuts) + 1, np.searchsorted(cuts, x)), names
    groups = Groups.of(column)
    order = np.argsort(-groups.counts(weights), kind="stable")
    return np.argsort(order)[groups.codes], [groups.labels[g] for g in order]


class BiasScan(Evaluator):
    """Find the subgroup whose outcomes the predicted probabilities over- or underestimate most.

    Parameters
    ----------
    features : list of str, optional
        Features that may define a subgroup, beside the protected attributes; all by default, except those with
        more than ``max_values`` values.
    penalty : float, default=1.0
        Cost of each value of a restricted attribute, in units of log likelihood: the larger, the simpler the
        subgroup.
    bins : int, default=4
        Numbers with more distinct values are cut into this many quantile bins.
    max_values : int, default=50
        Other features with more values are not scanned.
    n_starts : int, default=10
        Starts of the search: all rows, and random subgroups.
    n_simulations : int, default=99
        Simulated outcomes for the p-value; 0 for none.
    random_state : int, default=0
        Seed of the starts and the simulations.

    Notes
    -----
    A subgroup is given by a set of values for each attribute. Its score is the log likelihood ratio max_q sum_i
    [y_i log q - log(1 - p_i + q p_i)] of multiplying the odds of all its rows by one factor q, less the penalty:
    q < 1 if probabilities are too high (``overestimated``), q > 1 if they are too low (``underestimated``). The best
    set of values of one attribute, given those of the others, is found exactly for each q on a grid; attributes are
    improved in turn until none changes. The result is a local optimum, the best over the starts. The score and q of
    the subgroup found are exact, for q between 1/1000 and 1000.

    The best of many subgroups is biased even if the model is not. So outcomes are drawn from the probabilities and
    scanned in the same way: ``p_value`` is the share of scores that are at least as high, twice that for the two
    directions. Both sides of that comparison start from all rows, which is quick, and valid for any start. It
    requires equal weights and is null otherwise.

    A subgroup that is found is described, not explained: it need not be one that people would name, and rows outside
    it may be biased too.

    References
    ----------
    Z. Zhang and D. B. Neill (2016), "Identifying significant predictive bias in classifiers", arXiv:1611.08292.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import BiasScan
    >>> people = pd.DataFrame({"sex": ["f", "m"] * 200, "region": (["north"] * 2 + ["south"] * 2) * 100})
    >>> outcome = [1, 0, 0, 1, 0, 1, 0, 0] * 50  # nobody among women of the south
    >>> found = BiasScan().evaluate(outcome, y_score=[0.5] * 400, sensitive_features=people)
    >>> found["overestimated"]["subgroup"]
    {'region': ['south'], 'sex': ['f']}
    >>> print(found["text"])
    Scores are too high for region = south and sex = f (100 rows: 0.0% observed, 50.0% predicted; p = 0.020). No subgroup has scores that are too low.
    """

    metadata = TechniqueMetadata(
        technique_id=7,
        slug="bias-scan",
        name="Subgroup bias scan",
        family="subgroup discovery",
        summary="Searches all subgroups of several attributes for the one whose outcomes the scores over- or underestimate most, and tests it.",
        citation="zhang2016identifying",
        addresses=("group-miscalibration", "intersectional-disparity"),
        targets=("calibration",),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(0.5, 1),
        use_when="Nobody knows which subgroup the model gets wrong, and the candidates are too many to list.",
        avoid_when="The groups of interest are known in advance, or scores are not meant as probabilities.",
        questions=(
            "Which subgroup does the risk model get most wrong, without me naming it beforehand?",
            "Is there a hidden pocket of people whose probability is far too low?",
            "How do I search every combination of features for the worst calibrated slice?",
            "Could a subpopulation that no audit listed be systematically overestimated?",
            "Is the worst slice of our validation data worse than chance would produce?",
            "Which segment of customers should we look at first when the scores are off?",
        ),
        legal_notes="A subgroup found by search is a lead for review; confirm it on other data before acting on it.",
        alternatives=(109, 45, 8),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "features": [list, tuple, None],
        "penalty": [Interval(Real, 0, None, closed="left")],
        "bins": [Interval(Integral, 2, None, closed="left")],
        "max_values": [Interval(Integral, 2, None, closed="left")],
        "n_starts": [Interval(Integral, 1, None, closed="left")],
        "n_simulations": [Interval(Integral, 0, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        features: list[str] | None = None,
        penalty: float = 1.0,
        bins: int = 4,
        max_values: int = 50,
        n_starts: int = 10,
        n_simulations: int = 99,
        random_state: int = 0,
    ) -> None:
        self.features = features
        self.penalty = penalty
        self.bins = bins
        self.max_values = max_values
        self.n_starts = n_starts
        self.n_simulations = n_simulations
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"n_simulations": 9, "n_starts": 3}

    def _attributes(
        self, X: pd.DataFrame | None, groups: Groups, w: Floats
    ) -> tuple[dict[str, Any], list[str]]:
        """Return codes and names of the values of each attribute, and which features have too many."""
        columns = {str(name): groups.frame[name] for name in groups.frame}
        for name in self.features if self.features is not None else () if X is None else X.columns:
            if X is None or name not in X.columns:
                raise unknown("feature", name, () if X is None else X.columns)
            columns.setdefault(str(name), X[name])
        found = {name: attribute_values(columns[name], self.bins, w) for name in sorted(columns)}
        skipped = [name for name, (_, names) in found.items() if len(names) > self.max_values]
        kept = {name: v for name, v in found.items() if name not in skipped and len(v[1]) > 1}
        if not kept:
            raise DataError(
                f"no attribute has between 2 and {self.max_values} values; name features or raise max_values"
            )
        return kept, skipped

    def _evaluate(
        self,
        y_true: Ints,
        y_score: Floats,
        groups: Groups,
        sample_weight: Floats,
        X: pd.DataFrame | None = None,
    ) -> Mapping[str, Any]:
        w = sample_weight
        attributes, skipped = self._attributes(X, groups, w)
        rows = np.column_stack([codes for codes, _ in attributes.values()])
        values, cell = np.unique(rows, axis=0, return_inverse=True)
        order = np.lexsort((y_true, y_score, cell))  # so that the order of the rows does not matter
        y, p, w, rows, cell = y_true[order].astype(float), y_score[order], w[order], rows[order], cell[order]
        simulations = self.n_simulations if (w == w[0]).all() else 0
        rng = np.random.default_rng(self.random_state)
        result: dict[str, Any] = {}
        for name, sign in DIRECTIONS.items():
            cells = Cells.of(values, cell, p, w, sign)
            starts = [[np.ones(n, dtype=bool) for n in cells.sizes]]
            starts += [random_subset(cells, rng) for _ in range(self.n_starts - 1)]
            Y = np.bincount(cell, w * y, minlength=len(values))
            score, subset = scan(cells, np.tile(Y, (len(starts), 1)), starts, self.penalty, rng)
            best = int(score.argmax())
            by_chance = simulated_scores(cells, cell, p, w, simulations, self.penalty, rng)
            chosen = [kept[best] for kept in subset]
            inside = np.logical_and.reduce([kept[rows[:, a]] for a, kept in enumerate(chosen)])
            limits = [(kept, v) for kept, v in zip(chosen, attributes.items(), strict=True) if not kept.all()]
            exact, q = scan_statistic(y[inside], p[inside], w[inside], sign)
            exceeded = int((by_chance >= score[0] - 1e-9).sum())
            result[name] = {
                "subgroup": {a: [names[v] for v in np.flatnonzero(kept)] for kept, (a, (_, names)) in limits},
                "score": exact - self.penalty * sum(int(kept.sum()) for kept, _ in limits),
                "odds_ratio": q,
                "rows": int(inside.sum()),
                "observed": float(np.average(y[inside], weights=w[inside])),
                "predicted": float(np.average(p[inside], weights=w[inside])),
                "p_value": min(2 * (1 + exceeded) / (1 + simulations), 1.0) if simulations else None,
            }
        text = " ".join(_sentence(name, result[name]) for name in DIRECTIONS)
        return {**result, "attributes": list(attributes), "skipped": skipped, "text": text}


def _sentence(direction: str, found: Mapping[str, Any]) -> str:
    """Return one direction in words."""
    who = " and ".join(f"{name} = {' or '.join(values)}" for name, values in found["subgroup"].items())
    height = "high" if direction == "overestimated" else "low"
    if found["score"] <= 0:
        return f"No subgroup has scores that are too {height}."
    chance = "" if found["p_value"] is None else f"; p = {found['p_value']:.3f}"
    return (
        f"Scores are too {height} for {who or 'all rows'} ({found['rows']} rows: {found['observed']:.1%} observed, "
        f"{found['predicted']:.1%} predicted{chance})."
    )
