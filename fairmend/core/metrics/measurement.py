"""Measure decisions once: every figure with its interval and its support."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from fairmend.core.errors import UsageError, unknown
from fairmend.core.metrics import calibration
from fairmend.core.metrics.estimate import Estimate, GroupStatistic
from fairmend.core.metrics.group_comparison import BETWEEN, Form, contrast, reference_place
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.bootstrap import Interval, Method
from fairmend.core.metrics.inference.effective_sample_size import (
    effective_size,
    effective_support,
    group_support,
)
from fairmend.core.metrics.inference.intervals import wilson
from fairmend.core.metrics.inference.range_intervals import with_fair_end
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.rates import (
    COMPARISON_FIGURES,
    RATE_FIGURES,
    Metric,
    Rate,
    metric,
    metric_names,
    split_form,
)
from fairmend.core.metrics.tables.contingency import GroupTable, ScoreTable
from fairmend.core.types import Floats, Ints

_DEFAULTS = InferenceSettings()
SCORE_STATISTICS: dict[str, Callable[[Floats], Floats]] = {
    "expected_calibration_error": calibration.expected_calibration_error,
    "maximum_calibration_error": calibration.maximum_calibration_error,
    "brier": calibration.brier,
}


@dataclass(frozen=True, eq=False)
class Measurement:
    """The figures of one set of decisions.

    Attributes
    ----------
    table : GroupTable
        Counts of group x label x decision.
    scores : ScoreTable or None
        Counts of group x score bin x label, where there are scores.
    level : float
        Coverage of the intervals.
    min_support : int
        Rows that a cell must have.
    method : {"percentile", "bca"}
        Kind of bootstrap interval.
    drawn : ndarray of shape (B, G, 2, 2)
        Resampled tables.
    seed : int
        Seed of the replicates.
    area : Estimate or None
        Area under the ROC curve of all rows, where there are scores in memory.
    """

    table: GroupTable
    scores: ScoreTable | None
    level: float
    min_support: int
    method: Method
    drawn: Floats = field(repr=False)
    seed: int = 0
    area: Estimate | None = None

    @classmethod
    def of(
        cls,
        table: GroupTable,
        scores: ScoreTable | None = None,
        settings: InferenceSettings = _DEFAULTS,
        *,
        method: Method = "percentile",
    ) -> Measurement:
        """Return the figures of tables already counted; ``method`` is that of :func:`.report.measure`."""
        if method not in ("percentile", "bca"):
            raise UsageError(f"method must be 'percentile' or 'bca', got {method!r}")
        decisions_rng, _ = bootstrap.generators(settings.seed, 2)
        drawn = bootstrap.replicates(table, settings.n_boot, decisions_rng)
        return cls(table, scores, settings.level, settings.min_support, method, drawn, settings.seed)

    @cached_property
    def drawn_scores(self) -> dict[str, Floats]:
        """Resampled calibration figures of each group, then of all rows together, shape (B, G + 1)."""
        if self.scores is None:
            return {}
        _, scores_rng = bootstrap.generators(self.seed, 2)
        statistics = {name: _with_pooled(of) for name, of in SCORE_STATISTICS.items()}
        return bootstrap.score_replicates(self.scores, len(self.drawn), scores_rng, statistics)

    @property
    def groups(self) -> tuple[str, ...]:
        """Labels of the groups."""
        return self.table.groups

    def figure(self, name: str, group: str | None = None, *, reference: str = BETWEEN) -> Estimate:
        """Return one figure.

        Parameters
        ----------
        name : str
            Any name that :func:`.metrics.metric` knows, or, where there are scores,
            ``"expected_calibration_error"``, ``"maximum_calibration_error"`` or ``"brier"``, alone
            or with a form such as ``"brier_difference"``, or ``"auc"``, which is of all rows only.
        group : str, optional
            The group whose rate to return; by default all rows together.
        reference : str
            What a comparison compares each group with: ``"between_groups"``, ``"to_overall"``,
            ``"to_best"`` or the label of a group.

        Raises
        ------
        UnknownNameError
            When there is no such figure or group.
        UsageError
            When a comparison is requested for one group, or calibration without scores.
        """
        place = None if group is None else self._place(group)
        if name == "auc":
            return self._area(group)
        statistic, form = split_form(name)
        if statistic in SCORE_STATISTICS:
            return self._calibration(name, statistic, form, place, reference)
        try:
            found = metric(name)
        except LookupError:
            raise unknown("figure", name, [*metric_names(), *SCORE_STATISTICS, "auc"]) from None
        if found.form is None:
            return (
                self.pooled(found.rates[0])
                if place is None
                else self._rates(found.rates[0], _one(place), [group])[0]
            )
        if place is not None:
            raise UsageError(
                f"{name} compares groups and has no value for {group!r} alone; use one of its rates"
            )
        return self._comparison(found, reference)

    def pooled(self, rate: Rate) -> Estimate:
        """Return a rate of all rows together."""
        return self._rates(rate, _pooled, [None])[0]

    def by_group(self, name: str) -> dict[str, Estimate]:
        """Return the figure of each group."""
        stem, form = split_form(name)
        if stem in SCORE_STATISTICS or form is not None:
            return {group: self.figure(name, group) for group in self.groups}
        figures = self._rates(metric(name).rates[0], lambda counts: counts, self.groups)
        return dict(zip(self.groups, figures, strict=True))

    def contrast(
        self, name: str, reference: str = "to_best", form: Literal["difference", "ratio"] = "difference"
    ) -> dict[str, Estimate]:
        """Return each group's rate against a reference, signed, with its interval.

        Parameters
        ----------
        name : str
            A rate, such as ``"true_positive_rate"``.
        reference : str
            ``"to_best"``, ``"to_overall"`` or the label of a group.
        form : {"difference", "ratio"}
            The group's rate minus, or over, that of the reference.
        """
        found = metric(name)
        if found.form is not None:
            raise UsageError(f"{name} already compares groups; use the contrast of one of its rates")
        rate, to = found.rates[0], reference_place(self.groups, reference)
        value, drawn = (
            contrast(rate.of(counts), rate.of(counts.sum(axis=-3)), form, to, rate.high_is_good)
            for counts in (self.table.counts, self.drawn)
        )
        support = effective_support(rate, self.table)
        return {
            group: Estimate(
                float(value[g]),
                bootstrap.percentile_interval(drawn[:, g], self.level),
                int(support[g]),
                bool(support[g] >= self.min_support),
                self._lacking(support[g : g + 1], [group]),
            )
            for g, group in enumerate(self.groups)
        }

    def statistic(self, of: Callable[[Floats], Floats]) -> Estimate:
        """Return any other figure of the counts, with its bootstrap interval.

        Parameters
        ----------
        of : callable
            Counts of shape (..., G, 2, 2) to values of shape (...), such as
            :func:`.inequality.theil_index` or :func:`.inequality.between_group_entropy`.
        """
        value = float(of(self.table.counts))
        lacking = self._lacking(group_support(self.table))
        interval = self._interval(value, of(self.drawn), of)
        return Estimate(value, interval, self.table.n_rows, not lacking, lacking)

    def to_json(self) -> dict[str, Any]:
        """Return the standard figures as plain JSON types, rates with ``by_group``.

        Calibration figures are included where there are scores. NaN is written as null.
        """
        rates = [*RATE_FIGURES, *([] if self.scores is None else ["expected_calibration_error", "brier"])]
        written: dict[str, Any] = {}
        for name in rates:
            by_group = {group: figure.to_json() for group, figure in self.by_group(name).items()}
            written[name] = self.figure(name).to_json() | {"by_group": by_group}
        areas = {} if self.area is None else {"auc": self.area.to_json()}
        return written | areas | {name: self.figure(name).to_json() for name in COMPARISON_FIGURES}

    def _area(self, group: str | None) -> Estimate:
        if self.area is None:
            raise UsageError("auc needs scores in memory; pass y_score to measure()")
        if group is not None:
            raise UsageError(f"auc is computed over all rows; see calibration.roc_auc for that of {group!r}")
        return self.area

    def _place(self, group: str) -> int:
        if group not in self.groups:
            raise unknown("group", group, self.groups)
        return self.groups.index(group)

    def _lacking(self, support: Ints, groups: Any = None) -> tuple[str, ...]:
        named = self.groups if groups is None else groups
        return tuple(group for group, rows in zip(named, support, strict=True) if rows < self.min_support)

    def _rates(
        self, rate: Rate, pick: Callable[[Floats], Floats], names: Sequence[str | None]
    ) -> list[Estimate]:
        """Return the rate of the K tables that ``pick`` makes of the table; None names all rows."""
        counts = pick(self.table.counts)
        values, support = rate.of(counts), effective_support(rate, self.table, pick)
        intervals: list[Interval | None]
        if rate.is_proportion and self.table.clusters is None:
            n = effective_size(rate, counts, pick(self.table.square_weights))
            ends = zip(*wilson(np.where(n > 0, values * n, 0.0), n, self.level), strict=True)
            intervals = [
                (float(low), float(high)) if size else None for size, (low, high) in zip(n, ends, strict=True)
            ]
        else:
            drawn = rate.of(pick(self.drawn))

            def kth(k: int) -> Callable[[Floats], Floats]:
                return lambda tables: rate.of(pick(tables))[..., k]

            intervals = [self._interval(float(value), drawn[:, k], kth(k)) for k, value in enumerate(values)]
        figures = []
        for name, value, interval, size in zip(names, values, intervals, support, strict=True):
            enough = bool(size >= self.min_support)
            lacking = () if enough or name is None else (name,)
            figures.append(Estimate(float(value), interval, int(size), enough, lacking))
        return figures

    def _comparison(self, found: Metric, reference: str) -> Estimate:
        """Return a comparison over the groups."""
        to = reference_place(self.groups, reference)
        counts = self.table.counts
        value = float(found.of(counts, to))
        support = np.min([effective_support(rate, self.table) for rate in found.rates], axis=0)
        lacking = self._lacking(support)
        pairs = found.extremes(counts)
        interval = self._interval(value, found.of(self.drawn, to), lambda c: found.of(c, to))
        worst = best = None
        if pairs is not None:
            worst, best = self._ends(found, pairs)
            if interval is not None and reference == BETWEEN and found.ideal is not None:
                interval = with_fair_end(found, self.table, self.drawn, interval, self.level)
        return Estimate(value, interval, int(support.sum()), not lacking, lacking, worst, best)

    def _ends(self, found: Metric, pairs: list[tuple[int, int]]) -> tuple[str, str]:
        """Return the worst-off and the best-off group of the rate that decides the comparison."""
        values = [rate.of(self.table.counts) for rate in found.rates]
        if found.form == "ratio":
            sizes = [
                -value[low] / value[high] if value[high] else 0.0
                for value, (low, high) in zip(values, pairs, strict=True)
            ]
        else:
            sizes = [value[high] - value[low] for value, (low, high) in zip(values, pairs, strict=True)]
        decisive = int(np.argmax(sizes))
        low, high = (self.groups[g] for g in pairs[decisive])
        return (low, high) if found.rates[decisive].high_is_good else (high, low)

    def _interval(self, value: float, drawn: Floats, of: Callable[[Floats], Floats]) -> Interval | None:
        """Return the bootstrap interval of a figure of the counts from its replicates."""
        if math.isnan(value):
            return None
        if self.method == "bca":
            return bootstrap.bca_interval(value, drawn, bootstrap.acceleration(self.table, of), self.level)
        return bootstrap.percentile_interval(drawn, self.level)

    @cached_property
    def _score_values(self) -> dict[str, Floats]:
        """Each calibration statistic of the groups and of all rows; once, for it costs as much for one group."""
        assert self.scores is not None  # noqa: S101 - asked where there are scores only
        sums = self.scores.sums
        return {name: _with_pooled(of)(sums) for name, of in SCORE_STATISTICS.items()}

    def _calibration(
        self, name: str, statistic: str, form: Form | None, place: int | None, reference: str
    ) -> Estimate:
        """Return a calibration figure of a group, of all rows, or over the groups."""
        if self.scores is None:
            raise UsageError(f"{name} needs scores; pass y_score to measure()")
        if form is not None and place is not None:
            raise UsageError(f"{name} compares groups; use {statistic} of one group")
        statistics = GroupStatistic(
            self.groups,
            self._score_values[statistic],
            self.drawn_scores[statistic],
            group_support(self.scores),
            self.level,
            self.min_support,
            high_is_good=False,
        )
        return statistics.single(place) if form is None else statistics.compared(form, reference)


def _pooled(counts: Floats) -> Floats:
    """Return the table of all rows together: (..., G, 2, 2) to (..., 1, 2, 2)."""
    return counts.sum(axis=-3, keepdims=True)


def _one(place: int) -> Callable[[Floats], Floats]:
    """Return the function that takes the table of one group: (..., G, 2, 2) to (..., 1, 2, 2)."""
    return lambda counts: counts[..., place : place + 1, :, :]


def _with_pooled(of: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """Return the statistic with the value of all rows together after those of the groups."""
    return lambda sums: np.concatenate([of(sums), of(sums.sum(axis=-3, keepdims=True))], axis=-1)
