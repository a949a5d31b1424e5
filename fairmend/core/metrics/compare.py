"""Compare two sets of decisions on the same rows: what changed, by how much, and by chance or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from fairmend.core.metrics.estimate import Estimate
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.bootstrap import Interval
from fairmend.core.metrics.inference.effective_sample_size import effective_support
from fairmend.core.metrics.inference.multiple_testing import holm
from fairmend.core.metrics.inference.permutation import p_value
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.rates import Metric, metric
from fairmend.core.metrics.tables.contingency import PairedTable
from fairmend.core.types import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_array

DEFAULT_METRICS = (
    "accuracy",
    "demographic_parity_ratio",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "equal_opportunity_difference",
    "predictive_parity_difference",
)


@dataclass(frozen=True)
class MetricChange:
    """The change of one metric.

    Attributes
    ----------
    before, after : float
        The metric of each set of decisions, NaN where undefined.
    change : float
        After minus before.
    interval : (float, float) or None
        Confidence interval of the change, of a paired bootstrap.
    p_value : float
        Of the paired permutation test of no change; NaN where undefined.
    p_holm : float
        The p-value corrected for all metrics compared.
    support : int
        Rows compared.
    enough : bool
        Whether every cell of both sets has the minimum number of rows.
    lacking : tuple of str
        The groups that have not.
    """

    before: float
    after: float
    change: float
    interval: Interval | None
    p_value: float
    p_holm: float
    support: int
    enough: bool
    lacking: tuple[str, ...]

    @property
    def difference(self) -> Estimate:
        """The change as an estimate, without the test of no change."""
        return Estimate(self.change, self.interval, self.support, self.enough, self.lacking)

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON types; NaN becomes null."""
        numbers = {name: getattr(self, name) for name in ("before", "after", "change", "p_value", "p_holm")}
        return {
            **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
            "interval": None if self.interval is None else list(self.interval),
            "support": self.support,
            "enough": self.enough,
            "lacking": list(self.lacking),
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Changes by metric.

    Attributes
    ----------
    table : PairedTable
        Counts of group x label x decision before x decision after.
    changes : dict of str to MetricChange
        One for each metric compared.
    level : float
        Coverage of the intervals.
    """

    table: PairedTable
    changes: dict[str, MetricChange]
    level: float

    @property
    def flipped(self) -> int:
        """Number of rows whose decision changed."""
        return int(self.table.rows[..., 0, 1].sum() + self.table.rows[..., 1, 0].sum())

    def __getitem__(self, name: str) -> MetricChange:
        return self.changes[name]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain JSON types."""
        return {
            "support": self.table.n_rows,
            "flipped": self.flipped,
            "metrics": {name: change.to_json() for name, change in self.changes.items()},
        }


def compare(
    y_true: ArrayLike,
    pred_before: ArrayLike,
    pred_after: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    n_boot: int = 2000,
    n_permutations: int = 10_000,
    level: float = 0.95,
    min_support: int = 30,
    seed: int = 0,
) -> Comparison:
    """Compare decisions before and after on the same rows.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Labels, 1 the favorable outcome.
    pred_before, pred_after : array-like of shape (n,)
        The two sets of decisions.
    sensitive_features, sample_weight, cluster
        See :func:`.report.measure`.
    metrics : sequence of str
        Names that :func:`.metrics.metric` knows.
    n_boot : int
        Bootstrap replicates; both sets of decisions share each resample.
    n_permutations : int
        Permutations; each swaps before and after in every row (or cluster) with probability 1/2.
    level : float
        Coverage of the intervals.
    min_support : int
        Rows below which a cell is insufficient evidence.
    seed : int
        The same seed gives the same numbers, whatever the order of the rows.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError, UsageError, UnknownNameError
        As :func:`.report.measure`; an unknown metric is named with its neighbors.
    """
    settings = InferenceSettings(n_boot, level, min_support, seed, n_permutations)
    found = [metric(name) for name in metrics]
    table = PairedTable.from_arrays(
        y_true, pred_before, pred_after, sensitive_features, sample_weight=sample_weight, cluster=cluster
    )
    boot_rng, swap_rng = bootstrap.generators(settings.seed, 2)
    drawn = bootstrap.replicates(table, settings.n_boot, boot_rng)
    swapped = swaps(table, settings.n_permutations, swap_rng)
    observed = [_change(one, table.counts) for one in found]
    p_values = np.array(
        [p_value(float(value), _change(one, swapped)) for one, value in zip(found, observed, strict=True)]
    )
    adjusted = holm(p_values)
    changes = {}
    for i, one in enumerate(found):
        support = np.min(
            [effective_support(r, t) for t in (table.before, table.after) for r in one.rates], axis=0
        )
        if one.form is None:
            lacking = () if support.sum() >= min_support else table.groups
        else:
            lacking = tuple(g for g, rows in zip(table.groups, support, strict=True) if rows < min_support)
        known = not np.isnan(observed[i])
        changes[one.name] = MetricChange(
            before=float(one.of(table.before.counts)),
            after=float(one.of(table.after.counts)),
            change=float(observed[i]),
            interval=bootstrap.percentile_interval(_change(one, drawn), level) if known else None,
            p_value=float(p_values[i]),
            p_holm=float(adjusted[i]),
            support=table.n_rows,
            enough=not lacking,
            lacking=lacking,
        )
    return Comparison(table, changes, level)


def swaps(table: PairedTable, n: int, rng: Generator) -> Floats:
    """Return paired tables in which before and after are swapped at random within rows.

    Parameters
    ----------
    table : PairedTable
        The counts, shape (G, 2, 2, 2).
    n : int
        Number of permutations P.
    rng : Generator
        Source of randomness.

    Returns
    -------
    ndarray of shape (P, G, 2, 2, 2)

    Notes
    -----
    Only rows whose two decisions differ can change the table, and of each kind of such rows the
    number swapped is binomial; where there are clusters, each is swapped as a whole.
    """
    if table.clusters is not None:
        return _cluster_swaps(table, table.clusters, n, rng)
    size, value = table.atoms()
    moved = {}
    for before, after in ((0, 1), (1, 0)):
        rows = rng.binomial(size[:, :, before, after], 0.5, size=(n, *size.shape[:2], size.shape[-1]))
        moved[before, after] = (rows * value[:, :, before, after]).sum(axis=-1)
    result = np.broadcast_to(table.counts, (n, *table.rows.shape)).copy()
    net = moved[1, 0] - moved[0, 1]
    result[..., 0, 1] += net
    result[..., 1, 0] -= net
    return result


def _cluster_swaps(table: PairedTable, clusters: csr_array, n: int, rng: Generator) -> Floats:
    weight = clusters.toarray().reshape(-1, *table.rows.shape)
    excess = (weight[..., 1, 0] - weight[..., 0, 1]).reshape(len(weight), -1)
    result = np.broadcast_to(table.counts, (n, *table.rows.shape)).copy()
    for part in bootstrap.chunks(n, len(weight)):
        swapped = rng.random((part.stop - part.start, len(weight))) < 0.5
        net = (swapped.astype(np.float64) @ excess).reshape(-1, *table.rows.shape[:2])
        result[part, ..., 0, 1] += net
        result[part, ..., 1, 0] -= net
    return result


def _change(one: Metric, counts: Floats) -> Floats:
    """Return the metric after minus before of paired counts (..., G, 2, 2, 2)."""
    return one.of(counts.sum(axis=-2)) - one.of(counts.sum(axis=-1))
