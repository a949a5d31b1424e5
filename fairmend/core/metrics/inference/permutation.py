"""Permutation tests between groups by draws of the table of counts (DiCiccio et al. 2020).

Permuting the group labels of rows redistributes the rows of each category over groups of fixed
size: the table is multivariate hypergeometric, so a permutation costs as much as the table has
cells. Error rates are tested within labels, predictive values within decisions: only there are rows
of different groups exchangeable when the rates are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from fairmend.core.errors import InsufficientDataError, UsageError
from fairmend.core.metrics.inference.bootstrap import generators
from fairmend.core.metrics.inference.hypergeometric import multivariate_hypergeometric
from fairmend.core.metrics.rates import Metric, Stratum, metric
from fairmend.core.metrics.tables.contingency import GroupTable
from fairmend.core.metrics.tables.two_point_quadrature import two_points
from fairmend.core.types import Floats, Ints

# cells in the order [label, decision], flattened
_STRATA: dict[Stratum, list[list[int]]] = {
    "none": [[0, 1, 2, 3]],
    "label": [[0, 1], [2, 3]],
    "decision": [[0, 2], [1, 3]],
}
_TIE = 1e-10  # statistics closer than this are equal: they differ by rounding only


@dataclass(frozen=True)
class PermutationResult:
    """The result of a permutation test.

    Attributes
    ----------
    metric : str
        What was compared.
    statistic : float
        The metric; studentized, the largest difference of two groups over its standard error.
    p_value : float
        ``(1 + permutations at least as extreme) / (1 + permutations)``, never 0; NaN where the
        statistic is undefined.
    n_permutations : int
        How many were drawn.
    critical : float
        What the statistic had to exceed to be significant at 5 %.
    studentized : bool
        Whether the test holds for equal rates of groups that differ otherwise.
    """

    metric: str
    statistic: float
    p_value: float
    n_permutations: int
    critical: float
    studentized: bool


def permutation_test(
    table: GroupTable,
    name: str = "demographic_parity_difference",
    *,
    n_permutations: int = 10_000,
    studentized: bool = False,
    seed: int = 0,
) -> PermutationResult:
    """Test whether a difference between groups is more than chance.

    Parameters
    ----------
    table : GroupTable
        Counts of group x label x decision.
    name : str
        A comparison, such as ``"equalized_odds_difference"`` or ``"accuracy_ratio"``.
    n_permutations : int
        Number of permutations.
    studentized : bool
        The plain test's null is that rows are exchangeable between groups, which is more than an
        equal rate; the null of the studentized one is equal rates only, in large samples.
    seed : int
        The same seed gives the same p-value.

    Returns
    -------
    PermutationResult

    Raises
    ------
    UsageError
        When the metric compares no groups, or for a studentized test of a ratio or with clusters.
    InsufficientDataError
        When there are fewer than two groups with rows.

    Examples
    --------
    >>> table = GroupTable(("F", "M"), np.array([[[40, 10], [30, 20]], [[30, 20], [10, 40]]]))
    >>> permutation_test(table).p_value < 0.001
    True
    """
    found = metric(name)
    if found.ideal is None:
        raise UsageError(
            f"{name} does not compare groups, so there is nothing to test; try {name}_difference"
        )
    if studentized and found.form != "difference":
        raise UsageError(f"only differences can be studentized, not {name}")
    if n_permutations < 1:
        raise UsageError(f"n_permutations must be at least 1, got {n_permutations}")
    if table.clusters is not None:
        raise UsageError(
            "a test between groups permutes rows, not clusters; leave cluster out or compare intervals"
        )
    if (table.rows.sum(axis=(1, 2)) > 0).sum() < 2:
        raise InsufficientDataError("a test between groups needs at least two groups with rows")
    (rng,) = generators(seed, 1)
    drawn, drawn_squares = permuted(table, found, n_permutations, rng)
    if studentized:
        statistic = float(_studentized(found, table.counts, table.square_weights))
        null = _studentized(found, drawn, drawn_squares)
    else:
        statistic, null = float(found.of(table.counts)), found.of(drawn)
    known = null[~np.isnan(null)]
    sign = 1.0 if found.form == "difference" else -1.0
    return PermutationResult(
        metric=name,
        statistic=statistic,
        p_value=p_value(sign * statistic, sign * null, two_sided=False),
        n_permutations=n_permutations,
        critical=float(sign * np.quantile(sign * known, 0.95)) if len(known) else float("nan"),
        studentized=studentized,
    )


def p_value(observed: float, null: Floats, two_sided: bool = True) -> float:
    """Return the share of the null at least as extreme as the observed value, which counts as one.

    An undefined replicate counts as extreme, so that it can only make the test more careful.
    """
    if np.isnan(observed):
        return float("nan")
    values, at = (np.abs(null), abs(observed)) if two_sided else (null, observed)
    extreme = ~(values < at - _TIE * max(1.0, abs(at)))
    return float((1 + extreme.sum()) / (1 + len(null)))


def permuted(table: GroupTable, found: Metric, n: int, rng: Generator) -> tuple[Floats, Floats]:
    """Return tables whose group labels are permuted, for one metric.

    Parameters
    ----------
    table : GroupTable
        The counts.
    found : Metric
        Names the strata within which groups are exchangeable, and the cells that count the same:
        these are pooled into the first of their kind, since the metric cannot distinguish them.
    n : int
        Number of permutations P.
    rng : Generator
        Source of randomness.

    Returns
    -------
    counts, square_weights : ndarray of shape (P, G, 2, 2)
        Weighted counts and sums of squared weights.
    """
    n_groups = len(table.groups)
    rows = table.rows.reshape(n_groups, 4)
    moments = None if table.moments is None else table.moments.sum(axis=1).reshape(3, 4)
    counts = np.zeros((n, n_groups, 4))
    squares = counts if moments is None else np.zeros_like(counts)
    for stratum in _STRATA[found.stratum]:
        kinds = [
            [c for c in stratum if found.signatures.flat[c] == k] for k in sorted(set(found.signatures.flat))
        ]
        kinds = [kind for kind in kinds if kind]
        size = np.array([rows[:, kind].sum() for kind in kinds])[:, None]
        value = np.ones((len(kinds), 1))
        if moments is not None:
            size, value = two_points(size[:, 0], np.array([moments[:, kind].sum(axis=1) for kind in kinds]).T)
        drawn = redistributed(rows[:, stratum].sum(axis=1), size.ravel(), n, rng).reshape(
            n, n_groups, *size.shape
        )
        first = [kind[0] for kind in kinds]
        if moments is None:
            counts[..., first] = drawn[..., 0]
        else:
            counts[..., first] = (drawn * value).sum(axis=-1)
            squares[..., first] = (drawn * value**2).sum(axis=-1)
    return counts.reshape(n, n_groups, 2, 2), squares.reshape(n, n_groups, 2, 2)


def redistributed(group_sizes: Ints, categories: Ints, n: int, rng: Generator) -> Ints:
    """Return n random tables of group x category with fixed margins.

    Parameters
    ----------
    group_sizes : ndarray of int, shape (G,)
        Rows of each group.
    categories : ndarray of int, shape (K,)
        Rows of each category; the same total.
    n : int
        Number of tables.
    rng : Generator
        Source of randomness.

    Returns
    -------
    ndarray of int64, shape (n, G, K)

    Raises
    ------
    UsageError
        From a thousand million rows on, which the generator's hypergeometric distribution does not reach.
    """
    if group_sizes.sum() >= 10**9:
        raise UsageError(
            "a permutation test takes fewer than 10^9 rows; sample the table, or use the interval"
        )
    tables = np.zeros((n, len(group_sizes), len(categories)), dtype=np.int64)
    if len(categories) == 1:
        tables[:, :, 0] = group_sizes
        return tables
    if len(categories) == 2:
        few = int(np.argmin(categories))
        drawn = multivariate_hypergeometric(group_sizes, int(categories[few]), n, rng)
        tables[:, :, few] = drawn
        tables[:, :, 1 - few] = group_sizes - drawn
        return tables
    room = np.broadcast_to(group_sizes, (n, len(group_sizes))).copy()
    for k, category in enumerate(categories[:-1]):
        left = np.full(n, category)
        for g in range(len(group_sizes) - 1):
            drawn = rng.hypergeometric(room[:, g], room[:, g + 1 :].sum(axis=1), left)
            tables[:, g, k] = drawn
            left -= drawn
        tables[:, -1, k] = left
        room -= tables[:, :, k]
    tables[:, :, -1] = room
    return tables


def _studentized(found: Metric, counts: Floats, square_weights: Floats) -> Floats:
    """Return the largest difference of two groups' rates over its standard error; 0 where that is 0."""
    parts = []
    for rate in found.rates:
        value, variance = rate.of(counts), rate.variance(counts, square_weights)
        n_groups = value.shape[-1]
        best = np.full(value.shape[:-1], np.nan)
        for i in range(n_groups - 1):
            gap = np.abs(value[..., i, None] - value[..., i + 1 :])
            error = np.sqrt(variance[..., i, None] + variance[..., i + 1 :])
            score = np.where(
                error > 0, gap / np.where(error > 0, error, 1.0), np.where(np.isnan(gap), np.nan, 0.0)
            )
            best = np.fmax(best, np.fmax.reduce(score, axis=-1))
        parts.append(best)
    stacked = np.stack(parts)
    return stacked.mean(axis=0) if found.mean else stacked.max(axis=0)
