"""Findings about scores: calibration before and after."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from fairmend.auditing.candidate_findings import Reading
from fairmend.core.findings import Finding
from fairmend.core.metrics.inference.bootstrap import Interval, generators
from fairmend.core.metrics.inference.permutation import p_value
from fairmend.core.metrics.tables.input_validation import sums_by
from fairmend.core.types import Floats, Ints
from fairmend.pipeline.finding_outcomes.before_after import (
    BeforeAfter,
    FindingChange,
    NotMeasurable,
    unchanged,
)

NAME = "debiased_expected_calibration_error"
BINS = 10


def group_miscalibration(finding: Finding, both: BeforeAfter) -> FindingChange | NotMeasurable:
    """Measure the calibration error of a group's scores before and after.

    Notes
    -----
    As in the audit, the bootstrap bias of the binned error is subtracted and intervals are basic
    bootstrap intervals. Rows are resampled by cells of bin before x bin after x label, with scores at
    the cell mean; the p-value is from swapping the two scores in each row with probability 1/2.
    """
    groups, test = both.views[str(finding.attribute)], both.test
    rows = groups.codes == (groups.labels.index(finding.group) if finding.group in groups.labels else -1)
    support = int(rows.sum())
    if support < both.rules.calibration_support.value:
        return NotMeasurable(f"too few rows of {finding.group} in the test data", support)
    cells = _Cells(test.y[rows], both.before.scores[rows], both.after.scores[rows], both.weights[rows])
    boot_rng, swap_rng = generators(both.settings.seed, 2)
    drawn = cells.errors(cells.draws(both.settings.n_boot, boot_rng))
    plain = cells.errors(cells.weight[None])[:, 0]
    before, after = np.maximum(2 * plain - drawn.mean(axis=1), 0.0)
    if (both.before.scores[rows] == both.after.scores[rows]).all():
        return unchanged(NAME, float(before), support, "no step changes the scores of this group")
    change = plain[1] - plain[0]
    drawn_change = drawn[1] - drawn[0]
    swapped = cells.swapped(both.settings.n_permutations, swap_rng)
    low, high = (max(end, 0.0) for end in _basic(plain[1], drawn[1]))
    return FindingChange(
        NAME,
        float(before),
        float(after),
        support,
        float(2 * change - drawn_change.mean()),
        _basic(change, drawn_change),
        p_value(float(change), swapped[1] - swapped[0]),
        (Reading(NAME, float(after), (min(low, after), max(high, after))),),
    )


def _basic(value: float, drawn: Floats) -> Interval:
    """Return the basic bootstrap interval."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(2 * value - high), float(2 * value - low)


class _Cells:
    """Rows of one group by score bin before, score bin after and label.

    Attributes
    ----------
    rows : ndarray of int, shape (C,)
        Number of rows of each cell.
    weight : ndarray of float, shape (C,)
        Sum of their weights.
    """

    def __init__(self, y: Ints, before: Floats, after: Floats, weights: Floats) -> None:
        bins = [np.minimum((score * BINS).astype(np.int64), BINS - 1) for score in (before, after)]
        _, place = np.unique((bins[0] * BINS + bins[1]) * 2 + y, return_inverse=True)
        self.rows = np.bincount(place)
        self.weight = sums_by(place, weights, len(self.rows))
        # For each score, the weighted mean of label minus score in each cell, at the cell's bin.
        self._gaps = np.zeros((2, len(self.rows), BINS))
        for side, score in enumerate((before, after)):
            mean = np.bincount(place, weights=weights * (y - score)) / np.where(
                self.weight > 0, self.weight, 1
            )
            bin_of = np.zeros(len(self.rows), dtype=np.int64)
            bin_of[place] = bins[side]
            self._gaps[side, np.arange(len(self.rows)), bin_of] = mean
        self._effective = round(float(weights.sum() ** 2 / (weights**2).sum()))

    def draws(self, n: int, rng: Generator) -> Floats:
        """Return n resampled tables, shape (n, C); weighted rows use the effective sample size (Kish)."""
        share = self.weight / self.weight.sum()
        return rng.multinomial(self._effective, share, size=n).astype(np.float64)

    def errors(self, tables: Floats) -> Floats:
        """Return the calibration error before and after of tables (n, C), shape (2, n)."""
        total = tables.sum(axis=1)
        return np.stack([np.abs(tables @ gaps).sum(axis=1) / total for gaps in self._gaps])

    def swapped(self, n: int, rng: Generator) -> Floats:
        """Return both errors with the two scores of each row swapped at random, shape (2, n)."""
        share = rng.binomial(self.rows, 0.5, size=(n, len(self.rows))) / self.rows
        moved = share * self.weight
        kept = self.weight - moved
        one, other = self._gaps
        return np.stack(
            [
                np.abs(kept @ a + moved @ b).sum(axis=1) / self.weight.sum()
                for a, b in ((one, other), (other, one))
            ]
        )
