"""Tables of counts: one pass over the rows, then the rows are never touched again.

Every group metric of decisions is a function of group x label x decision, every calibration metric
of group x score bin x label, every paired comparison of group x label x decision before x decision
after. A table holds, for each cell, the number of rows and, where rows carry weights or scores, the
sums of the first three powers of these, which is what resampling needs (see :mod:`.atoms`).

The columns are arrays, pandas columns, or columns of one Ibis table; in the last case the GROUP BY
runs in the query engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.errors import UsageError
from fairmend.core.metrics.tables import ibis_backend, input_validation
from fairmend.core.metrics.tables.two_point_quadrature import power_sums, two_points
from fairmend.core.types import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class CountTable:
    """Counts of rows by group and by one or more binary columns.

    Attributes
    ----------
    groups : tuple of str
        Labels of the groups, the first axis of every array.
    rows : ndarray of int64, shape (G, 2, ..., 2)
        Number of rows in each cell.
    moments : ndarray of float64, shape (3, G, 2, ..., 2), or None
        Sums of the weights, of their squares and of their cubes; None where all weights are 1.
    clusters : sparse array of shape (K, cells) or None
        Weight of each cluster in each cell, where whole clusters are to be resampled.
    """

    groups: tuple[str, ...]
    rows: Ints
    moments: Floats | None = None
    clusters: csr_array | None = None

    def __post_init__(self) -> None:
        if len(self.groups) != len(self.rows):
            raise UsageError(
                f"a table needs a label for each group, got {len(self.groups)} labels for {len(self.rows)} groups"
            )

    @property
    def counts(self) -> Floats:
        """Weighted counts, shape (G, 2, ..., 2); the number of rows where there are no weights."""
        return self.rows.astype(np.float64) if self.moments is None else self.moments[0]

    @property
    def square_weights(self) -> Floats:
        """Sum of squared weights of each cell, shape (G, 2, ..., 2)."""
        return self.rows.astype(np.float64) if self.moments is None else self.moments[1]

    @property
    def n_rows(self) -> int:
        """Number of rows of the table."""
        return int(self.rows.sum())

    def atoms(self) -> tuple[Ints, Floats]:
        """Return how many rows share which weight, both of shape (G, 2, ..., 2, 1 or 2)."""
        if self.moments is None:
            return self.rows[..., None], np.ones((*self.rows.shape, 1))
        return two_points(self.rows, self.moments)


@dataclass(frozen=True, eq=False)
class GroupTable(CountTable):
    """Counts of group x label x decision: ``rows[g, y, d]``.

    Examples
    --------
    >>> table = GroupTable.from_arrays([1, 0, 1, 1], [1, 0, 0, 1], ["F", "F", "M", "M"])
    >>> table.groups
    ('F', 'M')
    >>> table.counts[1].tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """

    @classmethod
    def from_arrays(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        groups: Any,
        *,
        sample_weight: ArrayLike | None = None,
        cluster: ArrayLike | None = None,
    ) -> GroupTable:
        """Count rows by group, label and decision.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n,)
            Labels and decisions, 0 or 1, 1 the favorable one.
        groups : Groups, array, Series, DataFrame or mapping, n rows
            The protected attributes; several are crossed, missing values are a group of their own.
        sample_weight : array-like of shape (n,), optional
            Weights; an integer weight acts as that many equal rows in every metric.
        cluster : array-like of shape (n,), optional
            Units that are to be resampled together, such as the rows of one person.

        Raises
        ------
        DataError
            On labels that are not binary, missing values, lengths that differ, negative weights.
        InsufficientDataError
            When there is no row.

        Notes
        -----
        With Ibis, pass columns of one table: ``from_arrays(t.y, t.decision, t[["sex", "race"]])``.
        """
        return cls(*_count({"y_true": y_true, "y_pred": y_pred}, groups, sample_weight, cluster))


@dataclass(frozen=True, eq=False)
class PairedTable(CountTable):
    """Counts of group x label x decision before x decision after: ``rows[g, y, b, a]``."""

    @classmethod
    def from_arrays(
        cls,
        y_true: ArrayLike,
        pred_before: ArrayLike,
        pred_after: ArrayLike,
        groups: Any,
        *,
        sample_weight: ArrayLike | None = None,
        cluster: ArrayLike | None = None,
    ) -> PairedTable:
        """Count rows by group, label and both decisions; see :meth:`GroupTable.from_arrays`."""
        decisions = {"y_true": y_true, "pred_before": pred_before, "pred_after": pred_after}
        return cls(*_count(decisions, groups, sample_weight, cluster))

    @property
    def before(self) -> GroupTable:
        """The table of the decisions before."""
        return self._margin(3)

    @property
    def after(self) -> GroupTable:
        """The table of the decisions after."""
        return self._margin(2)

    def _margin(self, axis: int) -> GroupTable:
        moments = None if self.moments is None else self.moments.sum(axis=axis + 1)
        rows = self.rows.sum(axis=axis)
        together = self.clusters
        if together is not None:
            place = np.expand_dims(np.arange(rows.size).reshape(rows.shape), axis)
            place = np.broadcast_to(place, self.rows.shape).ravel()
            shape = (self.rows.size, rows.size)
            together = together @ input_validation.sparse_sums(
                np.arange(len(place)), place, np.ones(len(place)), shape
            )
        return GroupTable(self.groups, rows, moments, together)


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Counts of group x score bin x label, with the sums of the scores.

    Attributes
    ----------
    groups : tuple of str
        Labels of the groups.
    edges : ndarray of shape (K + 1,)
        Bin ``k`` holds ``edges[k] <= score < edges[k + 1]``; the last bin holds its right end too.
    rows : ndarray of int64, shape (G, K, 2)
        Number of rows.
    moments : ndarray of float64, shape (3, G, K, 2), or None
        Sums of the first three powers of the weights; None where all weights are 1.
    scores : ndarray of float64, shape (3, G, K, 2)
        Weighted sums of the scores, of their squares and of their cubes.
    clusters : sparse array of shape (K, 3 * cells) or None
        Of each cluster, the weight in each cell, then its weighted scores, then their squares.
    """

    groups: tuple[str, ...]
    edges: Floats
    rows: Ints
    scores: Floats
    moments: Floats | None = None
    clusters: csr_array | None = None

    @property
    def counts(self) -> Floats:
        """Weighted counts, shape (G, K, 2)."""
        return self.rows.astype(np.float64) if self.moments is None else self.moments[0]

    @property
    def sums(self) -> Floats:
        """Weights, weighted scores and weighted squared scores of each cell, shape (3, G, K, 2)."""
        return np.concatenate([self.counts[None], self.scores[:2]])

    @classmethod
    def from_arrays(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        groups: Any,
        *,
        sample_weight: ArrayLike | None = None,
        cluster: ArrayLike | None = None,
        bins: int | Sequence[float] = 10,
        strategy: Literal["width", "mass"] = "width",
    ) -> ScoreTable:
        """Count rows by group, score bin and label.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Labels, 0 or 1.
        y_score : array-like of shape (n,)
            Probabilities of label 1.
        groups, sample_weight, cluster
            See :meth:`GroupTable.from_arrays`.
        bins : int or sequence of float
            Number of bins over [0, 1], or their edges from 0 to 1.
        strategy : {"width", "mass"}
            Bins of equal width, or with equal numbers of rows; ties may leave fewer bins.

        Raises
        ------
        DataError
            In addition to the cases of :meth:`GroupTable.from_arrays`, on scores outside [0, 1] or missing.
        UsageError
            On edges that do not rise from 0 to 1, or bins of equal mass for a query engine.
        """
        if ibis_backend.is_expression(y_score):
            if strategy == "mass" and isinstance(bins, int):
                raise UsageError(
                    "equal-mass bins need the scores in memory; give the edges as bins= to a query engine"
                )
            edges = _edges(bins, None)
            counted = ibis_backend.count_scores(y_true, y_score, groups, sample_weight, cluster, edges)
            return cls(counted.groups, edges, counted.rows, counted.scores, counted.moments)
        label, score = (
            input_validation.binary(y_true, "y_true"),
            input_validation.probabilities(y_score, "y_score"),
        )
        weight = input_validation.weights(sample_weight)
        codes, labels = input_validation.groups(groups)
        n_rows = input_validation.same_length(
            y_true=label, y_score=score, sensitive_features=codes, sample_weight=weight, cluster=cluster
        )
        edges = _edges(bins, score if strategy == "mass" else None)
        place = np.searchsorted(edges[1:-1], score, side="right")
        shape = (len(labels), len(edges) - 1, 2)
        cell = (codes * shape[1] + place) * 2 + label
        size = int(np.prod(shape))
        rows = np.bincount(cell, minlength=size).astype(np.int64).reshape(shape)
        moments = None if weight is None else power_sums(cell, weight, size).reshape(3, *shape)
        scores = power_sums(cell, score, size, weight).reshape(3, *shape)
        members = input_validation.clusters(cluster)
        together = None
        if members is not None:
            ones = np.ones(n_rows) if weight is None else weight
            amounts = np.concatenate([ones, ones * score, ones * score**2])
            places = np.concatenate([cell, cell + size, cell + 2 * size])
            together = input_validation.sparse_sums(
                np.tile(members[0], 3), places, amounts, (members[1], 3 * size)
            )
        return cls(labels, edges, rows, scores, moments, together)


def _count(
    decisions: dict[str, ArrayLike], groups: Any, sample_weight: ArrayLike | None, cluster: ArrayLike | None
) -> tuple[tuple[str, ...], Ints, Floats | None, csr_array | None]:
    """Return the labels, rows, moments and clusters of a :class:`CountTable`."""
    if any(ibis_backend.is_expression(values) for values in decisions.values()):
        counted = ibis_backend.count_decisions(decisions, groups, sample_weight, cluster)
        return counted.groups, counted.rows, counted.moments, None
    checked = {name: input_validation.binary(values, name) for name, values in decisions.items()}
    weight = input_validation.weights(sample_weight)
    codes, labels = input_validation.groups(groups)
    input_validation.same_length(**checked, sensitive_features=codes, sample_weight=weight, cluster=cluster)
    cell = codes
    for values in checked.values():
        cell = cell * 2 + values
    shape = (len(labels),) + (2,) * len(checked)
    size = int(np.prod(shape))
    rows = np.bincount(cell, minlength=size).astype(np.int64).reshape(shape)
    moments = None if weight is None else power_sums(cell, weight, size).reshape(3, *shape)
    members = input_validation.clusters(cluster)
    together = None
    if members is not None:
        amounts = np.ones(len(cell)) if weight is None else weight
        together = input_validation.sparse_sums(members[0], cell, amounts, (members[1], size))
    return labels, rows, moments, together


def _edges(bins: int | Sequence[float], score: Floats | None) -> Floats:
    """Return the edges of the bins; of equal mass where there are scores."""
    if not isinstance(bins, (int, np.integer)):
        edges = np.asarray(bins, dtype=np.float64)
        if (
            edges.ndim != 1
            or len(edges) < 2
            or edges[0] != 0
            or edges[-1] != 1
            or (np.diff(edges) <= 0).any()
        ):
            raise UsageError(f"bins must be edges that increase from 0 to 1, got {list(np.ravel(edges))[:5]}")
        return edges
    if bins < 1:
        raise UsageError(f"bins must be at least 1, got {bins}")
    if score is None or not len(score):
        return np.linspace(0.0, 1.0, int(bins) + 1)
    inner = np.unique(np.quantile(score, np.linspace(0, 1, int(bins) + 1)[1:-1]))
    return np.concatenate([[0.0], inner[(inner > 0) & (inner < 1)], [1.0]])
