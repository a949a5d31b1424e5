"""Optimized pre-processing, Calmon, Wei, Vinzamuri, Ramamurthy & Varshney 2017."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog
from sklearn.metrics import mutual_info_score
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    DataChange,
    DataError,
    Floats,
    Groups,
    Ints,
    NotFeasibleError,
    ParameterError,
    Preprocessor,
    TechniqueMetadata,
    row_hash,
    uniform_by_row,
    unknown,
)
from fairmend.plugins.preprocessing._levels import Levels

MOST_CELLS = 1_000
"""Combinations of levels and labels beyond which the program is too large to solve in seconds."""

FEWEST_MOVES = 1e-4
"""Weight of the expected distortion in the objective: of maps equally close to the data, the one that moves least."""


@dataclass(frozen=True)
class Plan:
    """A randomized map p(target | source), its moves ordered by source.

    Attributes
    ----------
    source, target : ndarray of int
        From where to where each move goes.
    chance : ndarray of float
        Its probability; those of a source sum to 1.
    """

    source: Ints
    target: Ints
    chance: Floats

    def targets(self, source: Ints, u: Floats, otherwise: Ints) -> Ints:
        """Return the target of each row for a number in [0, 1) each; ``otherwise`` where its source is not in the plan.

        Examples
        --------
        >>> plan = Plan(np.array([4, 4]), np.array([4, 5]), np.array([0.75, 0.25]))
        >>> plan.targets(np.array([4, 4, 7]), np.array([0.5, 0.8, 0.8]), np.array([4, 4, 7])).tolist()
        [4, 5, 7]
        """
        known, place = np.unique(self.source, return_inverse=True)
        ends = np.cumsum(self.chance / np.bincount(place, self.chance)[place])
        at = np.minimum(np.searchsorted(known, source), len(known) - 1)
        first = np.searchsorted(place, at)
        last = np.searchsorted(place, at, side="right") - 1
        move = np.clip(np.searchsorted(ends, at + u, side="right"), first, last)
        return np.where(known[at] == source, self.target[move], otherwise)


def optimal_plan(
    p: Floats,
    distortion: Floats,
    favorable: NDArray[np.bool_],
    epsilon: float,
    limits: Sequence[tuple[float, float]],
) -> Plan:
    """Return the map of the least total variation distance between the cells before and after.

    Parameters
    ----------
    p : ndarray of shape (groups, cells)
        Joint distribution of group and cell, a combination of features and label.
    distortion : ndarray of shape (cells, cells)
        Cost of a move from one cell to another.
    favorable : ndarray of bool, shape (cells,)
        The cells with the favorable label.
    epsilon : float
        Largest difference between two groups in the share of favorable labels afterwards.
    limits : sequence of (distance, share)
        Of the rows of each cell, at most this share moves this far or farther.

    Returns
    -------
    Plan
        Sources are numbered group * cells + cell.
    """
    n_groups, n_cells = p.shape
    order = np.lexsort(p.T)  # of equally good maps, the same one whatever the groups are called
    p = p[order]
    never = min([distance for distance, share in limits if share == 0], default=np.inf)
    allowed = (distortion < never) & np.isfinite(distortion)
    np.fill_diagonal(allowed, True)
    source = np.flatnonzero(p > 0)
    place, j = np.nonzero(allowed[source % n_cells])
    a, i = np.divmod(source[place], n_cells)
    n, mass, far = len(j), p[a, i], np.where(i == j, 0, distortion[i, j])
    p_cell, p_group = p.sum(axis=0), p.sum(axis=1)

    def by(row: Ints, values: Floats, rows: int) -> sparse.csr_array:
        return sparse.csr_array((values, (row, np.arange(n))), shape=(rows, n))

    # The variables: q of each move; u and v, what a cell gains and loses; the least and largest share of favorable
    # labels of a group, t and t + e.
    eye, one = sparse.eye_array(n_cells), sparse.csr_array(np.ones((n_groups, 1)))
    share = by(a, np.where(favorable[j], mass / p_group[a], 0), n_groups)
    wide = sparse.csr_array((len(source), 2 * n_cells + 2))
    sums = sparse.hstack([by(place, np.ones(n), len(source)), wide])
    flows = sparse.hstack([by(j, mass, n_cells), -eye, eye, sparse.csr_array((n_cells, 2))])
    kept = [(by(i, np.where(far >= c, mass / p_cell[i], 0), n_cells), d) for c, d in limits if 0 < d < 1]
    moved = [sparse.hstack([rows, sparse.csr_array((n_cells, 2 * n_cells + 2))]) for rows, _ in kept]
    apart = sparse.csr_array((n_groups, 2 * n_cells))
    above = sparse.hstack([share, apart, -one, -one])
    below = sparse.hstack([-share, apart, one, 0 * one])
    a_ub: Any = sparse.vstack([*moved, above, below])
    a_eq: Any = sparse.vstack([sums, flows])
    b_ub = np.concatenate([*(np.full(n_cells, d) for _, d in kept), np.zeros(2 * n_groups)])
    b_eq = np.concatenate([np.ones(len(source)), p_cell])

    def solved(cost: Floats, most: float) -> Any:
        bounds = [*[(0.0, np.inf)] * (len(cost) - 1), (0.0, most)]
        return linprog(cost, a_ub, b_ub, a_eq, b_eq, bounds, method="highs")

    cost = np.concatenate([mass * far, np.full(2 * n_cells, 0.5 / FEWEST_MOVES), np.zeros(2)])
    found = solved(cost, epsilon)
    if not found.success:
        least = solved((np.arange(len(cost)) == len(cost) - 1).astype(float), 1.0)
        raise NotFeasibleError(
            f"no allowed map brings the groups within epsilon={epsilon:g} of each other; the least is {least.fun:.3g}; "
            "raise epsilon, raise the shares in limits, or lower label_cost"
        )
    q = np.maximum(found.x[:n], 0)
    used = q > 1e-9
    origin = order[a[used]] * n_cells + i[used]
    by_origin = np.argsort(origin, kind="stable")
    return Plan(origin[by_origin], j[used][by_origin], q[used][by_origin])


def even_places(source: Ints, key: Floats, w: Floats) -> Floats:
    """Return a number in [0, 1) per row, spread evenly over the rows of a source in the order of their keys.

    Examples
    --------
    >>> even_places(np.array([3, 3, 3, 3]), np.array([0.1, 0.4, 0.2, 0.3]), np.ones(4)).tolist()
    [0.125, 0.875, 0.375, 0.625]
    """
    order = np.lexsort((key, source))
    code = np.unique(source[order], return_inverse=True)[1]
    total = np.bincount(code, w[order])
    before = np.cumsum(w[order]) - w[order] / 2 - (np.cumsum(total) - total)[code]
    out = np.empty(len(source))
    out[order] = np.clip(before / np.where(total > 0, total, 1)[code], 0, 1 - 1e-12)
    return out


class OptimizedPreprocessing(Preprocessor):
    """Change labels and a few features at random, by the map that alters their distribution least for equal rates.

    Parameters
    ----------
    features : list of str, optional
        Features that may change with the label; by default up to three, those that tell most about the label
        with few enough levels. The others stay.
    epsilon : float in [0, 1], default=0.05
        Largest difference between two groups in the share of favorable labels afterwards.
    limits : sequence of (distance, share), default=((1, 0.3), (2, 0))
        Of the rows of each combination of features and label, at most this share moves this far or farther.
        By default three in ten rows change a label or one feature by one step, and none changes more.
    costs : dict of str to float, optional
        Distance of one step of a feature, to the next bin or to another category; 1 where not given.
    label_cost : float, default=1.0
        Distance of a change of the label.
    bins : int, default=4
        Numeric features with more values are cut into this many quantile bins.
    random_state : int or None, default=None
        Seed of the choice of rows.

    Attributes
    ----------
    features_ : tuple of str
        The features that may change.
    diagnostics_ : dict
        ``features``; ``total_variation``, between the distributions before and after; ``by_group``: share of
        favorable labels before and after, share of rows changed.

    Notes
    -----
    A linear program finds p(x', y' | a, x, y) that minimizes the total variation distance between (X, Y) and
    (X', Y'), under two constraints: the shares of favorable labels of all pairs of groups differ by at most
    epsilon, and the distortion of the rows of a combination (x, y) exceeds each distance with at most the
    given probability. These are the objective and the constraints of AIF360's implementation, which averages
    the second over the groups as well. Of equally good maps, the one with the least expected distortion is
    taken, so that data within epsilon do not change.

    The distance of the paper is chosen for each application; here it is the sum of the costs of the steps.
    The features that stay may still tell the group, and then a model undoes part of the change. Training rows
    are assigned to the moves evenly, so that the shares of the map are met to within a row of
    each combination. For new rows, whose label is not known, the map is averaged over p(y | a, x); the draw
    depends on the content of the row and the seed, so that equal rows are treated equally. Combinations that
    the training data do not contain, and missing values, stay. A number that changes its bin becomes the
    median of the new one.

    References
    ----------
    F. P. Calmon, D. Wei, B. Vinzamuri, K. N. Ramamurthy and K. R. Varshney (2017), "Optimized pre-processing for
    discrimination prevention", NeurIPS.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import OptimizedPreprocessing
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score"]], loans["approved"], loans["race"]
    >>> changed = OptimizedPreprocessing(epsilon=0.05).change(X, y, sensitive_features=race)
    >>> y.groupby(race).mean().round(2).to_dict()
    {'Asian': 0.87, 'Black': 0.62, 'Hispanic': 0.68, 'White': 0.82}
    >>> pd.Series(changed.y).groupby(race).mean().round(2).to_dict()
    {'Asian': 0.78, 'Black': 0.73, 'Hispanic': 0.73, 'White': 0.78}
    """

    metadata = TechniqueMetadata(
        technique_id=38,
        slug="optimized-preprocessing",
        name="Optimized pre-processing",
        family="transformation",
        summary="Changes labels and a few discretized features by a randomized map that limits the distortion of each row and the gap between groups.",
        citation="calmon2017optimized",
        addresses=("outcome-disparity", "proxy-variable"),
        targets=("demographic_parity",),
        modifies=("features", "labels"),
        minimum_rows=300,
        complexity="high",
        duration_weeks=(2, 4),
        legal_notes="Labels and features of real people are overwritten at random and by group; keep the originals, log each change and have it approved.",
        use_when="The data have a few features with few values, and an explicit limit is wanted on how far any record may be distorted.",
        avoid_when="There are many continuous features, records may not be altered at random, or the protected attribute may not be used at decision time.",
        questions=(
            "Can I guarantee an upper bound on how much any single record is distorted when the training set is debiased?",
            "Is there a convex program that trades discrimination, distortion and utility off against each other?",
            "How do I find the smallest change in the joint distribution of features and outcome that brings two groups within five points?",
            "We publish a table and want a randomized mapping of the categories that takes discrimination out of it; what do we use?",
            "Age may move by at most one decade and education by one year: which repair lets me state such costs?",
            "How can features and label be perturbed jointly with stated probabilities?",
        ),
        adjustments=(Adjustment(parameter="epsilon", stronger=-0.02, minimum=0.0, maximum=1.0),),
        alternatives=(30, 68, 69),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "features": [list, tuple, None],
        "epsilon": [Interval(Real, 0, 1, closed="both")],
        "limits": [list, tuple],
        "costs": [dict, None],
        "label_cost": [Interval(Real, 0, None, closed="left")],
        "bins": [Interval(Integral, 2, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        features: Sequence[str] | None = None,
        epsilon: float = 0.05,
        limits: Sequence[tuple[float, float]] = ((1, 0.3), (2, 0)),
        costs: Mapping[str, float] | None = None,
        label_cost: float = 1.0,
        bins: int = 4,
        random_state: int | None = None,
    ) -> None:
        self.features = features
        self.epsilon = epsilon
        self.limits = limits
        self.costs = costs
        self.label_cost = label_cost
        self.bins = bins
        self.random_state = random_state

    def _change(self, X: pd.DataFrame, y: Ints, groups: Groups, sample_weight: Floats) -> DataChange:
        w, limits = sample_weight, self._limits()
        self.levels_ = {c: (of.values, of.cuts) for c, of in self._chosen(X, y, groups, w).items()}
        self.features_ = tuple(self.levels_)
        self.shape_ = (*(len(of.values) + 1 for of in self._levels().values()), 2)
        n_cells = int(np.prod(self.shape_))
        cell = 2 * self._cells(X) + y
        source = groups.codes * n_cells + cell
        p = np.bincount(source, w, groups.n_groups * n_cells).reshape(-1, n_cells) / w.sum()
        plan = optimal_plan(p, self._distortion(), np.arange(n_cells) % 2 == 1, self.epsilon, limits)
        # The same map without the label: p(x' | a, x) = sum over y of p(y | a, x) p(x' | a, x, y).
        order = np.argsort(plan.source // 2, kind="stable")
        self.plan_ = (
            (plan.source // 2)[order],
            plan.target[order] // 2,
            (plan.chance * p.reshape(-1)[plan.source])[order],
        )
        target = plan.targets(source, even_places(source, self._draws(X), w), cell)
        self._tell(groups, w, cell, target)
        return DataChange(X=self._moved(X, target // 2), y=target % 2)

    def _transform(self, X: pd.DataFrame, groups: Groups) -> pd.DataFrame:
        cell = self._cells(X)
        source = groups.codes * (int(np.prod(self.shape_)) // 2) + cell
        return self._moved(X, Plan(*self.plan_).targets(source, self._draws(X), cell))

    def _levels(self) -> dict[str, Levels]:
        return {name: Levels(*parts) for name, parts in self.levels_.items()}

    def _limits(self) -> list[tuple[float, float]]:
        limits = [tuple(map(float, limit)) for limit in self.limits]
        if not all(len(pair) == 2 and pair[0] > 0 and 0 <= pair[1] <= 1 for pair in limits):
            raise ParameterError(
                f"limits must be pairs of a distance above 0 and a share from 0 to 1, such as ((1, 0.3), (2, 0)); got {self.limits!r}"
            )
        return [(distance, share) for distance, share in limits]

    def _chosen(self, X: pd.DataFrame, y: Ints, groups: Groups, w: Floats) -> dict[str, Levels]:
        """Return the levels of the features that may change."""
        costs = self.costs or {}
        for name in (*(self.features or ()), *costs):
            if name not in X.columns:
                raise unknown("feature", name, X.columns)
        if self.features is not None:
            levels = {name: Levels.of(X[name], self.bins, w) for name in self.features}
            cells = 2 * int(np.prod([len(of.values) + 1 for of in levels.values()]))
            if cells > MOST_CELLS:
                raise DataError(
                    f"the features have {cells:,} combinations with the label, and the program takes {MOST_CELLS:,}; "
                    "give fewer features, lower bins, or merge categories"
                )
            return levels
        every = {c: Levels.of(X[c], self.bins, w) for c in X.columns if c not in groups.frame.columns}
        told = {c: mutual_info_score(levels.codes(X[c]), y) for c, levels in every.items()}
        chosen: dict[str, Levels] = {}
        cells = 2
        for name in sorted(every, key=lambda c: (-told[c], str(c))):
            size = cells * (len(every[name].values) + 1)
            if size <= MOST_CELLS and len(chosen) < 3:
                chosen[name], cells = every[name], size
        return chosen

    def _distortion(self) -> Floats:
        """Return the distance between any two combinations of levels and label."""
        at = np.indices(self.shape_).reshape(len(self.shape_), -1)
        total = self.label_cost * (at[-1][:, None] != at[-1]).astype(float)
        for k, (name, levels) in zip(at, self._levels().items(), strict=False):
            steps = levels.steps()
            total += np.where(steps > 0, steps * (self.costs or {}).get(name, 1.0), 0)[np.ix_(k, k)]
        return total

    def _cells(self, X: pd.DataFrame) -> Ints:
        """Return the combination of levels of each row as a number."""
        code = np.zeros(len(X), dtype=np.int64)
        for name, levels in self._levels().items():
            code = code * (len(levels.values) + 1) + levels.codes(X[name])
        return code

    def _draws(self, X: pd.DataFrame) -> Floats:
        hashes = row_hash(X[sorted(X.columns, key=str)])  # the order of the columns does not matter
        return uniform_by_row(hashes, self.random_state or 0)

    def _moved(self, X: pd.DataFrame, cell: Ints) -> pd.DataFrame:
        codes = np.unravel_index(cell, self.shape_[:-1]) if self.levels_ else ()
        moved = {
            name: levels.moved(X[name], code)
            for (name, levels), code in zip(self._levels().items(), codes, strict=True)
        }
        return X.assign(**moved)

    def _tell(self, groups: Groups, w: Floats, cell: Ints, target: Ints) -> None:
        n_a = groups.counts(w)
        before, after = groups.counts(w * (cell % 2)) / n_a, groups.counts(w * (target % 2)) / n_a
        changed = groups.counts(w * (cell != target)) / n_a
        n_cells = int(np.prod(self.shape_))
        gained = np.bincount(target, w, n_cells) - np.bincount(cell, w, n_cells)
        self.diagnostics_ = {
            "features": list(self.features_),
            "total_variation": float(np.abs(gained).sum() / w.sum() / 2),
            "by_group": {
                label: {
                    "favorable_before": float(before[a]),
                    "favorable_after": float(after[a]),
                    "changed": float(changed[a]),
                }
                for a, label in enumerate(groups.labels)
            },
        }
