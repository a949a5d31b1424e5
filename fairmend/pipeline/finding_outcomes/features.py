"""Findings about features as mediators and proxies, raw and as the final model reads them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from fairmend.auditing.candidate_findings import Reading
from fairmend.auditing.features import PROBE_ROWS, Binned, area, binned, probe, rates_by_bin
from fairmend.auditing.mediators import CARRIED, REPLICATES, carried_gap
from fairmend.auditing.predictions import folds_of
from fairmend.auditing.proxies import FOLDS
from fairmend.core.findings import Finding
from fairmend.core.metrics.auc import area_change
from fairmend.core.metrics.inference.bootstrap import generators, percentile_interval
from fairmend.core.metrics.tables.input_validation import sums_by
from fairmend.core.types import Floats, Ints
from fairmend.pipeline.finding_outcomes.before_after import (
    BeforeAfter,
    FindingChange,
    NotMeasurable,
    unchanged,
)

PROXY = "proxy_auc"
UNTOUCHED = "no step changes the features; decisions are adjusted instead"


def biased_mediator(finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Measure the gap in outcomes mediated by a feature, raw and as the final model reads it."""
    feature = _feature(finding, both)
    if isinstance(feature, NotMeasurable):
        return feature
    groups = both.views[str(finding.attribute)]
    ends = [groups.labels.index(g) if g in groups.labels else -1 for g in (finding.group, finding.reference)]
    sizes = [int((groups.codes == end).sum()) for end in ends]
    if min(sizes) < both.settings.min_support:
        named = finding.group if sizes[0] < sizes[1] else finding.reference
        return NotMeasurable(f"too few rows of {named} in the test data", min(sizes))
    rows = np.flatnonzero(np.isin(groups.codes, ends))
    is_best = (groups.codes[rows] == ends[1]).astype(np.int64)
    y, weights = both.test.y[rows], both.weights[rows]
    raw, read = binned(feature.raw), binned(feature.read)
    sides = _Sides(raw.codes[rows], read.codes[rows], raw.n_bins, read.n_bins, is_best, y, weights)
    before, after = (float(side) for side in sides.carried(sides.weight[None])[:, 0])
    if feature.untouched:
        return unchanged(CARRIED, before, min(sizes), feature.untouched)
    (rng,) = generators(both.settings.seed, 1)
    drawn = sides.carried(sides.draws(REPLICATES, rng))
    change, drawn_change = after - before, drawn[1] - drawn[0]
    error = float(np.nanstd(drawn_change))
    return FindingChange(
        CARRIED,
        before,
        after,
        min(sizes),
        change,
        percentile_interval(drawn_change),
        2 * NormalDist().cdf(-abs(change) / error) if error > 0 else math.nan,
        (Reading(CARRIED, after, percentile_interval(drawn[1])),),
    )


class _Sides:
    """Rows of two groups by bin of the raw feature, bin of the feature as read, and outcome."""

    def __init__(
        self, raw: Ints, read: Ints, n_raw: int, n_read: int, is_best: Ints, y: Ints, weights: Floats
    ) -> None:
        cell, place = np.unique(((is_best * n_raw + raw) * n_read + read) * 2 + y, return_inverse=True)
        self.weight = sums_by(place, weights, len(cell))
        self._effective = round(float(weights.sum() ** 2 / (weights**2).sum()))
        outcome, rest = cell % 2, cell // 2
        of_read, rest = rest % n_read, rest // n_read
        of_raw, best = rest % n_raw, rest // n_raw
        self._tables = [
            (np.eye(4 * n)[(best * n + of) * 2 + outcome], n)
            for of, n in ((of_raw, n_raw), (of_read, n_read))
        ]

    def draws(self, n: int, rng: np.random.Generator) -> Floats:
        """Return n resampled tables, shape (n, cells)."""
        return rng.multinomial(self._effective, self.weight / self.weight.sum(), size=n).astype(np.float64)

    def carried(self, tables: Floats) -> Floats:
        """Return the gap mediated by the feature, raw and as read, shape (2, n)."""
        return np.stack([carried_gap((tables @ place).reshape(-1, 2, n, 2)) for place, n in self._tables])


def proxy_variable(finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Measure how well a feature, or all together, predict a group, raw and as the final model reads them."""
    asked = _asked(finding, both)
    if isinstance(asked, NotMeasurable):
        return asked
    if finding.column is None:
        scores, untouched = _together(asked, both)
    else:
        feature = _feature(finding, both)
        if isinstance(feature, NotMeasurable):
            return feature
        untouched = feature.untouched
        columns = (feature.raw,) if untouched else (feature.raw, feature.read)
        scores = [asked.share_in(binned(column)) for column in columns]
    target = asked.classes == asked.target
    support = int(np.bincount(asked.classes).min())
    if untouched:
        return unchanged(PROXY, area(target, scores[0])[0], support, untouched)
    found = area_change(target, *scores)
    value, interval, _ = area(target, scores[1])
    return FindingChange(
        PROXY,
        found.before,
        found.after,
        support,
        found.after - found.before,
        found.interval,
        found.p_value,
        (Reading(PROXY, value, interval),),
    )


@dataclass(frozen=True)
class _Asked:
    """Rows whose group is to be predicted.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        Their positions.
    classes, folds : ndarray of int, shape (m,)
        Group and fold of each row.
    target : int
        The group to predict.
    """

    rows: Ints
    classes: Ints
    folds: Ints
    target: int

    def share_in(self, feature: Binned) -> Floats:
        """Return the share of the group in each row's bin, counted in the other folds."""
        part = Binned(feature.codes[self.rows], feature.n_bins, None)
        return rates_by_bin(part, self.classes, self.folds)[:, self.target]


def _asked(finding: Finding, both: BeforeAfter) -> _Asked | NotMeasurable:
    """Return the rows to use and the group to predict, as in the audit."""
    groups, seed = both.views[str(finding.attribute)], both.settings.seed
    counts = groups.counts()
    enough = np.flatnonzero(counts >= both.settings.min_support)
    labels = [groups.labels[g] for g in enough]
    if len(labels) < 2 or (finding.group is None and len(labels) > 2):
        return NotMeasurable("fewer than two groups with enough rows in the test data", int(counts.min()))
    if finding.group is not None and finding.group not in labels:
        return NotMeasurable(f"too few rows of {finding.group} in the test data")
    rows = np.flatnonzero(np.isin(groups.codes, enough))
    if len(rows) > PROBE_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, PROBE_ROWS, replace=False))
    classes = np.searchsorted(enough, groups.codes[rows]).astype(np.int64)
    target = 1 if finding.group is None else labels.index(finding.group)
    return _Asked(rows, classes, folds_of(classes, seed, FOLDS), target)


def _together(asked: _Asked, both: BeforeAfter) -> tuple[list[Floats], str]:
    """Return how well all features predict the group, before and after, or before and why nothing changed."""
    untouched = both.read_before.equals(both.read_after)
    frames = (both.test.X,) if untouched else (both.read_before, both.read_after)
    out = []
    for frame in frames:
        kept = frame.drop(columns=list(both.test.roles.resolving), errors="ignore")
        read = [feature for name in kept.columns if (feature := binned(kept[name])).n_bins > 1]
        predicted = probe(read, asked.rows, asked.classes, asked.folds, both.settings.seed)
        out.append(predicted[:, asked.target])
    return out, _left_alone(both, "the features") if untouched else ""


@dataclass(frozen=True)
class _Feature:
    """A feature as the baseline reads it and as the final model does.

    Attributes
    ----------
    raw, read : Series, shape (n,)
        Before and after; constant if the final model no longer reads it.
    untouched : str
        Why it is unchanged; empty if it changed.
    """

    raw: pd.Series[Any]
    read: pd.Series[Any]
    untouched: str = ""


def _feature(finding: Finding, both: BeforeAfter) -> _Feature | NotMeasurable:
    name, before, after = finding.column, both.read_before, both.read_after
    if name not in both.test.X.columns:
        return NotMeasurable(f"the data has no feature {name}")
    raw = both.test.X[name]
    if name in before.columns and name in after.columns:
        raw, read = before[name], after[name]
        same = (raw.astype(object) == read.astype(object)) | (raw.isna() & read.isna())
        return _Feature(raw, read, _left_alone(both, str(name)) if same.all() else "")
    if set(after.columns) - set(before.columns):
        return NotMeasurable(f"{name} is part of transformed features and cannot be separated from them")
    if name not in before.columns:
        return _Feature(raw, raw, f"the model does not read {name} directly")
    return _Feature(raw, pd.Series(np.zeros(len(raw)), index=raw.index))


def _left_alone(both: BeforeAfter, what: str) -> str:
    changing = both.changing("features")
    return f"{', '.join(changing)} does not change {what}" if changing else UNTOUCHED
